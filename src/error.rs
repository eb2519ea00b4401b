//! What can go wrong at the edges, and the exit code that says so.

use crate::app::Damaged;
use crate::types::{ReplicaId, Slot};

/// An error a caller or a user can act on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The cluster has a size no majority protocol can use.
    #[error(
        "{n} replicas cannot be used: crash protocols need an odd number from 3 to 63 \
         (3 survive one failure, 5 two, 7 three)"
    )]
    Replicas {
        /// The number asked for.
        n: usize,
    },
    /// A setting is out of its range.
    #[error("setting `{setting}` must be {wanted}")]
    Setting {
        /// The name of the setting.
        setting: &'static str,
        /// What it should be.
        wanted: &'static str,
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
        "replica {replica}: {file} is damaged at byte {offset}: expected {expected}. The replica \
         does not start, because it may have lost a promise; replace it"
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
}

impl Error {
    /// Whether the disk has no room: the only disk error after which it may be tried again.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Disk { source, .. } if source.kind() == std::io::ErrorKind::StorageFull)
    }
}
