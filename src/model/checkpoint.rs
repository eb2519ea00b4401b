//! A replica's replicated state at a slot, in parts.

use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::app::Frozen;
use crate::model::parts::PartSet;
use crate::model::table::{InMemory, Leaf, Table};
use crate::model::types::Slot;

/// A BLAKE3 digest: of the bytes of a part, of the digests of a group of parts, or of those of all
/// groups, which is the digest of a checkpoint.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// That of a part without bytes, and of a group of such parts.
    pub const NOTHING: Self = Self([0; 32]);

    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        if bytes.is_empty() { Self::NOTHING } else { Self(*blake3::hash(bytes).as_bytes()) }
    }

    /// The digest of digests.
    pub fn of_all(digests: impl Iterator<Item = Self>) -> Self {
        let mut hasher = blake3::Hasher::new();
        let mut is_nothing = true;
        for digest in digests {
            is_nothing &= digest == Self::NOTHING;
            hasher.update(&digest.0);
        }
        if is_nothing { Self::NOTHING } else { Self(*hasher.finalize().as_bytes()) }
    }

    /// The digest of all that can be read, of which little is in memory at a time.
    ///
    /// # Errors
    /// The reader's errors.
    pub fn read(from: impl Read) -> io::Result<Self> {
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(from)?;
        Ok(Self(*hasher.finalize().as_bytes()))
    }
}

impl fmt::Display for Digest {
    /// The first eight bytes, enough for a person to compare.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..8].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Application, sessions and progress after all slots below `slot`, as they were then and not yet
/// bytes: what of them has changed since the checkpoint before.
#[derive(Clone)]
pub struct Cut {
    /// The first slot that is not in it.
    pub slot: Slot,
    /// The state, of which these parts can be asked for.
    pub state: Arc<dyn Frozen>,
    /// The parts that may differ from those of the cut, or the restored checkpoint, before.
    pub changed: PartSet,
}

impl Cut {
    /// The cut at `slot` of a state of one part.
    pub fn new(slot: Slot, state: Vec<u8>) -> Self {
        Self { slot, state: Arc::new(state), changed: PartSet::all(1) }
    }

    /// Puts what only `older` has beside this, because that one will not be saved.
    pub fn cover(self, mut older: Self) -> Self {
        if let Some(state) = Arc::get_mut(&mut older.state) {
            for part in self.changed.iter() {
                if older.changed.remove(part) {
                    state.forget(part);
                }
            }
        }
        if older.changed.is_empty() {
            return self;
        }
        let mut changed = older.changed.clone();
        changed.extend(0, &self.changed);
        let slot = self.slot;
        Self { slot, state: Arc::new(Covered { older, newer: self }), changed }
    }

    /// Writes it into memory; what has not changed is that of `before`.
    pub fn write(&self, before: Option<&Checkpoint>) -> Checkpoint {
        let mut writing = CutWriter::new(self.clone(), before);
        while !writing.step(usize::MAX) {}
        writing.finish()
    }
}

impl fmt::Debug for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cut({}, {} parts)", self.slot, self.changed.len())
    }
}

/// Cuts are equal when their bytes are.
impl PartialEq for Cut {
    fn eq(&self, other: &Self) -> bool {
        self.slot == other.slot
            && self.changed == other.changed
            && self.write(None) == other.write(None)
    }
}

impl Eq for Cut {}

/// A cut, and one before it for what has not changed between them.
struct Covered {
    older: Cut,
    newer: Cut,
}

impl Covered {
    fn owner(&mut self, part: usize) -> &mut Cut {
        if self.newer.changed.contains(part) { &mut self.newer } else { &mut self.older }
    }
}

impl Frozen for Covered {
    fn parts(&self) -> usize {
        self.newer.state.parts()
    }

    fn write(&self, part: usize, out: &mut Vec<u8>) {
        let owner = if self.newer.changed.contains(part) { &self.newer } else { &self.older };
        owner.state.write(part, out);
    }

    fn forget(&mut self, part: usize) {
        if let Some(state) = Arc::get_mut(&mut self.owner(part).state) {
            state.forget(part);
        }
    }

    fn copied_bytes(&self) -> usize {
        self.newer.state.copied_bytes() + self.older.state.copied_bytes()
    }

    fn next_copied(&mut self) -> Option<usize> {
        let newer = Arc::get_mut(&mut self.newer.state).and_then(|newer| newer.next_copied());
        newer.or_else(|| Arc::get_mut(&mut self.older.state)?.next_copied())
    }
}

/// The parts of a cut that are still to become bytes.
pub struct Remaining {
    cut: Cut,
    parts: PartSet,
    /// All before this one are done, but for those that were copied out of their turn.
    at: usize,
}

impl Remaining {
    /// All of `parts`, of which the cut knows.
    pub fn new(cut: Cut, parts: PartSet) -> Self {
        Self { cut, parts, at: 0 }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.parts.len()
    }

    /// Whether all have become bytes.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// The slot of the cut.
    pub fn slot(&self) -> Slot {
        self.cut.slot
    }

    /// Bytes that are in memory twice because of it.
    pub fn copied_bytes(&self) -> usize {
        self.cut.state.copied_bytes()
    }

    /// Appends the bytes of the next part to `out`, and says which one it is: first those that are
    /// in memory twice, then in their order, which is that of no promise.
    pub fn next(&mut self, out: &mut Vec<u8>) -> Option<usize> {
        let part = self.next_part()?;
        self.cut.state.write(part, out);
        if let Some(state) = Arc::get_mut(&mut self.cut.state) {
            state.forget(part);
        }
        Some(part)
    }

    fn next_part(&mut self) -> Option<usize> {
        while let Some(copied) =
            Arc::get_mut(&mut self.cut.state).and_then(|state| state.next_copied())
        {
            if self.parts.remove(copied) {
                return Some(copied);
            }
        }
        let part = self.parts.next(self.at)?;
        self.parts.remove(part);
        self.at = part + 1;
        Some(part)
    }
}

/// A cut that becomes a checkpoint in memory, a piece at a time.
pub struct CutWriter {
    remaining: Remaining,
    table: Table<Arc<[u8]>>,
    room: Vec<u8>,
}

impl CutWriter {
    /// Nothing of the cut yet; what has not changed is that of `before`.
    pub fn new(cut: Cut, before: Option<&Checkpoint>) -> Self {
        let table = before.and_then(|before| before.parts()?.in_memory());
        let table = table.unwrap_or_else(|| Table::new(cut.state.parts()));
        let parts = cut.changed.clone();
        Self { remaining: Remaining::new(cut, parts), table, room: Vec::new() }
    }

    /// The slot of the cut.
    pub fn slot(&self) -> Slot {
        self.remaining.slot()
    }

    /// Writes parts until they have `bytes` or more. Says whether those were the last.
    pub fn step(&mut self, bytes: usize) -> bool {
        let mut written = 0;
        while written < bytes {
            self.room.clear();
            let Some(part) = self.remaining.next(&mut self.room) else { return true };
            written += self.room.len().max(1);
            self.table.set(part, Leaf::of(&self.room, Arc::from(&self.room[..])));
        }
        false
    }

    /// The checkpoint, once no part is left.
    pub fn finish(mut self) -> Checkpoint {
        let digest = self.table.seal();
        let state = Stored::Parts(Arc::new(InMemory(self.table)));
        Checkpoint { slot: self.remaining.slot(), digest, state }
    }
}

/// The replicated state after all slots below `slot`, as bytes of which the digest is known.
#[derive(Clone)]
pub struct Checkpoint {
    /// The first slot that is not in it.
    pub slot: Slot,
    /// The digest of its parts: equal on all replicas.
    pub digest: Digest,
    /// Where its bytes are.
    pub state: Stored,
}

/// The form in which a checkpoint is kept.
#[derive(Clone)]
pub enum Stored {
    /// In parts.
    Parts(Arc<dyn Parts>),
    /// In one piece, as a version did that knew no parts. It is read, and not passed on.
    Whole(Arc<dyn Source>),
}

impl Checkpoint {
    /// The checkpoint at `slot` of a state of one part.
    pub fn new(slot: Slot, bytes: Vec<u8>) -> Self {
        Cut::new(slot, bytes).write(None)
    }

    /// Its parts, if it is kept in parts.
    pub fn parts(&self) -> Option<&Arc<dyn Parts>> {
        match &self.state {
            Stored::Parts(parts) => Some(parts),
            Stored::Whole(_) => None,
        }
    }
}

impl fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Checkpoint({}, {})", self.slot, self.digest)
    }
}

/// Checkpoints are equal when their digests are.
impl PartialEq for Checkpoint {
    fn eq(&self, other: &Self) -> bool {
        (self.slot, self.digest) == (other.slot, other.digest)
    }
}

impl Eq for Checkpoint {}

/// The parts of a checkpoint, wherever their bytes are, to be read in any order.
pub trait Parts: Send + Sync {
    /// How many there are.
    fn parts(&self) -> usize;

    /// All parts, in the order in which they are best read.
    fn as_they_lie(&self) -> Vec<usize> {
        (0..self.parts()).collect()
    }

    /// The digest of a group of [`GROUP`](crate::model::table::GROUP) parts.
    fn group_digest(&self, group: usize) -> Digest;

    /// The digest of a part.
    fn digest(&self, part: usize) -> Digest;

    /// How many bytes a part has.
    fn length(&self, part: usize) -> u64;

    /// Fills `room` with the bytes of a part from `offset` on.
    ///
    /// # Errors
    /// The disk's error, [`io::ErrorKind::NotFound`] if its file has been removed.
    fn read_at(&self, part: usize, offset: u64, room: &mut [u8]) -> io::Result<()>;

    /// The same parts, to stay until this is dropped though their files are removed.
    ///
    /// # Errors
    /// As [`Parts::read_at`].
    fn keep(self: Arc<Self>) -> io::Result<Arc<dyn Parts>>;

    /// The same, if they are in memory.
    fn in_memory(&self) -> Option<Table<Arc<[u8]>>> {
        None
    }

    /// Puts all bytes of a part in the place of those in `room`.
    ///
    /// # Errors
    /// As [`Parts::read_at`].
    fn read(&self, part: usize, room: &mut Vec<u8>) -> io::Result<()> {
        let length = usize::try_from(self.length(part)).map_err(|_| io::ErrorKind::OutOfMemory)?;
        room.resize(length, 0);
        self.read_at(part, 0, room)
    }
}

/// Fills `room` with what comes at `offset` of bytes in memory.
pub(super) fn fill(bytes: &[u8], offset: u64, room: &mut [u8]) -> io::Result<()> {
    let rest = usize::try_from(offset).ok().and_then(|offset| bytes.get(offset..));
    let found = rest.and_then(|rest| rest.get(..room.len()));
    room.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
    Ok(())
}

/// Bytes in memory or in a file, to be read in any order.
pub trait Source: Send + Sync {
    /// How many there are.
    fn length(&self) -> u64;

    /// Fills `room` with the bytes at `offset`.
    ///
    /// # Errors
    /// The disk's error, [`io::ErrorKind::NotFound`] if the file has been removed.
    fn read_at(&self, offset: u64, room: &mut [u8]) -> io::Result<()>;

    /// The same bytes, to stay until this is dropped though their file is removed.
    ///
    /// # Errors
    /// As [`Source::read_at`].
    fn keep(self: Arc<Self>) -> io::Result<Arc<dyn Source>>;
}

impl Source for Vec<u8> {
    fn length(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&self, offset: u64, room: &mut [u8]) -> io::Result<()> {
        fill(self, offset, room)
    }

    fn keep(self: Arc<Self>) -> io::Result<Arc<dyn Source>> {
        Ok(self)
    }
}

/// Reads the bytes of a source, one after the other. There is no buffer in it.
pub struct Reader {
    bytes: Arc<dyn Source>,
    at: u64,
}

impl Reader {
    /// A reader from the first byte on. A file stays open meanwhile.
    ///
    /// # Errors
    /// As [`Source::keep`].
    pub fn new(bytes: &Arc<dyn Source>) -> io::Result<Self> {
        Ok(Self { bytes: Arc::clone(bytes).keep()?, at: 0 })
    }
}

impl Read for Reader {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let left = self.bytes.length() - self.at;
        let count = room.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        self.bytes.read_at(self.at, &mut room[..count])?;
        self.at += count as u64;
        Ok(count)
    }
}
