//! Additions to sorted sets: ZADD and ZINCRBY.

use crate::kv::service::replies::{bulk_reply, integer_reply, null_reply};
use crate::kv::service::store::Store;
use crate::kv::service::{Call, Done, Refusal, floats};

use super::Zset;

/// The options of ZADD.
#[derive(Default)]
struct Options {
    only_new: bool,
    only_old: bool,
    only_greater: bool,
    only_less: bool,
    count_changed: bool,
    increment: bool,
}

impl Options {
    /// Reads the options; returns where the scores begin.
    fn parse(call: &Call<'_>) -> Result<(Self, usize), Refusal> {
        let mut options = Self::default();
        let mut first = 2;
        for word in call.from(2) {
            match word.to_ascii_lowercase().as_slice() {
                b"nx" => options.only_new = true,
                b"xx" => options.only_old = true,
                b"gt" => options.only_greater = true,
                b"lt" => options.only_less = true,
                b"ch" => options.count_changed = true,
                b"incr" => options.increment = true,
                _ => break,
            }
            first += 1;
        }
        let words = call.len() - first;
        if words == 0 || !words.is_multiple_of(2) {
            return Err(Refusal::SYNTAX);
        }
        options.check(words).map(|()| (options, first))
    }

    fn check(&self, words: usize) -> Done {
        if self.only_new && self.only_old {
            return Err(Refusal::Text("ERR XX and NX options at the same time are not compatible"));
        }
        let orders = [self.only_greater, self.only_less, self.only_new];
        if orders.iter().filter(|order| **order).count() > 1 {
            return Err(Refusal::Text(
                "ERR GT, LT, and/or NX options at the same time are not compatible",
            ));
        }
        if self.increment && words > 2 {
            return Err(Refusal::Text("ERR INCR option supports a single increment-element pair"));
        }
        Ok(())
    }

    /// The new score of a member with the score `old`, if it is there; nothing if it stays as it is.
    fn update(&self, old: Option<f64>, score: f64) -> Result<Option<f64>, Refusal> {
        let Some(old) = old else { return Ok((!self.only_old).then_some(score)) };
        if self.only_new {
            return Ok(None);
        }
        let new = if self.increment { old + score } else { score };
        if new.is_nan() {
            return Err(Refusal::Text("ERR resulting score is not a number (NaN)"));
        }
        let unwanted = (self.only_greater && new <= old) || (self.only_less && new >= old);
        Ok((!unwanted).then_some(new))
    }
}

pub(crate) fn zadd(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let (options, first) = Options::parse(call)?;
    // All scores are read before one is given.
    for score in call.from(first).step_by(2) {
        floats::argument(score)?;
    }
    if options.increment {
        let pair = (call.argument(first), call.argument(first + 1));
        return increment(store, call, &options, pair, reply);
    }
    let old = call.value::<Zset>(store)?;
    if options.only_old && old.is_none() {
        return integer_reply(0, reply);
    }
    drop(old);
    let pairs = call.pairs(first)?;
    let ((added, changed), _) = store.edit_or_new(call.key(), |zset: &mut Zset| {
        let (mut added, mut changed) = (0, 0);
        for (score, member) in pairs {
            let old = zset.score(member);
            // Without an increment no score is refused that was read before.
            let new = floats::argument(score).and_then(|score| options.update(old, score));
            if let Ok(Some(new)) = new {
                zset.insert(member, new);
                added += i64::from(old.is_none());
                changed += i64::from(old.is_some_and(|old| old != new));
            }
        }
        ((added, changed), added + changed > 0)
    })?;
    integer_reply(if options.count_changed { added + changed } else { added }, reply)
}

pub(crate) fn zincrby(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let options = Options { increment: true, ..Options::default() };
    increment(store, call, &options, (call.argument(2), call.argument(3)), reply)
}

fn increment(
    store: &mut Store,
    call: &Call<'_>,
    options: &Options,
    (by, member): (&[u8], &[u8]),
    reply: &mut Vec<u8>,
) -> Done {
    let by = floats::argument(by)?;
    let old = call.value::<Zset>(store)?.and_then(|zset| zset.score(member));
    let Some(score) = options.update(old, by)? else { return null_reply(reply) };
    store.edit_or_new(call.key(), |zset: &mut Zset| {
        zset.insert(member, score);
        old != Some(score)
    })?;
    bulk_reply(floats::shown(score + 0.0), reply)
}

#[cfg(test)]
mod tests {
    use crate::kv::service::tests::check_replies;

    #[test]
    fn scores_are_given_under_conditions() {
        check_replies(&[
            ("ZADD z XX 1 a", ":0"),
            ("EXISTS z", ":0"),
            ("ZADD z 1 a 2 b", ":2"),
            ("ZADD z 3 a 2 b 1 c", ":1"),
            ("ZADD z CH 3 a 5 b 6 d", ":2"),
            ("ZADD z NX 9 a 9 e", ":1"),
            ("ZADD z XX CH 4 a 4 f", ":1"),
            ("ZADD z GT CH 3 a 9 b", ":1"),
            ("ZADD z LT CH 3 a 10 b", ":1"),
            ("ZRANGE z 0 -1 WITHSCORES", "[$c $1 $a $3 $d $6 $b $9 $e $9]"),
            ("ZADD z 1 a 2", "-ERR syntax error"),
            ("ZADD z x a", "-ERR value is not a valid float"),
            ("ZADD z 1 new x a", "-ERR value is not a valid float"),
            ("ZSCORE z new", "$-"),
            ("ZADD z nan a", "-ERR value is not a valid float"),
            ("ZADD z NX XX 1 a", "-ERR XX and NX options at the same time are not compatible"),
            (
                "ZADD z GT LT 1 a",
                "-ERR GT, LT, and/or NX options at the same time are not compatible",
            ),
        ]);
    }

    #[test]
    fn scores_are_incremented() {
        check_replies(&[
            ("ZINCRBY z 1.5 a", "$1.5"),
            ("ZINCRBY z 0.1 a", "$1.6"),
            ("ZADD z INCR 1 a", "$2.6"),
            ("ZADD z NX INCR 1 a", "$-"),
            ("ZADD z XX INCR 1 b", "$-"),
            ("ZADD z GT INCR -1 a", "$-"),
            ("ZADD z INCR 1 a 2 b", "-ERR INCR option supports a single increment-element pair"),
            ("ZADD z inf i", ":1"),
            ("ZINCRBY z -inf i", "-ERR resulting score is not a number (NaN)"),
            ("ZSCORE z i", "$inf"),
            ("ZINCRBY none x a", "-ERR value is not a valid float"),
            ("EXISTS none", ":0"),
        ]);
    }
}
