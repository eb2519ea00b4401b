//! Many commands as one: what an edge makes of MULTI, WATCH and EXEC.
//!
//! ```text
//! VERSIONS key ..           an array with a version for each key, which is watched from now on
//! TRANSACTION watched (key version).. (count word..)..
//! ```
//!
//! `watched` says how many keys follow, each with the version it had; `count` how many words the
//! next command has. If a key was modified since it had that version, the answer is the null array
//! and nothing is done. If a LEASE CHECK among the commands fails, the answer is an error, and
//! nothing is done either. Else all commands are run, at one place in the order, and the answer is
//! the array of their replies. As in Redis one that is refused does not stop those behind it.

use crate::kv::resp::{Command, count, integer, write_array, write_integer, write_null_array};

use super::leases::commands::check_transaction;
use super::store::Store;
use super::{Call, Done, REPLY_BYTES_MAX, Refusal, Row, row_of, run_anyway};

/// Watches keys for a client.
pub(super) fn versions(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    write_array(call.len() - 1, reply);
    for key in call.from(1) {
        write_integer(store.watched_mut().watch(key) as i64, reply);
    }
    Ok(())
}

/// Whether nothing has modified `key` since it had the version that a client saw.
fn is_unmodified(store: &Store, key: &[u8], seen: &[u8]) -> bool {
    let seen = integer(seen).and_then(|version| u64::try_from(version).ok());
    seen.is_some_and(|version| store.watched().is_unmodified(key, version))
}

/// Runs a transaction whose parts have been checked by the edge that made it; checks them again.
pub(super) fn transaction(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let plan = Plan::read(&call.arguments).ok_or(Refusal::Text("ERR transaction is malformed"))?;
    // As in Redis either all of it is refused for want of memory, or nothing.
    if store.is_full() && plan.parts.iter().any(|(row, _)| row.grows()) {
        return Err(Refusal::FULL_TRANSACTION);
    }
    if !pairs(plan.watched).all(|(key, seen)| is_unmodified(store, key, seen)) {
        write_null_array(reply);
        return Ok(());
    }
    check_transaction(store, plan.parts.iter().map(|(row, words)| (row.name, words)))?;
    let start = reply.len();
    write_array(plan.parts.len(), reply);
    for (row, arguments) in plan.parts {
        let part = Call { slot: call.slot, now_ms: call.now_ms, name: row.name, arguments };
        // What is refused here for want of room has not been run.
        if reply.len() - start > REPLY_BYTES_MAX {
            Refusal::ReplyBytes.write(&part, reply);
        } else {
            run_anyway(store, row, &part, reply);
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
        let count = |at: usize| count(words.get(at)?);
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
    use crate::kv::service::tests::check_replies;
    use crate::kv::service::tests::command;
    use crate::kv::service::{KeyValue, StateMachine};
    use crate::model::app::At;
    use crate::model::types::Slot;

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

    /// Whether a transaction goes through that has watched `k` after `before` and before `between`.
    fn goes_through(before: &[&str], between: &[&str]) -> bool {
        let mut service = KeyValue::default();
        let mut reply = Vec::new();
        let mut time_ms = 0;
        let mut run = |line: &str| {
            // As a line of its own a number lets time pass.
            if let Ok(passed_ms) = line.parse::<u64>() {
                time_ms += passed_ms;
                return String::new();
            }
            reply.clear();
            service.apply(At { slot: Slot(1), time_ms }, &command(line), &mut reply);
            String::from_utf8_lossy(&reply).into_owned()
        };
        before.iter().for_each(|line| drop(run(line)));
        let version = run("VERSIONS k").replace("*1\r\n:", "");
        between.iter().for_each(|line| drop(run(line)));
        let said = run(&format!("TRANSACTION 1 k {} 1 PING", version.trim_end()));
        said != "*-1\r\n"
    }

    #[test]
    fn any_modification_stops_a_transaction_also_one_that_was_taken_back() {
        for (before, between) in [
            (&["SET k v"][..], &["SET k v"][..]),
            (&["SET k v"], &["DEL k", "SET k v"]),
            (&["SET k v"], &["RENAME k other", "RENAME other k"]),
            (&["SET k v"], &["EXPIRE k 100", "PERSIST k"]),
            (&["SET k v", "EXPIRE k 1"], &["2000"]),
            (&["SET k v"], &["FLUSHALL"]),
            (&["SET k v"], &["APPEND k x"]),
            (&["SET k v"], &["GETDEL k"]),
            (&["SET k v"], &["SETRANGE k 0 v"]),
            (&["SET k 1"], &["INCR k", "DECR k"]),
            (&["SET k 1"], &["INCRBYFLOAT k 0"]),
            (&["SET other v"], &["COPY other k", "DEL k"]),
            (&["SET other v"], &["RENAME other k"]),
            (&[], &["SET k v", "DEL k"]),
            (&[], &["TRANSACTION 0 3 SET k v 2 DEL k"]),
            (&[], &["SET k v PX 1", "5"]),
            (&["RPUSH k a b"], &["LSET k 0 a"]),
            (&["RPUSH k a b"], &["LTRIM k 0 -1"]),
            (&["RPUSH k a b"], &["LPOP k", "LPUSH k a"]),
            (&["RPUSH k a a"], &["LMOVE k k LEFT RIGHT"]),
            (&["RPUSH k a"], &["LREM k 0 a", "RPUSH k a"]),
            (&["SADD k a"], &["SADD k b", "SREM k b"]),
            (&["SADD k a"], &["SMOVE k other a", "SMOVE other k a"]),
            (&["SADD k a"], &["SPOP k"]),
            (&["SADD k a", "SADD other a"], &["SUNIONSTORE k other"]),
            (&["HSET k f v"], &["HSET k f v"]),
            (&["HSET k f 1"], &["HINCRBY k f 0"]),
            (&["ZADD k 1 a"], &["ZADD k 2 a", "ZADD k 1 a"]),
            (&["ZADD k 1 a"], &["ZREMRANGEBYRANK k 0 0", "ZADD k 1 a"]),
        ] {
            assert!(!goes_through(before, between), "{before:?}, then {between:?}");
        }
    }

    #[test]
    fn what_modifies_nothing_stops_no_transaction() {
        for (before, between) in [
            (&["SET k v"][..], &["GET k", "TYPE k", "TTL k", "TOUCH k", "GETEX k"][..]),
            (&["SET k v"], &["SETNX k w", "PERSIST k", "GETEX k PERSIST", "INCR k", "LPUSH k a"]),
            (&["SET k v"], &["EXPIRE k 100 XX", "SETRANGE k 0 ''", "RENAME k k", "COPY k k"]),
            (&["SET k v"], &["SET other w", "DEL other", "HSETNX k f v"]),
            (&[], &["DEL k", "SET other v", "FLUSHALL", "EXPIRE k 1", "LPOP k", "RENAME k l"]),
            (&["RPUSH k a"], &["LREM k 0 b", "LINSERT k BEFORE b c", "LPOP k 0", "LRANGE k 0 9"]),
            (&["SADD k a"], &["SADD k a", "SREM k b", "SMOVE k other b", "SPOP k 0"]),
            (&["HSET k f v"], &["HSETNX k f w", "HDEL k g", "HINCRBY k f 1"]),
            (&["ZADD k 1 a"], &["ZADD k 1 a", "ZADD k NX 2 a", "ZREM k b", "ZINCRBY k 0 a"]),
            (&["ZADD k 1 a"], &["ZREMRANGEBYRANK k 5 6", "ZPOPMIN k 0"]),
        ] {
            assert!(goes_through(before, between), "{before:?}, then {between:?}");
        }
    }
}
