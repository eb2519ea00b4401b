//! What a store has asked of its disk, in numbers that anyone may read while it works.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Counts, and how long syncs took.
#[derive(Debug, Default)]
pub struct Meter {
    appends: AtomicU64,
    bytes: AtomicU64,
    syncs: AtomicU64,
    /// How many groups took up to a microsecond, up to two, up to four, and so on.
    times: [AtomicU64; BUCKETS],
    total_us: AtomicU64,
    max_us: AtomicU64,
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
}

impl Meter {
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
        let counts: Vec<u64> = self.times.iter().map(|n| n.load(Ordering::Relaxed)).collect();
        let groups: u64 = counts.iter().sum();
        let max_us = self.max_us.load(Ordering::Relaxed);
        let within = |share: u64| {
            let mut left = (groups * share).div_ceil(100);
            let full = |count: &&u64| {
                let more = **count < left;
                left = left.saturating_sub(**count);
                more
            };
            (1 << counts.iter().take_while(full).count()).min(max_us)
        };
        let mean_us = self.total_us.load(Ordering::Relaxed).checked_div(groups).unwrap_or(0);
        let (median_us, p99_us) = (within(50), within(99));
        SyncTimes { groups, median_us, p99_us, mean_us, max_us }
    }

    pub(super) fn on_append(&self, bytes: usize) {
        self.appends.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn on_sync(&self) {
        self.syncs.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn on_group(&self, took: Duration) {
        let us = took.as_micros() as u64;
        let bucket = (us.max(1) - 1).checked_ilog2().map_or(0, |bits| bits as usize + 1);
        self.times[bucket.min(BUCKETS - 1)].fetch_add(1, Ordering::Relaxed);
        self.total_us.fetch_add(us, Ordering::Relaxed);
        self.max_us.fetch_max(us, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_the_upper_end_of_its_bucket() {
        let meter = Meter::default();
        for _ in 0..98 {
            meter.on_group(Duration::from_micros(200));
        }
        meter.on_group(Duration::from_micros(3_000));
        meter.on_group(Duration::from_micros(9_000));
        let times = meter.sync_times();
        assert_eq!((times.groups, times.median_us, times.p99_us), (100, 256, 4_096));
        assert_eq!((times.mean_us, times.max_us), (316, 9_000));
        assert_eq!(Meter::default().sync_times(), SyncTimes::default());
    }
}
