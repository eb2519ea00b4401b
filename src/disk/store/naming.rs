//! Names for checkpoints whose files are whole.

use std::sync::Arc;

use super::Store;
use super::saving::{Manifest, Saving};
use crate::disk::checkpoints::{self, Kept};
use crate::disk::{disk_error, names};
use crate::model::error::Error;
use crate::model::types::Slot;

impl Store {
    /// Gives the checkpoints whose files are whole and synced their names.
    pub(super) fn name_checkpoints(&mut self) -> Result<(), Error> {
        if let Some(saved) = self.saving.take_if(|saving| saving.is_written()) {
            self.name_checkpoint(saved)?;
        }
        if let Some(saved) = self.fetching.take_if(|saving| saving.is_written()) {
            self.name_checkpoint(saved)?;
        }
        self.note_progress();
        self.note_packs_in_use();
        Ok(())
    }

    /// Notes which packs the checkpoints on their way go on from.
    pub(super) fn note_packs_in_use(&mut self) {
        let all = [&self.saving, &self.fetching].into_iter().flatten();
        self.packs_in_use = all.flat_map(|saving| saving.base_packs.iter().copied()).collect();
    }

    fn name_checkpoint(&mut self, saved: Saving) -> Result<(), Error> {
        let (slot, file) = (saved.slot, names::checkpoint(saved.slot));
        let Some(Manifest { digest, .. }) = saved.manifest else { return Ok(()) };
        self.checkpoints.pop_back_if(|kept| kept.slot == slot && kept.table.is_none());
        let is_newest = self.checkpoints.back().is_none_or(|last| last.slot < slot);
        assert!(is_newest, "checkpoints are named in their order");
        let owner = self.owner;
        let failed = |doing| move |e| disk_error(owner, doing, &names::checkpoint(slot), e);
        self.disk.rename(&saved.manifest_file(), &file).map_err(failed("name"))?;
        self.disk.close(&file);
        self.disk.close(&names::pack(slot));
        self.names_changed = true;
        self.sync_names()?;
        let table = Arc::new(saved.table);
        let found = checkpoints::packed(&*self.disk, slot, digest, &table);
        self.saved = Some(found.map_err(failed("find"))?);
        self.packs.insert(slot, saved.pack_bytes);
        self.checkpoints.push_back(Kept { slot, table: Some(table) });
        self.drop_overtaken(slot)
    }

    /// What is older than a checkpoint that has come on the disk need not be saved any more.
    fn drop_overtaken(&mut self, slot: Slot) -> Result<(), Error> {
        self.waiting.take_if(|cut| cut.slot <= slot);
        for overtaken in [
            self.saving.take_if(|saving| saving.slot <= slot),
            self.fetching.take_if(|saving| saving.slot <= slot),
        ] {
            overtaken.map_or(Ok(()), |saving| self.give_up(&saving))?;
        }
        Ok(())
    }
}
