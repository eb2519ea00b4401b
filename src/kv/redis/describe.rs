//! COMMAND: the list of all commands, for clients that look before they ask.

use crate::kv::resp::integer;
use crate::kv::service;

use super::local;
use super::session::{Ask, Session};
use super::traits;
use super::writer::ReplyWriter;

/// The facts told of a command, wherever it is answered.
struct Told {
    name: &'static str,
    arity: i8,
    keys: (i8, i8, i8),
    access: Access,
}

/// The effect of a command on the keys it names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Writes,
    Reads,
    /// There are none.
    Nothing,
}

fn all() -> Vec<Told> {
    let rows = service::commands().map(|row| Told {
        name: row.name(),
        arity: row.arity(),
        keys: row.keys(),
        access: match row {
            row if row.is_stateless() || row.name() == "time" => Access::Nothing,
            row if row.is_write() => Access::Writes,
            _ => Access::Reads,
        },
    });
    let locals = local::TABLE.iter().map(|local| Told {
        name: local.name,
        arity: local.arity,
        keys: if local.name == "watch" { (1, -1, 1) } else { (0, 0, 0) },
        access: Access::Nothing,
    });
    let mut all: Vec<_> = rows.chain(locals).collect();
    all.sort_unstable_by_key(|told| told.name);
    all
}

pub(super) fn command(_: &mut Session, ask: &Ask<'_>, answer: &mut ReplyWriter<'_>) {
    let all = all();
    let named =
        |name: &[u8]| all.iter().find(|told| name.eq_ignore_ascii_case(told.name.as_bytes()));
    let asked = || ask.words.iter().skip(2);
    match &ask.lower(1)[..] {
        b"" if ask.words.len() == 1 => write_all(&all, answer),
        b"info" if ask.words.len() == 2 => write_all(&all, answer),
        b"info" => {
            answer.array(asked().len());
            asked().for_each(|name| match named(name) {
                Some(told) => write(told, answer),
                None => answer.null_array(),
            });
        }
        b"count" if ask.words.len() == 2 => answer.integer(all.len() as i64),
        b"list" if ask.words.len() == 2 => {
            answer.array(all.len());
            all.iter().for_each(|told| answer.bulk(told.name));
        }
        b"docs" => {
            let found: Vec<_> = match ask.words.len() {
                2 => all.iter().collect(),
                _ => asked().filter_map(named).collect(),
            };
            answer.map(found.len());
            found.iter().for_each(|told| write_docs(told, answer));
        }
        b"getkeys" if ask.words.len() > 3 => get_keys(ask, named(ask.word(2)), answer),
        known @ (b"count" | b"list" | b"getkeys") => {
            answer.wrong_arity(&format!("command|{}", String::from_utf8_lossy(known)));
        }
        _ => answer.unknown_subcommand("COMMAND", ask.word(1)),
    }
}

fn write_all(all: &[Told], answer: &mut ReplyWriter<'_>) {
    answer.array(all.len());
    all.iter().for_each(|told| write(told, answer));
}

/// Redis 7 tells ten things of a command, of which we leave empty hints and subcommands.
fn write(told: &Told, answer: &mut ReplyWriter<'_>) {
    // Where the first key is depends on an argument there.
    let (first, last, step) = if told.name == "sintercard" { (0, 0, 0) } else { told.keys };
    answer.array(10);
    answer.bulk(told.name);
    answer.integer(told.arity.into());
    write_set(&flags(told), answer);
    [first, last, step].into_iter().for_each(|number| answer.integer(number.into()));
    write_set(&categories(told), answer);
    answer.array(0);
    write_key_specification(told, answer);
    answer.array(0);
}

fn write_set(words: &[&str], answer: &mut ReplyWriter<'_>) {
    answer.set(words.len());
    words.iter().for_each(|word| answer.simple(word));
}

fn flags(told: &Told) -> Vec<&'static str> {
    let mut flags = match told.access {
        Access::Writes => vec!["write"],
        Access::Reads => vec!["readonly"],
        Access::Nothing => Vec::new(),
    };
    let is_open = matches!(told.name, "auth" | "hello" | "quit" | "reset");
    let is_transaction = traits::group(told.name) == "transaction" && told.name != "exec";
    let more = [
        ("denyoom", told.access == Access::Writes && traits::grows(told.name)),
        ("noscript", traits::group(told.name) == "connection" && told.name != "ping"),
        ("loading", told.access == Access::Nothing),
        ("stale", told.access == Access::Nothing),
        ("fast", traits::is_fast(told.name)),
        ("no_auth", is_open),
        ("allow_busy", is_open || is_transaction),
        ("movablekeys", told.name == "sintercard"),
    ];
    flags.extend(more.into_iter().filter_map(|(flag, holds)| holds.then_some(flag)));
    flags
}

fn categories(told: &Told) -> Vec<&'static str> {
    let mut categories = match told.access {
        Access::Writes => vec!["@write"],
        Access::Reads => vec!["@read"],
        Access::Nothing => Vec::new(),
    };
    categories.extend(match traits::group(told.name) {
        "string" => Some("@string"),
        "hash" => Some("@hash"),
        "list" => Some("@list"),
        "set" => Some("@set"),
        "sortedset" => Some("@sortedset"),
        "connection" => Some("@connection"),
        "transaction" => Some("@transaction"),
        "keyspace" => Some("@keyspace"),
        _ => None,
    });
    categories.push(if traits::is_fast(told.name) { "@fast" } else { "@slow" });
    if traits::is_dangerous(told.name) {
        categories.push("@dangerous");
    }
    categories
}

/// Where the keys are, in the form by which clients of a cluster find the node for a command.
fn write_key_specification(told: &Told, answer: &mut ReplyWriter<'_>) {
    let (first, last, step) = told.keys;
    if step == 0 {
        return answer.array(0);
    }
    answer.array(1);
    answer.map(3);
    answer.bulk("flags");
    write_set(
        match told.access {
            Access::Writes => &["RW", "access", "update"],
            _ => &["RO", "access"],
        },
        answer,
    );
    answer.bulk("begin_search");
    if told.name == "sintercard" {
        write_search("index", &[("index", 1)], answer);
        answer.bulk("find_keys");
        let spec = [("keynumidx", 0), ("firstkey", 1), ("keystep", 1)];
        return write_search("keynum", &spec, answer);
    }
    write_search("index", &[("index", first.into())], answer);
    answer.bulk("find_keys");
    // Counted from the first key, unless it counts from the end.
    let last = if last < 0 { i64::from(last) } else { i64::from(last) - i64::from(first) };
    let spec = [("lastkey", last), ("keystep", step.into()), ("limit", 0)];
    write_search("range", &spec, answer);
}

fn write_search(kind: &str, spec: &[(&str, i64)], answer: &mut ReplyWriter<'_>) {
    answer.map(2);
    answer.bulk("type");
    answer.bulk(kind);
    answer.bulk("spec");
    answer.map(spec.len());
    for (name, number) in spec {
        answer.bulk(name);
        answer.integer(*number);
    }
}

fn write_docs(told: &Told, answer: &mut ReplyWriter<'_>) {
    answer.bulk(told.name);
    answer.map(2);
    answer.bulk("summary");
    answer.bulk(format!("{}, as in Redis", told.name.to_ascii_uppercase()));
    answer.bulk("group");
    answer.bulk(match traits::group(told.name) {
        "keyspace" => "generic",
        "sortedset" => "sorted-set",
        "transaction" => "transactions",
        group => group,
    });
}

fn get_keys(ask: &Ask<'_>, told: Option<&Told>, answer: &mut ReplyWriter<'_>) {
    let Some(told) = told else { return answer.error("ERR Invalid command specified") };
    let words: Vec<_> = ask.words.iter().skip(2).collect();
    let keys = keys_of(told, &words);
    if keys.is_empty() {
        return answer.error("ERR The command has no key arguments");
    }
    answer.array(keys.len());
    keys.into_iter().for_each(|key| answer.bulk(key));
}

fn keys_of<'a>(told: &Told, words: &[&'a [u8]]) -> Vec<&'a [u8]> {
    let (first, last, step) = told.keys;
    // SINTERCARD says itself how many keys it has.
    let counted = (told.name == "sintercard").then(|| integer(words.get(1)?)).flatten();
    let end = match counted {
        Some(count) => usize::try_from(count).unwrap_or(0).saturating_add(2),
        None if last < 0 => (words.len() + 1).saturating_sub(usize::from(last.unsigned_abs())),
        None => usize::from(last.unsigned_abs()) + 1,
    };
    let keys = words.get(usize::from(first.unsigned_abs())..end.min(words.len()));
    if step < 1 {
        return Vec::new();
    }
    keys.unwrap_or_default().iter().step_by(step.unsigned_abs().into()).copied().collect()
}
