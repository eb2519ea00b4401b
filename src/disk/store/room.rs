//! What leaves the disk, and when.

use super::{Step, Store};
use crate::disk::{disk_error, names};
use crate::error::Error;

impl Store {
    pub(super) fn keep_checkpoints(&mut self, most: usize) -> Result<(), Error> {
        while self.checkpoints.len() > most
            && let Some(slot) = self.checkpoints.pop_front()
        {
            self.remove(&names::checkpoint(slot))?;
        }
        Ok(())
    }

    /// Removes the segments of earlier lives. What they held must be durable elsewhere.
    pub(super) fn remove_earlier(&mut self) -> Result<(), Error> {
        for number in std::mem::take(&mut self.earlier) {
            self.remove(&names::segment(number))?;
        }
        Ok(())
    }

    /// Removes the segments that only speak of forgotten slots. That they are forgotten must be durable.
    pub(super) fn remove_forgotten(&mut self) -> Result<(), Error> {
        while let Some(oldest) = self.old.first_entry() {
            if *oldest.get() > self.forgotten {
                return Ok(());
            }
            let file = names::segment(*oldest.key());
            oldest.remove();
            self.remove(&file)?;
        }
        Ok(())
    }

    /// That a file is gone need not be durable: if it is found again, it is read or removed again.
    fn remove(&mut self, file: &str) -> Result<(), Error> {
        self.disk.remove(file).map_err(|e| disk_error(self.owner, "remove", file, e))
    }

    /// Removes from a full disk what may go. Says whether that was anything.
    pub(super) fn make_room(&mut self) -> Result<bool, Error> {
        let spare = self.checkpoints.len() > 1;
        self.keep_checkpoints(1)?;
        Ok(spare || self.forget_early()?)
    }

    /// Records of forgotten slots may go once it is written that they may. That record may be among
    /// those that wait: with only those before it, it may fit where all do not.
    fn forget_early(&mut self) -> Result<bool, Error> {
        let (end, name) = (self.forgotten_end, names::segment(self.segment));
        let forgettable = self.old.first_key_value().is_some_and(|(_, to)| *to <= self.forgotten);
        let Some(Step::Append { file, base, bytes }) = self.pending.front_mut() else {
            return Ok(false);
        };
        if !forgettable || *file != name || end <= *base {
            return Ok(false);
        }
        let rest = bytes.split_off((end - *base) as usize);
        if rest.is_empty() {
            return Ok(false);
        }
        let part = Step::Append { file: name.clone(), base: *base, bytes: std::mem::take(bytes) };
        (*base, *bytes) = (end, rest);
        if let Err(error) = self.take(&part) {
            self.pending.push_front(part);
            return if error.is_full() { Ok(false) } else { Err(error) };
        }
        self.sync_dirty()?;
        self.durable = end;
        self.remove_forgotten()?;
        Ok(true)
    }
}
