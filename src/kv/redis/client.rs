//! CLIENT: facts about a connection, and about the others.

use crate::kv::resp::{Command, integer};

use super::client_list;
use super::local::Local;
use super::session::{Ask, Session};
use super::writer::ReplyWriter;

/// The subcommands, as `CLIENT INFO` shows them, with how many arguments they take at least and at
/// most, both names counted.
const SUBCOMMANDS: [(&str, usize, usize); 16] = [
    ("client|caching", 3, 3),
    ("client|getname", 2, 2),
    ("client|getredir", 2, 2),
    ("client|help", 2, 2),
    ("client|id", 2, 2),
    ("client|info", 2, 2),
    ("client|kill", 3, usize::MAX),
    ("client|list", 2, usize::MAX),
    ("client|no-evict", 3, 3),
    ("client|no-touch", 3, 3),
    ("client|reply", 3, 3),
    ("client|setinfo", 4, 4),
    ("client|setname", 3, 3),
    ("client|tracking", 3, usize::MAX),
    ("client|trackinginfo", 2, 2),
    ("client|unblock", 3, 4),
];

const HELP: [&str; 14] = [
    "CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
    "GETNAME | SETNAME <name>",
    "    The name of this connection.",
    "ID",
    "    The number of this connection.",
    "INFO | LIST [TYPE (normal|master|replica|pubsub)] [ID <id> ...]",
    "    This connection, or all of this server's.",
    "KILL <ip:port> | KILL [ID|ADDR|LADDR|TYPE|USER|SKIPME <value>] ...",
    "    End connections of this server.",
    "NO-EVICT | NO-TOUCH (ON|OFF)",
    "    Taken, and without effect: nothing is evicted.",
    "SETINFO (LIB-NAME|LIB-VER) <value>, GETREDIR, TRACKINGINFO, UNBLOCK <id>, HELP",
    "    As in Redis. Nothing is tracked, and nobody is blocked.",
    "REPLY ON",
];

/// The subcommand of a CLIENT command, if there is such a one.
fn known(command: &Command<'_>) -> Option<(&'static str, usize, usize)> {
    let asked = command.get(1)?;
    let is_asked = |full: &str| {
        full.split_once('|').is_some_and(|(_, name)| asked.eq_ignore_ascii_case(name.as_bytes()))
    };
    SUBCOMMANDS.into_iter().find(|(full, ..)| is_asked(full))
}

/// The name that `CLIENT INFO` shows for a CLIENT command.
pub(super) fn full_name(command: &Command<'_>) -> &'static str {
    known(command).map_or("client", |(full, ..)| full)
}

/// Whether a command is about all connections.
pub(super) fn needs_listing(local: &Local, command: &Command<'_>) -> bool {
    local.name == "client"
        && matches!(full_name(command), "client|list" | "client|info" | "client|kill")
}

pub(super) fn client(session: &mut Session, ask: &Ask<'_>, answer: &mut ReplyWriter<'_>) {
    let Some((full, least, most)) = known(&ask.words) else {
        return answer.refuse_subcommand("client", ask.word(1), &[]);
    };
    if !(least..=most).contains(&ask.words.len()) {
        return answer.wrong_arity(full);
    }
    match full {
        "client|id" => answer.integer(session.id as i64),
        "client|getname" if session.name.is_empty() => answer.null(),
        "client|getname" => answer.bulk(&session.name),
        "client|setname" => match checked_name(ask.word(2), "Client names") {
            Ok(name) => {
                session.name = name;
                answer.ok();
            }
            Err(text) => answer.error(text),
        },
        "client|setinfo" => set_info(session, ask, answer),
        "client|no-evict" | "client|no-touch" => match &ask.lower(2)[..] {
            // There is no eviction, and no list of what was touched last.
            b"on" | b"off" => answer.ok(),
            _ => answer.error("ERR syntax error"),
        },
        "client|reply" => match &ask.lower(2)[..] {
            b"on" => answer.ok(),
            b"off" | b"skip" => answer.error("ERR every command is replied to here"),
            _ => answer.error("ERR syntax error"),
        },
        "client|caching" | "client|tracking" => match &ask.lower(2)[..] {
            b"off" if full == "client|tracking" => answer.ok(),
            _ => answer.error("ERR client side caching is not supported: nothing is tracked"),
        },
        "client|getredir" => answer.integer(-1),
        "client|trackinginfo" => tracking_info(answer),
        "client|unblock" => match integer(ask.word(2)) {
            // Nobody is ever blocked.
            Some(_) => answer.integer(0),
            None => answer.error("ERR value is not an integer or out of range"),
        },
        "client|kill" => client_list::kill(session, ask, answer),
        "client|list" => client_list::list(ask, answer),
        "client|help" => answer.lines(&HELP),
        _ => client_list::info(session, ask, answer),
    }
}

fn tracking_info(answer: &mut ReplyWriter<'_>) {
    answer.map(3);
    answer.bulk("flags");
    answer.set(1);
    answer.bulk("off");
    answer.bulk("redirect");
    answer.integer(-1);
    answer.bulk("prefixes");
    answer.array(0);
}

/// A name as Redis allows it: without spaces and control characters, so that lists stay lists.
pub(super) fn checked_name(name: &[u8], what: &str) -> Result<Vec<u8>, Vec<u8>> {
    if name.iter().all(u8::is_ascii_graphic) {
        return Ok(name.to_vec());
    }
    Err(format!("ERR {what} cannot contain spaces, newlines or special characters.").into_bytes())
}

fn set_info(session: &mut Session, ask: &Ask<'_>, answer: &mut ReplyWriter<'_>) {
    let (attribute, shown) = match &ask.lower(2)[..] {
        b"lib-name" => (&mut session.library, "lib-name"),
        b"lib-ver" => (&mut session.library_version, "lib-ver"),
        _ => {
            let text = [b"ERR Unrecognized option '", ask.word(2), b"'"].concat();
            return answer.error(text);
        }
    };
    match checked_name(ask.word(3), shown) {
        Ok(value) => {
            *attribute = value;
            answer.ok();
        }
        Err(text) => answer.error(text),
    }
}
