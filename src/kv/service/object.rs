//! OBJECT and MEMORY: the encoding and the size of a value.
//!
//! Encodings are those that Redis would use for such a value; here each kind of value has one.

use crate::kv::resp::integer;

use super::entry::Entry;
use super::replies::{bulk_reply, integer_reply, null_reply, optional_integer_reply};
use super::store::{Hash, Set, Store};
use super::values::Tag;
use super::zset::Zset;
use super::{Call, Done, Refusal};

/// The most elements, and bytes of each, that Redis keeps in its compact form.
const COMPACT_ELEMENTS_MAX: usize = 128;
const COMPACT_BYTES_MAX: usize = 64;

pub(super) fn object(store: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    type Answer = fn(&Entry<'_>, &mut Vec<u8>) -> Done;
    let (full, answer): (_, Answer) = match &call.argument(1).to_ascii_lowercase()[..] {
        b"encoding" => ("object|encoding", |entry, reply| bulk_reply(encoding(entry)?, reply)),
        b"refcount" => ("object|refcount", |_, reply| integer_reply(1, reply)),
        b"idletime" => ("object|idletime", |_, _| Err(NO_IDLE_TIME)),
        b"freq" => ("object|freq", |_, _| Err(NO_FREQUENCY)),
        _ => return Err(Refusal::Subcommand("OBJECT")),
    };
    if call.len() != 3 {
        return Err(Refusal::SubcommandArity(full));
    }
    match store.entry(call.argument(2), call.now_ms) {
        Some(entry) => answer(&entry, reply),
        None => null_reply(reply),
    }
}

const NO_IDLE_TIME: Refusal = Refusal::Text("ERR idle times are not tracked: nothing is evicted");
const NO_FREQUENCY: Refusal =
    Refusal::Text("ERR access frequencies are not tracked: nothing is evicted");

fn encoding(entry: &Entry<'_>) -> Result<&'static str, Refusal> {
    let compact = |length: usize, fits: bool| length <= COMPACT_ELEMENTS_MAX && fits;
    let short = |bytes: &[u8]| bytes.len() <= COMPACT_BYTES_MAX;
    Ok(match entry.tag {
        Tag::Text => match entry.text()? {
            text if integer(text).is_some() => "int",
            text if text.len() <= 44 => "embstr",
            _ => "raw",
        },
        Tag::List => "quicklist",
        Tag::Hash => {
            let hash = entry.get::<Hash>()?;
            let fits = hash.iter().all(|(field, value)| short(field) && short(value));
            if compact(hash.len(), fits) { "listpack" } else { "hashtable" }
        }
        Tag::Set => {
            let set = entry.get::<Set>()?;
            let fits = set.len() <= 512 && set.iter().all(|member| integer(member).is_some());
            if fits { "intset" } else { "hashtable" }
        }
        Tag::Zset => {
            let zset = entry.get::<Zset>()?;
            let fits = zset.iter().all(|one| short(&one.member));
            if compact(zset.len(), fits) { "listpack" } else { "skiplist" }
        }
    })
}

pub(super) fn memory(store: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    match &call.argument(1).to_ascii_lowercase()[..] {
        b"usage" if call.len() == 3 => {}
        b"usage" if call.len() == 5 && call.argument(3).eq_ignore_ascii_case(b"samples") => {
            // All elements are looked at.
            if call.integer(4)? < 0 {
                return Err(Refusal::SYNTAX);
            }
        }
        b"usage" if call.len() == 2 => return Err(Refusal::SubcommandArity("memory|usage")),
        b"usage" => return Err(Refusal::SYNTAX),
        b"doctor" if call.len() == 2 => {
            let advice = "Ask `taraflow doctor`: memory is that of a process, not of its keys.";
            return bulk_reply(advice, reply);
        }
        _ => return Err(Refusal::Subcommand("MEMORY")),
    }
    let entry = store.entry(call.argument(2), call.now_ms);
    optional_integer_reply(entry.map(|entry| store.bytes_of(call.argument(2), &entry)), reply)
}

#[cfg(test)]
mod tests {
    use crate::kv::service::tests::check_replies;

    #[test]
    fn encodings_are_those_that_redis_would_use() {
        let long = "x".repeat(65);
        check_replies(&[
            ("MSET i 12 s short", "+OK"),
            (&format!("SET r {long}"), "+OK"),
            ("RPUSH l a", ":1"),
            ("HSET h f v", ":1"),
            (&format!("HSET hl f {long}"), ":1"),
            ("SADD si 1 2", ":2"),
            ("SADD st a", ":1"),
            ("ZADD z 1 a", ":1"),
            ("OBJECT ENCODING i", "$int"),
            ("OBJECT ENCODING s", "$embstr"),
            ("OBJECT encoding r", "$raw"),
            ("OBJECT ENCODING l", "$quicklist"),
            ("OBJECT ENCODING h", "$listpack"),
            ("OBJECT ENCODING hl", "$hashtable"),
            ("OBJECT ENCODING si", "$intset"),
            ("OBJECT ENCODING st", "$hashtable"),
            ("OBJECT ENCODING z", "$listpack"),
            ("OBJECT ENCODING none", "$-"),
            ("OBJECT IDLETIME none", "$-"),
            ("OBJECT REFCOUNT i", ":1"),
            ("OBJECT IDLETIME i", "-ERR idle times are not tracked: nothing is evicted"),
            ("OBJECT FREQ i", "-ERR access frequencies are not tracked: nothing is evicted"),
            ("OBJECT ENCODING", "-ERR wrong number of arguments for 'object|encoding' command"),
            ("OBJECT NONE i", "-ERR unknown subcommand 'NONE'. Try OBJECT HELP."),
        ]);
    }

    #[test]
    fn memory_grows_with_key_and_value() {
        check_replies(&[
            ("MEMORY USAGE k", "$-"),
            ("SET k v", "+OK"),
            ("MEMORY USAGE k", ":21"),
            ("MEMORY USAGE k SAMPLES 0", ":21"),
            ("HSET h f value", ":1"),
            ("MEMORY USAGE h", ":28"),
            ("MEMORY USAGE k NONE 0", "-ERR syntax error"),
            ("MEMORY NONE", "-ERR unknown subcommand 'NONE'. Try MEMORY HELP."),
        ]);
    }
}
