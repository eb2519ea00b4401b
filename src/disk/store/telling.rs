//! Notes of the slots that complete segments can tell.

use super::{Step, Store};
use crate::disk::frame::Place;
use crate::disk::past::{JournalPast, Spots};
use crate::disk::{disk_error, names};
use crate::model::error::Error;

impl Store {
    /// A segment does not grow any more, and can be asked for what it has.
    pub(super) fn tell_of(&self, number: u64, spots: Spots) -> Result<(), Error> {
        let file = names::segment(number);
        let source = self.disk.source(&file);
        let source = source.map_err(|e| disk_error(self.owner, "find", &file, e))?;
        self.past.add(Place { owner: self.owner, file: number }, source, spots);
        Ok(())
    }

    /// Notes of which slots the journal can tell: all of what is known to be decided, but for
    /// what segments speak of that still grow.
    pub(in crate::disk) fn note_told(&self) {
        let waits = |step: &Step| match step {
            Step::Complete { spots, .. } => spots.lowest(),
            Step::Append { .. } => None,
        };
        let growing = self.pending.iter().filter_map(waits).chain(self.spots.lowest()).min();
        let (from, to) = self.decided.unwrap_or_default();
        self.past.set_told(from.max(self.forgotten)..growing.map_or(to, |growing| to.min(growing)));
    }

    /// What the journal can tell of decided slots, from now on.
    pub fn past(&self) -> &JournalPast {
        &self.past
    }
}
