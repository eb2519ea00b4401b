//! Lists, pushed and popped at both ends, searched, and moved between.

use std::ops::Range;

use crate::kv::resp::{count, integer, write_array, write_integer, write_null_array};

use super::replies::{
    integer_reply, null_reply, ok_reply, option_reply, optional_integer_reply, write_bulks,
    write_option,
};
use super::store::{List, Store};
use super::{Call, Done, Refusal};

/// The place that `index` means, which counts from the end if it is below zero.
fn place(index: i64, length: usize) -> Option<usize> {
    let from_start = if index < 0 { index + length as i64 } else { index };
    usize::try_from(from_start).ok().filter(|place| *place < length)
}

/// The places from `start` to `stop`, both included, as far as they exist.
pub(super) fn range(start: i64, stop: i64, length: usize) -> Range<usize> {
    let from_start = |index: i64| if index < 0 { index + length as i64 } else { index };
    let start = from_start(start).clamp(0, length as i64) as usize;
    let end = from_start(stop).saturating_add(1).clamp(0, length as i64) as usize;
    start..end.max(start)
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

pub(super) fn lpush(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    push(store, call, End::Head, reply)
}

pub(super) fn rpush(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    push(store, call, End::Tail, reply)
}

pub(super) fn lpushx(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    push_if_there(store, call, End::Head, reply)
}

pub(super) fn rpushx(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    push_if_there(store, call, End::Tail, reply)
}

fn push(store: &mut Store, call: &Call<'_>, end: End, reply: &mut Vec<u8>) -> Done {
    let length = store.edit_or_new(call.key(), |list: &mut List| {
        call.from(2).for_each(|element| end.push(list, element.into()));
        list.len()
    })?;
    integer_reply(length, reply)
}

/// Pushes, but makes no list.
fn push_if_there(store: &mut Store, call: &Call<'_>, end: End, reply: &mut Vec<u8>) -> Done {
    if call.value::<List>(store)?.is_none() {
        return integer_reply(0, reply);
    }
    push(store, call, end, reply)
}

pub(super) fn lpop(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    pop(store, call, End::Head, reply)
}

pub(super) fn rpop(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    pop(store, call, End::Tail, reply)
}

fn pop(store: &mut Store, call: &Call<'_>, end: End, reply: &mut Vec<u8>) -> Done {
    if call.len() == 2 {
        let popped = store.edit(call.key(), |list: &mut List| end.pop(list))?.flatten();
        return option_reply(popped, reply);
    }
    if call.len() > 3 {
        return Err(Refusal::Arity);
    }
    let count = count(call.argument(2)).ok_or(Refusal::NOT_POSITIVE)?;
    let Some(list) = call.value::<List>(store)? else {
        write_null_array(reply);
        return Ok(());
    };
    match end {
        End::Head => write_bulks(list.iter().take(count), reply)?,
        End::Tail => write_bulks(list.iter().rev().take(count), reply)?,
    }
    store.edit(call.key(), |list: &mut List| (0..count).map_while(|_| end.pop(list)).count())?;
    Ok(())
}

pub(super) fn llen(store: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    integer_reply(call.value::<List>(store)?.map_or(0, |list| list.len()), reply)
}

pub(super) fn lrange(store: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let (start, stop) = (call.integer(2)?, call.integer(3)?);
    let list = call.value::<List>(store)?;
    let elements = list.as_deref().map(|list| list.range(range(start, stop, list.len())));
    write_bulks(elements.into_iter().flatten(), reply)
}

pub(super) fn lindex(store: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    // Redis looks at the index only if there is a list.
    let Some(list) = call.value::<List>(store)? else { return null_reply(reply) };
    let place = place(call.integer(2)?, list.len());
    option_reply(place.and_then(|place| list.get(place)), reply)
}

pub(super) fn lset(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let length = call.value::<List>(store)?.ok_or(Refusal::NO_KEY)?.len();
    let place = place(call.integer(2)?, length);
    let place = place.ok_or(Refusal::Text("ERR index out of range"))?;
    store.edit(call.key(), |list: &mut List| list.set(place, call.argument(3)))?;
    ok_reply(reply)
}

pub(super) fn ltrim(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let (start, stop) = (call.integer(2)?, call.integer(3)?);
    store.edit(call.key(), |list: &mut List| {
        list.keep(range(start, stop, list.len()));
    })?;
    ok_reply(reply)
}

/// Removes the elements that equal the argument: the first so many, the last so many if the count
/// is below zero, or all if it is zero.
pub(super) fn lrem(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let (count, unwanted) = (call.integer(2)?, call.argument(3));
    let removed = store.edit(call.key(), |list: &mut List| {
        let found = list.iter().filter(|element| ***element == *unwanted).count();
        let most = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
        let removed = if count == 0 { found } else { found.min(most) };
        let skipped = if count < 0 { found - removed } else { 0 };
        let mut seen = 0;
        list.retain(|element| {
            let matches = **element == *unwanted;
            seen += usize::from(matches);
            !(matches && seen > skipped && seen <= skipped + removed)
        });
        removed
    })?;
    integer_reply(removed.unwrap_or(0), reply)
}

pub(super) fn linsert(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let behind = match call.argument(2).to_ascii_lowercase().as_slice() {
        b"before" => 0,
        b"after" => 1,
        _ => return Err(Refusal::SYNTAX),
    };
    let inserted = store.edit(call.key(), |list: &mut List| {
        let pivot = list.iter().position(|element| **element == *call.argument(3))?;
        list.insert(pivot + behind, call.argument(4));
        Some(list.len() as i64)
    })?;
    integer_reply(inserted.map_or(0, |length| length.unwrap_or(-1)), reply)
}

pub(super) fn lmove(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let (from, to) = (End::parse(call.argument(3))?, End::parse(call.argument(4))?);
    shift(store, call, (from, to), reply)
}

pub(super) fn rpoplpush(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    shift(store, call, (End::Tail, End::Head), reply)
}

/// Moves an element from one end of a list to an end of a list.
fn shift(store: &mut Store, call: &Call<'_>, (from, to): (End, End), reply: &mut Vec<u8>) -> Done {
    if call.value::<List>(store)?.is_none() {
        return null_reply(reply);
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
        store.edit_or_new(call.argument(2), |list: &mut List| to.push(list, element))?;
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
            match word.to_ascii_lowercase().as_slice() {
                b"rank" => match integer(number).ok_or(Refusal::NOT_INTEGER)? {
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
                b"count" => {
                    let count = count(number);
                    search.count = Some(count.ok_or(Refusal::Text("ERR COUNT can't be negative"))?);
                }
                b"maxlen" => {
                    let most = count(number);
                    search.most = most.ok_or(Refusal::Text("ERR MAXLEN can't be negative"))?;
                }
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
    let places = call
        .value::<List>(store)?
        .map_or_else(Vec::new, |list| search.find(&list, call.argument(2)));
    if search.count.is_some() {
        write_array(places.len(), reply);
        places.iter().for_each(|place| write_integer(*place as i64, reply));
        return Ok(());
    }
    optional_integer_reply(places.first().copied(), reply)
}

#[cfg(test)]
mod tests;
