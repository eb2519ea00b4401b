//! Sets, whose members come sorted: changed, combined, and drawn from.

use std::collections::BTreeSet;

use crate::kv::resp::{count, write_array, write_integer};

use super::entry::Held;
use super::random::SlotRandom;
use super::replies::{BULK_OVERHEAD_BYTES, integer_reply, option_reply, write_bulks, write_option};
use super::store::{Set, Store};
use super::{Call, Done, REPLY_BYTES_MAX, Refusal};

pub(super) fn sadd(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let added = store.edit_or_new(call.key(), |set: &mut Set| {
        call.from(2).filter(|member| set.insert(member)).count()
    })?;
    integer_reply(added, reply)
}

pub(super) fn srem(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let removed = store.edit(call.key(), |set: &mut Set| {
        call.from(2).filter(|member| set.remove(member)).count()
    })?;
    integer_reply(removed.unwrap_or(0), reply)
}

pub(super) fn sismember(store: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let there = call.value::<Set>(store)?.is_some_and(|set| set.contains(call.argument(2)));
    integer_reply(there, reply)
}

pub(super) fn smembers(store: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    write_bulks(call.value::<Set>(store)?.iter().flat_map(|set| set.iter()), reply)
}

pub(super) fn scard(store: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    integer_reply(call.value::<Set>(store)?.map_or(0, |set| set.len()), reply)
}

/// Draws members by the slot and removes them. Walks over the set once, however many it draws.
pub(super) fn spop(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    if call.len() > 3 {
        return Err(Refusal::SYNTAX);
    }
    let count = if call.len() == 2 { Some(1) } else { count(call.argument(2)) };
    let count = count.ok_or(Refusal::NOT_POSITIVE)?;
    let drawn = call.value::<Set>(store)?.map_or_else(Vec::new, |set| draw(&set, count, call.slot));
    if call.len() == 2 {
        write_option(drawn.first(), reply);
    } else {
        write_bulks(&drawn, reply)?;
    }
    store.edit(call.key(), |set: &mut Set| {
        drawn.iter().filter(|member| set.remove(&member[..])).count()
    })?;
    Ok(())
}

/// Draws up to `count` members, each choice of so many being as likely as any other.
fn draw(set: &Set, count: usize, slot: u64) -> Vec<Box<[u8]>> {
    let mut random = SlotRandom::of(slot);
    let (mut wanted, mut left) = (count.min(set.len()), set.len());
    let mut drawn = Vec::with_capacity(wanted);
    for member in set.iter() {
        if wanted == 0 {
            break;
        }
        if random.below(left) < wanted {
            drawn.push(member.clone());
            wanted -= 1;
        }
        left -= 1;
    }
    drawn
}

/// The sets under `keys`, which may be refused; an absent one is `None`.
///
/// Naming a key many times is one set here: without that a short command could ask for the work of
/// its length times the largest set, and hold up every replica.
fn sets<'s, 'a>(
    store: &'s Store,
    call: &Call<'_>,
    keys: impl Iterator<Item = &'a [u8]>,
) -> Result<Vec<Option<Held<'s, Set>>>, Refusal> {
    let keys: BTreeSet<&[u8]> = keys.collect();
    keys.into_iter().map(|key| store.get::<Set>(key, call.now_ms)).collect()
}

/// The members that all sets have.
fn intersection<'s>(sets: &'s [Option<Held<'_, Set>>]) -> Vec<&'s [u8]> {
    let sets: Option<Vec<&Set>> = sets.iter().map(Option::as_deref).collect();
    // Walking over the smallest set is the least work.
    let sets = sets.unwrap_or_default();
    let smallest = sets.iter().min_by_key(|set| set.len());
    let members = smallest.into_iter().flat_map(|set| set.iter()).map(|member| &member[..]);
    members.filter(|member| sets.iter().all(|set| set.contains(*member))).collect()
}

/// The members of all sets.
fn union<'s>(sets: &'s [Option<Held<'_, Set>>]) -> Vec<&'s [u8]> {
    let members = sets.iter().flatten().flat_map(|set| set.iter());
    let members: BTreeSet<&[u8]> = members.map(|member| &member[..]).collect();
    members.into_iter().collect()
}

/// The members of the first set that are in none of the others.
fn difference<'s>(first: Option<&'s Set>, others: &'s [Option<Held<'_, Set>>]) -> Vec<&'s [u8]> {
    let members = first.into_iter().flat_map(|set| set.iter());
    let mut left: BTreeSet<&[u8]> = members.map(|member| &member[..]).collect();
    // Each other set costs no more than its own members do.
    for other in others.iter().flatten() {
        if other.len() < left.len() {
            for member in other.iter() {
                left.remove(&member[..]);
            }
        } else {
            left.retain(|member| !other.contains(*member));
        }
    }
    left.into_iter().collect()
}

pub(super) fn sinter(store: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    write_bulks(intersection(&sets(store, call, call.from(1))?), reply)
}

pub(super) fn sunion(store: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    write_bulks(union(&sets(store, call, call.from(1))?), reply)
}

pub(super) fn sdiff(store: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let others = sets(store, call, call.from(2))?;
    write_bulks(difference(call.value::<Set>(store)?.as_deref(), &others), reply)
}

pub(super) fn smove(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let (to, member) = (call.argument(2), call.argument(3));
    let Some(from) = call.value::<Set>(store)? else {
        return integer_reply(0, reply);
    };
    store.get::<Set>(to, call.now_ms)?;
    let moves = from.contains(member);
    drop(from);
    if moves && call.key() != to {
        store.edit(call.key(), |set: &mut Set| set.remove(member))?;
        store.edit_or_new(to, |set: &mut Set| (set.insert(member), true))?;
    }
    integer_reply(moves, reply)
}

pub(super) fn sinterstore(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let members = owned(intersection(&sets(store, call, call.from(2))?));
    keep(store, call, members, reply)
}

pub(super) fn sunionstore(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let members = owned(union(&sets(store, call, call.from(2))?));
    keep(store, call, members, reply)
}

pub(super) fn sdiffstore(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let others = sets(store, call, call.from(3))?;
    let first = store.get::<Set>(call.argument(2), call.now_ms)?;
    let members = owned(difference(first.as_deref(), &others));
    drop((first, others));
    keep(store, call, members, reply)
}

fn owned(members: Vec<&[u8]>) -> BTreeSet<Box<[u8]>> {
    members.into_iter().map(Box::from).collect()
}

/// Makes the first key this set, whatever it was before.
fn keep(
    store: &mut Store,
    call: &Call<'_>,
    members: BTreeSet<Box<[u8]>>,
    reply: &mut Vec<u8>,
) -> Done {
    store.remove(call.key());
    write_integer(members.len() as i64, reply);
    store.edit_or_new(call.key(), |set: &mut Set| *set = members.into())
}

pub(super) fn sintercard(store: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let keys = count(call.argument(1)).filter(|keys| *keys > 0);
    let keys = keys.ok_or(Refusal::Text("ERR numkeys should be greater than 0"))?;
    if keys > call.len() - 2 {
        return Err(Refusal::Text("ERR Number of keys can't be greater than number of args"));
    }
    let limit = match (call.len() - 2 - keys, call.argument(2 + keys)) {
        (0, _) => 0,
        (2, word) if word.eq_ignore_ascii_case(b"limit") => {
            let limit = count(call.argument(3 + keys));
            limit.ok_or(Refusal::Text("ERR LIMIT can't be negative"))?
        }
        _ => return Err(Refusal::SYNTAX),
    };
    let shared = intersection(&sets(store, call, call.from(2).take(keys))?).len();
    let shared = if limit == 0 { shared } else { shared.min(limit) };
    integer_reply(shared, reply)
}

pub(super) fn smismember(store: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let set = call.value::<Set>(store)?;
    write_array(call.len() - 2, reply);
    for member in call.from(2) {
        write_integer(set.as_deref().is_some_and(|set| set.contains(member)).into(), reply);
    }
    Ok(())
}

/// Draws members by the slot and leaves them there; with a count below zero each time anew.
pub(super) fn srandmember(store: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    if call.len() > 3 {
        return Err(Refusal::SYNTAX);
    }
    let set = call.value::<Set>(store)?;
    if call.len() == 2 {
        let drawn = set.map_or_else(Vec::new, |set| draw(&set, 1, call.slot));
        return option_reply(drawn.first(), reply);
    }
    let count = call.integer(2)?;
    let Some(set) = set else { return write_bulks([""; 0], reply) };
    if let Ok(count) = usize::try_from(count) {
        let drawn = draw(&set, count, call.slot);
        return write_bulks(&drawn, reply);
    }
    let members: Vec<_> = set.iter().collect();
    let count = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    let mut random = SlotRandom::of(call.slot);
    // No more are drawn than would be refused.
    let count = count.min(REPLY_BYTES_MAX / BULK_OVERHEAD_BYTES + 1);
    let drawn: Vec<_> = (0..count).map(|_| members[random.below(members.len())]).collect();
    write_bulks(drawn, reply)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kv::resp::{Arguments, Parsed, RespLimits, write_command};
    use crate::kv::service::tests::check_replies;

    #[test]
    fn members_come_and_go() {
        check_replies(&[
            ("SADD s b a b", ":2"),
            ("SADD s a c", ":1"),
            ("SMEMBERS s", "[$a $b $c]"),
            ("SCARD s", ":3"),
            ("SISMEMBER s a", ":1"),
            ("SISMEMBER s z", ":0"),
            ("SREM s a z", ":1"),
            ("SREM s b c", ":2"),
            ("EXISTS s", ":0"),
        ]);
    }

    #[test]
    fn sets_are_combined() {
        let said = "-WRONGTYPE Operation against a key holding the wrong kind of value";
        check_replies(&[
            ("SADD a 1 2 3", ":3"),
            ("SADD b 2 3 4", ":3"),
            ("SINTER a b", "[$2 $3]"),
            ("SINTER a none", "[]"),
            ("SUNION a none b", "[$1 $2 $3 $4]"),
            ("SDIFF a b none", "[$1]"),
            ("SDIFF none a", "[]"),
            ("SDIFF a a", "[]"),
            ("SADD c 3", ":1"),
            ("SDIFF a c", "[$1 $2]"),
            ("SDIFF c a", "[]"),
            ("SET t x", "+OK"),
            ("SINTER none t", said),
            ("SUNION a t", said),
        ]);
    }

    #[test]
    fn drawn_members_leave_the_set() {
        check_replies(&[
            ("SADD s only", ":1"),
            ("SPOP s", "$only"),
            ("SPOP s", "$-"),
            ("SPOP s 2", "[]"),
            ("SADD s a b", ":2"),
            ("SPOP s 0", "[]"),
            ("SPOP s 5", "[$a $b]"),
            ("EXISTS s", ":0"),
            ("SPOP s -1", "-ERR value is out of range, must be positive"),
        ]);
    }

    #[test]
    fn naming_a_set_many_times_costs_no_more_than_once() {
        let mut store = Store::default();
        let members: BTreeSet<_> = (0..50_000u32).map(|it| it.to_be_bytes()[..].into()).collect();
        store.edit_or_new(b"s", |set: &mut Set| *set = members.into()).unwrap();
        let mut bytes = Vec::new();
        write_command(std::iter::repeat_n(&b"s"[..], 60_000), &mut bytes);
        let mut room = Arguments::default();
        let Ok(Parsed::Complete { value, .. }) = room.parse(&bytes, &RespLimits::default()) else {
            panic!("the command is complete");
        };
        let call = Call { slot: 1, now_ms: 0, name: "", arguments: value };

        // Three billion steps each would not end in the time of a test.
        for combine in [sinter, sunion, sdiff] {
            let mut reply = Vec::new();
            assert_eq!(combine(&store, &call, &mut reply), Ok(()));
        }
    }

    #[test]
    fn every_member_is_drawn_about_as_often() {
        let members: BTreeSet<_> = (0..10u8).map(|member| [member][..].into()).collect();
        let set = Set::from(members);
        let mut times = [0; 10];

        for slot in 0..1000 {
            let drawn = draw(&set, 3, slot);
            assert_eq!(drawn.len(), 3);
            drawn.iter().for_each(|member| times[usize::from(member[0])] += 1);
        }

        assert!(times.iter().all(|times| (230..=370).contains(times)), "{times:?}");
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
