//! A replica's journal and checkpoints on a [`Disk`].
//!
//! A turn's records are one append. A sync covers all that was appended before it. A new checkpoint is
//! written beside the old one and renamed; the journal goes on in a new segment, and segments that only
//! speak of forgotten slots are removed, each step only after the one before it is durable.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::frame::Place;
use super::segment::{Entry, Header, Scan, scan};
use super::{Disk, Durable, Identity};
use crate::checkpoint::{Checkpoint, Digest};
use crate::error::Error;
use crate::types::Slot;

/// What a replica finds on its disk when it starts.
#[derive(Clone, Debug)]
pub struct Recovered<R> {
    /// How often the replica has started, this time included: from 1.
    pub incarnation: u64,
    /// The newest checkpoint.
    pub checkpoint: Option<Checkpoint>,
    /// The record of which only the newest counts.
    pub newest: Option<R>,
    /// Records about slots. What was found at an earlier start and written anew may come twice, and after
    /// what replaced it.
    pub slots: Vec<(Slot, R)>,
}

impl<R> Recovered<R> {
    /// What a replica without a disk starts from.
    #[must_use]
    pub fn nothing() -> Self {
        Self { incarnation: 1, checkpoint: None, newest: None, slots: Vec::new() }
    }
}

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
    /// What is still to be done to the files before a sync, in order.
    pending: VecDeque<Step>,
    /// The newest record of the kind of which one counts, encoded as an entry.
    newest: Option<Vec<u8>>,
    /// Older segments, with the slot behind the last one they speak of.
    old: BTreeMap<u64, Slot>,
    /// The slot behind the last one the growing segment speaks of.
    reach: Slot,
    /// Files with bytes that are not synced.
    dirty: Vec<String>,
    /// Checkpoints on the disk, oldest first, and newer ones that still have a temporary name.
    checkpoints: VecDeque<Slot>,
    unnamed: Vec<Slot>,
    forgotten: Slot,
}

/// A change of a file that waits for the disk to have room.
enum Step {
    /// Bytes that belong at `base` of a file, its present end.
    Append { file: String, base: u64, bytes: Vec<u8> },
    /// A segment is complete before the next one is begun, so only the newest can be torn.
    Complete { file: String },
}

const KEPT: usize = 2;
const BESIDE: &str = ".new";

fn segment_name(number: u64) -> String {
    format!("journal-{number:016x}")
}

fn checkpoint_name(slot: Slot) -> String {
    format!("checkpoint-{:016x}", slot.0)
}

fn number_in(name: &str, prefix: &str) -> Option<u64> {
    u64::from_str_radix(name.strip_prefix(prefix)?, 16).ok()
}

impl Store {
    /// Opens the disk of `owner`, cuts off what a crash tore, and notes that the replica starts.
    ///
    /// # Errors
    /// [`Error::Damaged`] when something is wrong that a crash does not explain, with file and offset;
    /// nothing has been changed then. [`Error::Disk`] when the disk fails.
    pub fn open<R: Serialize + DeserializeOwned>(
        mut disk: Box<dyn Disk>,
        owner: Identity,
    ) -> Result<(Self, Recovered<R>), Error> {
        let failed = |doing, file: &str, source| disk_error(owner, doing, file, source);
        let names = disk.list().map_err(|e| failed("list", "the directory", e))?;
        let mut recovered = Recovered::nothing();
        let mut forgotten = Slot(0);
        let mut old = BTreeMap::new();
        let segments: Vec<u64> = names.iter().filter_map(|n| number_in(n, "journal-")).collect();
        let mut torn = None;
        for &number in &segments {
            let file = segment_name(number);
            let bytes = disk.read(&file).map_err(|e| failed("read", &file, e))?;
            let newest = segments.last() == Some(&number);
            let Scan { entries, length, torn: cut } =
                scan(&bytes, Place { owner, file: number }, newest)
                    .map_err(|broken| damaged(owner, &file, broken.offset, &broken.expected))?;
            if cut {
                torn = Some((file, length));
            }
            for entry in entries {
                match entry {
                    Entry::Started(times) => {
                        recovered.incarnation = recovered.incarnation.max(times + 1);
                    }
                    Entry::Newest(record) => recovered.newest = Some(record),
                    Entry::Slot(slot, record) => recovered.slots.push((slot, record)),
                    Entry::Forgot(slot) => forgotten = forgotten.max(slot),
                }
            }
            old.insert(number, Slot(0));
        }
        let Checkpoints { newest: checkpoint, sound, unsound } =
            read_checkpoints(disk.as_ref(), &names, owner)?;
        let covered = checkpoint.as_ref().map_or(Slot(0), |checkpoint| checkpoint.slot);
        if covered < forgotten {
            let file = checkpoint_name(forgotten);
            let expected = format!("a sound checkpoint of all slots below {forgotten}");
            return Err(damaged(owner, &file, 0, &expected));
        }
        recovered.checkpoint = checkpoint;
        // From here on the disk is changed.
        if let Some((file, length)) = torn {
            disk.truncate(&file, length).map_err(|e| failed("cut the torn end of", &file, e))?;
        }
        if let Some(last) = segments.last() {
            // What a killed process left in it can be read, but need not be on the disk.
            let file = segment_name(*last);
            disk.sync(&file).map_err(|e| failed("sync", &file, e))?;
            disk.sync_names().map_err(|e| failed("sync", "the directory", e))?;
        }
        for name in names.iter().filter(|name| name.ends_with(BESIDE)).chain(&unsound) {
            disk.remove(name).map_err(|e| failed("remove", name, e))?;
        }
        let segment = segments.last().map_or(0, |last| last + 1);
        let newest = recovered.newest.as_ref().map(|record| encode(&Entry::Newest(record)));
        let mut store = Self {
            disk,
            owner,
            incarnation: recovered.incarnation,
            segment,
            length: 0,
            durable: 0,
            pending: VecDeque::new(),
            newest,
            old,
            reach: Slot(0),
            dirty: Vec::new(),
            checkpoints: sound,
            unnamed: Vec::new(),
            forgotten,
        };
        store.begin_segment();
        // A sync that failed in an earlier life may have left what the disk does not hold, and no later
        // sync of that file would say so. So what was found is written anew, and the old files go.
        // All of it: the checkpoint may rot, and the one before it needs what came between.
        let mut written = BTreeSet::new();
        for (slot, record) in recovered.slots.iter().filter(|(slot, _)| *slot >= forgotten) {
            store.reach = store.reach.max(slot.next());
            let entry = encode(&Entry::Slot(*slot, record));
            if !written.contains(&entry) {
                store.push(&entry);
                written.insert(entry);
            }
        }
        recovered.slots.retain(|(slot, _)| *slot >= covered);
        Ok((store, recovered))
    }

    /// Takes what a turn leaves for the disk and appends it. Durable it is only after [`Store::sync`].
    ///
    /// # Errors
    /// [`Error::Disk`]. When the disk is full ([`is_full`](Error::is_full)) nothing is lost: call
    /// [`Store::append`] again when there may be room. Any other error is final.
    pub fn write<R: Serialize>(
        &mut self,
        turn: impl IntoIterator<Item = Durable<R>>,
    ) -> Result<(), Error> {
        for durable in turn {
            match durable {
                Durable::Newest(record) => {
                    let entry = encode(&Entry::Newest(record));
                    self.push(&entry);
                    self.newest = Some(entry);
                }
                Durable::Slot(slot, record) => {
                    self.reach = self.reach.max(slot.next());
                    self.push(&encode(&Entry::Slot(slot, record)));
                }
                Durable::Checkpoint(checkpoint) => self.write_checkpoint(&checkpoint),
                Durable::Forget(slot) if slot > self.forgotten => {
                    self.forgotten = slot;
                    self.push(&encode(&Entry::<R>::Forgot(slot)));
                }
                Durable::Forget(_) => {}
            }
        }
        self.append()
    }

    /// Does what is still to be done to the files.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub fn append(&mut self) -> Result<(), Error> {
        while let Some(step) = self.pending.pop_front() {
            if let Err((step, error)) = self.take(step) {
                if error.is_full() {
                    self.pending.push_front(step);
                }
                return Err(error);
            }
        }
        Ok(())
    }

    fn take(&mut self, step: Step) -> Result<(), (Step, Error)> {
        let owner = self.owner;
        match &step {
            Step::Append { file, base, bytes } => {
                if let Err(source) = self.disk.append(file, bytes) {
                    // Part of it may have been written; the next attempt starts at the same place.
                    let cut = match self.disk.truncate(file, *base) {
                        Err(cut) if cut.kind() != io::ErrorKind::NotFound => cut,
                        _ => source,
                    };
                    let error = disk_error(owner, "append to", file, cut);
                    return Err((step, error));
                }
                if self.dirty.last() != Some(file) {
                    self.dirty.push(file.clone());
                }
            }
            Step::Complete { file } => {
                if let Err(source) = self.disk.sync(file) {
                    let error = disk_error(owner, "sync", file, source);
                    return Err((step, error));
                }
                self.dirty.retain(|dirty| dirty != file);
            }
        }
        Ok(())
    }

    /// Whether something has been written since the last sync.
    #[must_use]
    pub fn is_dirty(&self) -> bool {
        !self.dirty.is_empty() || !self.unnamed.is_empty()
    }

    /// Whether something waits for the disk to have room.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        !self.pending.is_empty()
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
        for file in std::mem::take(&mut self.dirty) {
            self.disk.sync(&file).map_err(|e| disk_error(self.owner, "sync", &file, e))?;
        }
        self.disk.sync_names().map_err(|e| disk_error(self.owner, "sync", "the directory", e))?;
        self.durable = self.length;
        for slot in std::mem::take(&mut self.unnamed) {
            self.name_checkpoint(slot)?;
        }
        self.remove_forgotten()
    }

    fn push(&mut self, entry: &[u8]) {
        let header = self.length == 0;
        let own = Place { owner: self.owner, file: self.segment };
        let place = if header { Place::of_header(self.segment) } else { own };
        let name = segment_name(self.segment);
        if let Some(Step::Append { file, base, bytes }) = self.pending.back_mut()
            && *file == name
        {
            place.write(bytes, *base, self.durable, entry);
            self.length = *base + bytes.len() as u64;
            return;
        }
        let mut bytes = Vec::with_capacity(entry.len() + super::frame::HEAD);
        let base = self.length;
        place.write(&mut bytes, base, self.durable, entry);
        self.length += bytes.len() as u64;
        self.pending.push_back(Step::Append { file: name, base, bytes });
    }

    /// Every segment begins with what would be lost with the segments before it.
    fn begin_segment(&mut self) {
        self.length = 0;
        self.durable = 0;
        self.reach = Slot(0);
        self.push(&encode(&Header::of(self.owner)));
        self.push(&encode(&Entry::<()>::Started(self.incarnation)));
        if let Some(newest) = self.newest.clone() {
            self.push(&newest);
        }
        if self.forgotten > Slot(0) {
            self.push(&encode(&Entry::<()>::Forgot(self.forgotten)));
        }
    }

    fn write_checkpoint(&mut self, checkpoint: &Checkpoint) {
        let last = self.unnamed.last().or(self.checkpoints.back());
        if last.is_some_and(|last| *last >= checkpoint.slot) {
            return;
        }
        let file = checkpoint_name(checkpoint.slot) + BESIDE;
        let place = Place::of_header(checkpoint.slot.0);
        let mut bytes = Vec::with_capacity(checkpoint.state.len() + 128);
        place.write(
            &mut bytes,
            0,
            0,
            &encode(&(Header::of(self.owner), checkpoint.slot, checkpoint.digest)),
        );
        bytes.extend_from_slice(&checkpoint.state);
        self.pending.push_back(Step::Append { file, base: 0, bytes });
        self.unnamed.push(checkpoint.slot);
        self.old.insert(self.segment, self.reach);
        self.pending.push_back(Step::Complete { file: segment_name(self.segment) });
        self.segment += 1;
        self.begin_segment();
    }

    fn name_checkpoint(&mut self, slot: Slot) -> Result<(), Error> {
        let file = checkpoint_name(slot);
        let fail = |e| disk_error(self.owner, "name", &file, e);
        self.disk.rename(&(file.clone() + BESIDE), &file).map_err(fail)?;
        self.disk.sync_names().map_err(fail)?;
        self.checkpoints.push_back(slot);
        while self.checkpoints.len() > KEPT {
            if let Some(slot) = self.checkpoints.pop_front() {
                self.remove(&checkpoint_name(slot))?;
            }
        }
        Ok(())
    }

    fn remove_forgotten(&mut self) -> Result<(), Error> {
        while let Some(oldest) = self.old.first_entry() {
            if *oldest.get() > self.forgotten {
                return Ok(());
            }
            let file = segment_name(*oldest.key());
            oldest.remove();
            self.remove(&file)?;
        }
        Ok(())
    }

    fn remove(&mut self, file: &str) -> Result<(), Error> {
        self.disk.remove(file).map_err(|e| disk_error(self.owner, "remove", file, e))
    }
}

/// The checkpoints found on a disk.
struct Checkpoints {
    newest: Option<Checkpoint>,
    /// The newest and those before it, oldest first.
    sound: VecDeque<Slot>,
    /// The names of those after it, which cannot be read.
    unsound: Vec<String>,
}

fn read_checkpoints(
    disk: &dyn Disk,
    names: &[String],
    owner: Identity,
) -> Result<Checkpoints, Error> {
    let mut sound: VecDeque<Slot> =
        names.iter().filter_map(|name| number_in(name, "checkpoint-")).map(Slot).collect();
    let mut unsound = Vec::new();
    while let Some(&slot) = sound.back() {
        let file = checkpoint_name(slot);
        let bytes = disk.read(&file).map_err(|e| disk_error(owner, "read", &file, e))?;
        if let Some(newest) = read_checkpoint(&bytes, owner, slot) {
            return Ok(Checkpoints { newest: Some(newest), sound, unsound });
        }
        unsound.push(file);
        sound.pop_back();
    }
    Ok(Checkpoints { newest: None, sound, unsound })
}

fn read_checkpoint(bytes: &[u8], owner: Identity, slot: Slot) -> Option<Checkpoint> {
    let head = Place::of_header(slot.0).read(bytes, 0)?.payload;
    let (header, named, digest): (Header, Slot, Digest) = postcard::from_bytes(head).ok()?;
    let state = bytes.get(super::frame::HEAD + head.len()..)?.to_vec();
    let checkpoint = Checkpoint::new(named, state);
    let sound = header.mismatch(owner).is_none() && named == slot && checkpoint.digest == digest;
    sound.then_some(checkpoint)
}

fn encode<T: Serialize>(entry: &T) -> Vec<u8> {
    postcard::to_stdvec(entry).expect("plain data always encodes")
}

fn disk_error(owner: Identity, doing: &'static str, file: &str, source: io::Error) -> Error {
    Error::Disk { replica: owner.replica, doing, file: file.to_owned(), source }
}

fn damaged(owner: Identity, file: &str, offset: u64, expected: &str) -> Error {
    let (file, expected) = (file.to_owned(), expected.to_owned());
    Error::Damaged { replica: owner.replica, file, offset, expected }
}
