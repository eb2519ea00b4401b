//! Many commands as one: what an edge makes of MULTI, WATCH and EXEC.
//!
//! ```text
//! FINGERPRINT key ..        an array with a fingerprint for each key
//! TRANSACTION watched (key fingerprint).. (count word..)..
//! ```
//!
//! `watched` says how many keys follow, each with the fingerprint it had; `count` how many words the
//! next command has. If a key has another fingerprint now, the answer is the null array and nothing
//! is done. Else all commands are run, at one place in the order, and the answer is the array of their
//! replies. As in Redis one that is refused does not stop those behind it.

use crate::resp::{Command, integer, write_array, write_null_array};

use super::replies::write_bulks;
use super::store::{Entry, Store, Value};
use super::{Call, Done, REPLY_BYTES_MAX, Refusal, Row, row_of, run};

/// What tells one value of a key from another; the hash is cut to where chance cannot find two alike.
const FINGERPRINT_BYTES: usize = 16;

/// Asks for what WATCH remembers. Two fingerprints of a key are equal when its kind, its value and its
/// expiry are: a change that was taken back does not show.
pub(super) fn fingerprint(store: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let fingerprints: Vec<_> = call.from(1).map(|key| of_key(store, key, call.now_ms)).collect();
    write_bulks(fingerprints.iter().map(|bytes| &bytes[..]), reply)
}

fn of_key(store: &Store, key: &[u8], now_ms: u64) -> [u8; FINGERPRINT_BYTES] {
    let hash = store.entry(key, now_ms).map_or([0; blake3::OUT_LEN], of_entry);
    std::array::from_fn(|index| hash[index])
}

fn of_entry(entry: &Entry) -> [u8; blake3::OUT_LEN] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&entry.expires_ms.to_le_bytes()).update(entry.value.kind().as_bytes());
    let mut add = |part: &[u8]| {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
    };
    match &entry.value {
        Value::Text(text) => add(text),
        Value::List(list) => list.iter().for_each(|element| add(element)),
        Value::Set(set) => set.iter().for_each(|member| add(member)),
        Value::Zset(zset) => zset.iter().for_each(|one| {
            add(&one.member);
            add(&one.score.to_bits().to_le_bytes());
        }),
        Value::Hash(hash) => hash.iter().for_each(|(field, value)| {
            add(field);
            add(value);
        }),
    }
    hasher.finalize().into()
}

/// Runs a transaction whose parts have been checked by the edge that made it; checks them again.
pub(super) fn transaction(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let plan = Plan::read(&call.arguments).ok_or(Refusal::Text("ERR transaction is malformed"))?;
    let same = |(key, seen): (&[u8], &[u8])| of_key(store, key, call.now_ms) == *seen;
    if !pairs(plan.watched).all(same) {
        write_null_array(reply);
        return Ok(());
    }
    let start = reply.len();
    write_array(plan.parts.len(), reply);
    for (row, arguments) in plan.parts {
        let part = Call { slot: call.slot, now_ms: call.now_ms, name: row.name, arguments };
        // What is refused here for want of room has not been run.
        if reply.len() - start > REPLY_BYTES_MAX {
            Refusal::ReplyBytes.write(&part, reply);
        } else {
            run(store, row, &part, reply);
        }
    }
    Ok(())
}

fn pairs<'a>(words: Command<'a>) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
    words.iter().step_by(2).zip(words.iter().skip(1).step_by(2))
}

/// A transaction taken apart, before anything is done.
struct Plan<'a> {
    watched: Command<'a>,
    parts: Vec<(&'static Row, Command<'a>)>,
}

impl<'a> Plan<'a> {
    fn read(words: &Command<'a>) -> Option<Self> {
        let count = |at: usize| usize::try_from(integer(words.get(at)?)?).ok();
        let mut at = count(1)?.checked_mul(2)?.checked_add(2)?;
        let watched = words.part(2..at)?;
        let mut parts = Vec::new();
        while at < words.len() {
            let end = (at + 1).checked_add(count(at)?)?;
            let part = words.part(at + 1..end)?;
            let row = row_of(&part).ok().filter(|row| !row.is_internal())?;
            parts.push((row, part));
            at = end;
        }
        Some(Self { watched, parts })
    }
}

#[cfg(test)]
mod tests {
    use crate::app::kv::tests::check_replies;
    use crate::app::kv::{KeyValue, StateMachine};
    use crate::app::{At, kv::tests::command};
    use crate::types::Slot;

    #[test]
    fn a_transaction_answers_for_each_of_its_commands() {
        check_replies(&[
            ("TRANSACTION 0 3 SET k 1 2 INCR k 2 GET k", "[+OK :2 $2]"),
            (
                "TRANSACTION 0 3 SET k x 2 INCR k 3 LPOP k x 2 GET k",
                concat!(
                    "[+OK -ERR value is not an integer or out of range ",
                    "-ERR value is out of range, must be positive $x]"
                ),
            ),
            ("TRANSACTION 0", "[]"),
        ]);
    }

    #[test]
    fn a_malformed_transaction_does_nothing() {
        let said = "-ERR transaction is malformed";
        for words in [
            "x",
            "-1",
            "1",
            "1 k",
            "9223372036854775807",
            "0 3 SET k",
            "0 3 SET k v 2 NONE k",
            "0 3 SET k v 3 GET k k",
            "0 3 SET k v 2 TRANSACTION 0",
            "0 3 SET k v 0",
            "0 3 SET k v -1",
        ] {
            check_replies(&[(&format!("TRANSACTION {words}"), said), ("EXISTS k", ":0")]);
        }
    }

    /// The fingerprint of a key after these commands, at a time in milliseconds.
    fn fingerprint(lines: &[&str]) -> Vec<u8> {
        let mut service = KeyValue::default();
        let mut reply = Vec::new();
        for line in lines.iter().chain(&["FINGERPRINT k"]) {
            reply.clear();
            service.apply(At { slot: Slot(1), time_ms: 50 }, &command(line), &mut reply);
        }
        reply
    }

    #[test]
    fn fingerprints_tell_kind_value_and_expiry_apart() {
        let states: [&[&str]; 12] = [
            &[],
            &["SET k v"],
            &["SET k w"],
            &["SET k v PX 5"],
            &["RPUSH k v"],
            &["SADD k v"],
            &["SADD k vw"],
            &["SADD k v w"],
            &["RPUSH k v w"],
            &["HSET k v w"],
            &["ZADD k 1 v"],
            &["ZADD k 2 v"],
        ];
        let fingerprints = states.map(fingerprint);

        for (index, one) in fingerprints.iter().enumerate() {
            assert!(!fingerprints[..index].contains(one), "{:?}", states[index]);
        }
        assert_eq!(fingerprint(&["SET k w", "SET k v"]), fingerprint(&["SET k v"]));
    }
}
