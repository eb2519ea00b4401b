//! The ways to keep records and checkpoints.

use std::sync::Arc;

use crate::disk::{DiskMeter, Journal, Store};
use crate::engine::unsaved::Unsaved;
use crate::model::checkpoint::Checkpoint;

/// How records and checkpoints are kept.
pub(super) enum Persistence<R> {
    /// Not at all: the last checkpoint, in memory, is as good as it gets.
    None(Box<Unsaved>),
    /// On a disk that the host works on between turns.
    Inline(Box<Store>),
    /// On a disk that has a thread.
    Threaded(Journal<R>),
}

impl<R> Persistence<R> {
    /// The newest checkpoint that is durable.
    pub fn saved(&self) -> Option<Checkpoint> {
        match self {
            Self::None(unsaved) => unsaved.saved().cloned(),
            Self::Inline(store) => store.saved().cloned(),
            Self::Threaded(journal) => journal.saved(),
        }
    }

    /// Whether its disk has no room.
    pub fn is_full(&self) -> bool {
        match self {
            Self::None(_) => false,
            Self::Inline(store) => store.is_blocked(),
            Self::Threaded(journal) => journal.is_full(),
        }
    }

    /// Bytes of records that wait for room.
    pub fn blocked_bytes(&self) -> usize {
        match self {
            Self::None(_) => 0,
            Self::Inline(store) => store.blocked_bytes(),
            Self::Threaded(journal) => journal.blocked_bytes(),
        }
    }

    /// What has been asked of the disk.
    pub fn meter(&self) -> Option<&Arc<DiskMeter>> {
        match self {
            Self::None(_) => None,
            Self::Inline(store) => Some(store.meter()),
            Self::Threaded(journal) => Some(journal.meter()),
        }
    }
}
