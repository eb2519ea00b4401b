//! Outcome of a command: why it failed, and the exit code that says so.

use std::io;
use std::net::SocketAddr;

use crate::model::error::{Error, KEEP_DOWN, why_not};
use crate::model::exit;
use crate::model::types::ReplicaId;

/// Reason why a command has not done what it was asked to do.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The library says why.
    #[error(transparent)]
    Library(#[from] Error),
    /// The command line or an input cannot be used.
    #[error("{0}")]
    Usage(String),
    /// A replica would not start with its data.
    #[error("replica {replica}: {damage}. {KEEP_DOWN}")]
    Unsound {
        /// Whose data.
        replica: ReplicaId,
        /// Which file, what was expected there, and what was found.
        damage: String,
    },
    /// The data directory is sound, and somebody else's.
    #[error(
        "replica {replica}: {directory} holds the data of {found}, and the settings are those of {expected}. \
         If the data is this replica's, correct the settings: `id` and `data` in node.toml, `id` in \
         cluster.toml. If it is not, restore this replica's own data; if that is lost, keep it down and the \
         others running"
    )]
    Foreign {
        /// Whose settings they are.
        replica: ReplicaId,
        /// Which directory.
        directory: String,
        /// Whose data it holds.
        found: String,
        /// Whose it should hold.
        expected: String,
    },
    /// A replica cannot listen where it should.
    #[error(
        "replica {replica} cannot listen on {address} for its {purpose}: {source}. {}; or make a cluster \
         on other ports: --base-port {instead} with a new --dir",
        why_not(source)
    )]
    Port {
        /// Whose address.
        replica: ReplicaId,
        /// The address.
        address: SocketAddr,
        /// What is to be served there.
        purpose: &'static str,
        /// A base port that may be free.
        instead: u16,
        /// What the system said.
        source: io::Error,
    },
    /// No replica answers.
    #[error(
        "nobody answers: {said}{}",
        if *absent { ". Is the cluster running? `taraflow cluster up` with the same --dir starts it" } else { "" }
    )]
    Silent {
        /// Why each of them does not.
        said: String,
        /// Whether nothing at all is where the replicas of a cluster should be.
        absent: bool,
    },
    /// No replica remembers a request, or the slot it is in.
    #[error("no replica that answers remembers {what}: {memory}")]
    Forgotten {
        /// What was asked for.
        what: String,
        /// How far back they remember.
        memory: String,
    },
    /// The service's reply is an error, which has been printed.
    #[error("the service answered with an error")]
    Replied,
    /// A stream of commands has not been answered to its end.
    #[error(
        "{why}: {answered} commands have been answered, and the outcome of {open} more is unknown. {}",
        if *resumes {
            "Run the same command again: it continues there, and each command is applied exactly once"
        } else {
            "Without --session nothing can continue there later"
        }
    )]
    Unfinished {
        /// Why.
        why: String,
        /// Commands that have been answered.
        answered: u64,
        /// Commands that were sent and have not.
        open: u64,
        /// Whether the same command, run again, continues.
        resumes: bool,
    },
    /// Too few replicas are left to agree on anything.
    #[error(
        "no quorum: {alive} of {n} replicas live and {needed} are needed; missing: {missing}. \
         The outcome of {open} open requests is unknown"
    )]
    NoQuorum {
        /// How many live.
        alive: usize,
        /// How many are needed.
        needed: usize,
        /// Of how many.
        n: usize,
        /// Who does not.
        missing: String,
        /// Requests without an answer.
        open: u64,
    },
    /// Enough replicas live, and yet nothing is answered.
    #[error("no answer for {silent_s} s; the outcome of {open} open requests is unknown")]
    Stalled {
        /// Requests without an answer.
        open: u64,
        /// For how long.
        silent_s: u64,
    },
    /// Some replica has not caught up.
    #[error("not all replicas executed the same slots within {waited_s} s")]
    Behind {
        /// How long it was waited for.
        waited_s: u64,
    },
    /// The simulator found a rule broken.
    #[error(
        "rules are broken in {violations} of {seeds} worlds; the first is seed {first}: `taraflow sim \
         --protocol {protocol} --seeds {first} --trace` replays it"
    )]
    Violations {
        /// The protocol.
        protocol: String,
        /// Seeds that break a rule.
        violations: u64,
        /// Seeds tried.
        seeds: u64,
        /// The first seed that does.
        first: u64,
    },
    /// What is wrong has been printed, and only the exit code is left.
    #[error("what is wrong has been printed")]
    Reported {
        /// The exit code.
        code: u8,
    },
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Library(error.into())
    }
}

impl Failure {
    /// The exit code of a process that ends with this.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Library(error) => of_library(error),
            Self::Usage(_) => exit::USAGE,
            Self::Silent { .. } => exit::UNREACHABLE,
            Self::NoQuorum { .. } => exit::UNAVAILABLE,
            Self::Stalled { .. } | Self::Unfinished { .. } => exit::UNKNOWN,
            Self::Unsound { .. } | Self::Foreign { .. } | Self::Violations { .. } => {
                exit::INTEGRITY
            }
            Self::Reported { code } => *code,
            Self::Port { .. } | Self::Forgotten { .. } | Self::Replied | Self::Behind { .. } => {
                exit::FAILED
            }
        }
    }

    /// An answer, an effect or a state is not what it must be.
    pub fn integrity(what: String) -> Self {
        Error::Integrity(what).into()
    }

    /// The end of a command that has printed what is wrong, if anything is.
    ///
    /// # Errors
    /// [`Failure::Reported`] unless the code is 0.
    pub fn reported(code: u8) -> Result<(), Self> {
        if code == 0 { Ok(()) } else { Err(Self::Reported { code }) }
    }
}

fn of_library(error: &Error) -> u8 {
    match error {
        Error::Replicas { .. }
        | Error::Settings(_)
        | Error::Invalid(_)
        | Error::Taken { .. }
        | Error::Protocol { .. } => exit::USAGE,
        Error::Connect { .. } | Error::Names(_) => exit::UNREACHABLE,
        Error::Busy | Error::NoSession { .. } => exit::UNAVAILABLE,
        Error::AllEnded { code: Some(code), .. } => *code,
        Error::Unknown { .. } => exit::UNKNOWN,
        Error::Damaged { .. }
        | Error::Empty { .. }
        | Error::Gone { .. }
        | Error::Application { .. }
        | Error::Integrity(_) => exit::INTEGRITY,
        Error::Disk { .. } => exit::DISK,
        _ => exit::FAILED,
    }
}
