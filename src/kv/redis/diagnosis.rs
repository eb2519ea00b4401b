//! SLOWLOG and LATENCY, which dashboards ask for. Nothing is recorded for them: `taraflow doctor`,
//! `inspect` and `trace` tell what is slow, and where.

use super::session::{Ask, Session};
use super::writer::ReplyWriter;

const ELSEWHERE: &str = "Nothing is recorded here: ask `taraflow doctor` what is slow, and why.";

pub(super) fn slowlog(_: &mut Session, ask: &Ask<'_>, answer: &mut ReplyWriter<'_>) {
    let count = ask.words.len();
    match &ask.lower(1)[..] {
        b"get" if count <= 3 => answer.array(0),
        b"len" if count == 2 => answer.integer(0),
        b"reset" if count == 2 => answer.ok(),
        b"help" if count == 2 => answer.lines(&["SLOWLOG GET [<count>] | LEN | RESET", ELSEWHERE]),
        known @ (b"get" | b"len" | b"reset" | b"help") => {
            answer.wrong_arity(&format!("slowlog|{}", String::from_utf8_lossy(known)));
        }
        _ => answer.unknown_subcommand("SLOWLOG", ask.word(1)),
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
        known @ (b"latest" | b"history" | b"doctor" | b"help") => {
            answer.wrong_arity(&format!("latency|{}", String::from_utf8_lossy(known)));
        }
        _ => answer.unknown_subcommand("LATENCY", ask.word(1)),
    }
}
