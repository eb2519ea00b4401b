//! A checkpoint being saved, piece by piece, so that records need not wait for all of it: first the
//! parts into a pack, then the manifest that names them.
//!
//! What becomes bytes here is frozen: the replica executes further meanwhile. Or it comes from
//! another replica, part by part.

use std::collections::BTreeMap;
use std::io;

use super::{Step, Store};
use crate::disk::checkpoints::{self, DiskTable, Kept, Place, live_bytes};
use crate::disk::{SavingProgress, disk_error, names};
use crate::model::checkpoint::{Checkpoint, Cut, Digest, Remaining};
use crate::model::error::Error;
use crate::model::parts::PartSet;
use crate::model::table::{Leaf, Table};
use crate::model::types::Slot;

/// A checkpoint of which something may be in its files.
pub(super) struct Saving {
    pub(super) slot: Slot,
    source: PartSource,
    /// Its parts, as far as they have been made bytes; the others are where they were.
    table: DiskTable,
    /// The packs in which those are.
    base_packs: Vec<Slot>,
    /// How many parts there are in its pack, and how long that will be once `bytes` are in it.
    parts: u64,
    pack_bytes: u64,
    /// The manifest, once all parts have been made bytes, and the digest of all of them.
    manifest: Option<Manifest>,
    /// Bytes that are not in their file yet, but for the first `taken` of them, and how long that
    /// file is.
    bytes: Vec<u8>,
    taken: usize,
    written: u64,
    room: Vec<u8>,
}

/// A manifest on its way into its file.
#[derive(Clone, Copy)]
struct Manifest {
    digest: Digest,
    /// Whether `bytes` are those of the manifest, all parts being in the pack.
    is_begun: bool,
}

/// The place where parts come from.
enum PartSource {
    /// A cut, and then packs of which most is of no use any more: parts that are still named.
    Cut { remaining: Remaining, moved: Vec<usize> },
    /// Another replica, that has yet to send more.
    Peer,
}

/// How long packs are.
type PackBytes = BTreeMap<Slot, u64>;

/// Bytes of another replica's parts that may wait while the disk takes its time.
const PEER_BYTES_MAX: usize = 8 << 20;

impl Saving {
    /// A cut to be saved. What has not changed is where it was in `before`, the checkpoint before
    /// it; of the packs with `pack_bytes` that one names, some are cleared.
    fn of_cut(cut: Cut, head: Vec<u8>, before: Option<&DiskTable>, packs: &PackBytes) -> Self {
        let is_whole = cut.changed.len() == cut.state.parts();
        let base = before.filter(|before| before.parts() == cut.state.parts());
        assert!(base.is_some() || is_whole, "the first checkpoint has all parts");
        let table = base.cloned().unwrap_or_else(|| Table::new(cut.state.parts()));
        let moved = parts_to_move(&table, &cut.changed, packs);
        let (slot, changed) = (cut.slot, cut.changed.clone());
        let remaining = Remaining::new(cut, changed);
        Self::new(slot, head, PartSource::Cut { remaining, moved }, table)
    }

    /// A checkpoint that another replica sends: what it does not send is where it is in `table`.
    pub(super) fn of_peer(slot: Slot, head: Vec<u8>, table: DiskTable) -> Self {
        Self::new(slot, head, PartSource::Peer, table)
    }

    fn new(slot: Slot, head: Vec<u8>, source: PartSource, table: DiskTable) -> Self {
        let (pack_bytes, bytes, room) = (head.len() as u64, head, Vec::new());
        let (parts, taken, written, manifest) = (0, 0, 0, None);
        let base_packs = live_bytes(&table).into_keys().collect();
        Self {
            slot,
            source,
            table,
            base_packs,
            parts,
            pack_bytes,
            manifest,
            bytes,
            taken,
            written,
            room,
        }
    }

    /// Whether all of it is in its files.
    pub(super) fn is_written(&self) -> bool {
        self.manifest.is_some_and(|manifest| manifest.is_begun) && self.taken == self.bytes.len()
    }

    /// Whether something of it can be written now.
    fn has_work(&self) -> bool {
        !self.is_written() && !self.waits_for_peer()
    }

    /// Whether it can only go on when more of it has come.
    fn waits_for_peer(&self) -> bool {
        let is_peer = matches!(self.source, PartSource::Peer);
        is_peer && self.manifest.is_none() && self.taken == self.bytes.len()
    }

    fn progress(&self) -> SavingProgress {
        let left = match &self.source {
            PartSource::Cut { remaining, moved } => remaining.len() + moved.len(),
            PartSource::Peer => 0,
        };
        SavingProgress {
            slot: self.slot,
            parts: (self.parts, self.parts + left as u64),
            bytes: self.pack_bytes,
            copied_bytes: self.copied_bytes() as u64,
            is_fetched: matches!(self.source, PartSource::Peer),
        }
    }

    /// Bytes in memory twice because of it.
    fn copied_bytes(&self) -> usize {
        match &self.source {
            PartSource::Cut { remaining, .. } => remaining.copied_bytes(),
            PartSource::Peer => 0,
        }
    }

    /// How many bytes wait to be written.
    pub(super) fn waiting_bytes(&self) -> usize {
        self.bytes.len() - self.taken
    }

    /// Whether all of another replica's checkpoint has come.
    pub(super) fn has_ended(&self) -> bool {
        self.manifest.is_some()
    }

    /// All parts of another replica's checkpoint have come. Says whether they have the digest they
    /// should have.
    pub(super) fn end(&mut self, digest: Digest) -> bool {
        let is_begun = false;
        self.manifest = Some(Manifest { digest, is_begun });
        self.table.seal() == digest
    }

    /// Adds a part to its pack.
    pub(super) fn push_part(&mut self, part: usize, bytes: &[u8]) {
        assert!(self.manifest.is_none(), "no part comes after the manifest");
        let place = Place { pack: self.slot, offset: self.pack_bytes };
        self.table.set(part, Leaf::of(bytes, place));
        self.parts += 1;
        self.pack_bytes += bytes.len() as u64;
        self.bytes.drain(..std::mem::take(&mut self.taken));
        self.bytes.extend_from_slice(bytes);
    }

    /// Makes at least `most` bytes ready, if there are as many: parts, and once they are all in
    /// their pack the manifest.
    fn fill(&mut self, most: usize, store: &Store) -> Result<(), Error> {
        while self.manifest.is_none() && self.bytes.len() - self.taken < most {
            if !self.add_next(store)? {
                break;
            }
        }
        if let Some(manifest) = &mut self.manifest
            && !manifest.is_begun
            && self.taken == self.bytes.len()
        {
            manifest.is_begun = true;
            let digest = manifest.digest;
            self.bytes = checkpoints::manifest(self.slot, digest, &self.table, store.owner);
            (self.taken, self.written) = (0, 0);
        }
        Ok(())
    }

    /// Adds the next part. Says whether there was one.
    fn add_next(&mut self, store: &Store) -> Result<bool, Error> {
        let PartSource::Cut { remaining, moved } = &mut self.source else { return Ok(false) };
        let mut room = std::mem::take(&mut self.room);
        room.clear();
        if let Some(part) = remaining.next(&mut room) {
            self.push_part(part, &room);
        } else if let Some(part) = moved.pop() {
            if let Some(leaf) = self.table.get(part).cloned() {
                store.read_part(&leaf, &mut room)?;
                self.push_part(part, &room);
            }
        } else {
            let digest = self.table.seal();
            self.manifest = Some(Manifest { digest, is_begun: false });
            return Ok(false);
        }
        self.room = room;
        Ok(true)
    }

    /// The file that is being written.
    fn file(&self) -> String {
        match self.manifest {
            Some(Manifest { is_begun: true, .. }) => self.manifest_file(),
            _ => names::pack(self.slot),
        }
    }

    fn manifest_file(&self) -> String {
        names::temporary(&names::checkpoint(self.slot))
    }

    /// So many bytes have come into the file.
    pub(super) fn on_written(&mut self, bytes: usize) {
        self.taken += bytes;
        let is_there = self.taken <= self.bytes.len();
        assert!(is_there, "no more of a state can be written than was made of it");
        self.written += bytes as u64;
    }
}

/// The parts that have not changed and are in packs of which less than half is still named: as many
/// as there are bytes that have changed, so that a checkpoint costs at most twice what it has to,
/// and all packs have about twice the bytes of the state.
fn parts_to_move(table: &DiskTable, changed: &PartSet, packs: &PackBytes) -> Vec<usize> {
    let mut live: BTreeMap<Slot, u64> = BTreeMap::new();
    let mut left = MOVED_BYTES_MIN;
    for (part, leaf) in table.iter() {
        if changed.contains(part) {
            left += leaf.length;
        } else {
            *live.entry(leaf.place.pack).or_default() += leaf.length;
        }
    }
    let mut sizes: Vec<u64> = live.values().copied().collect();
    sizes.sort_unstable();
    // Of too many packs the smallest go.
    let small = sizes.len().checked_sub(PACKS_MAX).map_or(0, |too_many| sizes[too_many]);
    let is_old =
        |pack: &Slot, live: u64| live < small || packs.get(pack).is_some_and(|all| live < all / 2);
    live.retain(|pack, live| is_old(pack, *live));
    let unchanged = table.iter().filter(|(part, _)| !changed.contains(*part));
    let old = unchanged.filter(|(_, leaf)| live.contains_key(&leaf.place.pack));
    let fitting = old.take_while(|(_, leaf)| {
        // The last of them may be larger than what is left: otherwise it would hold up the others.
        let fits = left > 0;
        left = left.saturating_sub(leaf.length);
        fits
    });
    fitting.map(|(part, _)| part).collect()
}

/// Bytes that may be in memory twice while a checkpoint takes its time.
const COPIED_BYTES_MAX: usize = 16 << 20;

/// More packs than this are not wanted: each takes an open file while it is read.
const PACKS_MAX: usize = 64;

/// Bytes that may be moved however little has changed.
const MOVED_BYTES_MIN: u64 = 1 << 20;

impl Store {
    /// Queues a checkpoint. One that has been begun is finished first; what of those that wait only
    /// the older has goes along with the newer.
    pub(super) fn queue_checkpoint(&mut self, cut: Cut) {
        let newest = self.checkpoints.back();
        let is_late = newest.is_some_and(|kept| match &kept.table {
            Some(_) => kept.slot >= cut.slot,
            // One in one piece makes way for the same in parts.
            None => kept.slot > cut.slot,
        });
        if is_late || self.saving.as_ref().is_some_and(|saving| saving.slot >= cut.slot) {
            return;
        }
        self.waiting = Some(match self.waiting.take() {
            Some(older) => cut.cover(older),
            None => cut,
        });
        self.end_segment();
    }

    /// Appends the next piece of the checkpoint on its way; one for which there is no room is tried
    /// again with the next records, which may well fit: what they let leave is perhaps what frees
    /// the disk.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub fn append_piece(&mut self) -> Result<(), Error> {
        if self.saving.is_none()
            && let Some(cut) = self.waiting.take()
        {
            // Both would write the same files.
            if let Some(fetching) = self.fetching.take_if(|fetching| fetching.slot == cut.slot) {
                self.give_up(&fetching)?;
            }
            let head = checkpoints::pack_head(cut.slot, self.owner);
            let before = self.checkpoints.back().and_then(|kept| kept.table.as_ref());
            self.saving = Some(Saving::of_cut(cut, head, before, &self.packs));
        }
        self.starved = false;
        self.note_packs_in_use();
        let (own, fetched) = (self.saving.take(), self.fetching.take());
        let mut failed = None;
        let mut go_on = |saving: Option<Saving>, store: &mut Self| {
            let mut saving = saving?;
            let outcome = if saving.has_work() { store.go_on_with(&mut saving) } else { Ok(()) };
            match outcome {
                Err(error) if error.is_full() => store.starved = true,
                Err(error) => failed = Some(error),
                Ok(()) => {}
            }
            Some(saving)
        };
        self.saving = go_on(own, self);
        self.fetching = go_on(fetched, self);
        self.note_progress();
        failed.map_or(Ok(()), Err)
    }

    fn note_progress(&self) {
        let progress = self.saving.as_ref().or(self.fetching.as_ref()).map(Saving::progress);
        self.meter.set_saving(progress);
    }

    fn go_on_with(&mut self, saving: &mut Saving) -> Result<(), Error> {
        let mut left = self.piece_bytes;
        // What follows the last of the parts is the beginning of the manifest.
        while left > 0 && saving.has_work() {
            saving.fill(left, self)?;
            let end = saving.bytes.len().min(saving.taken + left);
            let bytes = saving.bytes[saving.taken..end].to_vec();
            let (file, base, count) = (saving.file(), saving.written, bytes.len());
            if count == 0 {
                break;
            }
            self.take_or_make_room(&Step::Append { file, base, bytes })?;
            saving.on_written(count);
            left -= count;
        }
        Ok(())
    }

    /// The bytes of a part that is in a pack.
    fn read_part(&self, leaf: &Leaf<Place>, room: &mut Vec<u8>) -> Result<(), Error> {
        let file = names::pack(leaf.place.pack);
        room.resize(leaf.length as usize, 0);
        let pack = self.disk.source(&file);
        let read = pack.and_then(|pack| pack.read_at(leaf.place.offset, room));
        // What has rotted gets no new digest.
        let is_sound = |()| match Digest::of(room) == leaf.digest {
            true => Ok(()),
            false => Err(io::Error::new(io::ErrorKind::InvalidData, "a part has rotted")),
        };
        read.and_then(is_sound).map_err(|e| disk_error(self.owner, "read", &file, e))
    }

    /// Whether the checkpoint on its way waits for the disk to have room.
    pub fn is_starved(&self) -> bool {
        self.starved
    }

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
    fn note_packs_in_use(&mut self) {
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
        let found = checkpoints::packed(&*self.disk, slot, digest, &saved.table);
        self.saved = Some(found.map_err(failed("find"))?);
        self.packs.insert(slot, saved.pack_bytes);
        self.checkpoints.push_back(Kept { slot, table: Some(saved.table) });
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

    /// Removes the files of a checkpoint that will not be finished.
    pub(super) fn give_up(&mut self, saving: &Saving) -> Result<(), Error> {
        for file in [names::pack(saving.slot), saving.manifest_file()] {
            self.dirty.retain(|dirty| *dirty != file);
            match self.disk.remove(&file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(disk_error(self.owner, "remove", &file, error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether a checkpoint is on its way, and can go on.
    pub fn is_saving(&self) -> bool {
        let goes_on = |saving: &Option<Saving>| {
            saving.as_ref().is_some_and(|saving| !saving.waits_for_peer())
        };
        self.waiting.is_some() || goes_on(&self.saving) || goes_on(&self.fetching)
    }

    /// Whether it is late with a checkpoint: the next one waits already, or what is to be saved is
    /// in memory twice.
    pub fn is_hurried(&self) -> bool {
        let waits = |fetching: &Saving| fetching.waiting_bytes() > PEER_BYTES_MAX;
        self.waiting.is_some()
            || self.fetching.as_ref().is_some_and(waits)
            || self.saving.as_ref().is_some_and(|saving| saving.copied_bytes() > COPIED_BYTES_MAX)
    }

    /// Whether all of a checkpoint on its way is in its files.
    pub(super) fn has_whole_checkpoint(&self) -> bool {
        let all = [&self.saving, &self.fetching];
        all.into_iter().flatten().any(Saving::is_written)
    }

    /// The newest checkpoint that is durable.
    pub fn saved(&self) -> Option<&Checkpoint> {
        self.saved.as_ref()
    }

    /// Finds out how long the packs are that are in use.
    pub(super) fn weigh_packs(&mut self) -> Result<(), Error> {
        let tables = self.checkpoints.iter().filter_map(|kept| kept.table.as_ref());
        let slots: Vec<Slot> = tables.flat_map(|table| live_bytes(table).into_keys()).collect();
        for slot in slots {
            let file = names::pack(slot);
            match self.disk.source(&file) {
                Ok(pack) => drop(self.packs.insert(slot, pack.length())),
                // The spare is not looked into until it is needed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(disk_error(self.owner, "find", &file, error)),
            }
        }
        Ok(())
    }
}
