//! The end of a process: its cause, its consequence, and the delay before a restart.

use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use crate::model::exit::{BUG, INTEGRITY, USAGE};

/// The signal by which a process ends itself.
const ABORT: i32 = signal_hook::consts::SIGABRT;

/// The way in which a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessExit {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
}

/// The consequence of an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is started again.
    Restart,
    /// It is not.
    Stay {
        /// Why.
        why: &'static str,
        /// What helps.
        remedy: &'static str,
    },
}

impl ProcessExit {
    /// Whether a process that ended so is started again: not if it would only end again, and not if
    /// it has forgotten what it promised.
    pub fn fate(self, durable: bool) -> Fate {
        match self {
            Self::Code(code) if code == i32::from(USAGE) => Fate::Stay {
                why: "its settings are invalid: correct them",
                remedy: "correct its settings, which `taraflow config check` tests; then start it alone \
                         with `taraflow node --config` and its node.toml, or restart all with `taraflow \
                         cluster down` and `taraflow cluster up`",
            },
            Self::Code(code) if code == i32::from(INTEGRITY) => Fate::Stay {
                why: "its data is damaged, or not its own",
                remedy: "if a file or directory was only moved, put that very one back; then start it \
                         alone with `taraflow node --config` and its node.toml, or restart all with \
                         `taraflow cluster down` and `taraflow cluster up`",
            },
            _ if !durable => Fate::Stay {
                why: "it keeps nothing on disk, and has forgotten what it voted for",
                remedy: "its data in memory is lost: make a new cluster, or keep data on disk",
            },
            _ => Fate::Restart,
        }
    }

    /// What helps.
    pub(super) fn remedy(self, durable: bool) -> &'static str {
        match (self, self.fate(durable)) {
            (_, Fate::Stay { remedy, .. }) => remedy,
            (Self::Signal(ABORT), _) => "it aborted: its log may say why",
            (Self::Signal(_), _) => {
                "find out what kills it: the system does when memory is short, and says so in its \
                 own log"
            }
            _ if self.is_bug() => "its log holds a record of the bug: please report it",
            _ => "it is restarted every few seconds: fix the cause",
        }
    }

    /// Whether it was a bug that ended the process.
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

/// The delay before a process that died is started again: twice as long after each early death, up
/// to a limit.
#[derive(Clone, Debug)]
pub struct RestartDelay {
    next: Duration,
}

impl Default for RestartDelay {
    fn default() -> Self {
        Self { next: Self::FIRST }
    }
}

impl RestartDelay {
    const FIRST: Duration = Duration::from_millis(100);
    const LONGEST: Duration = Duration::from_secs(5);
    /// Who has lived as long as this begins anew.
    pub(super) const LONG_LIFE: Duration = Duration::from_secs(10);

    /// The pause after a life of this length.
    pub fn after(&mut self, lived: Duration) -> Duration {
        if lived >= Self::LONG_LIFE {
            self.next = Self::FIRST;
        }
        let pause = self.next;
        self.next = (pause * 2).min(Self::LONGEST);
        pause
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_only_end_again_is_not_started_again() {
        assert!(matches!(ProcessExit::Code(2).fate(true), Fate::Stay { .. }));
        assert!(matches!(ProcessExit::Code(7).fate(true), Fate::Stay { .. }));
        assert_eq!(ProcessExit::Code(1).fate(true), Fate::Restart);
        assert_eq!(ProcessExit::Code(8).fate(true), Fate::Restart);
        assert_eq!(ProcessExit::Code(0).fate(true), Fate::Restart);
        assert_eq!(ProcessExit::Signal(9).fate(true), Fate::Restart);
    }

    #[test]
    fn what_kept_nothing_is_not_started_again() {
        assert!(matches!(ProcessExit::Signal(9).fate(false), Fate::Stay { .. }));
    }

    #[test]
    fn the_delay_doubles_up_to_a_limit_and_begins_anew_after_a_long_life() {
        let mut delay = RestartDelay::default();
        let early = Duration::from_secs(1);

        let pauses: Vec<u128> = (0..8).map(|_| delay.after(early).as_millis()).collect();

        assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(delay.after(Duration::from_secs(10)).as_millis(), 100);
        assert_eq!(delay.after(early).as_millis(), 200);
    }
}
