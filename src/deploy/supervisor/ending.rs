//! How a process ended, and what that means.

use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use crate::model::exit::{BUG, INTEGRITY, USAGE};

/// The signal by which a process ends itself.
const ABORT: i32 = signal_hook::consts::SIGABRT;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessExit {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

/// What follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is started again.
    Restart,
    /// It is not, and why.
    Stay(&'static str),
}

impl ProcessExit {
    /// Whether a process that ended so is started again: not if it would only end again, and not if it
    /// has forgotten what it promised.
    #[must_use]
    pub fn fate(self, durable: bool) -> Fate {
        match self {
            Self::Code(code) if code == i32::from(USAGE) => {
                Fate::Stay("its settings cannot be used; put them right")
            }
            Self::Code(code) if code == i32::from(INTEGRITY) => {
                Fate::Stay("its data is not what it left")
            }
            _ if !durable => Fate::Stay("it kept nothing, and has forgotten what it voted for"),
            _ => Fate::Restart,
        }
    }
}

impl ProcessExit {
    /// What helps.
    pub(super) fn remedy(self, durable: bool) -> &'static str {
        match (self, self.fate(durable)) {
            (Self::Code(code), Fate::Stay(_)) if code == i32::from(USAGE) => {
                "put its settings right, which `taraflow config check` tests; then `taraflow node --config` with \
                 it runs it beside the others, or `taraflow cluster down` and `taraflow cluster up` run all anew"
            }
            (Self::Code(code), Fate::Stay(_)) if code == i32::from(INTEGRITY) => {
                "if a file or directory was only moved, put that very one back; then `taraflow node --config` with its \
                 node.toml runs it beside the others, or `taraflow cluster down` and `taraflow cluster up` run all anew"
            }
            (_, Fate::Stay(_)) => {
                "what only memory held is lost: make a new cluster, or keep data on disk"
            }
            (Self::Signal(ABORT), _) => "it ended itself: its log may say why",
            (Self::Signal(_), _) => {
                "find out who kills it: the system does where memory is short, and says so in its own log"
            }
            _ if self.is_bug() => "its log holds a record of it: please report that",
            _ => "it is tried again every few seconds, so mend what it says",
        }
    }

    /// Whether it was a bug that ended the process.
    #[must_use]
    pub fn is_bug(self) -> bool {
        self == Self::Code(BUG.into())
    }
}

impl From<ExitStatus> for ProcessExit {
    fn from(status: ExitStatus) -> Self {
        match (status.code(), status.signal()) {
            (Some(code), _) => Self::Code(code),
            (None, signal) => Self::Signal(signal.unwrap_or_default()),
        }
    }
}

impl fmt::Display for ProcessExit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) if self.is_bug() => write!(f, "a bug, exit code {code}"),
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "killed by signal {signal}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_only_end_again_is_not_started_again() {
        assert!(matches!(ProcessExit::Code(2).fate(true), Fate::Stay(_)));
        assert!(matches!(ProcessExit::Code(7).fate(true), Fate::Stay(_)));
        assert_eq!(ProcessExit::Code(1).fate(true), Fate::Restart);
        assert_eq!(ProcessExit::Code(8).fate(true), Fate::Restart);
        assert_eq!(ProcessExit::Code(0).fate(true), Fate::Restart);
        assert_eq!(ProcessExit::Signal(9).fate(true), Fate::Restart);
    }

    #[test]
    fn what_kept_nothing_is_not_started_again() {
        assert!(matches!(ProcessExit::Signal(9).fate(false), Fate::Stay(_)));
    }
}
