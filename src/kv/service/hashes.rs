//! Hashes: fields with values under one key.

use crate::kv::resp::{integer, write_bulk, write_decimal, write_null};

use super::replies::{bulk_reply, integer_reply, ok_reply, write_bulks, write_options};
use super::store::{Hash, Store};
use super::{Call, Done, Refusal, floats};

/// What `look` sees in the field that is the second argument, if it is there.
fn field<T>(
    store: &Store,
    call: &Call<'_>,
    look: impl FnOnce(&[u8]) -> T,
) -> Result<Option<T>, Refusal> {
    let hash = call.value::<Hash>(store)?;
    Ok(hash.as_deref().and_then(|hash| hash.get(call.argument(2))).map(|value| look(value)))
}

/// Gives the field that is the second argument a value.
fn put(store: &mut Store, call: &Call<'_>, value: &[u8]) -> Done {
    store.edit_or_new(call.key(), |hash: &mut Hash| {
        hash.put(call.argument(2), value);
    })
}

pub(super) fn hset(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let pairs = call.pairs(2)?;
    let (new, _) = store.edit_or_new(call.key(), |hash: &mut Hash| {
        // An old value counts as modified, too.
        (pairs.map(|(field, value)| i64::from(hash.put(field, value))).sum::<i64>(), true)
    })?;
    integer_reply(new, reply)
}

pub(super) fn hsetnx(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let absent = field(store, call, |_| ())?.is_none();
    if absent {
        put(store, call, call.argument(3))?;
    }
    integer_reply(absent, reply)
}

pub(super) fn hget(store: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    if field(store, call, |value| write_bulk(value, reply))?.is_none() {
        write_null(reply);
    }
    Ok(())
}

pub(super) fn hmget(store: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let hash = call.value::<Hash>(store)?;
    let hash = hash.as_deref();
    write_options(call.from(2).map(|field| hash?.get(field)), reply)
}

pub(super) fn hgetall(store: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let hash = call.value::<Hash>(store)?;
    let fields = hash.iter().flat_map(|hash| hash.iter());
    write_bulks(fields.flat_map(|(field, value)| [&field[..], &value[..]]), reply)
}

pub(super) fn hkeys(store: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    write_bulks(call.value::<Hash>(store)?.iter().flat_map(|hash| hash.keys()), reply)
}

pub(super) fn hvals(store: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    write_bulks(call.value::<Hash>(store)?.iter().flat_map(|hash| hash.values()), reply)
}

pub(super) fn hlen(store: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    integer_reply(call.value::<Hash>(store)?.map_or(0, |hash| hash.len()), reply)
}

pub(super) fn hexists(store: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    integer_reply(field(store, call, |_| ())?.is_some(), reply)
}

pub(super) fn hdel(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let removed = store.edit(call.key(), |hash: &mut Hash| {
        call.from(2).filter(|field| hash.remove(field)).count()
    })?;
    integer_reply(removed.unwrap_or(0), reply)
}

pub(super) fn hincrby(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let by = call.integer(3)?;
    let old = match field(store, call, integer)? {
        Some(old) => old.ok_or(Refusal::Text("ERR hash value is not an integer"))?,
        None => 0,
    };
    let new = old.checked_add(by).ok_or(Refusal::OVERFLOW)?;
    let mut value = Vec::new();
    write_decimal(new, &mut value);
    put(store, call, &value)?;
    integer_reply(new, reply)
}

/// HMSET: HSET with a reply of its own.
pub(super) fn hmset(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let start = reply.len();
    hset(store, call, reply)?;
    reply.truncate(start);
    ok_reply(reply)
}

pub(super) fn hstrlen(store: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    integer_reply(field(store, call, <[u8]>::len)?.unwrap_or(0), reply)
}

pub(super) fn hincrbyfloat(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let by = floats::argument(call.argument(3))?;
    if by.is_infinite() {
        return Err(Refusal::Text("ERR value is NaN or Infinity"));
    }
    let old = match field(store, call, floats::float)? {
        Some(old) => old.ok_or(Refusal::Text("ERR hash value is not a float"))?,
        None => 0.0,
    };
    let new = floats::stored(floats::sum(old, by)?);
    put(store, call, new.as_bytes())?;
    bulk_reply(new, reply)
}

#[cfg(test)]
mod tests {
    use crate::kv::service::tests::check_replies;

    #[test]
    fn fields_are_set_read_and_removed() {
        check_replies(&[
            ("HSET h b 2 a 1", ":2"),
            ("HSET h a 3 c 4", ":1"),
            ("HSETNX h a 5", ":0"),
            ("HSETNX h d 5", ":1"),
            ("HGET h a", "$3"),
            ("HGET h none", "$-"),
            ("HMGET h a none c", "[$3 $- $4]"),
            ("HGETALL h", "[$a $3 $b $2 $c $4 $d $5]"),
            ("HKEYS h", "[$a $b $c $d]"),
            ("HVALS h", "[$3 $2 $4 $5]"),
            ("HLEN h", ":4"),
            ("HEXISTS h b", ":1"),
            ("HDEL h a b none", ":2"),
            ("HDEL h c d", ":2"),
            ("EXISTS h", ":0"),
            ("HGETALL h", "[]"),
            ("HMGET h a", "[$-]"),
        ]);
    }

    #[test]
    fn fields_count_and_refuse_to_overflow() {
        check_replies(&[
            ("HINCRBY h n 5", ":5"),
            ("HINCRBY h n -7", ":-2"),
            ("HSET h n 9223372036854775807 t text", ":1"),
            ("HINCRBY h n 1", "-ERR increment or decrement would overflow"),
            ("HINCRBY h t 1", "-ERR hash value is not an integer"),
            ("HINCRBY h n x", "-ERR value is not an integer or out of range"),
            ("HINCRBYFLOAT h f 10.5", "$10.5"),
            ("HINCRBYFLOAT h f -3", "$7.5"),
            ("HINCRBYFLOAT h t 1", "-ERR hash value is not a float"),
            ("HINCRBYFLOAT h f inf", "-ERR value is NaN or Infinity"),
            ("HINCRBYFLOAT h f x", "-ERR value is not a valid float"),
            ("HSTRLEN h f", ":3"),
            ("HSTRLEN h none", ":0"),
            ("HMSET h a 1 b 2", "+OK"),
            ("HMSET h a", "-ERR wrong number of arguments for 'hmset' command"),
            ("HMSET h a 1 b", "-ERR wrong number of arguments for 'hmset' command"),
        ]);
    }

    #[test]
    fn a_refused_command_leaves_no_empty_hash() {
        check_replies(&[
            ("HSET h a 1 b", "-ERR wrong number of arguments for 'hset' command"),
            ("HINCRBY h a x", "-ERR value is not an integer or out of range"),
            ("EXISTS h", ":0"),
            ("SET s v", "+OK"),
            ("HSET s a 1", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
        ]);
    }
}
