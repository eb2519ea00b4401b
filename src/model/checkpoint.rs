//! A replica's replicated state at a slot, as bytes.

use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::app::{Frozen, written};
use crate::model::types::Slot;

/// The BLAKE3 digest of a checkpoint's bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// The digest of all that can be read, of which little is in memory at a time.
    ///
    /// # Errors
    /// The reader's errors.
    pub fn read(from: impl Read) -> io::Result<Self> {
        let mut hasher = Hasher::default();
        hasher.0.update_reader(from)?;
        Ok(hasher.digest())
    }
}

/// Computes the digest of bytes that come in pieces.
#[derive(Debug, Default)]
pub struct Hasher(blake3::Hasher);

impl Hasher {
    /// Goes on with these bytes.
    pub fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all bytes so far.
    pub fn digest(&self) -> Digest {
        Digest(*self.0.finalize().as_bytes())
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
/// bytes.
#[derive(Clone)]
pub struct Cut {
    /// The first slot that is not in it.
    pub slot: Slot,
    /// The state.
    pub state: Arc<dyn Frozen>,
}

/// The same as bytes, of which the digest is known.
#[derive(Clone)]
pub struct Checkpoint {
    /// The first slot that is not in it.
    pub slot: Slot,
    /// The digest of its bytes: equal on all replicas.
    pub digest: Digest,
    /// Where its bytes are.
    pub bytes: Arc<dyn Source>,
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
        let rest = usize::try_from(offset).ok().and_then(|offset| self.get(offset..));
        let bytes = rest.and_then(|rest| rest.get(..room.len()));
        room.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn keep(self: Arc<Self>) -> io::Result<Arc<dyn Source>> {
        Ok(self)
    }
}

impl fmt::Debug for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cut({})", self.slot)
    }
}

/// Cuts are equal when their bytes are.
impl PartialEq for Cut {
    fn eq(&self, other: &Self) -> bool {
        self.slot == other.slot && written(&*self.state) == written(&*other.state)
    }
}

impl Eq for Cut {}

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

impl Cut {
    /// The checkpoint at `slot` with the given bytes.
    pub fn new(slot: Slot, state: Vec<u8>) -> Self {
        Self { slot, state: Arc::new(state) }
    }

    /// Writes it into memory.
    pub fn write(&self) -> Checkpoint {
        Checkpoint::new(self.slot, written(&*self.state))
    }
}

impl Checkpoint {
    /// The checkpoint at `slot` with the given bytes.
    pub fn new(slot: Slot, bytes: Vec<u8>) -> Self {
        Self { slot, digest: Digest::of(&bytes), bytes: Arc::new(bytes) }
    }

    /// Its bytes, one after the other. A file stays open meanwhile.
    ///
    /// # Errors
    /// As [`Source::keep`].
    pub fn reader(&self) -> io::Result<Reader> {
        Ok(Reader { bytes: Arc::clone(&self.bytes).keep()?, at: 0 })
    }
}

/// Reads the bytes of a checkpoint. There is no buffer in it.
pub struct Reader {
    bytes: Arc<dyn Source>,
    at: u64,
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
