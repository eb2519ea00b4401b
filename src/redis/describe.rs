//! COMMAND: which commands there are, for clients that look before they ask.

use crate::app::kv;
use crate::resp::integer;

use super::answer::Answer;
use super::local;
use super::session::{Ask, Session};

/// What is told of a command, wherever it is answered.
struct Told {
    name: &'static str,
    arity: i8,
    flag: &'static str,
    keys: (i8, i8, i8),
}

fn all() -> Vec<Told> {
    let rows = kv::commands().map(|row| Told {
        name: row.name(),
        arity: row.arity(),
        flag: if row.is_write() { "write" } else { "readonly" },
        keys: row.keys(),
    });
    let locals = local::TABLE.iter().map(|local| Told {
        name: local.name,
        arity: local.arity,
        flag: "fast",
        keys: if local.name == "watch" { (1, -1, 1) } else { (0, 0, 0) },
    });
    let mut all: Vec<_> = rows.chain(locals).collect();
    all.sort_unstable_by_key(|told| told.name);
    all
}

pub(super) fn command(_: &mut Session, ask: &Ask<'_>, answer: &mut Answer<'_>) {
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

fn write_all(all: &[Told], answer: &mut Answer<'_>) {
    answer.array(all.len());
    all.iter().for_each(|told| write(told, answer));
}

/// Redis 7 tells ten things of a command, the last four of which, access categories, hints, key
/// specifications and subcommands, we leave empty.
fn write(told: &Told, answer: &mut Answer<'_>) {
    let (first, last, step) = told.keys;
    answer.array(10);
    answer.bulk(told.name);
    answer.integer(told.arity.into());
    answer.set(1);
    answer.simple(told.flag);
    [first, last, step].into_iter().for_each(|number| answer.integer(number.into()));
    (0..3).for_each(|_| answer.set(0));
    answer.array(0);
}

fn write_docs(told: &Told, answer: &mut Answer<'_>) {
    answer.bulk(told.name);
    answer.map(1);
    answer.bulk("summary");
    answer.bulk(format!("{}, as in Redis", told.name.to_ascii_uppercase()));
}

fn get_keys(ask: &Ask<'_>, told: Option<&Told>, answer: &mut Answer<'_>) {
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
