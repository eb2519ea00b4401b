//! Expiry of keys: EXPIRE, PERSIST, TTL and their relatives.

use crate::kv::resp::integer;

use super::entry::Entry;
use super::replies::integer_reply;
use super::store::Store;
use super::{Call, Done, NEVER, Refusal};

/// The unit of a time given by a client, and its origin.
#[derive(Clone, Copy)]
pub(super) struct Unit {
    ms: i64,
    from_now: bool,
}

impl Unit {
    pub(super) const SECONDS: Self = Self { ms: 1000, from_now: true };
    pub(super) const MILLISECONDS: Self = Self { ms: 1, from_now: true };
    pub(super) const SECONDS_SINCE_1970: Self = Self { ms: 1000, from_now: false };
    pub(super) const MILLISECONDS_SINCE_1970: Self = Self { ms: 1, from_now: false };

    /// The time as milliseconds since the epoch; `None` if 63 bits cannot hold it.
    fn to_ms(self, time: i64, now_ms: u64) -> Option<i64> {
        let base_ms = if self.from_now { i64::try_from(now_ms).ok()? } else { 0 };
        time.checked_mul(self.ms)?.checked_add(base_ms)
    }
}

/// Reads the time that SET and its relatives take, which has to be above zero.
pub(super) fn deadline_ms(time: &[u8], unit: Unit, now_ms: u64) -> Result<u64, Refusal> {
    let time = integer(time).ok_or(Refusal::NOT_INTEGER)?;
    let deadline_ms = unit.to_ms(time, now_ms).filter(|_| time > 0).ok_or(Refusal::ExpireTime)?;
    Ok(deadline_ms.max(0) as u64)
}

/// The conditions under which EXPIRE and its relatives act.
#[derive(Default)]
struct Condition {
    if_none: bool,
    if_some: bool,
    if_later: bool,
    if_earlier: bool,
}

impl Condition {
    fn parse(call: &Call<'_>) -> Result<Self, Refusal> {
        let mut condition = Self::default();
        for (index, word) in call.from(3).enumerate() {
            match word.to_ascii_lowercase().as_slice() {
                b"nx" => condition.if_none = true,
                b"xx" => condition.if_some = true,
                b"gt" => condition.if_later = true,
                b"lt" => condition.if_earlier = true,
                _ => return Err(Refusal::Option(3 + index)),
            }
        }
        if condition.if_none && (condition.if_some || condition.if_later || condition.if_earlier) {
            return Err(Refusal::Text(
                "ERR NX and XX, GT or LT options at the same time are not compatible",
            ));
        }
        if condition.if_later && condition.if_earlier {
            return Err(Refusal::Text("ERR GT and LT options at the same time are not compatible"));
        }
        Ok(condition)
    }

    /// Whether an expiry of `old_ms`, which may be [`NEVER`], is to become `new_ms`.
    fn holds(&self, old_ms: u64, new_ms: u64) -> bool {
        (!self.if_none || old_ms == NEVER)
            && (!self.if_some || old_ms != NEVER)
            && (!self.if_later || new_ms > old_ms)
            && (!self.if_earlier || new_ms < old_ms)
    }
}

pub(super) fn expire(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    expire_in(store, call, Unit::SECONDS, reply)
}

pub(super) fn pexpire(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    expire_in(store, call, Unit::MILLISECONDS, reply)
}

pub(super) fn expireat(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    expire_in(store, call, Unit::SECONDS_SINCE_1970, reply)
}

pub(super) fn pexpireat(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    expire_in(store, call, Unit::MILLISECONDS_SINCE_1970, reply)
}

fn expire_in(store: &mut Store, call: &Call<'_>, unit: Unit, reply: &mut Vec<u8>) -> Done {
    let condition = Condition::parse(call)?;
    let new_ms = unit.to_ms(call.integer(2)?, call.now_ms).ok_or(Refusal::ExpireTime)?;
    // A time before the epoch is over like any other.
    let new_ms = new_ms.max(0) as u64;
    let old = store.entry(call.key(), call.now_ms);
    let acts = old.is_some_and(|old| condition.holds(old.expires_ms, new_ms));
    if acts {
        store.expire(call.key(), new_ms);
    }
    integer_reply(acts, reply)
}

pub(super) fn persist(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let acts = store.entry(call.key(), call.now_ms).is_some_and(|old| old.expires_ms != NEVER);
    if acts {
        store.expire(call.key(), NEVER);
    }
    integer_reply(acts, reply)
}

pub(super) fn ttl(store: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    // Redis rounds to the nearest second.
    write_left(store, call, |left_ms| (left_ms + 500) / 1000, reply)
}

pub(super) fn pttl(store: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    write_left(store, call, |left_ms| left_ms, reply)
}

pub(super) fn expiretime(store: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    // As for TTL, the nearest second.
    let seconds = |left_ms| (call.now_ms + left_ms + 500) / 1000;
    write_left(store, call, seconds, reply)
}

pub(super) fn pexpiretime(store: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let ms = |left_ms| call.now_ms + left_ms;
    write_left(store, call, ms, reply)
}

fn write_left(
    store: &Store,
    call: &Call<'_>,
    unit: impl Fn(u64) -> u64,
    reply: &mut Vec<u8>,
) -> Done {
    let left = match store.entry(call.key(), call.now_ms) {
        None => -2,
        Some(Entry { expires_ms: NEVER, .. }) => -1,
        Some(entry) => unit(entry.expires_ms - call.now_ms) as i64,
    };
    integer_reply(left, reply)
}

#[cfg(test)]
mod tests {
    use crate::kv::service::tests::check_timed_replies;

    #[test]
    fn a_key_is_gone_when_its_time_comes() {
        check_timed_replies(&[
            (1_000, "SET k v", "+OK"),
            (1_000, "TTL k", ":-1"),
            (1_000, "EXPIRE k 2", ":1"),
            (1_000, "PTTL k", ":2000"),
            (1_600, "TTL k", ":1"),
            (1_600, "EXPIRETIME k", ":3"),
            (1_600, "PEXPIRETIME k", ":3000"),
            (1_600, "EXPIRETIME none", ":-2"),
            (2_999, "GET k", "$v"),
            (2_999, "DBSIZE", ":1"),
            (3_000, "GET k", "$-"),
            (3_000, "TTL k", ":-2"),
            (3_000, "DBSIZE", ":0"),
            (3_000, "EXPIRE k 2", ":0"),
            (2_000, "GET k", "$-"),
        ]);
    }

    #[test]
    fn a_time_that_is_over_removes_the_key() {
        for command in ["EXPIRE k 0", "PEXPIRE k -5", "EXPIREAT k 1", "PEXPIREAT k -1"] {
            check_timed_replies(&[
                (1_000, "SET k v", "+OK"),
                (1_000, command, ":1"),
                (1_000, "EXISTS k", ":0"),
            ]);
        }
    }

    #[test]
    fn an_expiry_can_be_taken_back_and_moved() {
        check_timed_replies(&[
            (0, "SET k v PX 10", "+OK"),
            (0, "PERSIST k", ":1"),
            (0, "PERSIST k", ":0"),
            (20, "GET k", "$v"),
            (20, "PEXPIREAT k 40", ":1"),
            (20, "PEXPIRE k 100", ":1"),
            (50, "PTTL k", ":70"),
            (50, "APPEND k w", ":2"),
            (50, "PTTL k", ":70"),
            (120, "PTTL k", ":-2"),
        ]);
    }

    #[test]
    fn conditions_compare_the_old_expiry_with_the_new() {
        check_timed_replies(&[
            (0, "SET k v", "+OK"),
            (0, "EXPIRE k 10 XX", ":0"),
            (0, "EXPIRE k 10 GT", ":0"),
            (0, "EXPIRE k 10 LT", ":1"),
            (0, "EXPIRE k 20 NX", ":0"),
            (0, "EXPIRE k 20 GT", ":1"),
            (0, "EXPIRE k 10 xx lt", ":1"),
            (0, "TTL k", ":10"),
            (0, "EXPIRE k 1 NX soon", "-ERR Unsupported option soon"),
            (
                0,
                "EXPIRE k 1 NX GT",
                "-ERR NX and XX, GT or LT options at the same time are not compatible",
            ),
            (0, "EXPIRE k 1 LT GT", "-ERR GT and LT options at the same time are not compatible"),
        ]);
    }

    #[test]
    fn times_beyond_63_bits_are_refused() {
        let said = "-ERR invalid expire time in 'expire' command";
        check_timed_replies(&[
            (1_000, "SET k v", "+OK"),
            (1_000, "EXPIRE k 9223372036854775807", said),
            (1_000, "EXPIRE k -9223372036854775808", said),
            (1_000, "PEXPIREAT k 9223372036854775807", ":1"),
            (u64::MAX, "GET k", "$-"),
        ]);
    }
}
