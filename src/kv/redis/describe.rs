//! COMMAND: the list of all commands, for clients that look before they ask.

use std::sync::LazyLock;

use crate::kv::resp::integer;
use crate::kv::service;

use super::local;
use super::session::{Ask, Session};
use super::traits;
use super::writer::ReplyWriter;

/// The facts about a command, wherever it is answered.
struct Description {
    name: &'static str,
    arity: i8,
    keys: (i8, i8, i8),
    access: Access,
    group: &'static str,
    flags: Vec<&'static str>,
    categories: Vec<&'static str>,
}

/// The effect of a command on the keys it names.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Access {
    Writes,
    Reads,
    /// There are none.
    Nothing,
}

/// All commands, sorted by name: computed once, because each reply is made of many of them.
static ALL: LazyLock<Vec<Description>> = LazyLock::new(|| {
    let rows = service::commands().map(|row| {
        let access = match row {
            row if row.is_stateless() || row.is_time() => Access::Nothing,
            row if row.is_write() => Access::Writes,
            _ => Access::Reads,
        };
        Description::of(row.name, row.arity, row.keys, (access, row.grows()))
    });
    let locals = local::TABLE.iter().map(|local| {
        let keys = if local.name == "watch" { (1, -1, 1) } else { (0, 0, 0) };
        Description::of(local.name, local.arity, keys, (Access::Nothing, false))
    });
    let mut all: Vec<_> = rows.chain(locals).collect();
    all.sort_unstable_by_key(|one| one.name);
    all
});

impl Description {
    fn of(
        name: &'static str,
        arity: i8,
        keys: (i8, i8, i8),
        (access, grows): (Access, bool),
    ) -> Self {
        let group = traits::group(name);
        let flags = flags(name, group, access, grows);
        let categories = categories(name, group, access);
        Self { name, arity, keys, access, group, flags, categories }
    }
}

pub(super) fn command(_: &mut Session, ask: &Ask<'_>, answer: &mut ReplyWriter<'_>) {
    let all = &ALL[..];
    let named = |name: &[u8]| all.iter().find(|one| name.eq_ignore_ascii_case(one.name.as_bytes()));
    let asked = || ask.words.iter().skip(2);
    match &ask.lower(1)[..] {
        b"" if ask.words.len() == 1 => write_all(all, answer),
        b"info" if ask.words.len() == 2 => write_all(all, answer),
        b"info" => {
            answer.array(asked().len());
            asked().for_each(|name| match named(name) {
                Some(found) => write(found, answer),
                None => answer.null_array(),
            });
        }
        b"count" if ask.words.len() == 2 => answer.integer(all.len() as i64),
        b"list" if ask.words.len() == 2 => {
            answer.array(all.len());
            all.iter().for_each(|one| answer.bulk(one.name));
        }
        b"docs" => {
            let found: Vec<_> = match ask.words.len() {
                2 => all.iter().collect(),
                _ => asked().filter_map(named).collect(),
            };
            answer.map(found.len());
            found.iter().for_each(|one| write_docs(one, answer));
        }
        b"getkeys" if ask.words.len() > 3 => get_keys(ask, named(ask.word(2)), answer),
        _ => answer.refuse_subcommand("command", ask.word(1), &["count", "list", "getkeys"]),
    }
}

fn write_all(all: &[Description], answer: &mut ReplyWriter<'_>) {
    answer.array(all.len());
    all.iter().for_each(|one| write(one, answer));
}

/// Redis 7 gives ten facts of a command, of which we leave empty hints and subcommands.
fn write(one: &Description, answer: &mut ReplyWriter<'_>) {
    // Where the first key is depends on an argument there.
    let (first, last, step) = if one.name == "sintercard" { (0, 0, 0) } else { one.keys };
    answer.array(10);
    answer.bulk(one.name);
    answer.integer(one.arity.into());
    write_set(&one.flags, answer);
    [first, last, step].into_iter().for_each(|number| answer.integer(number.into()));
    write_set(&one.categories, answer);
    answer.array(0);
    write_key_specification(one, answer);
    answer.array(0);
}

fn write_set(words: &[&str], answer: &mut ReplyWriter<'_>) {
    answer.set(words.len());
    words.iter().for_each(|word| answer.simple(word));
}

fn flags(name: &str, group: &str, access: Access, grows: bool) -> Vec<&'static str> {
    let is_open = matches!(name, "auth" | "hello" | "quit" | "reset");
    let is_transaction = group == "transaction" && name != "exec";
    let flags = [
        ("write", access == Access::Writes),
        ("readonly", access == Access::Reads),
        ("denyoom", grows),
        ("noscript", group == "connection" && name != "ping"),
        ("loading", access == Access::Nothing),
        ("stale", access == Access::Nothing),
        ("fast", traits::is_fast(name)),
        ("no_auth", is_open),
        ("allow_busy", is_open || is_transaction),
        ("movablekeys", name == "sintercard"),
    ];
    flags.into_iter().filter_map(|(flag, holds)| holds.then_some(flag)).collect()
}

fn categories(name: &str, group: &str, access: Access) -> Vec<&'static str> {
    let categories = [
        ("@write", access == Access::Writes),
        ("@read", access == Access::Reads),
        ("@string", group == "string"),
        ("@hash", group == "hash"),
        ("@list", group == "list"),
        ("@set", group == "set"),
        ("@sortedset", group == "sortedset"),
        ("@connection", group == "connection"),
        ("@transaction", group == "transaction"),
        ("@keyspace", group == "keyspace"),
        ("@fast", traits::is_fast(name)),
        ("@slow", !traits::is_fast(name)),
        ("@dangerous", traits::is_dangerous(name)),
    ];
    categories.into_iter().filter_map(|(category, holds)| holds.then_some(category)).collect()
}

/// Where the keys are, in the form by which clients of a cluster find the node for a command.
fn write_key_specification(one: &Description, answer: &mut ReplyWriter<'_>) {
    let (first, last, step) = one.keys;
    if step == 0 {
        return answer.array(0);
    }
    answer.array(1);
    answer.map(3);
    answer.bulk("flags");
    write_set(
        match one.access {
            Access::Writes => &["RW", "access", "update"],
            _ => &["RO", "access"],
        },
        answer,
    );
    answer.bulk("begin_search");
    if one.name == "sintercard" {
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

fn write_docs(one: &Description, answer: &mut ReplyWriter<'_>) {
    answer.bulk(one.name);
    answer.map(2);
    answer.bulk("summary");
    let name = one.name.to_ascii_uppercase();
    answer.bulk(match one.name {
        "lease" | "taraflow" => format!("Not of Redis: {name} HELP tells what it does"),
        _ => format!("{name}, as in Redis"),
    });
    answer.bulk("group");
    answer.bulk(match one.group {
        "keyspace" => "generic",
        "sortedset" => "sorted-set",
        "transaction" => "transactions",
        group => group,
    });
}

fn get_keys(ask: &Ask<'_>, found: Option<&Description>, answer: &mut ReplyWriter<'_>) {
    let Some(one) = found else { return answer.error("ERR Invalid command specified") };
    let words: Vec<_> = ask.words.iter().skip(2).collect();
    let keys = keys_of(one, &words);
    if keys.is_empty() {
        return answer.error("ERR The command has no key arguments");
    }
    answer.array(keys.len());
    keys.into_iter().for_each(|key| answer.bulk(key));
}

fn keys_of<'a>(one: &Description, words: &[&'a [u8]]) -> Vec<&'a [u8]> {
    let (first, last, step) = one.keys;
    // SINTERCARD says itself how many keys it has.
    let counted = (one.name == "sintercard").then(|| integer(words.get(1)?)).flatten();
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
