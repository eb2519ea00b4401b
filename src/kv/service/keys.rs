//! Keys of whatever kind, and what needs no key at all.

use crate::kv::resp::{integer, write_bulk, write_integer, write_simple};

use super::entry::Entry;
use super::random::SlotRandom;
use super::replies::{bulk_reply, integer_reply, ok_reply, option_reply, write_bulks};
use super::store::Store;
use super::{Call, Done, Refusal, glob};

pub(super) fn ping(_: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    match call.len() {
        1 => write_simple("PONG", reply),
        2 => write_bulk(call.argument(1), reply),
        _ => return Err(Refusal::Arity),
    }
    Ok(())
}

pub(super) fn echo(_: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    bulk_reply(call.argument(1), reply)
}

pub(super) fn del(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let removed = call.from(1).filter(|key| store.remove(key)).count();
    integer_reply(removed, reply)
}

pub(super) fn exists(store: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let there = call.from(1).filter(|key| store.entry(key, call.now_ms).is_some()).count();
    integer_reply(there, reply)
}

pub(super) fn kind(store: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let entry = store.entry(call.key(), call.now_ms);
    write_simple(entry.map_or("none", |entry| entry.tag.word()), reply);
    Ok(())
}

pub(super) fn keys(store: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let pattern = call.argument(1);
    if pattern.len() > glob::PATTERN_BYTES_MAX {
        return Err(Refusal::PATTERN_BYTES);
    }
    let keys = store.iter(call.now_ms).map(|(key, _)| key);
    let mut keys: Vec<_> = keys.filter(|key| glob::matches(pattern, key)).collect();
    keys.sort_unstable();
    write_bulks(keys, reply)
}

pub(super) fn dbsize(store: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    integer_reply(store.len(call.now_ms), reply)
}

/// FLUSHALL and FLUSHDB: there is one database.
pub(super) fn flush(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let word = call.argument(1);
    let known = word.eq_ignore_ascii_case(b"async") || word.eq_ignore_ascii_case(b"sync");
    if call.len() > 2 || (call.len() == 2 && !known) {
        return Err(Refusal::SYNTAX);
    }
    store.clear();
    ok_reply(reply)
}

/// Walks over all keys: an order of keys that allowed less would cost every SET.
pub(super) fn randomkey(store: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let keys = store.iter(call.now_ms).map(|(key, _)| key);
    option_reply(SlotRandom::of(call.slot).one_of(keys), reply)
}

pub(super) fn rename(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let (from, to) = (call.key(), call.argument(2));
    if store.entry(from, call.now_ms).is_none() {
        return Err(Refusal::NO_KEY);
    }
    if from != to {
        shift(store, call)?;
    }
    ok_reply(reply)
}

pub(super) fn renamenx(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let (from, to) = (call.key(), call.argument(2));
    if store.entry(from, call.now_ms).is_none() {
        return Err(Refusal::NO_KEY);
    }
    let free = store.entry(to, call.now_ms).is_none();
    if free {
        shift(store, call)?;
    }
    integer_reply(free, reply)
}

/// Gives what the first key stands for to the second one.
fn shift(store: &mut Store, call: &Call<'_>) -> Done {
    // The key may be longer than the one before.
    if store.is_crowded() {
        return Err(Refusal::FULL);
    }
    if let Some(entry) = store.entry(call.key(), call.now_ms).map(Entry::to_owned) {
        store.remove(call.key());
        store.insert(call.argument(2), entry);
    }
    Ok(())
}

pub(super) fn copy(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let (from, to) = (call.key(), call.argument(2));
    let mut replace = false;
    let mut words = call.from(3);
    while let Some(word) = words.next() {
        match word.to_ascii_lowercase().as_slice() {
            b"replace" => replace = true,
            b"db" => match words.next().map(|number| integer(number).ok_or(Refusal::NOT_INTEGER)) {
                Some(number) if number? == 0 => {}
                Some(_) => return Err(Refusal::Text("ERR DB index is out of range")),
                None => return Err(Refusal::SYNTAX),
            },
            _ => return Err(Refusal::SYNTAX),
        }
    }
    if from == to {
        return Err(Refusal::Text("ERR source and destination objects are the same"));
    }
    let free = replace || store.entry(to, call.now_ms).is_none();
    let copied = store.entry(from, call.now_ms).filter(|_| free).map(Entry::to_owned);
    write_integer(copied.is_some().into(), reply);
    if let Some(entry) = copied {
        store.insert(to, entry);
    }
    Ok(())
}

/// The agreed time. It is not more exact than milliseconds.
pub(super) fn time(_: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    write_bulks([call.now_ms / 1000, call.now_ms % 1000 * 1000].map(|part| part.to_string()), reply)
}

#[cfg(test)]
mod tests {
    use crate::kv::service::tests::{check_replies, check_timed_replies};

    #[test]
    fn keys_are_listed_in_order() {
        check_replies(&[
            ("KEYS *", "[]"),
            ("MSET b 1 a 2 ab 3", "+OK"),
            ("KEYS *", "[$a $ab $b]"),
            ("KEYS a*", "[$a $ab]"),
            ("DBSIZE", ":3"),
            ("EXISTS a a none", ":2"),
            ("DEL a none", ":1"),
            ("UNLINK b ab b", ":2"),
            ("DBSIZE", ":0"),
        ]);
    }

    #[test]
    fn renaming_takes_value_and_expiry_along() {
        check_timed_replies(&[
            (0, "SET a 1 PX 10", "+OK"),
            (0, "SET b 2 PX 99", "+OK"),
            (0, "RENAMENX a b", ":0"),
            (0, "RENAME a b", "+OK"),
            (0, "GET b", "$1"),
            (0, "PTTL b", ":10"),
            (0, "RENAME b b", "+OK"),
            (0, "RENAMENX b b", ":0"),
            (0, "RENAMENX b c", ":1"),
            (0, "RENAME b c", "-ERR no such key"),
            (0, "RENAMENX b c", "-ERR no such key"),
            (10, "DBSIZE", ":0"),
        ]);
    }

    #[test]
    fn copies_live_on_their_own() {
        check_timed_replies(&[
            (0, "RPUSH l a", ":1"),
            (0, "PEXPIRE l 10", ":1"),
            (0, "COPY l m", ":1"),
            (0, "COPY l m", ":0"),
            (0, "RPUSH l b", ":2"),
            (0, "LRANGE m 0 -1", "[$a]"),
            (0, "PTTL m", ":10"),
            (0, "COPY l m REPLACE DB 0", ":1"),
            (0, "LLEN m", ":2"),
            (0, "COPY l l", "-ERR source and destination objects are the same"),
            (0, "COPY l m DB 1", "-ERR DB index is out of range"),
            (0, "COPY none m", ":0"),
            (10, "TOUCH l m", ":0"),
            (1_234_567, "TIME", "[$1234 $567000]"),
        ]);
    }

    #[test]
    fn flushing_leaves_nothing() {
        check_replies(&[
            ("MSET a 1 b 2", "+OK"),
            ("FLUSHALL later", "-ERR syntax error"),
            ("FLUSHALL ASYNC", "+OK"),
            ("DBSIZE", ":0"),
            ("SET a 1", "+OK"),
            ("FLUSHDB", "+OK"),
            ("RANDOMKEY", "$-"),
        ]);
    }

    #[test]
    fn connection_commands_answer() {
        check_replies(&[
            ("PING", "+PONG"),
            ("ping hello", "$hello"),
            ("PING a b", "-ERR wrong number of arguments for 'ping' command"),
            ("ECHO 'a b'", "$a b"),
            ("TYPE none", "+none"),
        ]);
    }
}
