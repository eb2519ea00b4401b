//! Records as bytes that know where they belong.
//!
//! ```text
//!  length u32 │ checksum u32 │ payload        (little endian)
//! ```
//!
//! The checksum covers the owner, the file, the place in the file and the payload, so a record that was
//! flipped, cut, or came to lie somewhere else does not read as one.

use super::Identity;

/// Bytes before a payload.
pub(super) const HEAD: usize = 8;

/// Where records are written or read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub owner: Identity,
    /// The number of the file.
    pub file: u64,
}

impl Place {
    fn checksum(self, offset: u64, payload: &[u8]) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        for word in [self.owner.cluster, u64::from(self.owner.replica.0), self.file, offset] {
            hasher.update(&word.to_le_bytes());
        }
        hasher.update(payload);
        hasher.finalize()
    }

    /// Appends a record to `bytes`, which will stand at `base` in the file.
    pub(super) fn write(self, bytes: &mut Vec<u8>, base: u64, payload: &[u8]) {
        let offset = base + bytes.len() as u64;
        bytes.extend_from_slice(&(payload.len() as u32).to_le_bytes());
        bytes.extend_from_slice(&self.checksum(offset, payload).to_le_bytes());
        bytes.extend_from_slice(payload);
    }

    /// The payload of the record at `offset`, if there is a whole and sound one.
    pub(super) fn read(self, bytes: &[u8], offset: usize) -> Option<&[u8]> {
        let word = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        let length = word(offset)? as usize;
        let start = offset + HEAD;
        let payload = bytes.get(start..start.checked_add(length)?)?;
        (word(offset + 4)? == self.checksum(offset as u64, payload)).then_some(payload)
    }

    /// Whether a sound record begins anywhere after `offset`: then what is unsound at `offset` was not
    /// torn off by a crash, because what follows it was written later.
    pub(super) fn continues_after(self, bytes: &[u8], offset: usize) -> bool {
        (offset + 1..bytes.len().saturating_sub(HEAD)).any(|at| self.read(bytes, at).is_some())
    }
}
