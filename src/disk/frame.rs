//! Records as bytes that know where they belong.
//!
//! ```text
//!  length u32 │ checksum u32 │ durable u64 │ payload        (little endian)
//! ```
//!
//! The checksum covers the owner, the file, the place in the file and all that follows, so a record that
//! was flipped, cut, or came to lie somewhere else does not read as one. `durable` says how much of the
//! file was synced when the record was written: an unsound place before that has rotted, one after it
//! may have been torn by a crash.

use super::Identity;
use crate::types::ReplicaId;

/// Bytes before a payload.
pub(super) const HEAD: usize = 16;

/// Where records are written or read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub owner: Identity,
    /// The number of the file.
    pub file: u64,
}

impl Place {
    /// The place of the header of a file, which says whose the file is: one must be able to read that
    /// of a file that is somebody else's.
    pub(super) fn of_header(file: u64) -> Self {
        Self { owner: Identity { cluster: 0, replica: ReplicaId(0) }, file }
    }

    fn checksum(self, offset: u64, rest: &[u8]) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        for word in [self.owner.cluster, u64::from(self.owner.replica.0), self.file, offset] {
            hasher.update(&word.to_le_bytes());
        }
        hasher.update(rest);
        hasher.finalize()
    }

    /// Appends a record to `bytes`, which will stand at `base` in a file of which `durable` bytes are
    /// synced.
    pub(super) fn write(self, bytes: &mut Vec<u8>, base: u64, durable: u64, payload: &[u8]) {
        let start = bytes.len();
        bytes.extend_from_slice(&(payload.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&durable.to_le_bytes());
        bytes.extend_from_slice(payload);
        let checksum = self.checksum(base + start as u64, &bytes[start + 8..]);
        bytes[start + 4..start + 8].copy_from_slice(&checksum.to_le_bytes());
    }

    /// The record at `offset`, if there is a whole and sound one.
    pub(super) fn read(self, bytes: &[u8], offset: usize) -> Option<Frame<'_>> {
        let head: &[u8; HEAD] = bytes.get(offset..)?.first_chunk()?;
        let length = u32::from_le_bytes(head[..4].try_into().ok()?) as usize;
        let checksum = u32::from_le_bytes(head[4..8].try_into().ok()?);
        let durable = u64::from_le_bytes(head[8..].try_into().ok()?);
        let rest = bytes.get(offset + 8..(offset + HEAD).checked_add(length)?)?;
        let sound = checksum == self.checksum(offset as u64, rest);
        sound.then(|| Frame { durable, payload: &rest[8..] })
    }

    /// Whether a sound record after `offset` says that `offset` was durable when it was written.
    pub(super) fn was_durable(self, bytes: &[u8], offset: usize) -> bool {
        let later = offset + 1..bytes.len().saturating_sub(HEAD - 1);
        later.filter_map(|at| self.read(bytes, at)).any(|frame| frame.durable > offset as u64)
    }
}

/// A sound record.
pub(super) struct Frame<'a> {
    durable: u64,
    pub payload: &'a [u8],
}
