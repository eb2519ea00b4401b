//! TARAFLOW READS: how recent the reads of a connection have to be.

use crate::kv::resp::integer;
use crate::model::reads::{Freshness, Way};
use crate::model::types::Slot;

use super::session::{Ask, Session};
use super::writer::ReplyWriter;

/// A level of consistency, by which a client chooses the way of its reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum ReadLevel {
    /// Linearizable, by the order of all commands: reads are ordered like writes.
    Log,
    /// Linearizable.
    #[default]
    Linearizable,
    /// Never older than what the connection has seen, nor than the slots before this one.
    Sequential(Slot),
    /// What the replica has.
    Stale,
}

impl ReadLevel {
    /// The way of a read.
    pub(super) fn way(self) -> Way {
        match self {
            Self::Log => Way::Log,
            Self::Linearizable => Way::State(Freshness::Latest),
            Self::Sequential(slot) => Way::State(Freshness::Executed(slot)),
            Self::Stale => Way::State(Freshness::Executed(Slot(0))),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Linearizable => "linearizable",
            Self::Sequential(_) => "sequential",
            Self::Stale => "stale",
        }
    }
}

const HELP: [&str; 11] = [
    "TARAFLOW READS [<level>]. Without a level, the one in force, and the slot that this replica executes next.",
    "LOG",
    "    Reads are ordered like writes: a message and a disk of a majority.",
    "LINEARIZABLE",
    "    As recent as all that anybody was answered before; a message of a majority, no disk. The default.",
    "SEQUENTIAL [<slot>]",
    "    Never older than what this connection has seen, here or, with the slot told there, elsewhere.",
    "STALE",
    "    What this replica has, at once, though it may be cut off.",
    "HELP",
    "    This text.",
];

pub(super) fn taraflow(session: &mut Session, ask: &Ask<'_>, answer: &mut ReplyWriter<'_>) {
    match (&ask.lower(1)[..], ask.words.len()) {
        (b"reads", 2) => {
            answer.array(2);
            answer.bulk(session.reads.name());
            answer.integer(ask.server.executed.0 as i64);
        }
        (b"reads", 3 | 4) => match chosen(ask) {
            Ok(level) => {
                session.reads = level;
                answer.ok();
            }
            Err(text) => answer.error(text),
        },
        (b"help", 2) => answer.lines(&HELP),
        _ => answer.refuse_subcommand("taraflow", ask.word(1), &["reads", "help"]),
    }
}

fn chosen(ask: &Ask<'_>) -> Result<ReadLevel, &'static str> {
    let level = match &ask.lower(2)[..] {
        b"log" => ReadLevel::Log,
        b"linearizable" => ReadLevel::Linearizable,
        b"sequential" => ReadLevel::Sequential(Slot(0)),
        b"stale" => ReadLevel::Stale,
        _ => return Err("ERR the levels of reads are log, linearizable, sequential and stale"),
    };
    match (level, ask.words.len()) {
        (level, 3) => Ok(level),
        (ReadLevel::Sequential(_), _) => match integer(ask.word(3)) {
            Some(slot @ 0..) => Ok(ReadLevel::Sequential(Slot(slot as u64))),
            _ => Err("ERR the slot is a number from 0 on, as TARAFLOW READS has told it"),
        },
        _ => Err("ERR only sequential reads are given a slot"),
    }
}
