//! A checkpoint being saved, piece by piece, so that records need not wait for all of it: first the
//! parts into a pack, then the manifest that names them.
//!
//! What becomes bytes here is frozen: the replica executes further meanwhile. Or it comes from
//! another replica, part by part.

use std::collections::BTreeMap;
use std::io;

use super::Store;
use super::pace::Due;
use crate::disk::checkpoints::{self, DiskTable, Place, live_bytes};
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
    pub(super) table: DiskTable,
    /// The packs in which those are, and how many bytes they have.
    pub(super) base_packs: Vec<Slot>,
    pub(super) base_bytes: u64,
    pub(super) due: Due,
    /// How many parts there are in its pack, and how long that will be once `bytes` are in it.
    pub(super) parts: u64,
    pub(super) pack_bytes: u64,
    /// The manifest, once all parts have been made bytes, and the digest of all of them.
    pub(super) manifest: Option<Manifest>,
    /// Bytes that are not in their file yet, but for the first `taken` of them, and how long that
    /// file is.
    bytes: Vec<u8>,
    taken: usize,
    written: u64,
}

/// A manifest on its way into its file.
#[derive(Clone, Copy)]
pub(super) struct Manifest {
    pub(super) digest: Digest,
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

impl Saving {
    /// A cut to be saved. What has not changed is where it was in `before`, the checkpoint before
    /// it; of the packs with `pack_bytes` that one names, some are cleared.
    fn of_cut(
        cut: Cut,
        due: Due,
        head: Vec<u8>,
        before: Option<&DiskTable>,
        packs: &PackBytes,
    ) -> Self {
        let is_whole = cut.changed.len() == cut.state.parts();
        let base = before.filter(|before| before.parts() == cut.state.parts());
        assert!(base.is_some() || is_whole, "the first checkpoint has all parts");
        let table = base.cloned().unwrap_or_else(|| Table::new(cut.state.parts()));
        let moved = parts_to_move(&table, &cut.changed, packs);
        let (slot, changed) = (cut.slot, cut.changed.clone());
        let remaining = Remaining::new(cut, changed);
        Self { due, ..Self::new(slot, head, PartSource::Cut { remaining, moved }, table) }
    }

    /// A checkpoint that another replica sends: what it does not send is where it is in `table`.
    pub(super) fn of_peer(slot: Slot, head: Vec<u8>, table: DiskTable) -> Self {
        Self::new(slot, head, PartSource::Peer, table)
    }

    fn new(slot: Slot, head: Vec<u8>, source: PartSource, table: DiskTable) -> Self {
        let (pack_bytes, bytes) = (head.len() as u64, head);
        let (parts, taken, written, manifest) = (0, 0, 0, None);
        let live = live_bytes(&table);
        Self {
            slot,
            source,
            table,
            base_bytes: live.values().sum(),
            base_packs: live.into_keys().collect(),
            due: Due::default(),
            parts,
            pack_bytes,
            manifest,
            bytes,
            taken,
            written,
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

    /// How many parts are yet to be made bytes.
    pub(super) fn left(&self) -> u64 {
        match &self.source {
            PartSource::Cut { remaining, moved } => (remaining.len() + moved.len()) as u64,
            PartSource::Peer => 0,
        }
    }

    fn progress(&self) -> SavingProgress {
        SavingProgress {
            slot: self.slot,
            parts: (self.parts, self.parts + self.left()),
            bytes: self.pack_bytes,
            copied_bytes: self.copied_bytes() as u64,
            is_fetched: matches!(self.source, PartSource::Peer),
        }
    }

    /// Bytes in memory twice because of it.
    pub(super) fn copied_bytes(&self) -> usize {
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
        self.bytes.extend_from_slice(bytes);
        self.take_part(part, bytes.len());
    }

    /// Takes the last bytes for a part.
    fn take_part(&mut self, part: usize, length: usize) {
        assert!(self.manifest.is_none(), "no part comes after the manifest");
        let bytes = &self.bytes[self.bytes.len() - length..];
        let place = Place { pack: self.slot, offset: self.pack_bytes };
        self.table.set(part, Leaf::of(bytes, place));
        self.parts += 1;
        self.pack_bytes += length as u64;
    }

    /// Makes at least `most` bytes ready, if there are as many: parts, and once they are all in
    /// their pack the manifest.
    fn fill(&mut self, most: usize, store: &Store) -> Result<(), Error> {
        self.bytes.drain(..std::mem::take(&mut self.taken));
        while self.manifest.is_none() && self.bytes.len() < most {
            if !self.add_next(store)? {
                break;
            }
        }
        if let Some(manifest) = &mut self.manifest
            && !manifest.is_begun
            && self.bytes.is_empty()
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
        let before = self.bytes.len();
        if let Some(part) = remaining.next(&mut self.bytes) {
            self.take_part(part, self.bytes.len() - before);
        } else if let Some(part) = moved.pop() {
            if let Some(leaf) = self.table.get(part).cloned() {
                store.read_part(&leaf, &mut self.bytes)?;
                self.take_part(part, leaf.length as usize);
            }
        } else {
            let digest = self.table.seal();
            self.manifest = Some(Manifest { digest, is_begun: false });
            return Ok(false);
        }
        Ok(true)
    }

    /// The file that is being written.
    fn file(&self) -> String {
        match self.manifest {
            Some(Manifest { is_begun: true, .. }) => self.manifest_file(),
            _ => names::pack(self.slot),
        }
    }

    pub(super) fn manifest_file(&self) -> String {
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

/// Bytes of removed files that are given back with a piece: they take about as long.
const SWEPT_BYTES: u64 = 4 << 20;

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
        self.due = self.due.next(self.logged);
        self.end_segment();
    }

    /// Gives back some of the room of removed files, and appends the next piece of the checkpoint on
    /// its way; one for which there is no room is tried again with the next records, which may well
    /// fit: what they let leave is perhaps what frees the disk.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub fn append_piece(&mut self) -> Result<(), Error> {
        self.sweep(SWEPT_BYTES)?;
        if self.saving.is_none()
            && let Some(cut) = self.waiting.take()
        {
            // Both would write the same files.
            if let Some(fetching) = self.fetching.take_if(|fetching| fetching.slot == cut.slot) {
                self.give_up(&fetching)?;
            }
            let head = checkpoints::pack_head(cut.slot, self.owner);
            let before = self.checkpoints.back().and_then(|kept| kept.table.as_deref());
            self.saving = Some(Saving::of_cut(cut, self.due, head, before, &self.packs));
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

    pub(super) fn note_progress(&self) {
        let progress = self.saving.as_ref().or(self.fetching.as_ref()).map(Saving::progress);
        self.meter.set_saving(progress);
    }

    fn go_on_with(&mut self, saving: &mut Saving) -> Result<(), Error> {
        let mut left = self.piece_bytes;
        // What follows the last of the parts is the beginning of the manifest.
        while left > 0 && saving.has_work() {
            saving.fill(left, self)?;
            let end = saving.bytes.len().min(saving.taken + left);
            let count = end - saving.taken;
            if count == 0 {
                break;
            }
            let bytes = &saving.bytes[saving.taken..end];
            let file = saving.file();
            self.append_or_make_room(&file, saving.written, bytes)?;
            self.disk.begin_sync(&file);
            saving.on_written(count);
            left -= count;
        }
        if saving.is_written() {
            self.mark_dirty(&names::pack(saving.slot));
            self.mark_dirty(&saving.manifest_file());
        }
        Ok(())
    }

    /// Appends the bytes of a part that is in a pack.
    fn read_part(&self, leaf: &Leaf<Place>, out: &mut Vec<u8>) -> Result<(), Error> {
        let file = names::pack(leaf.place.pack);
        let before = out.len();
        out.resize(before + leaf.length as usize, 0);
        let room = &mut out[before..];
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

    /// Removes the files of a checkpoint that will not be finished.
    pub(super) fn give_up(&mut self, saving: &Saving) -> Result<(), Error> {
        for file in [names::pack(saving.slot), saving.manifest_file()] {
            self.dirty.retain(|dirty| *dirty != file);
            match self.disk.discard(&file) {
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

    /// Whether [`Store::append_piece`] has something to do.
    pub fn has_pieces(&self) -> bool {
        self.is_saving() || self.disk.has_discarded()
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
        let tables = self.checkpoints.iter().filter_map(|kept| kept.table.as_deref());
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
