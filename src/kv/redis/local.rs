//! The commands that the connection answers itself, or takes part in.

use crate::kv::resp::Command;
use crate::kv::service::{self, CheckError, Row};

use super::session::{self, Ask, Session};
use super::writer::ReplyWriter;
use super::{client, config, describe, hello, info, reads};

/// A command that is no command of the service.
pub(super) struct Local {
    /// In small letters.
    pub(super) name: &'static str,
    /// As in Redis: how many arguments, the name counted; or, below zero, how many at least.
    pub(super) arity: i8,
    pub(super) action: Action,
    /// Whether a client may send it before it has given the password.
    pub(super) before_auth: bool,
}

/// An action of the connection.
#[derive(Clone, Copy)]
pub(super) enum Action {
    Answer(fn(&mut Session, &Ask<'_>, &mut ReplyWriter<'_>)),
    /// As [`Action::Answer`], when all before it is answered, and not within MULTI.
    Alone(fn(&mut Session, &Ask<'_>, &mut ReplyWriter<'_>)),
    /// As [`Action::Answer`], and what was queued or watched is forgotten.
    Reset(fn(&mut Session, &Ask<'_>, &mut ReplyWriter<'_>)),
    Multi,
    Exec,
    Discard,
    Watch,
    Unwatch,
}

impl Action {
    /// Whether this is done at once within MULTI, instead of being refused.
    pub(super) fn is_at_once(self) -> bool {
        !matches!(self, Self::Answer(_) | Self::Unwatch)
    }
}

const fn local(name: &'static str, arity: i8, action: Action) -> Local {
    Local { name, arity, action, before_auth: false }
}

const fn open(name: &'static str, arity: i8, action: Action) -> Local {
    Local { name, arity, action, before_auth: true }
}

/// Sorted by name.
pub(super) static TABLE: &[Local] = &[
    open("auth", -2, Action::Answer(hello::auth)),
    local("client", -2, Action::Answer(client::client)),
    local("command", -1, Action::Answer(describe::command)),
    local("config", -2, Action::Answer(config::config)),
    local("discard", 1, Action::Discard),
    local("exec", 1, Action::Exec),
    open("hello", -1, Action::Answer(hello::hello)),
    local("info", -1, Action::Answer(info::info)),
    local("latency", -2, Action::Answer(config::latency)),
    local("multi", 1, Action::Multi),
    open("quit", -1, Action::Reset(session::quit)),
    open("reset", 1, Action::Reset(session::reset)),
    local("select", 2, Action::Answer(session::select)),
    local("slowlog", -2, Action::Answer(config::slowlog)),
    local("taraflow", -2, Action::Alone(reads::taraflow)),
    local("unwatch", 1, Action::Unwatch),
    local("wait", 3, Action::Answer(session::wait)),
    local("watch", -2, Action::Watch),
];

/// The one who answers a command.
pub(super) enum Target {
    Service(&'static Row),
    Local(&'static Local),
}

/// Finds who answers a command, in the order in which Redis looks: does it exist, has it enough
/// arguments.
#[inline]
pub(super) fn find(command: &Command<'_>) -> Result<Target, CheckError> {
    let name = &command[0];
    if let Some(row) = service::find(name).filter(|row| !row.is_internal()) {
        if row.takes(command.len()) {
            return Ok(Target::Service(row));
        }
        return Err(CheckError::Arity { name: row.name });
    }
    match TABLE.iter().find(|local| name.eq_ignore_ascii_case(local.name.as_bytes())) {
        Some(local) if service::takes(local.arity, command.len()) => Ok(Target::Local(local)),
        Some(local) => Err(CheckError::Arity { name: local.name }),
        None => Err(CheckError::unknown(command)),
    }
}
