//! CONFIG, SLOWLOG and LATENCY, which clients and dashboards ask for. Settings are read once, when
//! the server starts; what is slow, and where, `taraflow doctor`, `inspect` and `trace` tell.

use crate::kv::service::{STRING_BYTES_MAX, matches};

use super::session::{Ask, Session};
use super::writer::ReplyWriter;

pub(super) fn config(_: &mut Session, ask: &Ask<'_>, answer: &mut ReplyWriter<'_>) {
    match &ask.lower(1)[..] {
        b"get" if ask.words.len() > 2 => get(ask, answer),
        b"set" if ask.words.len() > 3 => answer.error(
            "ERR CONFIG SET is not supported: change the settings file and start the server again",
        ),
        // What INFO counts goes on: whoever looks at it takes differences.
        b"resetstat" if ask.words.len() == 2 => answer.ok(),
        b"rewrite" if ask.words.len() == 2 => {
            answer.error("ERR The server is running without a config file");
        }
        _ => {
            answer.refuse_subcommand("config", ask.word(1), &["get", "set", "resetstat", "rewrite"])
        }
    }
}

fn get(ask: &Ask<'_>, answer: &mut ReplyWriter<'_>) {
    let values = values(ask);
    let wanted = |(name, _): &&(&str, String)| {
        let mut patterns = ask.words.iter().skip(2);
        patterns.any(|pattern| matches(&pattern.to_ascii_lowercase(), name.as_bytes()))
    };
    let found: Vec<_> = values.iter().filter(wanted).collect();
    answer.map(found.len());
    for (name, value) in found {
        answer.bulk(name);
        answer.bulk(value);
    }
}

/// The settings that Redis's clients and tools ask for, with what is true here.
fn values(ask: &Ask<'_>) -> [(&'static str, String); 11] {
    [
        // A reply means that the command is in the journals of a majority.
        ("appendfsync", "always".into()),
        ("appendonly", "yes".into()),
        ("bind", String::new()),
        ("databases", "1".into()),
        ("maxmemory", ask.server.memory_max.to_string()),
        ("maxmemory-policy", "noeviction".into()),
        ("port", ask.server.port.to_string()),
        ("proto-max-bulk-len", STRING_BYTES_MAX.to_string()),
        ("requirepass", String::new()),
        ("save", String::new()),
        ("timeout", "0".into()),
    ]
}

const ELSEWHERE: &str = "Nothing is recorded here: ask `taraflow doctor` what is slow, and why.";

pub(super) fn slowlog(_: &mut Session, ask: &Ask<'_>, answer: &mut ReplyWriter<'_>) {
    let count = ask.words.len();
    match &ask.lower(1)[..] {
        b"get" if count <= 3 => answer.array(0),
        b"len" if count == 2 => answer.integer(0),
        b"reset" if count == 2 => answer.ok(),
        b"help" if count == 2 => answer.lines(&["SLOWLOG GET [<count>] | LEN | RESET", ELSEWHERE]),
        _ => answer.refuse_subcommand("slowlog", ask.word(1), &["get", "len", "reset", "help"]),
    }
}

pub(super) fn latency(_: &mut Session, ask: &Ask<'_>, answer: &mut ReplyWriter<'_>) {
    let count = ask.words.len();
    match &ask.lower(1)[..] {
        b"latest" if count == 2 => answer.array(0),
        b"history" if count == 3 => answer.array(0),
        b"histogram" => answer.map(0),
        b"reset" => answer.integer(0),
        b"doctor" if count == 2 => answer.text(ELSEWHERE),
        b"help" if count == 2 => {
            answer.lines(&[
                "LATENCY LATEST | HISTORY <event> | HISTOGRAM | RESET | DOCTOR",
                ELSEWHERE,
            ]);
        }
        _ => answer.refuse_subcommand(
            "latency",
            ask.word(1),
            &["latest", "history", "doctor", "help"],
        ),
    }
}
