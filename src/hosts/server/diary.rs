//! A replica's log lines about its disk and its checkpoints.

use std::collections::BTreeMap;

use crate::disk::DiskMeter;
use crate::model::events::Event;
use crate::model::types::{Millis, Slot};

/// A sync that takes longer is slow, whatever the disk.
const SLOW_MS: Millis = 1_000;
/// Checkpoints of which it is remembered when they were cut.
const CUT_MAX: usize = 16;

/// Owns what has been logged, so that it is logged once.
#[derive(Debug, Default)]
pub struct Diary {
    full_since: Option<Millis>,
    /// How many syncs were done when the one under way began, when that was, and whether it was
    /// told.
    syncing: Option<(u64, Millis, bool)>,
    /// When checkpoints that are not stable were cut.
    cut_at: BTreeMap<Slot, Millis>,
}

impl Diary {
    /// Notes how the disk is.
    pub fn on_tick(&mut self, now: Millis, full: bool, meter: Option<&DiskMeter>) {
        match (full, self.full_since) {
            (true, None) => {
                tracing::error!(
                    "the disk is full: nothing is executed for clients of this replica until there is room"
                );
                self.full_since = Some(now);
            }
            (false, Some(since)) => {
                tracing::info!(full_for_ms = now.saturating_sub(since), "the disk has room again");
                self.full_since = None;
            }
            _ => {}
        }
        if let Some(times) = meter.map(DiskMeter::sync_times) {
            self.on_sync(now, times.groups.count(), times.syncing);
        }
    }

    fn on_sync(&mut self, now: Millis, groups: u64, syncing: bool) {
        let ended = self.syncing.filter(|(before, _, _)| !syncing || *before != groups);
        if let Some((_, since, told)) = ended {
            if told {
                tracing::info!(took_ms = now.saturating_sub(since), "the disk has synced again");
            }
            self.syncing = None;
        }
        if !syncing {
            return;
        }
        let (_, since, told) = self.syncing.get_or_insert((groups, now, false));
        let for_ms = now.saturating_sub(*since);
        if for_ms >= SLOW_MS && !*told {
            tracing::warn!(for_ms, "the disk is slow: a sync does not end");
            *told = true;
        }
    }

    /// Notes what happened to checkpoints.
    pub fn on_event(&mut self, event: &Event, now: Millis) {
        match event {
            Event::Checkpointed { slot } => {
                tracing::debug!(slot = slot.0, "checkpoint cut");
                self.cut_at.insert(*slot, now);
                if self.cut_at.len() > CUT_MAX {
                    self.cut_at.pop_first();
                }
            }
            Event::Stable { slot } => {
                let took_ms = self.cut_at.get(slot).map(|cut| now.saturating_sub(*cut));
                tracing::info!(slot = slot.0, took_ms, "checkpoint is on the disks of a majority");
                self.cut_at.retain(|cut, _| cut > slot);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_sync_is_told_once_and_so_is_a_full_disk() {
        let mut diary = Diary::default();
        diary.on_sync(0, 5, true);
        diary.on_sync(SLOW_MS - 1, 5, true);
        assert_eq!(diary.syncing, Some((5, 0, false)));
        diary.on_sync(SLOW_MS, 5, true);
        assert_eq!(diary.syncing, Some((5, 0, true)));
        diary.on_sync(SLOW_MS + 1, 6, true);
        assert_eq!(diary.syncing, Some((6, SLOW_MS + 1, false)), "that is the next one");

        diary.on_tick(7, true, None);
        diary.on_tick(8, true, None);
        assert_eq!(diary.full_since, Some(7));
        diary.on_tick(9, false, None);
        assert_eq!(diary.full_since, None);
    }

    #[test]
    fn checkpoints_that_never_become_stable_are_forgotten() {
        let mut diary = Diary::default();
        for slot in 0..100 {
            diary.on_event(&Event::Checkpointed { slot: Slot(slot) }, slot);
        }
        assert_eq!(diary.cut_at.len(), CUT_MAX);
        diary.on_event(&Event::Stable { slot: Slot(98) }, 200);
        assert_eq!(diary.cut_at, BTreeMap::from([(Slot(99), 99)]));
    }
}
