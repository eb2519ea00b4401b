//! CONFIG: settings that clients look for. They are read once, when the server starts.

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
        known @ (b"get" | b"set" | b"resetstat" | b"rewrite") => {
            answer.wrong_arity(&format!("config|{}", String::from_utf8_lossy(known)));
        }
        _ => answer.unknown_subcommand("CONFIG", ask.word(1)),
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
        ("maxmemory", "0".into()),
        ("maxmemory-policy", "noeviction".into()),
        ("port", ask.server.port.to_string()),
        ("proto-max-bulk-len", STRING_BYTES_MAX.to_string()),
        ("requirepass", String::new()),
        ("save", String::new()),
        ("timeout", "0".into()),
    ]
}
