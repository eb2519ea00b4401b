//! Facts about a client, most of which it has sent itself.

use crate::kv::resp::{Command, integer};

use super::reads::ReadLevel;
use super::writer::ReplyWriter;
use super::{RedisSettings, ServerInfo};

/// One client, as its commands have made it known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Session {
    pub(super) id: u64,
    pub(super) resp3: bool,
    pub(super) authenticated: bool,
    pub(super) name: Vec<u8>,
    pub(super) library: Vec<u8>,
    pub(super) library_version: Vec<u8>,
    /// Where it comes from, and what it has dialled.
    pub(super) address: String,
    pub(super) dialled: String,
    /// When it came, and when it sent its last command, in milliseconds of the server's life.
    pub(super) since_ms: u64,
    pub(super) last_ms: u64,
    /// The command it sent last.
    pub(super) last: &'static str,
    /// Connections that it wants ended.
    pub(super) kills: Vec<u64>,
    /// How recent its reads have to be.
    pub(super) reads: ReadLevel,
    /// No more is taken from this client, and the connection ends with the last reply.
    pub(super) closing: bool,
}

/// A command that the connection answers itself, with all that it may need for that.
pub(super) struct Ask<'a> {
    pub(super) words: Command<'a>,
    pub(super) server: &'a ServerInfo,
    pub(super) settings: &'a RedisSettings,
}

impl<'a> Ask<'a> {
    /// The argument at `index`, or nothing.
    pub(super) fn word(&self, index: usize) -> &'a [u8] {
        self.words.get(index).unwrap_or_default()
    }

    /// The argument at `index` in small letters, for comparing it with what is known.
    pub(super) fn lower(&self, index: usize) -> Vec<u8> {
        self.word(index).to_ascii_lowercase()
    }
}

impl Session {
    pub(super) fn new(id: u64, settings: &RedisSettings) -> Self {
        Self { id, authenticated: settings.password.is_none(), last: "NULL", ..Self::default() }
    }
}

pub(super) fn select(_: &mut Session, ask: &Ask<'_>, answer: &mut ReplyWriter<'_>) {
    match integer(ask.word(1)) {
        Some(0) => answer.ok(),
        Some(_) => answer.error("ERR DB index is out of range"),
        None => answer.error("ERR value is not an integer or out of range"),
    }
}

pub(super) fn quit(session: &mut Session, _: &Ask<'_>, answer: &mut ReplyWriter<'_>) {
    session.closing = true;
    answer.ok();
}

pub(super) fn reset(session: &mut Session, ask: &Ask<'_>, answer: &mut ReplyWriter<'_>) {
    let Session { address, dialled, since_ms, last_ms, .. } = session.clone();
    let new = Session::new(session.id, ask.settings);
    *session = Session { address, dialled, since_ms, last_ms, ..new };
    answer.simple("RESET");
}

/// A reply says that one more replica than may fail holds the command; these are the others.
pub(super) fn wait(_: &mut Session, ask: &Ask<'_>, answer: &mut ReplyWriter<'_>) {
    match (integer(ask.word(1)), integer(ask.word(2))) {
        (None, _) => answer.error("ERR value is not an integer or out of range"),
        (_, None) => answer.error("ERR timeout is not an integer or out of range"),
        (_, Some(..0)) => answer.error("ERR timeout is negative"),
        _ => answer.integer(ask.server.failures_max() as i64),
    }
}
