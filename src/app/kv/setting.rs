//! SET and its relatives, which replace whatever a key was before.

use crate::resp::{write_integer, write_null, write_ok};

use super::expiry::{Unit, deadline_ms};
use super::replies::write_option;
use super::store::{Store, Text};
use super::{Call, Done, NEVER, Refusal};

/// The options of SET.
#[derive(Default)]
struct Options {
    only_if_absent: bool,
    only_if_present: bool,
    reply_old: bool,
    keep_expiry: bool,
    expires_ms: Option<u64>,
}

impl Options {
    fn parse(call: &Call<'_>) -> Result<Self, Refusal> {
        let mut options = Self::default();
        let mut words = call.from(3);
        while let Some(word) = words.next() {
            match word.to_ascii_lowercase().as_slice() {
                b"nx" => options.only_if_absent = true,
                b"xx" => options.only_if_present = true,
                b"get" => options.reply_old = true,
                b"keepttl" => options.keep_expiry = true,
                unit => {
                    let unit = match unit {
                        b"ex" => Unit::SECONDS,
                        b"px" => Unit::MILLISECONDS,
                        b"exat" => Unit::SECONDS_SINCE_1970,
                        b"pxat" => Unit::MILLISECONDS_SINCE_1970,
                        _ => return Err(Refusal::SYNTAX),
                    };
                    let (None, Some(time)) = (options.expires_ms, words.next()) else {
                        return Err(Refusal::SYNTAX);
                    };
                    options.expires_ms = Some(deadline_ms(time, unit, call.now_ms)?);
                }
            }
        }
        let at_odds = (options.only_if_absent && options.only_if_present)
            || (options.keep_expiry && options.expires_ms.is_some());
        if at_odds { Err(Refusal::SYNTAX) } else { Ok(options) }
    }
}

pub(super) fn set(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let (key, text) = (call.key(), call.argument(2));
    if call.len() == 3 {
        store.set(key, text, NEVER);
        write_ok(reply);
        return Ok(());
    }
    let options = Options::parse(call)?;
    if options.reply_old {
        write_option(store.get::<Text>(key, call.now_ms)?.map(|old| &old[..]), reply);
    }
    let old = store.entry(key, call.now_ms);
    let unwanted = if old.is_some() { options.only_if_absent } else { options.only_if_present };
    let kept_ms = old.filter(|_| options.keep_expiry).map_or(NEVER, |old| old.expires_ms);
    if !unwanted {
        set_until(store, call, text, options.expires_ms.unwrap_or(kept_ms));
    }
    match (options.reply_old, unwanted) {
        (true, _) => {}
        (false, true) => write_null(reply),
        (false, false) => write_ok(reply),
    }
    Ok(())
}

/// Sets the key; if its time is already over, that is the same as to remove it.
fn set_until(store: &mut Store, call: &Call<'_>, text: &[u8], expires_ms: u64) {
    if expires_ms > call.now_ms {
        store.set(call.key(), text, expires_ms);
    } else {
        store.remove(call.key());
    }
}

pub(super) fn setex(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    set_with_expiry(store, call, Unit::SECONDS, reply)
}

pub(super) fn psetex(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    set_with_expiry(store, call, Unit::MILLISECONDS, reply)
}

fn set_with_expiry(store: &mut Store, call: &Call<'_>, unit: Unit, reply: &mut Vec<u8>) -> Done {
    let expires_ms = deadline_ms(call.argument(2), unit, call.now_ms)?;
    set_until(store, call, call.argument(3), expires_ms);
    write_ok(reply);
    Ok(())
}

pub(super) fn getset(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let old = store.get::<Text>(call.key(), call.now_ms)?;
    write_option(old.map(|old| &old[..]), reply);
    store.set(call.key(), call.argument(2), NEVER);
    Ok(())
}

pub(super) fn setnx(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let absent = store.entry(call.key(), call.now_ms).is_none();
    if absent {
        store.set(call.key(), call.argument(2), NEVER);
    }
    write_integer(absent.into(), reply);
    Ok(())
}

pub(super) fn mset(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    for (key, text) in call.pairs(1)? {
        store.set(key, text, NEVER);
    }
    write_ok(reply);
    Ok(())
}

pub(super) fn msetnx(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let absent = call.pairs(1)?.all(|(key, _)| store.entry(key, call.now_ms).is_none());
    if absent {
        for (key, text) in call.pairs(1)? {
            store.set(key, text, NEVER);
        }
    }
    write_integer(absent.into(), reply);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::app::kv::tests::{check_replies, check_timed_replies};

    #[test]
    fn set_obeys_its_conditions() {
        check_replies(&[
            ("SET k a XX", "$-"),
            ("SET k a NX", "+OK"),
            ("SET k b NX", "$-"),
            ("SET k b XX GET", "$a"),
            ("SET k c NX GET", "$b"),
            ("SET new c get nx", "$-"),
            ("GET new", "$c"),
            ("SETNX k d", ":0"),
            ("SETNX other d", ":1"),
            ("GETSET k e", "$b"),
            ("GET k", "$e"),
        ]);
    }

    #[test]
    fn options_at_odds_are_refused() {
        for options in ["NX XX", "EX 1 PX 1", "EX 1 KEEPTTL", "EX", "WHAT", "KEEPTTL PXAT 5"] {
            check_replies(&[(&format!("SET k v {options}"), "-ERR syntax error"), ("GET k", "$-")]);
        }
        for (time, said) in [
            ("0", "-ERR invalid expire time in 'set' command"),
            ("-1", "-ERR invalid expire time in 'set' command"),
            ("9223372036854775807", "-ERR invalid expire time in 'set' command"),
            ("x", "-ERR value is not an integer or out of range"),
        ] {
            check_replies(&[(&format!("SET k v EX {time}"), said)]);
        }
        check_replies(&[("SETEX k 0 v", "-ERR invalid expire time in 'setex' command")]);
    }

    #[test]
    fn set_decides_about_the_expiry() {
        check_timed_replies(&[
            (1_000, "SET k v EX 10", "+OK"),
            (1_000, "PTTL k", ":10000"),
            (2_000, "SET k w KEEPTTL", "+OK"),
            (2_000, "PTTL k", ":9000"),
            (2_000, "SET k w", "+OK"),
            (2_000, "PTTL k", ":-1"),
            (2_000, "SET k w PXAT 2500", "+OK"),
            (2_000, "PTTL k", ":500"),
            (2_000, "SET k w EXAT 1", "+OK"),
            (2_000, "GET k", "$-"),
            (2_000, "PSETEX k 5 v", "+OK"),
            (2_004, "GET k", "$v"),
            (2_005, "GET k", "$-"),
            (2_005, "SET k v XX", "$-"),
        ]);
    }

    #[test]
    fn set_replaces_any_kind_unless_the_old_value_is_asked_for() {
        check_replies(&[
            ("SADD s m", ":1"),
            ("SET s v GET", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
            ("TYPE s", "+set"),
            ("SET s v", "+OK"),
            ("TYPE s", "+string"),
        ]);
    }

    #[test]
    fn many_keys_are_set_at_once_or_not_at_all() {
        check_replies(&[
            ("MSET a 1 b 2", "+OK"),
            ("MSETNX b 3 c 4", ":0"),
            ("MGET a b c", "[$1 $2 $-]"),
            ("MSETNX c 3 d 4", ":1"),
            ("MSET a 1 b", "-ERR wrong number of arguments for 'mset' command"),
        ]);
    }
}
