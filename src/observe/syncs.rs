//! Recent sync latency: totals since the start hide a disk that has just become slow.

use std::collections::VecDeque;
use std::time::Duration;

use super::status::DiskStatus;
use crate::disk::SyncTimes;

/// Owns the recent readings of a disk's meter.
#[derive(Debug, Default)]
pub struct Syncs {
    /// What it showed, once in a while, the latest last.
    shown: VecDeque<(Duration, SyncTimes)>,
    /// Since when the same sync is under way.
    since: Option<(u64, Duration)>,
}

impl Syncs {
    const WINDOW: Duration = Duration::from_secs(10);
    const EVERY: Duration = Duration::from_millis(500);

    /// What the disk has done by what its meter shows now, in all and recently.
    pub fn on_reading(&mut self, now: Duration, times: &SyncTimes) -> DiskStatus {
        let since =
            self.since.filter(|(groups, _)| times.syncing && *groups == times.groups.count());
        self.since = times.syncing.then(|| since.unwrap_or((times.groups.count(), now)));
        if self.shown.back().is_none_or(|(at, _)| now.saturating_sub(*at) >= Self::EVERY) {
            self.shown.push_back((now, times.clone()));
        }
        while self.shown.len() > 1 && now.saturating_sub(self.shown[1].0) >= Self::WINDOW {
            self.shown.pop_front();
        }
        let (recent_syncs, recent_median_us, recent_p99_us) =
            self.shown.front().map_or((0, 0, 0), |(_, before)| times.since(before));
        let syncing = self.since.map_or(Duration::ZERO, |(_, since)| now.saturating_sub(since));
        DiskStatus {
            groups: times.groups.count(),
            median_us: times.groups.quantile_us(50),
            p99_us: times.groups.quantile_us(99),
            mean_us: times.groups.mean_us(),
            max_us: times.groups.quantile_us(100),
            recent_syncs,
            recent_median_us,
            recent_p99_us,
            syncing_us: syncing.as_micros() as u64,
            ..DiskStatus::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::histogram::{Buckets, quantile_us};

    fn times(groups: u64, took_us: u64, syncing: bool) -> SyncTimes {
        let mut times = SyncTimes { syncing, ..SyncTimes::default() };
        (0..groups).for_each(|_| times.groups.add(Duration::from_micros(took_us)));
        times
    }

    #[test]
    fn what_was_ten_seconds_ago_is_forgotten() {
        let (mut syncs, second) = (Syncs::default(), Duration::from_secs(1));
        syncs.on_reading(second, &times(0, 200_000, false));
        let recent = |syncs: &mut Syncs, now| {
            let disk = syncs.on_reading(now, &times(40, 200_000, false));
            (disk.recent_syncs, disk.recent_median_us, disk.recent_p99_us, disk.syncing_us)
        };
        let took_us = quantile_us(&[(Buckets::bucket(Duration::from_micros(200_000)), 1)], 50);
        let slow = (40, took_us, took_us, 0);
        for seconds in 2..=11 {
            assert_eq!(recent(&mut syncs, second * seconds), slow, "{seconds}");
        }
        assert_eq!(recent(&mut syncs, second * 12), (0, 0, 0, 0));
    }

    #[test]
    fn a_sync_that_does_not_end_is_told_with_its_time() {
        let (mut syncs, second) = (Syncs::default(), Duration::from_secs(1));
        let under_way = |syncs: &mut Syncs, seconds, groups, syncing| {
            let now = second * seconds;
            syncs.on_reading(now, &times(groups, 1, syncing)).syncing_us / 1_000_000
        };
        assert_eq!(under_way(&mut syncs, 1, 5, true), 0);
        assert_eq!(under_way(&mut syncs, 4, 5, true), 3);
        assert_eq!(under_way(&mut syncs, 5, 6, true), 0, "that is the next one");
        assert_eq!(under_way(&mut syncs, 9, 7, false), 0);
    }
}
