//! SET and its relatives, which replace whatever a key was before.

use crate::kv::resp::{write_null, write_ok};

use crate::kv::service::expiry::{Unit, deadline_ms};
use crate::kv::service::replies::{integer_reply, ok_reply, write_option};
use crate::kv::service::store::Store;
use crate::kv::service::{Call, Done, NEVER, Refusal};

/// The options of SET and GETEX.
#[derive(Default)]
struct Options<'a> {
    only_if_absent: bool,
    only_if_present: bool,
    reply_old: bool,
    keep_expiry: bool,
    /// Only GETEX can do this.
    drop_expiry: bool,
    /// The time to expire at, not read yet.
    expiry: Option<(&'a [u8], Unit)>,
}

impl<'a> Options<'a> {
    /// Reads the options from `first` on.
    fn parse(call: &Call<'a>, first: usize) -> Result<Self, Refusal> {
        let mut options = Self::default();
        let is_getex = first == 2;
        let mut words = call.from(first);
        while let Some(word) = words.next() {
            match word.to_ascii_lowercase().as_slice() {
                b"nx" if !is_getex => options.only_if_absent = true,
                b"xx" if !is_getex => options.only_if_present = true,
                b"get" if !is_getex => options.reply_old = true,
                b"keepttl" if !is_getex => options.keep_expiry = true,
                b"persist" if is_getex => options.drop_expiry = true,
                unit => {
                    let unit = match unit {
                        b"ex" => Unit::SECONDS,
                        b"px" => Unit::MILLISECONDS,
                        b"exat" => Unit::SECONDS_SINCE_1970,
                        b"pxat" => Unit::MILLISECONDS_SINCE_1970,
                        _ => return Err(Refusal::SYNTAX),
                    };
                    let (None, Some(time)) = (options.expiry, words.next()) else {
                        return Err(Refusal::SYNTAX);
                    };
                    options.expiry = Some((time, unit));
                }
            }
        }
        let at_odds = (options.only_if_absent && options.only_if_present)
            || ((options.keep_expiry || options.drop_expiry) && options.expiry.is_some());
        if at_odds { Err(Refusal::SYNTAX) } else { Ok(options) }
    }

    fn expires_ms(&self, call: &Call<'_>) -> Result<Option<u64>, Refusal> {
        self.expiry.map(|(time, unit)| deadline_ms(time, unit, call.now_ms)).transpose()
    }
}

pub(crate) fn set(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let (key, text) = (call.key(), call.argument(2));
    if call.len() == 3 {
        store.set(key, text, NEVER);
        return ok_reply(reply);
    }
    let options = Options::parse(call, 3)?;
    let expires_ms = options.expires_ms(call)?;
    if options.reply_old {
        write_option(call.text(store)?, reply);
    }
    let old = store.entry(key, call.now_ms);
    let unwanted = if old.is_some() { options.only_if_absent } else { options.only_if_present };
    let kept_ms = old.filter(|_| options.keep_expiry).map_or(NEVER, |old| old.expires_ms);
    if !unwanted {
        set_until(store, call, text, expires_ms.unwrap_or(kept_ms));
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

pub(crate) fn setex(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    set_with_expiry(store, call, Unit::SECONDS, reply)
}

pub(crate) fn psetex(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    set_with_expiry(store, call, Unit::MILLISECONDS, reply)
}

fn set_with_expiry(store: &mut Store, call: &Call<'_>, unit: Unit, reply: &mut Vec<u8>) -> Done {
    let expires_ms = deadline_ms(call.argument(2), unit, call.now_ms)?;
    set_until(store, call, call.argument(3), expires_ms);
    ok_reply(reply)
}

pub(crate) fn getset(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    write_option(call.text(store)?, reply);
    store.set(call.key(), call.argument(2), NEVER);
    Ok(())
}

/// GETEX: reads a string and may change when it expires.
pub(crate) fn getex(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let options = Options::parse(call, 2)?;
    let text = call.text(store)?;
    write_option(text, reply);
    // Redis looks at the time only if there is a key that it may apply to.
    if text.is_none() {
        return Ok(());
    }
    if options.drop_expiry {
        store.expire(call.key(), NEVER);
    } else if let Some(expires_ms) = options.expires_ms(call)? {
        store.expire(call.key(), expires_ms);
    }
    Ok(())
}

pub(crate) fn setnx(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let absent = store.entry(call.key(), call.now_ms).is_none();
    if absent {
        store.set(call.key(), call.argument(2), NEVER);
    }
    integer_reply(absent, reply)
}

pub(crate) fn mset(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    for (key, text) in call.pairs(1)? {
        store.set(key, text, NEVER);
    }
    ok_reply(reply)
}

pub(crate) fn msetnx(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let absent = call.pairs(1)?.all(|(key, _)| store.entry(key, call.now_ms).is_none());
    if absent {
        for (key, text) in call.pairs(1)? {
            store.set(key, text, NEVER);
        }
    }
    integer_reply(absent, reply)
}

#[cfg(test)]
mod tests {
    use crate::kv::service::tests::{check_replies, check_timed_replies};

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
    fn getex_changes_no_more_than_the_expiry() {
        check_timed_replies(&[
            (0, "GETEX none EX 5", "$-"),
            (0, "SET k v", "+OK"),
            (0, "GETEX k PX 50", "$v"),
            (0, "GETEX k", "$v"),
            (0, "PTTL k", ":50"),
            (0, "GETEX k PERSIST", "$v"),
            (0, "PTTL k", ":-1"),
            (0, "GETEX k PXAT 20", "$v"),
            (20, "GET k", "$-"),
            (20, "SET k v", "+OK"),
            (20, "GETEX k PXAT 20", "$v"),
            (20, "GET k", "$-"),
            (20, "GETEX k NX", "-ERR syntax error"),
            (20, "GETEX k PERSIST EX 1", "-ERR syntax error"),
            (20, "SET k v PERSIST", "-ERR syntax error"),
            (20, "GETEX k EX 0", "$-"),
            (20, "SET k v", "+OK"),
            (20, "GETEX k EX 0", "-ERR invalid expire time in 'getex' command"),
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
