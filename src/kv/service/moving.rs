//! Lists and sets: finding, putting in between, and moving from one key to another.

use crate::kv::resp::{integer, write_array, write_integer, write_null};

use super::replies::{BULK_OVERHEAD_BYTES, write_bulks, write_option};
use super::sets::{difference, intersection, set, union};
use super::store::{List, Set, Store};
use super::{Call, Done, Refusal};

fn list<'s>(store: &'s Store, call: &Call<'_>) -> Result<Option<&'s List>, Refusal> {
    store.get::<List>(call.key(), call.now_ms)
}

pub(super) fn linsert(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let behind = match call.argument(2).to_ascii_lowercase().as_slice() {
        b"before" => 0,
        b"after" => 1,
        _ => return Err(Refusal::SYNTAX),
    };
    let inserted = store.edit(call.key(), |list: &mut List| {
        let pivot = list.iter().position(|element| **element == *call.argument(3))?;
        list.insert(pivot + behind, call.argument(4).into());
        Some(list.len() as i64)
    })?;
    write_integer(inserted.map_or(0, |length| length.unwrap_or(-1)), reply);
    Ok(())
}

/// An end of a list.
#[derive(Clone, Copy)]
enum End {
    Head,
    Tail,
}

impl End {
    fn parse(word: &[u8]) -> Result<Self, Refusal> {
        match word.to_ascii_lowercase().as_slice() {
            b"left" => Ok(Self::Head),
            b"right" => Ok(Self::Tail),
            _ => Err(Refusal::SYNTAX),
        }
    }

    fn pop(self, list: &mut List) -> Option<Box<[u8]>> {
        match self {
            Self::Head => list.pop_front(),
            Self::Tail => list.pop_back(),
        }
    }

    fn push(self, list: &mut List, element: Box<[u8]>) {
        match self {
            Self::Head => list.push_front(element),
            Self::Tail => list.push_back(element),
        }
    }
}

pub(super) fn lmove(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let (from, to) = (End::parse(call.argument(3))?, End::parse(call.argument(4))?);
    shift(store, call, (from, to), reply)
}

pub(super) fn rpoplpush(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    shift(store, call, (End::Tail, End::Head), reply)
}

fn shift(store: &mut Store, call: &Call<'_>, (from, to): (End, End), reply: &mut Vec<u8>) -> Done {
    if list(store, call)?.is_none() {
        write_null(reply);
        return Ok(());
    }
    store.get::<List>(call.argument(2), call.now_ms)?;
    let rotates = call.key() == call.argument(2);
    let element = store.edit(call.key(), |list: &mut List| {
        let element = from.pop(list)?;
        if rotates {
            to.push(list, element.clone());
        }
        Some(element)
    })?;
    let Some(element) = element.flatten() else { return Ok(()) };
    write_option(Some(&element), reply);
    if !rotates {
        to.push(store.get_or_new::<List>(call.argument(2))?, element);
    }
    Ok(())
}

/// The options of LPOS.
struct Search {
    rank: i64,
    count: Option<usize>,
    most: usize,
}

impl Search {
    fn parse(call: &Call<'_>) -> Result<Self, Refusal> {
        let mut search = Self { rank: 1, count: None, most: usize::MAX };
        let mut words = call.from(3);
        while let Some(word) = words.next() {
            let number = words.next().ok_or(Refusal::SYNTAX)?;
            let number = integer(number);
            let positive = |said| {
                let number = number.and_then(|number| usize::try_from(number).ok());
                number.ok_or(Refusal::Text(said))
            };
            match word.to_ascii_lowercase().as_slice() {
                b"rank" => match number.ok_or(Refusal::NOT_INTEGER)? {
                    0 => {
                        return Err(Refusal::Text(
                            "ERR RANK can't be zero: use 1 to start from the first match, 2 from \
                             the second ... or use negative to start from the end of the list",
                        ));
                    }
                    i64::MIN => {
                        return Err(Refusal::Text(
                            "ERR value is out of range, value must between -9223372036854775807 \
                             and 9223372036854775807",
                        ));
                    }
                    rank => search.rank = rank,
                },
                b"count" => search.count = Some(positive("ERR COUNT can't be negative")?),
                b"maxlen" => search.most = positive("ERR MAXLEN can't be negative")?,
                _ => return Err(Refusal::SYNTAX),
            }
        }
        if search.most == 0 {
            search.most = usize::MAX;
        }
        Ok(search)
    }

    /// The places of `element` in `list`.
    fn find(&self, list: &List, element: &[u8]) -> Vec<usize> {
        let skipped = usize::try_from(self.rank.unsigned_abs() - 1).unwrap_or(usize::MAX);
        let count = match self.count {
            Some(0) => usize::MAX,
            Some(count) => count,
            None => 1,
        };
        let is_it = |place: &usize| *list[*place] == *element;
        let places = 0..list.len();
        if self.rank > 0 {
            places.take(self.most).filter(is_it).skip(skipped).take(count).collect()
        } else {
            let places = places.rev().take(self.most);
            places.filter(is_it).skip(skipped).take(count).collect()
        }
    }
}

pub(super) fn lpos(store: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let search = Search::parse(call)?;
    let places =
        list(store, call)?.map_or_else(Vec::new, |list| search.find(list, call.argument(2)));
    if search.count.is_some() {
        write_array(places.len(), reply);
        places.iter().for_each(|place| write_integer(*place as i64, reply));
        return Ok(());
    }
    match places.first() {
        Some(place) => write_integer(*place as i64, reply),
        None => write_null(reply),
    }
    Ok(())
}

pub(super) fn smove(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let (to, member) = (call.argument(2), call.argument(3));
    let Some(from) = set(store, call)? else {
        write_integer(0, reply);
        return Ok(());
    };
    store.get::<Set>(to, call.now_ms)?;
    let moves = from.contains(member);
    if moves && call.key() != to {
        store.edit(call.key(), |set: &mut Set| set.remove(member))?;
        store.get_or_new::<Set>(to)?.insert(member.into());
    }
    write_integer(moves.into(), reply);
    Ok(())
}

pub(super) fn sinterstore(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let members = owned(intersection(store, call, call.from(2))?.into_iter());
    keep(store, call, members, reply)
}

pub(super) fn sunionstore(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let members = owned(union(store, call, call.from(2))?.into_iter());
    keep(store, call, members, reply)
}

pub(super) fn sdiffstore(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let members = owned(difference(store, call, call.argument(2), call.from(3))?.into_iter());
    keep(store, call, members, reply)
}

fn owned<'s>(members: impl Iterator<Item = &'s [u8]>) -> Set {
    members.map(Box::from).collect()
}

/// Makes the first key this set, whatever it was before.
fn keep(store: &mut Store, call: &Call<'_>, members: Set, reply: &mut Vec<u8>) -> Done {
    store.remove(call.key());
    write_integer(members.len() as i64, reply);
    if !members.is_empty() {
        *store.get_or_new::<Set>(call.key())? = members;
    }
    Ok(())
}

pub(super) fn sintercard(store: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let count = integer(call.argument(1)).and_then(|count| usize::try_from(count).ok());
    let count = count.filter(|count| *count > 0);
    let count = count.ok_or(Refusal::Text("ERR numkeys should be greater than 0"))?;
    if count > call.len() - 2 {
        return Err(Refusal::Text("ERR Number of keys can't be greater than number of args"));
    }
    let limit = match (call.len() - 2 - count, call.argument(2 + count)) {
        (0, _) => 0,
        (2, word) if word.eq_ignore_ascii_case(b"limit") => {
            let limit = integer(call.argument(3 + count)).and_then(|limit| limit.try_into().ok());
            limit.ok_or(Refusal::Text("ERR LIMIT can't be negative"))?
        }
        _ => return Err(Refusal::SYNTAX),
    };
    let shared = intersection(store, call, call.from(2).take(count))?.len();
    let shared = if limit == 0 { shared } else { shared.min(limit) };
    write_integer(shared as i64, reply);
    Ok(())
}

pub(super) fn smismember(store: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let set = set(store, call)?;
    write_array(call.len() - 2, reply);
    for member in call.from(2) {
        write_integer(set.is_some_and(|set| set.contains(member)).into(), reply);
    }
    Ok(())
}

/// Draws members by the slot and leaves them there; with a count below zero each time anew.
pub(super) fn srandmember(store: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    if call.len() > 3 {
        return Err(Refusal::SYNTAX);
    }
    let set = set(store, call)?;
    if call.len() == 2 {
        let drawn = set.map_or_else(Vec::new, |set| super::sets::draw(set, 1, call.slot));
        write_option(drawn.first().map(|member| &member[..]), reply);
        return Ok(());
    }
    let count = call.integer(2)?;
    let Some(set) = set else { return write_bulks(std::iter::empty(), reply) };
    if let Ok(count) = usize::try_from(count) {
        let drawn = super::sets::draw(set, count, call.slot);
        return write_bulks(drawn.iter().map(|member| &member[..]), reply);
    }
    let members: Vec<&[u8]> = set.iter().map(|member| &member[..]).collect();
    let count = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    let mut lots = super::lots::Lots::of(call.slot);
    // No more are drawn than would be refused.
    let count = count.min(super::REPLY_BYTES_MAX / BULK_OVERHEAD_BYTES + 1);
    let drawn: Vec<_> = (0..count).map(|_| members[lots.below(members.len())]).collect();
    write_bulks(drawn.into_iter(), reply)
}

#[cfg(test)]
mod tests {
    use crate::kv::service::tests::check_replies;

    #[test]
    fn elements_are_put_in_between_and_found() {
        check_replies(&[
            ("RPUSH l a b c b", ":4"),
            ("LINSERT l BEFORE b x", ":5"),
            ("LINSERT l after c y", ":6"),
            ("LRANGE l 0 -1", "[$a $x $b $c $y $b]"),
            ("LINSERT l AFTER none z", ":-1"),
            ("LINSERT none AFTER a z", ":0"),
            ("LINSERT l BESIDE a z", "-ERR syntax error"),
            ("LPOS l b", ":2"),
            ("LPOS l b RANK -1", ":5"),
            ("LPOS l b RANK 2 MAXLEN 5", "$-"),
            ("LPOS l b COUNT 0", "[:2 :5]"),
            ("LPOS l none COUNT 1", "[]"),
            ("LPOS l b COUNT -1", "-ERR COUNT can't be negative"),
            ("LPOS none b", "$-"),
        ]);
    }

    #[test]
    fn elements_move_from_list_to_list() {
        check_replies(&[
            ("RPUSH l a b c", ":3"),
            ("LMOVE l m LEFT RIGHT", "$a"),
            ("RPOPLPUSH l m", "$c"),
            ("LRANGE m 0 -1", "[$c $a]"),
            ("RPOPLPUSH m m", "$a"),
            ("LRANGE m 0 -1", "[$a $c]"),
            ("RPOPLPUSH l l", "$b"),
            ("LMOVE l m LEFT LEFT", "$b"),
            ("EXISTS l", ":0"),
            ("LMOVE l m LEFT LEFT", "$-"),
            ("LMOVE l m UP LEFT", "-ERR syntax error"),
            ("SET t x", "+OK"),
            (
                "LMOVE m t LEFT LEFT",
                "-WRONGTYPE Operation against a key holding the wrong kind of value",
            ),
            ("LLEN m", ":3"),
        ]);
    }

    #[test]
    fn sets_are_kept_under_another_key() {
        check_replies(&[
            ("SADD a 1 2 3", ":3"),
            ("SADD b 2 3 4", ":3"),
            ("SINTERSTORE c a b", ":2"),
            ("SMEMBERS c", "[$2 $3]"),
            ("SUNIONSTORE c a b", ":4"),
            ("SDIFFSTORE a a b", ":1"),
            ("SMEMBERS a", "[$1]"),
            ("SINTERSTORE c a b", ":0"),
            ("EXISTS c", ":0"),
            ("SINTERCARD 2 b b LIMIT 2", ":2"),
            ("SINTERCARD 1 b", ":3"),
            ("SINTERCARD 0 b", "-ERR numkeys should be greater than 0"),
            ("SINTERCARD 3 b", "-ERR Number of keys can't be greater than number of args"),
            ("SMISMEMBER b 1 2", "[:0 :1]"),
            ("SMOVE a b 1", ":1"),
            ("SMOVE a b 1", ":0"),
            ("EXISTS a", ":0"),
            ("SCARD b", ":4"),
            ("SRANDMEMBER none", "$-"),
            ("SRANDMEMBER b 9", "[$1 $2 $3 $4]"),
            ("SRANDMEMBER none 5", "[]"),
            ("SCARD b", ":4"),
        ]);
    }
}
