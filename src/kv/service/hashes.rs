//! Hashes: fields with values under one key.

use crate::kv::resp::{integer, write_decimal};

use super::bytes::overwrite;
use super::replies::{
    bulk_reply, integer_reply, ok_reply, option_reply, write_bulks, write_options,
};
use super::store::{Hash, Store};
use super::{Call, Done, Refusal, floats};

/// The value of the field that is the second argument.
fn field<'s>(store: &'s Store, call: &Call<'_>) -> Result<Option<&'s Vec<u8>>, Refusal> {
    Ok(call.value::<Hash>(store)?.and_then(|hash| hash.get(call.argument(2))))
}

pub(super) fn hset(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let pairs = call.pairs(2)?;
    let hash = store.get_or_new::<Hash>(call.key())?;
    let mut new: i64 = 0;
    for (field, value) in pairs {
        match hash.get_mut(field) {
            Some(old) => overwrite(old, value),
            None => {
                hash.insert(field.into(), value.to_vec());
                new += 1;
            }
        }
    }
    integer_reply(new, reply)
}

pub(super) fn hsetnx(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let absent = field(store, call)?.is_none();
    if absent {
        let hash = store.get_or_new::<Hash>(call.key())?;
        hash.insert(call.argument(2).into(), call.argument(3).to_vec());
    }
    integer_reply(absent, reply)
}

pub(super) fn hget(store: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    option_reply(field(store, call)?, reply)
}

pub(super) fn hmget(store: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let hash = call.value::<Hash>(store)?;
    write_options(call.from(2).map(|field| hash?.get(field)), reply)
}

pub(super) fn hgetall(store: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let fields = call.value::<Hash>(store)?.into_iter().flatten();
    write_bulks(fields.flat_map(|(field, value)| [&field[..], &value[..]]), reply)
}

pub(super) fn hkeys(store: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    write_bulks(call.value::<Hash>(store)?.into_iter().flat_map(Hash::keys), reply)
}

pub(super) fn hvals(store: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    write_bulks(call.value::<Hash>(store)?.into_iter().flat_map(Hash::values), reply)
}

pub(super) fn hlen(store: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    integer_reply(call.value::<Hash>(store)?.map_or(0, Hash::len), reply)
}

pub(super) fn hexists(store: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    integer_reply(field(store, call)?.is_some(), reply)
}

pub(super) fn hdel(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let removed = store.edit(call.key(), |hash: &mut Hash| {
        call.from(2).filter(|field| hash.remove(*field).is_some()).count()
    })?;
    integer_reply(removed.unwrap_or(0), reply)
}

pub(super) fn hincrby(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let by = call.integer(3)?;
    let old = match field(store, call)? {
        Some(old) => integer(old).ok_or(Refusal::Text("ERR hash value is not an integer"))?,
        None => 0,
    };
    let new = old.checked_add(by).ok_or(Refusal::OVERFLOW)?;
    let hash = store.get_or_new::<Hash>(call.key())?;
    let value = hash.entry(call.argument(2).into()).or_default();
    value.clear();
    write_decimal(new, value);
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
    integer_reply(field(store, call)?.map_or(0, Vec::len), reply)
}

pub(super) fn hincrbyfloat(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let by = floats::argument(call.argument(3))?;
    if by.is_infinite() {
        return Err(Refusal::Text("ERR value is NaN or Infinity"));
    }
    let old = match field(store, call)? {
        Some(old) => floats::float(old).ok_or(Refusal::Text("ERR hash value is not a float"))?,
        None => 0.0,
    };
    let new = floats::stored(floats::sum(old, by)?);
    let hash = store.get_or_new::<Hash>(call.key())?;
    hash.insert(call.argument(2).into(), new.clone().into_bytes());
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
