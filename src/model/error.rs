//! What can go wrong at the edges, and the exit code that says so.

mod problem;
mod words;

use std::net::SocketAddr;

use crate::client::SubmitError;
use crate::model::app::Damaged;
use crate::model::types::{ReplicaId, Slot};

pub use problem::{Problem, Problems};
pub use words::in_shell;
use words::why_not;

/// The exit code of a command line, settings or input that cannot be used.
pub const USAGE: u8 = 2;
/// The exit code of damage, divergence or a broken rule.
pub const INTEGRITY: u8 = 7;

/// The exit code of a process that has panicked, as Rust has it.
pub const BUG: u8 = 101;

/// What follows from damage, and what to do.
const KEEP_DOWN: &str = "The replica does not start, because it may have lost a promise: keep it down and the \
                         others running. What was only moved may be put back; an older copy may not";

/// An error a caller or a user can act on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The cluster has a size that its protocol cannot use.
    #[error("{n} replicas cannot be used: {fit}")]
    Replicas {
        /// The number asked for.
        n: usize,
        /// Those that could be, in words.
        fit: &'static str,
    },
    /// A setting is out of its range.
    #[error("setting `{setting}` must be {wanted}")]
    Setting {
        /// The name of the setting.
        setting: &'static str,
        /// What it should be.
        wanted: &'static str,
    },
    /// The files of settings, or what overrides them, cannot be used.
    #[error("the settings cannot be used\n{0}")]
    Settings(Problems),
    /// The name of a host means nothing here.
    #[error(
        "cannot look up {endpoint}, where this node is to listen: {source}. Make the name known on this \
         machine, or say where to listen with `{setting}`, as in \"0.0.0.0:7000\""
    )]
    Lookup {
        /// The host and its port.
        endpoint: String,
        /// The setting that says it without a name.
        setting: &'static str,
        /// What the resolver said.
        source: std::io::Error,
    },
    /// The disk answered with an error.
    #[error("replica {replica}: cannot {doing} {file}: {source}")]
    Disk {
        /// Whose disk.
        replica: ReplicaId,
        /// The operation that failed, as a verb.
        doing: &'static str,
        /// The file concerned.
        file: String,
        /// What the disk said.
        source: std::io::Error,
    },
    /// A journal or checkpoint holds something that was never written there.
    #[error(
        "replica {replica}: {}. {}",
        damage(file, *offset, expected, found),
        KEEP_DOWN
    )]
    Damaged {
        /// Whose disk.
        replica: ReplicaId,
        /// The file concerned.
        file: String,
        /// Where in the file, in bytes.
        offset: u64,
        /// What should have been there.
        expected: String,
        /// What is there.
        found: String,
    },
    /// Whoever looked into the data directory of a replica found that it would not start with that.
    #[error("replica {replica}: {damage}. {}", KEEP_DOWN)]
    Unsound {
        /// Whose directory.
        replica: ReplicaId,
        /// Which file, what was expected there, and what was found.
        damage: String,
    },
    /// The data directory is sound, and somebody else's.
    #[error(
        "replica {replica}: {directory} holds the data of {found}, and the settings are those of {expected}. \
         If the data is this replica's, put the settings right: `id` and `data` in node.toml, `id` in \
         cluster.toml. If it is not, put this replica's own back; if that is lost, keep it down and the \
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
    /// A disk without a journal, where one must be.
    #[error(
        "replica {replica}: its disk holds no journal, so it has forgotten what it voted for and must \
         not start. If the disk is not mounted, mount it; if it is lost, keep this \
         replica down and the others running"
    )]
    Empty {
        /// Whose disk.
        replica: ReplicaId,
    },
    /// The directory of a replica is not there, or no longer.
    #[error(
        "replica {replica}: its data directory {directory} {what}; without it the replica has forgotten \
         what it voted for and must not go on. If the disk is not mounted or the directory was moved, put \
         it back; if it is lost, so is this replica"
    )]
    Gone {
        /// Whose directory.
        replica: ReplicaId,
        /// Which.
        directory: String,
        /// What has become of it.
        what: &'static str,
    },
    /// A disk that is to become a replica's is one already.
    #[error(
        "replica {replica}: its disk already holds {file}: start it, or choose an empty directory"
    )]
    Taken {
        /// Whose disk it was to become.
        replica: ReplicaId,
        /// A file of a replica.
        file: String,
    },
    /// A directory is in use.
    #[error("{directory} is in use by {holder}: two processes must not be the same replica")]
    Locked {
        /// Which.
        directory: String,
        /// The process that uses it, as far as it is known.
        holder: String,
    },
    /// A checkpoint is what was written, but the application cannot read it.
    #[error(
        "replica {replica}: the application cannot restore the checkpoint before slot {slot}: \
         {damaged}. It was written by another application or version"
    )]
    Application {
        /// Whose checkpoint.
        replica: ReplicaId,
        /// The first slot that is not in it.
        slot: Slot,
        /// What the application said.
        damaged: Damaged,
    },
    /// A replica without a disk has forgotten what it promised, and may not return.
    #[error(
        "replica {replica} has no disk: it has forgotten what it voted for and must not return. \
         Make the cluster durable"
    )]
    NoDisk {
        /// The replica.
        replica: ReplicaId,
    },
    /// The system gives no thread.
    #[error("cannot start the thread of replica {replica}: {source}")]
    Thread {
        /// Whose thread.
        replica: ReplicaId,
        /// What the system said.
        source: std::io::Error,
    },
    /// Replicas are there, and no session could be opened; nothing has been asked.
    #[error(
        "no session could be opened within {waited_ms} ms: requests are not answered, and `taraflow doctor` \
         says why; nothing was sent"
    )]
    NoSession {
        /// How long it was tried, in milliseconds.
        waited_ms: u64,
    },
    /// No replica of a cluster of processes could be reached; nothing has been asked.
    #[error(
        "no replica could be reached within {waited_ms} ms: {fault}; nothing was sent. Does the cluster run? `taraflow \
         status` says more"
    )]
    Connect {
        /// How long it was tried, in milliseconds.
        waited_ms: u64,
        /// What was wrong with the last one tried.
        fault: String,
    },
    /// The window stayed full; the request has not been sent.
    #[error("no answer came while as many requests were open as a session may have; not sent")]
    Busy,
    /// The session does not take the request, which has no effect.
    #[error(transparent)]
    Refused(#[from] SubmitError),
    /// There is no protocol of this name.
    #[error("there is no protocol `{name}`; there is {known}")]
    Protocol {
        /// The name asked for.
        name: String,
        /// Those there are.
        known: String,
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
    /// No host of a cluster is known here.
    #[error("{0}")]
    Names(std::io::Error),
    /// The system does not do what the loop of a replica needs.
    #[error("the system refuses to watch sockets: {0}")]
    System(std::io::Error),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {source}. {}", why_not(source))]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// The result could not be written.
    #[error("cannot write the result: {0}")]
    Output(#[from] std::io::Error),
    /// A request may have taken effect, once, or may do so later, or never.
    #[error("the outcome of request {number} is unknown: it may have taken effect, once")]
    Unknown {
        /// Its number.
        number: u64,
    },
    /// The service's reply is an error, which has been printed.
    #[error("the service answered with an error")]
    Replied,
    /// A request took effect once, and its reply went to an earlier client of the same session.
    #[error("request {number} has taken effect before, and its reply was told then")]
    Told {
        /// Its number.
        number: u64,
    },
    /// The command line or an input cannot be used.
    #[error("{0}")]
    Usage(String),
    /// A file or directory cannot be used.
    #[error("cannot {doing} {path}: {source}")]
    File {
        /// The operation that failed, as a verb.
        doing: &'static str,
        /// Which.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The keys of a cluster could not be made.
    #[error("cannot make the keys of the cluster: {0}")]
    Keys(String),
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
        source: std::io::Error,
    },
    /// The cluster is run by another process.
    #[error(
        "the cluster in {directory} is run by process {pid} already; `taraflow cluster down --dir {}` \
         ends it",
        in_shell(directory)
    )]
    Running {
        /// The directory of the cluster.
        directory: String,
        /// The process.
        pid: String,
    },
    /// A process was asked to end, and has not.
    #[error(
        "process {pid} has not ended within {waited_s} s; the same command again makes it kill its \
         replicas"
    )]
    StillRunning {
        /// The process.
        pid: String,
        /// How long it was waited for.
        waited_s: u64,
    },
    /// All replicas have ended, and none is started again.
    #[error("all {n} replicas have ended and none is started again; see the lines above")]
    AllEnded {
        /// How many.
        n: usize,
        /// The exit code of each, if it was the same.
        code: Option<u8>,
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
    /// Nobody tells what is asked.
    #[error(
        "nobody answers: {said}{}",
        if *absent { ". Is the cluster running? `taraflow cluster up` with the same --dir starts it" } else { "" }
    )]
    Silent {
        /// What each of those asked said instead.
        said: String,
        /// Whether nothing at all is where the replicas of a cluster should be.
        absent: bool,
    },
    /// What is wrong has been printed, and only the exit code is left to be told.
    #[error("what is wrong has been said")]
    Judged {
        /// The exit code.
        code: u8,
    },
    /// No replica knows a request, or the slot it is in.
    #[error("no replica that answers knows {what}: {memory}")]
    Forgotten {
        /// What was asked for.
        what: String,
        /// How far back they remember.
        memory: String,
    },
    /// A majority lives, and yet nothing is answered.
    #[error("no answer for {silent_s} s; the outcome of {open} open requests is unknown")]
    Stalled {
        /// Requests without an answer.
        open: u64,
        /// For how long.
        silent_s: u64,
    },
    /// A stream of commands has not been answered to its end.
    #[error(
        "{why}: {answered} commands have been answered, and the outcome of {open} more is unknown. {}",
        if *resumes {
            "Run the same command again: it goes on there, and each command is applied exactly once"
        } else {
            "Without --session they cannot be told apart later"
        }
    )]
    Unfinished {
        /// Why.
        why: String,
        /// Commands that have been answered.
        answered: u64,
        /// Commands that were sent and have not.
        open: u64,
        /// Whether the same command, run again, goes on.
        resumes: bool,
    },
    /// Some replica has not caught up.
    #[error("not all replicas executed the same slots within {waited_s} s")]
    Behind {
        /// How long it was waited for.
        waited_s: u64,
    },
    /// An answer, an effect or a state is not what it must be.
    #[error("{0}")]
    Integrity(String),
}

impl Error {
    /// What the process that ends with this error tells its caller: 2 usage, 3 unreachable, 4 no
    /// quorum, 5 something ails, 6 outcome unknown, 7 integrity, 8 the disk failed, 1 everything else.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Replicas { .. }
            | Self::Setting { .. }
            | Self::Settings(_)
            | Self::Usage(_)
            | Self::Taken { .. }
            | Self::Protocol { .. } => USAGE,
            Self::Connect { .. } | Self::Names(_) | Self::Silent { .. } => 3,
            Self::Busy | Self::NoSession { .. } | Self::NoQuorum { .. } => 4,
            Self::Judged { code } | Self::AllEnded { code: Some(code), .. } => *code,
            Self::Unknown { .. } | Self::Stalled { .. } | Self::Unfinished { .. } => 6,
            Self::Damaged { .. }
            | Self::Unsound { .. }
            | Self::Foreign { .. }
            | Self::Empty { .. }
            | Self::Gone { .. }
            | Self::Application { .. }
            | Self::Integrity(_)
            | Self::Violations { .. } => INTEGRITY,
            Self::Disk { .. } => 8,
            _ => 1,
        }
    }

    /// What a command ends with that has printed what is wrong, if anything is.
    ///
    /// # Errors
    /// [`Error::Judged`] unless the code is 0.
    pub fn judged(code: u8) -> Result<(), Self> {
        if code == 0 { Ok(()) } else { Err(Self::Judged { code }) }
    }

    /// Whether the disk has no room: the only disk error after which it may be tried again.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Disk { source, .. } if is_full(source))
    }
}

/// What is wrong with a file of a replica, in words.
pub(crate) fn damage(file: &str, offset: u64, expected: &str, found: &str) -> String {
    match found.strip_prefix("no such file") {
        Some(beside) => format!("{file} is missing{beside}: expected {expected}"),
        None => format!("{file} is damaged at byte {offset}: expected {expected}, found {found}"),
    }
}

/// Whether a disk says that it has no room.
pub(crate) fn is_full(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded)
}
