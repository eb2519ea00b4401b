//! A checkpoint that another replica sends, part by part.

use super::Store;
use super::saving::Saving;
use crate::disk::{Fetched, checkpoints};
use crate::model::error::Error;
use crate::model::table::Table;
use crate::model::types::Slot;

impl Store {
    /// Takes what has come of another replica's checkpoint. One that does not fit what is on the
    /// disk is dropped; whoever fetches it asks again when it is not saved in time.
    pub(super) fn take_fetched(&mut self, fetched: Fetched) -> Result<(), Error> {
        match fetched {
            Fetched::Begin { slot, parts, base } => self.begin_fetching(slot, parts, base),
            Fetched::Part { slot, part, bytes } => {
                let fits = |fetching: &mut Saving| {
                    fetching.slot == slot && !fetching.add_part(part as usize, &bytes)
                };
                self.fetching.take_if(fits).map_or(Ok(()), |dropped| self.give_up(&dropped))
            }
            Fetched::End { slot, digest } => {
                let is_wrong =
                    |fetching: &mut Saving| fetching.slot == slot && !fetching.end(digest);
                self.fetching.take_if(is_wrong).map_or(Ok(()), |dropped| self.give_up(&dropped))
            }
        }
    }

    fn begin_fetching(&mut self, slot: Slot, parts: u32, base: Option<Slot>) -> Result<(), Error> {
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
                kept.and_then(|kept| kept.table.clone())
            }
        };
        let head = checkpoints::pack_head(slot, self.owner);
        self.fetching = table.map(|table| Saving::of_peer(slot, head, table));
        Ok(())
    }
}
