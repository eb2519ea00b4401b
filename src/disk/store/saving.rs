//! A checkpoint on its way to the disk, piece by piece, so that records need not wait for all of it.

use super::{Step, Store};
use crate::checkpoint::Checkpoint;
use crate::disk::{checkpoints, disk_error, names};
use crate::error::Error;
use crate::types::Slot;

/// A checkpoint of which a part is in its file.
pub(super) struct Saving {
    checkpoint: Checkpoint,
    head: Vec<u8>,
    written: usize,
}

impl Saving {
    fn is_whole(&self) -> bool {
        self.written == self.head.len() + self.checkpoint.state.len()
    }

    /// What comes next, at most `most` bytes of the state.
    fn piece(&self, most: usize) -> Vec<u8> {
        let mut piece = self.head.get(self.written..).unwrap_or_default().to_vec();
        let rest = &self.checkpoint.state[self.written.saturating_sub(self.head.len())..];
        piece.extend_from_slice(&rest[..rest.len().min(most)]);
        piece
    }
}

impl Store {
    /// Queues a checkpoint. One that has been begun is finished first; of those that wait, only the
    /// newest is worth it.
    pub(super) fn queue_checkpoint(&mut self, checkpoint: Checkpoint) {
        let saving = self.saving.back().map(|saving| saving.checkpoint.slot);
        if saving.or(self.checkpoints.back().copied()).is_some_and(|last| last >= checkpoint.slot) {
            return;
        }
        let head = checkpoints::head(&checkpoint, self.owner);
        self.saving.truncate(1);
        self.saving.push_back(Saving { checkpoint, head, written: 0 });
        self.end_segment();
    }

    /// Appends the next piece; one for which there is no room is tried again with the next records, which
    /// may well fit: what they let leave is perhaps what frees the disk.
    pub(super) fn append_piece(&mut self) -> Result<(), Error> {
        let Some(saving) = self.saving.front().filter(|saving| !saving.is_whole()) else {
            return Ok(());
        };
        let file = names::beside(&names::checkpoint(saving.checkpoint.slot));
        let (base, bytes) = (saving.written as u64, saving.piece(self.piece_bytes));
        let count = bytes.len();
        self.starved = match self.take_or_make_room(&Step::Append { file, base, bytes }) {
            Err(error) if error.is_full() => true,
            outcome => {
                outcome?;
                false
            }
        };
        if let Some(saving) = self.saving.front_mut().filter(|_| !self.starved) {
            saving.written += count;
        }
        Ok(())
    }

    /// Whether the checkpoint on its way waits for the disk to have room.
    #[must_use]
    pub fn is_starved(&self) -> bool {
        self.starved
    }

    /// Gives the checkpoint whose file is whole and synced its name.
    pub(super) fn name_checkpoint(&mut self) -> Result<(), Error> {
        let Some(saved) = self.saving.pop_front_if(|saving| saving.is_whole()) else {
            return Ok(());
        };
        let slot = saved.checkpoint.slot;
        let file = names::checkpoint(slot);
        let failed = |e| disk_error(self.owner, "name", &file, e);
        self.disk.rename(&names::beside(&file), &file).map_err(failed)?;
        self.names_changed = true;
        self.sync_names()?;
        self.checkpoints.push_back(slot);
        Ok(())
    }

    /// Whether a checkpoint is on its way.
    #[must_use]
    pub fn is_saving(&self) -> bool {
        !self.saving.is_empty()
    }

    /// Whether all of the checkpoint on its way is in its file.
    pub(super) fn has_whole_checkpoint(&self) -> bool {
        self.saving.front().is_some_and(Saving::is_whole)
    }

    /// The newest checkpoint that is durable.
    #[must_use]
    pub fn saved(&self) -> Slot {
        self.checkpoints.back().copied().unwrap_or_default()
    }
}
