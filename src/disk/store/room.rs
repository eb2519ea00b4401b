//! Removal of files, in time and on a full disk.

use std::collections::BTreeSet;

use super::{Step, Store};
use crate::disk::checkpoints::{Kept, live_bytes};
use crate::disk::{disk_error, names};
use crate::model::error::Error;
use crate::model::types::Slot;

impl Store {
    pub(super) fn keep_checkpoints(&mut self, most: usize) -> Result<(), Error> {
        while self.checkpoints.len() > most
            && let Some(Kept { slot, .. }) = self.checkpoints.pop_front()
        {
            self.remove(&names::checkpoint(slot))?;
            self.remove_packs()?;
        }
        Ok(())
    }

    /// Removes the packs that no checkpoint names.
    fn remove_packs(&mut self) -> Result<(), Error> {
        let tables = self.checkpoints.iter().filter_map(|kept| kept.table.as_deref());
        let named: BTreeSet<Slot> =
            tables.flat_map(|table| live_bytes(table).into_keys()).collect();
        let is_useless = |slot: &Slot| !named.contains(slot) && !self.packs_in_use.contains(slot);
        let unnamed: Vec<Slot> =
            self.packs.keys().copied().filter(|slot| is_useless(slot)).collect();
        for slot in unnamed {
            self.packs.remove(&slot);
            self.remove(&names::pack(slot))?;
        }
        Ok(())
    }

    /// Removes the segments that do not count, now that the one that does is durable.
    pub(super) fn remove_stale(&mut self) -> Result<(), Error> {
        for number in std::mem::take(&mut self.stale) {
            self.remove(&names::segment(number))?;
        }
        Ok(())
    }

    /// Removes segments before `segment` that only speak of forgotten slots. That they are
    /// forgotten must be durable, and so must the beginning of `segment`, which repeats what else
    /// they hold.
    pub(super) fn remove_forgotten(&mut self, segment: u64) -> Result<(), Error> {
        assert!(segment <= self.segment, "the segment that grows stays");
        while let Some(oldest) = self.old.first_entry() {
            if *oldest.get() > self.forgotten || *oldest.key() >= segment {
                return Ok(());
            }
            let number = *oldest.key();
            oldest.remove();
            self.past.remove(number);
            self.remove(&names::segment(number))?;
        }
        Ok(())
    }

    /// That a file is gone need not be durable: if it is found again, it is read or removed again.
    pub(super) fn remove(&mut self, file: &str) -> Result<(), Error> {
        self.disk.discard(file).map_err(|e| disk_error(self.owner, "remove", file, e))
    }

    /// Gives back so many bytes of removed files.
    pub(super) fn sweep(&mut self, bytes: u64) -> Result<u64, Error> {
        self.disk.sweep(bytes).map_err(|e| disk_error(self.owner, "cut", "a removed file", e))
    }

    /// Removes from a full disk what may go. Says whether that was anything.
    pub(super) fn make_room(&mut self) -> Result<bool, Error> {
        if self.sweep(u64::MAX)? > 0 {
            return Ok(true);
        }
        if let Some(fetching) = self.fetching.take() {
            // Another replica sends it again.
            self.give_up(&fetching)?;
            return Ok(true);
        }
        let spare = self.checkpoints.len() > 1;
        self.keep_checkpoints(1)?;
        Ok(spare || self.forget_early()?)
    }

    /// Segments of forgotten slots may go once it is durable that they may, and so is the beginning
    /// of a segment after them. The record that says so may be written already; or it is among
    /// those that wait, and with only those before it, it may fit where all do not.
    fn forget_early(&mut self) -> Result<bool, Error> {
        let (segment, end) = self.forgot;
        let oldest = self.old.first_key_value();
        let forgettable =
            oldest.is_some_and(|(number, to)| *number < segment && *to <= self.forgotten);
        if !forgettable || !self.append_up_to(segment, end)? {
            return Ok(false);
        }
        self.sync_dirty()?;
        if segment == self.segment {
            self.durable = self.durable.max(end);
        }
        self.remove_forgotten(segment)?;
        Ok(true)
    }

    /// Appends of what waits only what comes before `end` of a segment. Says whether that much is
    /// there.
    fn append_up_to(&mut self, segment: u64, end: u64) -> Result<bool, Error> {
        let name = names::segment(segment);
        let waits = |step: &Step| match step {
            Step::Append { file, base, bytes } => {
                *file == name && (*base + 1..=*base + bytes.len() as u64).contains(&end)
            }
            Step::Complete { .. } => false,
        };
        let Some(at) = self.pending.iter().position(waits) else { return Ok(true) };
        let Some(Step::Append { base, bytes, .. }) = self.pending.front_mut().filter(|_| at == 0)
        else {
            return Ok(false);
        };
        let rest = bytes.split_off((end - *base) as usize);
        if rest.is_empty() {
            return Ok(false);
        }
        let part = Step::Append { file: name, base: *base, bytes: std::mem::replace(bytes, rest) };
        *base = end;
        if let Err(error) = self.take(&part) {
            self.pending.push_front(part);
            return if error.is_full() { Ok(false) } else { Err(error) };
        }
        Ok(true)
    }
}
