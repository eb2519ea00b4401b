//! Counts of what a store has asked of its disk, which anyone may read while it works.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::model::histogram::{Buckets, quantile_us};
use crate::model::types::Slot;

/// Counts, and how long syncs took.
#[derive(Debug, Default)]
pub struct DiskMeter {
    appends: AtomicU64,
    bytes: AtomicU64,
    syncs: AtomicU64,
    /// How long groups took: written once a group, so that nobody waits for the lock.
    groups: Mutex<Buckets>,
    /// Whether a group is on its way.
    syncing: AtomicBool,
    /// The checkpoint on its way: written once a piece.
    saving: Mutex<Option<SavingProgress>>,
}

/// How far a checkpoint has come on its way to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SavingProgress {
    /// The first slot that is not in it.
    pub slot: Slot,
    /// Parts that have been written, and how many there are to write: those that have changed.
    pub parts: (u64, u64),
    /// Bytes of them that have been written.
    pub bytes: u64,
    /// Bytes of memory that hold only what has changed since it was cut.
    pub copied_bytes: u64,
    /// Whether it comes from another replica, which has yet to send what is missing.
    pub is_fetched: bool,
}

/// The time it took to make groups of turns durable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SyncTimes {
    /// The time of each group.
    pub groups: Buckets,
    /// Whether one is on its way.
    pub syncing: bool,
}

impl DiskMeter {
    /// Appends to files, journal and checkpoints together.
    pub fn appends(&self) -> u64 {
        self.appends.load(Ordering::Relaxed)
    }

    /// Bytes that were appended.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Syncs of files. Those of names are not counted: only checkpoints and new segments have them.
    pub fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::Relaxed)
    }

    /// How long groups took. Only a [`Journal`](super::Journal) measures it.
    pub fn sync_times(&self) -> SyncTimes {
        let groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner).clone();
        SyncTimes { groups, syncing: self.syncing.load(Ordering::Relaxed) }
    }

    /// The checkpoint that is being saved.
    pub fn saving(&self) -> Option<SavingProgress> {
        *self.saving.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_saving(&self, saving: Option<SavingProgress>) {
        *self.saving.lock().unwrap_or_else(PoisonError::into_inner) = saving;
    }

    pub(super) fn on_append(&self, bytes: usize) {
        self.appends.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn on_sync(&self) {
        self.syncs.fetch_add(1, Ordering::Relaxed);
    }

    /// A group is on its way, for better or worse.
    pub(super) fn begin_group(&self) {
        self.syncing.store(true, Ordering::Relaxed);
    }

    pub(super) fn on_group(&self, took: Duration) {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner).add(took);
        self.syncing.store(false, Ordering::Relaxed);
    }
}

impl SyncTimes {
    /// The groups since an earlier moment: how many there were, what half of them took no more
    /// than, and what 99 of 100 did, in microseconds, at most a quarter too high.
    pub fn since(&self, before: &Self) -> (u64, u64, u64) {
        let buckets: Vec<_> = self.groups.beyond(&before.groups).collect();
        let count = buckets.iter().map(|(_, count)| count).sum();
        (count, quantile_us(&buckets, 50), quantile_us(&buckets, 99))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_told_apart_by_when_they_were() {
        let meter = DiskMeter::default();
        let group = |count, us| (0..count).for_each(|_| meter.on_group(Duration::from_micros(us)));
        group(98, 200);
        let before = meter.sync_times();
        group(2, 9_000);
        let (count, median_us, p99_us) = meter.sync_times().since(&before);
        assert_eq!(count, 2);
        assert!((9_000..=11_250).contains(&median_us) && median_us == p99_us, "{median_us}");
        assert_eq!(before.since(&before), (0, 0, 0));
    }
}
