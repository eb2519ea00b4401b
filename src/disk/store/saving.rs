//! A checkpoint being saved, piece by piece, so that records need not wait for all of it.
//!
//! What becomes bytes here is frozen: the replica executes further meanwhile. The header, which
//! names the digest, comes last, in the room left for it.

use std::sync::Arc;

use super::{Step, Store};
use crate::disk::{checkpoints, disk_error, names};
use crate::model::checkpoint::{Checkpoint, Cut, Digest, Hasher};
use crate::model::error::{Error, is_full};

/// A checkpoint of which a part is in its file.
pub(super) struct Saving {
    cut: Cut,
    /// The next part of the state to become bytes.
    part: usize,
    hasher: Hasher,
    /// Bytes that are not in the file yet, but for the first `taken` of them.
    bytes: Vec<u8>,
    taken: usize,
    /// How long the file is, and the room in it for the header.
    written: u64,
    pub(super) head_bytes: u64,
    is_headed: bool,
}

impl Saving {
    pub(super) fn new(cut: Cut) -> Self {
        let (hasher, bytes) = (Hasher::default(), Vec::new());
        let (written, head_bytes) = (0, 0);
        Self { cut, part: 0, hasher, bytes, taken: 0, written, head_bytes, is_headed: false }
    }

    /// What comes next in the file, at most `most` bytes.
    pub(super) fn piece(&mut self, most: usize) -> &[u8] {
        while self.bytes.len() - self.taken < most && self.part < self.cut.state.parts() {
            self.bytes.drain(..std::mem::take(&mut self.taken));
            let start = self.bytes.len();
            self.cut.state.write(self.part, &mut self.bytes);
            self.hasher.add(&self.bytes[start..]);
            if let Some(state) = Arc::get_mut(&mut self.cut.state) {
                state.forget(self.part);
            }
            self.part += 1;
        }
        let end = self.bytes.len().min(self.taken + most);
        &self.bytes[self.taken..end]
    }

    /// A piece of so many bytes has come into the file.
    pub(super) fn on_written(&mut self, bytes: usize) {
        self.taken += bytes;
        let is_there = self.taken <= self.bytes.len();
        assert!(is_there, "no more of a state can be written than was made of it");
        self.written += bytes as u64;
    }

    fn lacks_only_its_head(&self) -> bool {
        self.part == self.cut.state.parts() && self.taken == self.bytes.len()
    }
}

impl Store {
    /// Queues a checkpoint. One that has been begun is finished first; of those that wait, only the
    /// newest is worth it.
    pub(super) fn queue_checkpoint(&mut self, cut: Cut) {
        let saving = self.saving.back().map(|saving| saving.cut.slot);
        if saving.or(self.checkpoints.back().copied()).is_some_and(|last| last >= cut.slot) {
            return;
        }
        self.saving.truncate(1);
        self.saving.push_back(Saving::new(cut));
        self.end_segment();
    }

    /// Appends the next piece; one for which there is no room is tried again with the next records,
    /// which may well fit: what they let leave is perhaps what frees the disk.
    pub(super) fn append_piece(&mut self) -> Result<(), Error> {
        let Some(mut saving) = self.saving.pop_front() else { return Ok(()) };
        let outcome = self.go_on_with(&mut saving);
        self.saving.push_front(saving);
        self.starved = match outcome {
            Err(error) if error.is_full() => true,
            outcome => {
                outcome?;
                false
            }
        };
        Ok(())
    }

    fn go_on_with(&mut self, saving: &mut Saving) -> Result<(), Error> {
        let file = names::temporary(&names::checkpoint(saving.cut.slot));
        if saving.written == 0 {
            let bytes = checkpoints::head(saving.cut.slot, Digest([0; 32]), self.owner);
            let length = bytes.len() as u64;
            self.take_or_make_room(&Step::Append { file: file.clone(), base: 0, bytes })?;
            (saving.written, saving.head_bytes) = (length, length);
        }
        let bytes = saving.piece(self.piece_bytes).to_vec();
        let (base, count) = (saving.written, bytes.len());
        if count > 0 {
            self.take_or_make_room(&Step::Append { file: file.clone(), base, bytes })?;
            saving.on_written(count);
        }
        if saving.lacks_only_its_head() && !saving.is_headed {
            self.write_head(&file, saving)?;
            saving.is_headed = true;
        }
        Ok(())
    }

    pub(super) fn write_head(&mut self, file: &str, saving: &Saving) -> Result<(), Error> {
        let head = checkpoints::head(saving.cut.slot, saving.hasher.digest(), self.owner);
        let fits = head.len() as u64 == saving.head_bytes;
        assert!(fits, "the header of a checkpoint fits the room left for it");
        loop {
            match self.disk.overwrite(file, 0, &head) {
                // Some file systems write elsewhere what is written over.
                Err(error) if is_full(&error) && self.make_room()? => {}
                outcome => {
                    self.mark_dirty(file);
                    return outcome.map_err(|e| disk_error(self.owner, "write", file, e));
                }
            }
        }
    }

    /// Whether the checkpoint on its way waits for the disk to have room.
    pub fn is_starved(&self) -> bool {
        self.starved
    }

    /// Gives the checkpoint whose file is whole and synced its name.
    pub(super) fn name_checkpoint(&mut self) -> Result<(), Error> {
        let Some(saved) = self.saving.pop_front_if(|saving| saving.is_headed) else {
            return Ok(());
        };
        let slot = saved.cut.slot;
        let is_newest = self.checkpoints.back().is_none_or(|last| *last < slot);
        assert!(is_newest, "checkpoints are named in their order");
        let file = names::checkpoint(slot);
        let owner = self.owner;
        let failed = |doing| move |e| disk_error(owner, doing, &names::checkpoint(slot), e);
        self.disk.rename(&names::temporary(&file), &file).map_err(failed("name"))?;
        self.names_changed = true;
        self.sync_names()?;
        self.checkpoints.push_back(slot);
        let found = checkpoints::saved(&*self.disk, owner, slot, saved.hasher.digest());
        self.saved = Some(found.map_err(failed("find"))?);
        Ok(())
    }

    /// Whether a checkpoint is on its way.
    pub fn is_saving(&self) -> bool {
        !self.saving.is_empty()
    }

    /// Whether all of the checkpoint on its way is in its file.
    pub(super) fn has_whole_checkpoint(&self) -> bool {
        self.saving.front().is_some_and(|saving| saving.is_headed)
    }

    /// The newest checkpoint that is durable.
    pub fn saved(&self) -> Option<&Checkpoint> {
        self.saved.as_ref()
    }
}
