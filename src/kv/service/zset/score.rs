//! Scores, ranks and counts of sorted sets.

use crate::kv::service::replies::{
    integer_reply, option_reply, optional_integer_reply, write_options,
};
use crate::kv::service::store::Store;
use crate::kv::service::{Call, Done, floats};

use super::Zset;
use super::range::Interval;

pub(crate) fn zcard(store: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    integer_reply(call.value::<Zset>(store)?.map_or(0, |zset| zset.len()), reply)
}

pub(crate) fn zscore(store: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let score = call.value::<Zset>(store)?.and_then(|zset| zset.score(call.argument(2)));
    option_reply(score.map(floats::shown), reply)
}

pub(crate) fn zmscore(store: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let zset = call.value::<Zset>(store)?;
    let zset = zset.as_deref();
    let scores = call.from(2).map(|member| zset?.score(member).map(floats::shown));
    let scores: Vec<_> = scores.collect();
    write_options(scores.iter().map(Option::as_ref), reply)
}

pub(crate) fn zrank(store: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    write_rank(store, call, |rank, _| rank, reply)
}

pub(crate) fn zrevrank(store: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    write_rank(store, call, |rank, length| length - 1 - rank, reply)
}

fn write_rank(
    store: &Store,
    call: &Call<'_>,
    count: impl Fn(usize, usize) -> usize,
    reply: &mut Vec<u8>,
) -> Done {
    let zset = call.value::<Zset>(store)?;
    let rank = zset.and_then(|zset| Some(count(zset.rank(call.argument(2))?, zset.len())));
    optional_integer_reply(rank, reply)
}

pub(crate) fn zcount(store: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let interval = Interval::of_scores(call.argument(2), call.argument(3))?;
    let count = call.value::<Zset>(store)?.map_or(0, |zset| interval.ranks(&zset).len());
    integer_reply(count, reply)
}

pub(crate) fn zlexcount(store: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let interval = Interval::of_members(call.argument(2), call.argument(3))?;
    let count = call.value::<Zset>(store)?.map_or(0, |zset| interval.ranks(&zset).len());
    integer_reply(count, reply)
}

#[cfg(test)]
mod tests {
    use crate::kv::service::tests::check_replies;

    #[test]
    fn scores_and_ranks_are_told() {
        check_replies(&[
            ("ZADD z 1 a 2 b 2.5 c", ":3"),
            ("ZCARD z", ":3"),
            ("ZSCORE z c", "$2.5"),
            ("ZSCORE z none", "$-"),
            ("ZMSCORE z a none b", "[$1 $- $2]"),
            ("ZMSCORE none a", "[$-]"),
            ("ZRANK z a", ":0"),
            ("ZREVRANK z a", ":2"),
            ("ZRANK z none", "$-"),
            ("ZRANK none a", "$-"),
            ("ZCOUNT z 2 +inf", ":2"),
            ("ZCOUNT z (1 (2.5", ":1"),
            ("ZCOUNT z 5 1", ":0"),
            ("ZCOUNT z x 1", "-ERR min or max is not a float"),
            ("ZCOUNT none 0 1", ":0"),
            ("ZLEXCOUNT z - +", ":3"),
            ("SET t x", "+OK"),
            ("ZCARD t", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
        ]);
    }
}
