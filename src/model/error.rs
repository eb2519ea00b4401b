//! Errors of the library: what failed, and what to do about it.

mod problem;
mod words;

use std::path::Path;

use crate::model::app::Damaged;
use crate::model::types::{ReplicaId, Slot};

pub use problem::{Problem, Problems};
pub use words::in_shell;
pub(crate) use words::why_not;

/// What follows from damage, and what to do.
pub(crate) const KEEP_DOWN: &str = "The replica does not start, because it may have lost a promise: keep it down and the \
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
    /// The settings cannot be used, be they from files, from what overrides them, or from a
    /// program.
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
        /// The setting that gives it without a name.
        setting: &'static str,
        /// The resolver's error.
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
        /// The disk's error.
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
        /// The application's error.
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
        /// The system's error.
        source: std::io::Error,
    },
    /// Replicas are there, and no session could be opened; nothing has been asked.
    #[error(
        "no session could be opened within {waited_ms} ms: requests are not answered, and `taraflow doctor` \
         shows why; nothing was sent"
    )]
    NoSession {
        /// How long it was tried, in milliseconds.
        waited_ms: u64,
    },
    /// No replica of a cluster of processes could be reached; nothing has been asked.
    #[error(
        "no replica could be reached within {waited_ms} ms: {fault}; nothing was sent. Does the cluster run? `taraflow \
         status` shows more"
    )]
    Connect {
        /// How long it was tried, in milliseconds.
        waited_ms: u64,
        /// What was wrong with the last one tried.
        fault: String,
    },
    /// No host of a cluster is known here.
    #[error("{0}")]
    Names(std::io::Error),
    /// The window stayed full; the request has not been sent.
    #[error("no answer came while as many requests were open as a session may have; not sent")]
    Busy,
    /// The cluster has closed the session, because too many others were used since; the request was
    /// not sent.
    #[error("the session has been closed; open another")]
    SessionClosed,
    /// The command is longer than the cluster takes; it was not sent.
    #[error("the command has {bytes} bytes, and the cluster takes {most} (command_bytes_max)")]
    TooLong {
        /// Its bytes.
        bytes: usize,
        /// How many it may have.
        most: usize,
    },
    /// There is no protocol of this name.
    #[error("there is no protocol `{name}`; there is {known}")]
    Protocol {
        /// The name asked for.
        name: String,
        /// Those there are.
        known: String,
    },
    /// The system does not do what the loop of a replica needs.
    #[error("the system refuses to watch sockets: {0}")]
    System(std::io::Error),
    /// An address cannot be listened on.
    #[error("cannot listen on {address}: {source}. {}", why_not(source))]
    Listen {
        /// The address.
        address: std::net::SocketAddr,
        /// The system's error.
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
    /// A request took effect once, and its reply went to an earlier client of the same session.
    #[error("request {number} took effect earlier, and its reply was delivered then")]
    Told {
        /// Its number.
        number: u64,
    },
    /// An argument cannot be used.
    #[error("{0}")]
    Invalid(String),
    /// A file or directory cannot be used.
    #[error("cannot {doing} {path}: {source}")]
    File {
        /// The operation that failed, as a verb.
        doing: &'static str,
        /// Which.
        path: String,
        /// The system's error.
        source: std::io::Error,
    },
    /// The keys of a cluster could not be made.
    #[error("cannot make the keys of the cluster: {0}")]
    Keys(String),
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
        "process {pid} has not ended within {waited_s} s; run the same command again to make it kill its \
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
    /// A file, an answer, an effect or a state is not what it must be.
    #[error("{0}")]
    Integrity(String),
}

impl Error {
    /// A setting of a program's is out of its range.
    pub(crate) fn setting(setting: &str, wanted: &str) -> Self {
        Self::Settings(Problems(vec![Problem::new(setting, format!("must be {wanted}"))]))
    }

    /// What makes an error of the system's about a file or directory.
    pub(crate) fn file(
        doing: &'static str,
        path: &Path,
    ) -> impl Fn(std::io::Error) -> Self + use<> {
        let path = path.display().to_string();
        move |source| Self::File { doing, path: path.clone(), source }
    }

    /// Whether the disk has no room: the only disk error after which it may be tried again.
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

/// Whether an error of a disk is that it has no room.
pub(crate) fn is_full(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded)
}
