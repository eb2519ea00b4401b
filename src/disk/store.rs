//! A replica's journal and checkpoints on a [`Disk`].
//!
//! A turn's records are one append. A sync covers all that was appended before it. A new checkpoint
//! is written a piece with every append, its parts first and then, under a temporary name, its
//! manifest, which is renamed; the journal goes on in a new segment, and segments that only speak of
//! forgotten slots are removed, each step only after the one before it is durable.

mod fetching;
mod naming;
mod pace;
mod room;
mod saving;
mod telling;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::sync::Arc;

use serde::Serialize;

use super::checkpoints::Kept;
use super::extent::{self, Extent};
use super::frame::{HEAD, Place};
use super::meter::DiskMeter;
use super::past::{JournalPast, Spots};
use super::segment::{Entry, Follows, Header};
use super::whole::JournalContents;
use super::{Disk, Durable, Identity, disk_error, encode, names};
use crate::model::checkpoint::{Checkpoint, Cut};
use crate::model::error::{Error, is_full};
use crate::model::types::Slot;

use pace::Due;
use saving::Saving;

/// The journal and the checkpoints of one replica.
pub struct Store {
    disk: Box<dyn Disk>,
    owner: Identity,
    /// How often the replica has started, this time included.
    incarnation: u64,
    /// The number of the segment that grows.
    segment: u64,
    /// Its length once all pending steps are done.
    length: u64,
    /// How much of it is synced.
    durable: u64,
    /// Up to where it has blocks.
    prepared: u64,
    /// What is still to be done to the files before a sync, in order.
    pending: VecDeque<Step>,
    /// The newest record of the kind of which one counts, encoded as an entry.
    newest: Option<Vec<u8>>,
    /// Older segments, with the slot behind the last one they speak of.
    old: BTreeMap<u64, Slot>,
    /// What the growing segment goes on from.
    follows: Option<Follows>,
    /// Segments that do not count, or of which all that counts is written anew.
    stale: Vec<u64>,
    /// The slot behind the last one the growing segment speaks of.
    reach: Slot,
    /// Where in it records about slots are.
    spots: Spots,
    /// What complete segments can tell.
    past: JournalPast,
    /// Files with bytes that are not synced.
    dirty: Vec<String>,
    /// Whether a file has been made or renamed since names were synced.
    names_changed: bool,
    /// Checkpoints on the disk, oldest first.
    checkpoints: VecDeque<Kept>,
    /// The newest of them.
    saved: Option<Checkpoint>,
    /// The packs that they name, and how long those are.
    packs: BTreeMap<Slot, u64>,
    /// Those that checkpoints on their way go on from.
    packs_in_use: BTreeSet<Slot>,
    /// The one on its way, one that waits for it, and one that another replica sends.
    saving: Option<Saving>,
    waiting: Option<Cut>,
    fetching: Option<Saving>,
    piece_bytes: usize,
    /// Bytes of all records so far, and by when the last checkpoint that was cut should be saved.
    logged: u64,
    due: Due,
    /// Whether the disk had no room for the next piece.
    starved: bool,
    forgotten: Slot,
    /// The segment that was first to say so, and where its record of that ends.
    forgot: (u64, u64),
    /// The slots that are known to be decided, from the first to below the second, and whether the
    /// growing segment says so.
    decided: Option<(Slot, Slot)>,
    decided_is_written: bool,
    extent: Extent,
    meter: Arc<DiskMeter>,
}

/// A change of a file that waits for the disk to have room.
enum Step {
    /// Bytes that belong at `base` of a file, its present end.
    Append { file: String, base: u64, bytes: Vec<u8> },
    /// A segment is complete before the next one is begun, so only the newest can be torn.
    Complete { number: u64, length: u64, spots: Spots },
}

/// Checkpoints that are kept, should the newest rot. A full disk has to do with one.
const KEPT: usize = 2;
/// Pieces that are as long as a segment, which only a record of half that size may make longer.
const SEGMENT_PIECES: u64 = 128;
/// Bytes of blocks made ready at a time. A sync that finds its blocks ready takes about two thirds
/// of the time.
const AHEAD: u64 = 256 << 10;
/// Bytes of a checkpoint in a piece: what is handed over meanwhile waits for a millisecond.
const PIECE_BYTES: usize = 256 << 10;

impl Store {
    /// A store on a disk that has been read, at the beginning of a new segment.
    pub(super) fn assemble<R: Serialize>(
        disk: Box<dyn Disk>,
        owner: Identity,
        journal: &mut JournalContents<R>,
        checkpoints: VecDeque<Kept>,
        saved: Option<Checkpoint>,
    ) -> Result<Self, Error> {
        let mut store = Self {
            disk,
            owner,
            incarnation: journal.incarnation,
            segment: journal.last + 1,
            length: 0,
            durable: 0,
            prepared: 0,
            pending: VecDeque::new(),
            newest: journal.newest.as_ref().map(|record| encode(&Entry::Newest(record))),
            old: journal.segments.clone(),
            follows: journal.follows,
            stale: journal.stale.clone(),
            reach: Slot(0),
            spots: Spots::default(),
            past: JournalPast::default(),
            dirty: Vec::new(),
            names_changed: false,
            checkpoints,
            saved,
            packs: BTreeMap::new(),
            packs_in_use: BTreeSet::new(),
            saving: None,
            waiting: None,
            fetching: None,
            piece_bytes: PIECE_BYTES,
            logged: 0,
            due: Due::default(),
            starved: false,
            forgotten: journal.forgotten,
            forgot: (0, 0),
            decided: journal.decided,
            decided_is_written: false,
            extent: journal.extent,
            meter: Arc::default(),
        };
        store.weigh_packs()?;
        for (number, spots) in std::mem::take(&mut journal.spots) {
            store.tell_of(number, spots)?;
        }
        store.begin_segment();
        Ok(store)
    }

    /// What has been done so far, to be read by anyone.
    pub fn meter(&self) -> &Arc<DiskMeter> {
        &self.meter
    }

    /// Writes checkpoints in pieces of so many bytes from now on, and segments in proportion.
    pub fn set_piece_bytes(&mut self, bytes: usize) {
        self.piece_bytes = bytes;
    }

    /// Takes what a turn leaves for the disk and appends it. Durable it is only after
    /// [`Store::sync`].
    ///
    /// # Errors
    /// [`Error::Disk`]. When the disk is full ([`is_full`](Error::is_full)) nothing is lost: call
    /// [`Store::append`] again when there may be room. Any other error is final.
    pub fn write<R: Serialize>(
        &mut self,
        turn: impl IntoIterator<Item = Durable<R>>,
    ) -> Result<(), Error> {
        self.queue(turn)?;
        self.append()
    }

    /// Takes what a turn leaves for the disk, for [`Store::append`] to write with what else waits.
    ///
    /// # Errors
    /// [`Error::Disk`], which is final.
    pub fn queue<R: Serialize>(
        &mut self,
        turn: impl IntoIterator<Item = Durable<R>>,
    ) -> Result<(), Error> {
        for durable in turn {
            match durable {
                Durable::Newest(record) => {
                    let entry = encode(&Entry::Newest(record));
                    self.make_way(entry.len());
                    self.push(&entry);
                    self.newest = Some(entry);
                }
                Durable::Slot(slot, record) => {
                    self.push_decided();
                    self.push_slot(slot, &encode(&Entry::Slot(slot, record)));
                }
                Durable::Decided { from, to } => {
                    self.decided = Some((from, to));
                    self.decided_is_written = false;
                }
                Durable::Checkpoint(cut) => self.queue_checkpoint(cut),
                Durable::Forget(slot) if slot > self.forgotten => {
                    self.forgotten = slot;
                    self.push(&encode(&Entry::<R>::Forgot(slot)));
                    self.forgot = (self.segment, self.length);
                }
                Durable::Forget(_) => {}
                Durable::Fetched(fetched) => self.take_fetched(fetched)?,
            }
        }
        self.note_told();
        Ok(())
    }

    /// Does what is still to be done to the files, and writes a piece of the checkpoint on its way.
    /// On a full disk it first removes what may go.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub fn append(&mut self) -> Result<(), Error> {
        self.append_records()?;
        self.append_piece()
    }

    /// The same without a piece.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub fn append_records(&mut self) -> Result<(), Error> {
        while let Some(step) = self.pending.pop_front() {
            if let Err(error) = self.take(&step) {
                if !error.is_full() {
                    return Err(error);
                }
                self.pending.push_front(step);
                if !self.make_room()? {
                    return Err(error);
                }
            } else if let Step::Complete { number, spots, .. } = step {
                self.tell_of(number, spots)?;
                self.note_told();
            }
        }
        Ok(())
    }

    /// Appends what does not wait among the other steps.
    fn append_or_make_room(&mut self, file: &str, base: u64, bytes: &[u8]) -> Result<(), Error> {
        loop {
            match self.append_to(file, base, bytes) {
                Err(error) if error.is_full() && self.make_room()? => {}
                outcome => return outcome,
            }
        }
    }

    fn take(&mut self, step: &Step) -> Result<(), Error> {
        let owner = self.owner;
        let fail = |doing, file: &str, e| disk_error(owner, doing, file, e);
        match step {
            Step::Append { file, base, bytes } => {
                self.append_to(file, *base, bytes)?;
                self.mark_dirty(file);
            }
            Step::Complete { number, length, .. } => {
                let file = &names::segment(*number);
                // Nothing but records may stand in it, so what was made ready goes.
                self.disk.truncate(file, *length).map_err(|e| fail("cut", file, e))?;
                self.disk.sync(file).map_err(|e| fail("sync", file, e))?;
                self.meter.on_sync();
                self.sync_names()?;
                self.dirty.retain(|dirty| dirty != file);
                self.prepared = 0;
            }
        }
        Ok(())
    }

    fn append_to(&mut self, file: &str, base: u64, bytes: &[u8]) -> Result<(), Error> {
        self.names_changed |= base == 0;
        if let Err(source) = self.disk.append(file, bytes) {
            // Part of it may have been written; the next attempt starts at the same place.
            let cut = match self.disk.truncate(file, base) {
                Err(cut) if cut.kind() != io::ErrorKind::NotFound => cut,
                _ => source,
            };
            return Err(disk_error(self.owner, "append to", file, cut));
        }
        self.meter.on_append(bytes.len());
        Ok(())
    }

    fn mark_dirty(&mut self, file: &str) {
        if !self.dirty.iter().any(|dirty| dirty == file) {
            self.dirty.push(file.to_owned());
        }
    }

    /// Whether something has been written since the last sync.
    pub fn is_dirty(&self) -> bool {
        !self.dirty.is_empty() || self.has_whole_checkpoint()
    }

    /// Whether records wait for the disk to have room.
    pub fn is_blocked(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Bytes of records that wait for it.
    pub fn blocked_bytes(&self) -> usize {
        let bytes = |step: &Step| match step {
            Step::Append { bytes, .. } => bytes.len(),
            Step::Complete { .. } => 0,
        };
        self.pending.iter().map(bytes).sum()
    }

    /// Makes durable all that has been appended.
    ///
    /// # Errors
    /// [`Error::Disk`], which is final: what was written may be gone, whatever a second sync says.
    ///
    /// # Panics
    /// When something is still to be appended: the disk is full, and nothing may be promised.
    pub fn sync(&mut self) -> Result<(), Error> {
        assert!(self.pending.is_empty(), "a sync promises what has been appended");
        self.prepare()?;
        self.sync_dirty()?;
        self.durable = self.length;
        self.note_extent()?;
        self.name_checkpoints()?;
        self.keep_checkpoints(KEPT)?;
        self.remove_stale()?;
        self.remove_forgotten(self.segment)
    }

    /// Notes up to where the journal is durable.
    fn note_extent(&mut self) -> Result<(), Error> {
        let to = (self.incarnation, self.segment, self.durable);
        let noted = self.extent.advance(self.disk.as_mut(), self.owner, to);
        noted.map_err(|e| disk_error(self.owner, "write", extent::FILE, e))
    }

    fn sync_dirty(&mut self) -> Result<(), Error> {
        for file in std::mem::take(&mut self.dirty) {
            self.disk.sync(&file).map_err(|e| disk_error(self.owner, "sync", &file, e))?;
            self.meter.on_sync();
        }
        self.sync_names()
    }

    fn sync_names(&mut self) -> Result<(), Error> {
        if std::mem::take(&mut self.names_changed) {
            let failed = |e| disk_error(self.owner, "sync", "the directory", e);
            self.disk.sync_names().map_err(failed)?;
        }
        Ok(())
    }

    /// Has the blocks of the next records ready, while records are small: large ones are not held
    /// up by the blocks they need.
    fn prepare(&mut self) -> Result<(), Error> {
        let grown = self.length - self.durable;
        if grown == 0 || grown > AHEAD / 8 || self.length + AHEAD / 8 < self.prepared {
            return Ok(());
        }
        let file = names::segment(self.segment);
        match self.disk.prepare(&file, AHEAD) {
            // What does not fit is not needed yet.
            Err(error) if !is_full(&error) => {
                return Err(disk_error(self.owner, "prepare", &file, error));
            }
            _ => self.prepared = self.length + AHEAD,
        }
        Ok(())
    }

    /// Queues a record about a slot.
    pub(super) fn push_slot(&mut self, slot: Slot, entry: &[u8]) {
        self.make_way(entry.len());
        self.reach = self.reach.max(slot.next());
        self.spots.push(slot, self.length);
        self.push(entry);
    }

    /// Begins another segment if this one would become too large.
    fn make_way(&mut self, bytes: usize) {
        let length = self.length + (HEAD + bytes) as u64;
        let most = SEGMENT_PIECES * self.piece_bytes as u64;
        if length > most && self.length > most / 2 {
            self.end_segment();
        }
    }

    fn push(&mut self, entry: &[u8]) {
        self.logged += (HEAD + entry.len()) as u64;
        let header = self.length == 0;
        let own = Place { owner: self.owner, file: self.segment };
        let place = if header { Place::of_header(self.segment) } else { own };
        let name = names::segment(self.segment);
        if let Some(Step::Append { file, base, bytes }) = self.pending.back_mut()
            && *file == name
        {
            let end = *base + bytes.len() as u64;
            assert_eq!(end, self.length, "a record begins where the one before it ended");
            place.write(bytes, *base, self.durable, entry);
            self.length = *base + bytes.len() as u64;
            return;
        }
        let mut bytes = Vec::with_capacity(entry.len() + HEAD);
        let base = self.length;
        assert!(base >= self.durable, "no durable byte is written over");
        place.write(&mut bytes, base, self.durable, entry);
        self.length += bytes.len() as u64;
        self.pending.push_back(Step::Append { file: name, base, bytes });
    }

    /// Queues what is known to be decided, ahead of a record that is written anyway.
    fn push_decided(&mut self) {
        if let Some((from, to)) = self.decided
            && !std::mem::replace(&mut self.decided_is_written, true)
        {
            self.push(&encode(&Entry::<()>::Decided(from, to)));
        }
    }

    fn end_segment(&mut self) {
        self.old.insert(self.segment, self.reach);
        let (number, length) = (self.segment, self.length);
        let spots = std::mem::take(&mut self.spots);
        let reach = self.old.values().copied().max().unwrap_or_default();
        self.follows = Some(Follows { segment: self.segment, length, reach });
        self.pending.push_back(Step::Complete { number, length, spots });
        self.segment += 1;
        self.begin_segment();
    }

    /// Every segment begins with what would be lost with the segments before it.
    fn begin_segment(&mut self) {
        self.length = 0;
        self.durable = 0;
        self.reach = Slot(0);
        self.push(&encode(&Header::of(self.owner)));
        self.push(&encode(&Entry::<()>::Started(self.incarnation)));
        if let Some(follows) = self.follows {
            self.push(&encode(&Entry::<()>::Follows(follows)));
        }
        if let Some(newest) = self.newest.clone() {
            self.push(&newest);
        }
        if self.forgotten > Slot(0) {
            self.push(&encode(&Entry::<()>::Forgot(self.forgotten)));
        }
        self.decided_is_written = false;
        self.push_decided();
    }
}

#[cfg(test)]
mod tests;
