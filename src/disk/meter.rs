//! What a store has asked of its disk, in numbers that anyone may read while it works.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// Counts, and how long syncs took.
#[derive(Debug, Default)]
pub struct DiskMeter {
    appends: AtomicU64,
    bytes: AtomicU64,
    syncs: AtomicU64,
    /// How many groups took up to a microsecond, up to two, up to four, and so on.
    times: [AtomicU64; BUCKETS],
    total_us: AtomicU64,
    max_us: AtomicU64,
    /// Whether a group is on its way.
    syncing: AtomicBool,
}

/// Enough for half an hour.
const BUCKETS: usize = 32;

/// How long it took to make groups of turns durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SyncTimes {
    /// How many groups there were.
    pub groups: u64,
    /// Half of them took no more than this, within a factor of two.
    pub median_us: u64,
    /// 99 of 100 took no more than this, within a factor of two.
    pub p99_us: u64,
    /// The mean.
    pub mean_us: u64,
    /// The longest.
    pub max_us: u64,
    /// How many took up to a microsecond, up to two, up to four, and so on.
    pub counts: [u64; BUCKETS],
    /// Whether one is on its way.
    pub syncing: bool,
}

impl DiskMeter {
    /// Appends to files, journal and checkpoints together.
    #[must_use]
    pub fn appends(&self) -> u64 {
        self.appends.load(Ordering::Relaxed)
    }

    /// Bytes that were appended.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Syncs of files. Those of names are not counted: only checkpoints and new segments have them.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::Relaxed)
    }

    /// How long groups took. Only a [`Journal`](super::Journal) measures it.
    #[must_use]
    pub fn sync_times(&self) -> SyncTimes {
        let counts: [u64; BUCKETS] =
            std::array::from_fn(|at| self.times[at].load(Ordering::Relaxed));
        let groups: u64 = counts.iter().sum();
        let max_us = self.max_us.load(Ordering::Relaxed);
        let mean_us = self.total_us.load(Ordering::Relaxed).checked_div(groups).unwrap_or(0);
        let (median_us, p99_us) =
            (within(&counts, 50).min(max_us), within(&counts, 99).min(max_us));
        let syncing = self.syncing.load(Ordering::Relaxed);
        SyncTimes { groups, median_us, p99_us, mean_us, max_us, counts, syncing }
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
        let us = took.as_micros() as u64;
        let bucket = (us.max(1) - 1).checked_ilog2().map_or(0, |bits| bits as usize + 1);
        self.times[bucket.min(BUCKETS - 1)].fetch_add(1, Ordering::Relaxed);
        self.total_us.fetch_add(us, Ordering::Relaxed);
        self.max_us.fetch_max(us, Ordering::Relaxed);
        self.syncing.store(false, Ordering::Relaxed);
    }
}

impl SyncTimes {
    /// The groups since an earlier moment: how many there were, what half of them took no more than, and
    /// what 99 of 100 did, in microseconds within a factor of two.
    #[must_use]
    pub fn since(&self, before: &Self) -> (u64, u64, u64) {
        let counts: [u64; BUCKETS] =
            std::array::from_fn(|at| self.counts[at].saturating_sub(before.counts[at]));
        match counts.iter().sum() {
            0 => (0, 0, 0),
            groups => (groups, within(&counts, 50), within(&counts, 99)),
        }
    }
}

/// What so many of 100 took no more than, by the ends of their buckets.
fn within(counts: &[u64; BUCKETS], share: u64) -> u64 {
    let mut left = (counts.iter().sum::<u64>() * share).div_ceil(100);
    let full = |count: &&u64| {
        let more = **count < left;
        left = left.saturating_sub(**count);
        more
    };
    1 << counts.iter().take_while(full).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_the_upper_end_of_its_bucket() {
        let meter = DiskMeter::default();
        for _ in 0..98 {
            meter.on_group(Duration::from_micros(200));
        }
        meter.on_group(Duration::from_micros(3_000));
        meter.on_group(Duration::from_micros(9_000));
        let times = meter.sync_times();
        assert_eq!((times.groups, times.median_us, times.p99_us), (100, 256, 4_096));
        assert_eq!((times.mean_us, times.max_us), (316, 9_000));
        assert_eq!(DiskMeter::default().sync_times(), SyncTimes::default());
    }

    #[test]
    fn of_the_groups_since_a_moment_the_earlier_ones_are_not_counted() {
        let meter = DiskMeter::default();
        for _ in 0..1_000 {
            meter.on_group(Duration::from_micros(200));
        }
        let before = meter.sync_times();
        assert_eq!(before.since(&before), (0, 0, 0));
        for _ in 0..9 {
            meter.on_group(Duration::from_micros(250_000));
        }
        assert_eq!(meter.sync_times().since(&before), (9, 262_144, 262_144));
    }
}
