//! The checkpoint on its way to the disk: how far it is, and since when.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::memory::size;
use crate::disk::SavingProgress;
use crate::model::types::{Millis, Slot};

/// How far a checkpoint has come on its way to the disk. Clients are served meanwhile.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SavingStatus {
    /// The first slot that is not in it.
    pub slot: Slot,
    /// Parts that have been written.
    pub parts_done: u64,
    /// How many there are to write: those that have changed; of a checkpoint that is fetched, those
    /// that have come so far.
    pub parts: u64,
    /// Bytes that have been written.
    pub bytes: u64,
    /// Whether it comes from another replica.
    pub fetched: bool,
    /// For how long it has been under way.
    pub under_way_ms: Millis,
}

/// Since when the same checkpoint has been on its way.
#[derive(Debug, Default)]
pub struct SavingSince(Option<(Slot, bool, Duration)>);

impl SavingSince {
    /// How far the checkpoint on its way is now, if there is one.
    pub fn on_reading(
        &mut self,
        now: Duration,
        progress: Option<SavingProgress>,
    ) -> Option<SavingStatus> {
        let Some(SavingProgress { slot, parts, bytes, is_fetched, .. }) = progress else {
            self.0 = None;
            return None;
        };
        let same = self.0.filter(|(known, fetched, _)| (*known, *fetched) == (slot, is_fetched));
        let (_, _, since) = *self.0.insert(same.unwrap_or((slot, is_fetched, now)));
        Some(SavingStatus {
            slot,
            parts_done: parts.0,
            parts: parts.1,
            bytes,
            fetched: is_fetched,
            under_way_ms: now.saturating_sub(since).as_millis() as Millis,
        })
    }
}

impl SavingStatus {
    /// How many percent of the parts have been written. How many another replica will send is not
    /// known.
    pub fn percent(&self) -> Option<u64> {
        let known = !self.fetched && self.parts > 0;
        known.then(|| self.parts_done.min(self.parts) * 100 / self.parts)
    }

    /// How far it is, in words: `312 of 4096 parts, 42 MiB`.
    pub fn amount(&self) -> String {
        let (done, all, bytes) = (self.parts_done, self.parts, size(self.bytes));
        if self.fetched {
            format!("{done} parts so far, {bytes}")
        } else {
            format!("{done} of {all} parts, {bytes}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(slot: u64, done: u64) -> SavingProgress {
        let (slot, parts) = (Slot(slot), (done, 8));
        SavingProgress { slot, parts, bytes: 3 << 20, copied_bytes: 7, is_fetched: false }
    }

    #[test]
    fn the_time_under_way_is_that_of_the_same_checkpoint() {
        let mut since = SavingSince::default();
        let mut read = |ms, progress| {
            let saving = since.on_reading(Duration::from_millis(ms), progress)?;
            Some((saving.under_way_ms, saving.percent()))
        };
        assert_eq!(read(10, None), None);
        assert_eq!(read(20, Some(progress(100, 0))), Some((0, Some(0))));
        assert_eq!(read(50, Some(progress(100, 2))), Some((30, Some(25))));
        assert_eq!(read(60, Some(progress(200, 1))), Some((0, Some(12))), "it is another one");
        let fetched = SavingProgress { is_fetched: true, ..progress(200, 8) };
        assert_eq!(read(70, Some(fetched)), Some((0, None)), "how much will come is not known");
        assert_eq!(read(80, None), None);
        assert_eq!(read(90, Some(fetched)), Some((0, None)));
    }

    #[test]
    fn how_far_it_is_is_told_in_parts_and_bytes() {
        let mut since = SavingSince::default();
        let saving = since.on_reading(Duration::ZERO, Some(progress(1, 2))).unwrap();
        assert_eq!(saving.amount(), "2 of 8 parts, 3.0 MiB");
        assert_eq!(SavingStatus { fetched: true, ..saving }.amount(), "2 parts so far, 3.0 MiB");
    }
}
