//! Strings: reading them, and changing them in place. An expiry outlasts a change in place.

use crate::kv::resp::{integer, write_integer};

use super::replies::{bulk_reply, integer_reply, option_reply, write_option, write_options};
use super::store::Store;
use super::{Call, Done, NEVER, REPLY_BYTES_MAX, Refusal, STRING_BYTES_MAX, floats};

pub(super) mod set;

pub(super) fn get(store: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    option_reply(call.text(store)?, reply)
}

pub(super) fn getdel(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    write_option(call.text(store)?, reply);
    store.remove(call.key());
    Ok(())
}

pub(super) fn mget(store: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    // A key of another kind is no error here but has no string.
    let texts = call.from(1).map(|key| store.text(key, call.now_ms).ok().flatten());
    write_options(texts, reply)
}

pub(super) fn strlen(store: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    integer_reply(call.text(store)?.map_or(0, |text| text.len()), reply)
}

pub(super) fn getrange(store: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let (start, stop) = (call.integer(2)?, call.integer(3)?);
    let text = call.text(store)?.unwrap_or_default();
    let length = text.len() as i64;
    // Redis takes a stop before the first byte for the first byte, but not when both count from the
    // end and are the wrong way round.
    let range = if length == 0 || (start < 0 && stop < 0 && start > stop) {
        0..0
    } else {
        let from_start = |index: i64| if index < 0 { (index + length).max(0) } else { index };
        let (start, stop) = (from_start(start), from_start(stop).min(length - 1));
        if start > stop { 0..0 } else { start as usize..stop as usize + 1 }
    };
    option_reply(text.get(range), reply)
}

pub(super) fn append(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let tail = call.argument(2);
    let old = call.text(store)?.map_or(0, |text| text.len());
    if old + tail.len() > STRING_BYTES_MAX {
        return Err(Refusal::StringBytes);
    }
    write(store, call, old, tail);
    integer_reply(old + tail.len(), reply)
}

pub(super) fn setrange(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let (offset, part) = (call.integer(2)?, call.argument(3));
    let Ok(offset) = usize::try_from(offset) else {
        return Err(Refusal::Text("ERR offset is out of range"));
    };
    let old = call.text(store)?.map_or(0, |text| text.len());
    if part.is_empty() {
        return integer_reply(old, reply);
    }
    let end = offset.saturating_add(part.len());
    if end > STRING_BYTES_MAX {
        return Err(Refusal::StringBytes);
    }
    write(store, call, offset, part);
    integer_reply(old.max(end), reply)
}

/// Writes into the string from the place `from` on, whether there is one or not; it is no other
/// kind of value.
fn write(store: &mut Store, call: &Call<'_>, from: usize, bytes: &[u8]) {
    match store.text_mut(call.key()) {
        Ok(Some(text)) => text.write(from, bytes),
        _ => store.set(call.key(), &[&vec![0; from], bytes].concat(), NEVER),
    }
}

pub(super) fn incr(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    add(store, call, 1, reply)
}

pub(super) fn decr(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    add(store, call, -1, reply)
}

pub(super) fn incrby(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    add(store, call, call.integer(2)?, reply)
}

pub(super) fn decrby(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let by = call.integer(2)?.checked_neg().ok_or(Refusal::Text("ERR decrement would overflow"))?;
    add(store, call, by, reply)
}

fn add(store: &mut Store, call: &Call<'_>, by: i64, reply: &mut Vec<u8>) -> Done {
    let start = reply.len();
    // Found once: counters are many of the commands there are.
    if let Some(text) = store.text_mut(call.key())? {
        let old = integer(text.bytes()).ok_or(Refusal::NOT_INTEGER)?;
        write_integer(old.checked_add(by).ok_or(Refusal::OVERFLOW)?, reply);
        text.overwrite(digits(&reply[start..]));
    } else {
        write_integer(by, reply);
        store.set(call.key(), digits(&reply[start..]), NEVER);
    }
    Ok(())
}

pub(super) fn incrbyfloat(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let old = match call.text(store)? {
        Some(old) => floats::argument(old)?,
        None => 0.0,
    };
    let new = floats::stored(floats::sum(old, floats::argument(call.argument(2))?)?);
    match store.text_mut(call.key())? {
        Some(text) => text.overwrite(new.as_bytes()),
        None => store.set(call.key(), new.as_bytes(), NEVER),
    }
    bulk_reply(new, reply)
}

/// The number in an integer reply, which has its type before and a line end behind it: so that a
/// counter's text is written once.
fn digits(reply: &[u8]) -> &[u8] {
    reply.get(1..reply.len().saturating_sub(2)).unwrap_or_default()
}

/// A string and its header always fit a reply.
const _: () = assert!(STRING_BYTES_MAX + 32 <= REPLY_BYTES_MAX);

#[cfg(test)]
mod tests {
    use crate::kv::service::tests::check_replies;

    #[test]
    fn strings_are_read_and_changed_in_place() {
        check_replies(&[
            ("APPEND k Hello", ":5"),
            ("APPEND k World", ":10"),
            ("GET k", "$HelloWorld"),
            ("STRLEN k", ":10"),
            ("STRLEN none", ":0"),
            ("SETRANGE k 5 -----", ":10"),
            ("SETRANGE k 12 x", ":13"),
            ("GET k", "$Hello-----\0\0x"),
            ("SETRANGE none 5 ''", ":0"),
            ("SETRANGE k -1 x", "-ERR offset is out of range"),
            ("EXISTS none", ":0"),
            ("MGET k none", "[$Hello-----\0\0x $-]"),
            ("GETDEL k", "$Hello-----\0\0x"),
            ("GETDEL k", "$-"),
        ]);
    }

    #[test]
    fn ranges_are_cut_as_in_redis() {
        check_replies(&[
            ("SET k abcdef", "+OK"),
            ("GETRANGE k 0 2", "$abc"),
            ("GETRANGE k -3 -1", "$def"),
            ("GETRANGE k 4 100", "$ef"),
            ("GETRANGE k 4 2", "$"),
            ("GETRANGE k -1 -5", "$"),
            ("GETRANGE k 0 -100", "$a"),
            ("GETRANGE none 0 -1", "$"),
            ("GETRANGE k -9223372036854775808 9223372036854775807", "$abcdef"),
        ]);
    }

    #[test]
    fn counters_count_and_refuse_to_overflow() {
        check_replies(&[
            ("INCR n", ":1"),
            ("INCRBY n 41", ":42"),
            ("DECR n", ":41"),
            ("DECRBY n 51", ":-10"),
            ("GET n", "$-10"),
            ("DECRBY m 3", ":-3"),
            ("INCRBY n 1.5", "-ERR value is not an integer or out of range"),
            ("DECRBY n -9223372036854775808", "-ERR decrement would overflow"),
            ("SET n 9223372036854775807", "+OK"),
            ("INCR n", "-ERR increment or decrement would overflow"),
            ("SET n ' 1'", "+OK"),
            ("INCR n", "-ERR value is not an integer or out of range"),
        ]);
    }

    #[test]
    fn strings_beyond_their_limit_are_refused() {
        let said = "-ERR string exceeds maximum allowed size (proto-max-bulk-len): 16777216 bytes";
        check_replies(&[
            ("SETRANGE k 16777216 x", said),
            ("SETRANGE k 9223372036854775807 x", said),
            ("SETRANGE k 16777215 x", ":16777216"),
            ("APPEND k y", said),
        ]);
    }

    #[test]
    fn numbers_with_a_fraction_are_added() {
        check_replies(&[
            ("INCRBYFLOAT k 10.50", "$10.5"),
            ("INCRBYFLOAT k 0.1", "$10.6"),
            ("INCRBYFLOAT k 5.0e3", "$5010.6"),
            ("INCRBYFLOAT k x", "-ERR value is not a valid float"),
            ("INCRBYFLOAT k inf", "-ERR increment would produce NaN or Infinity"),
            ("GET k", "$5010.6"),
            ("SET k x", "+OK"),
            ("INCRBYFLOAT k 1", "-ERR value is not a valid float"),
        ]);
    }

    #[test]
    fn other_kinds_are_refused() {
        let said = "-WRONGTYPE Operation against a key holding the wrong kind of value";
        check_replies(&[
            ("RPUSH l a", ":1"),
            ("GET l", said),
            ("APPEND l b", said),
            ("INCR l", said),
            ("GETDEL l", said),
            ("SETRANGE l 0 b", said),
            ("MGET l", "[$-]"),
            ("LRANGE l 0 -1", "[$a]"),
        ]);
    }
}
