//! Removals from sorted sets: ZREM, ZPOPMIN, ZREMRANGEBYRANK and their relatives.

use std::ops::Range;

use crate::kv::resp::count;
use crate::kv::service::lists::range as range_of_places;
use crate::kv::service::replies::integer_reply;
use crate::kv::service::store::Store;
use crate::kv::service::{Call, Done, Refusal};

use super::Zset;
use super::range::{Interval, write_scored};

pub(crate) fn zrem(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let removed = store.edit(call.key(), |zset: &mut Zset| {
        call.from(2).filter(|member| zset.remove(member)).count()
    })?;
    integer_reply(removed.unwrap_or(0), reply)
}

pub(crate) fn zpopmin(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let count = pop_count(call)?;
    let zset = call.value::<Zset>(store)?;
    let ranks = 0..count.min(zset.as_deref().map_or(0, Zset::len));
    write_scored(zset.iter().flat_map(|zset| zset.range(ranks.clone())), reply)?;
    drop(zset);
    remove(store, call, |_| ranks.clone()).map(|_| ())
}

pub(crate) fn zpopmax(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let count = pop_count(call)?;
    let zset = call.value::<Zset>(store)?;
    let length = zset.as_deref().map_or(0, Zset::len);
    let ranks = length - count.min(length)..length;
    write_scored(zset.iter().flat_map(|zset| zset.range(ranks.clone()).rev()), reply)?;
    drop(zset);
    remove(store, call, |_| ranks.clone()).map(|_| ())
}

fn pop_count(call: &Call<'_>) -> Result<usize, Refusal> {
    match call.len() {
        2 => Ok(1),
        3 => count(call.argument(2)).ok_or(Refusal::NOT_POSITIVE),
        _ => Err(Refusal::SYNTAX),
    }
}

pub(crate) fn zremrangebyrank(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let (start, stop) = (call.integer(2)?, call.integer(3)?);
    let removed = remove(store, call, |zset| range_of_places(start, stop, zset.len()))?;
    integer_reply(removed, reply)
}

pub(crate) fn zremrangebyscore(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let interval = Interval::of_scores(call.argument(2), call.argument(3))?;
    let removed = remove(store, call, |zset| interval.ranks(zset))?;
    integer_reply(removed, reply)
}

pub(crate) fn zremrangebylex(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let interval = Interval::of_members(call.argument(2), call.argument(3))?;
    let removed = remove(store, call, |zset| interval.ranks(zset))?;
    integer_reply(removed, reply)
}

/// Takes out the members with the ranks that `ranks` finds; returns how many.
fn remove(
    store: &mut Store,
    call: &Call<'_>,
    ranks: impl FnOnce(&Zset) -> Range<usize>,
) -> Result<usize, Refusal> {
    let removed = store.edit(call.key(), |zset: &mut Zset| {
        let ranks = ranks(zset);
        zset.remove_range(ranks.clone());
        ranks.len()
    })?;
    Ok(removed.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use crate::kv::service::tests::check_replies;

    #[test]
    fn members_are_popped_from_either_end() {
        check_replies(&[
            ("ZADD z 1 a 2 b 3 c 4 d 5 e", ":5"),
            ("ZPOPMIN z", "[$a $1]"),
            ("ZPOPMAX z 2", "[$e $5 $d $4]"),
            ("ZPOPMIN z 0", "[]"),
            ("ZPOPMIN z -1", "-ERR value is out of range, must be positive"),
            ("ZPOPMIN z 9", "[$b $2 $c $3]"),
            ("EXISTS z", ":0"),
            ("ZPOPMIN z", "[]"),
            ("ZPOPMAX z 1 2", "-ERR syntax error"),
        ]);
    }

    #[test]
    fn members_and_ranges_of_them_are_removed() {
        check_replies(&[
            ("ZADD z 1 a 2 b 3 c 4 d 5 e 6 f", ":6"),
            ("ZREM z a none", ":1"),
            ("ZREMRANGEBYRANK z -1 -1", ":1"),
            ("ZREMRANGEBYSCORE z (2 3", ":1"),
            ("ZRANGE z 0 -1", "[$b $d $e]"),
            ("ZREMRANGEBYLEX z - +", ":3"),
            ("EXISTS z", ":0"),
            ("ZREM z a", ":0"),
            ("ZREMRANGEBYRANK z 0 x", "-ERR value is not an integer or out of range"),
        ]);
    }
}
