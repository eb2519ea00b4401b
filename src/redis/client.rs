//! CLIENT: what a connection says of itself. Others are none of its business.

use super::answer::Answer;
use super::session::{Ask, Session};

pub(super) fn client(session: &mut Session, ask: &Ask<'_>, answer: &mut Answer<'_>) {
    let subcommand = ask.lower(1);
    let arity = match &subcommand[..] {
        b"id" | b"getname" | b"info" => ask.words.len() == 2,
        b"setname" | b"reply" | b"no-evict" | b"no-touch" => ask.words.len() == 3,
        b"setinfo" => ask.words.len() == 4,
        b"list" => true,
        _ => return answer.unknown_subcommand("CLIENT", ask.word(1)),
    };
    let subcommand = String::from_utf8_lossy(&subcommand);
    if !arity {
        return answer.wrong_arity(&format!("client|{subcommand}"));
    }
    match &*subcommand {
        "id" => answer.integer(session.id as i64),
        "getname" if session.name.is_empty() => answer.null(),
        "getname" => answer.bulk(&session.name),
        "setname" => match checked_name(ask.word(2), "Client names") {
            Ok(name) => {
                session.name = name;
                answer.ok();
            }
            Err(text) => answer.error(text),
        },
        "setinfo" => set_info(session, ask, answer),
        "no-evict" | "no-touch" => match &ask.lower(2)[..] {
            // There is no eviction, and no list of what was touched last.
            b"on" | b"off" => answer.ok(),
            _ => answer.error("ERR syntax error"),
        },
        "reply" => match &ask.lower(2)[..] {
            b"on" => answer.ok(),
            b"off" | b"skip" => answer.error("ERR every command is replied to here"),
            _ => answer.error("ERR syntax error"),
        },
        _ => answer.text(&described(session)),
    }
}

/// A name as Redis allows it: without spaces and control characters, so that lists stay lists.
pub(super) fn checked_name(name: &[u8], what: &str) -> Result<Vec<u8>, Vec<u8>> {
    if name.iter().all(u8::is_ascii_graphic) {
        return Ok(name.to_vec());
    }
    Err(format!("ERR {what} cannot contain spaces, newlines or special characters.").into_bytes())
}

fn set_info(session: &mut Session, ask: &Ask<'_>, answer: &mut Answer<'_>) {
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

fn described(session: &Session) -> String {
    let shown = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!(
        "id={} name={} db=0 sub=0 psub=0 multi=-1 user=default lib-name={} lib-ver={} resp={}\n",
        session.id,
        shown(&session.name),
        shown(&session.library),
        shown(&session.library_version),
        if session.resp3 { 3 } else { 2 },
    )
}
