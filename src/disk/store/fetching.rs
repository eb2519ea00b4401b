//! A checkpoint that another replica sends, part by part.

use super::Store;
use super::saving::Saving;
use crate::disk::{Fetched, checkpoints};
use crate::model::error::Error;
use crate::model::table::Table;
use crate::model::types::Slot;

/// Bytes of parts that may wait to be written.
const WAITING_BYTES_MAX: usize = 64 << 20;

impl Store {
    /// Takes what has come of another replica's checkpoint. One that does not fit what is on the
    /// disk is dropped; whoever fetches it asks again when it is not saved in time.
    pub(super) fn take_fetched(&mut self, fetched: Fetched) -> Result<(), Error> {
        match fetched {
            Fetched::Begin { slot, parts, base } => self.begin_fetching(slot, parts, base),
            Fetched::Part { slot, part, bytes } => self.add_fetched(slot, part as usize, &bytes),
            Fetched::End { slot, digest } => {
                let is_open = |own: &Saving| own.slot == slot && !own.has_ended();
                let is_wrong = |own: &mut Saving| is_open(own) && !own.end(digest);
                self.fetching.take_if(is_wrong).map_or(Ok(()), |dropped| self.give_up(&dropped))
            }
        }
    }

    /// Adds a part. Whoever hands over more than the disk takes waits for it here; only while it is
    /// full is that given up which cannot be kept.
    fn add_fetched(&mut self, slot: Slot, part: usize, bytes: &[u8]) -> Result<(), Error> {
        // One that is whole is asked for again when the disk takes long with it.
        let is_its = |fetching: &&mut Saving| fetching.slot == slot && !fetching.has_ended();
        let Some(fetching) = self.fetching.as_mut().filter(is_its) else { return Ok(()) };
        let mut waits = fetching.waiting_bytes() > WAITING_BYTES_MAX;
        fetching.push_part(part, bytes);
        while waits && !self.is_starved() {
            self.append_piece()?;
            let fetching = self.fetching.as_ref();
            waits = fetching.is_some_and(|it| it.waiting_bytes() > WAITING_BYTES_MAX);
        }
        let dropped = self.fetching.take_if(|_| waits);
        dropped.map_or(Ok(()), |dropped| self.give_up(&dropped))
    }

    fn begin_fetching(&mut self, slot: Slot, parts: u32, base: Option<Slot>) -> Result<(), Error> {
        let is_whole = |fetching: &Saving| fetching.slot == slot && fetching.has_ended();
        if self.fetching.as_ref().is_some_and(is_whole) {
            return Ok(());
        }
        if let Some(dropped) = self.fetching.take() {
            self.give_up(&dropped)?;
        }
        let newest = self.checkpoints.back().map(|kept| kept.slot);
        let own = self.saving.as_ref().map(|saving| saving.slot);
        if newest.max(own).is_some_and(|own| own >= slot) {
            return Ok(());
        }
        let table = match base {
            None => Some(Table::new(parts as usize)),
            Some(base) => {
                let kept = self.checkpoints.iter().find(|kept| kept.slot == base);
                kept.and_then(|kept| kept.table.as_deref().cloned())
            }
        };
        let head = checkpoints::pack_head(slot, self.owner);
        self.fetching = table.map(|table| Saving::of_peer(slot, head, table));
        Ok(())
    }
}
