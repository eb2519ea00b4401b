//! Record framing: length, position and checksum.
//!
//! ```text
//!  length u32 │ checksum u32 │ durable u64 │ payload        (little endian)
//! ```
//!
//! The checksum covers the owner, the file, the place in the file and all that follows, so a record
//! that was flipped, cut, or came to lie somewhere else does not read as one. `durable` says how
//! much of the file was synced when the record was written: an unsound place before that has
//! rotted, one after it may have been torn by a crash.

use std::fmt;

use super::{Identity, ProtocolName};
use crate::model::types::ReplicaId;

/// Bytes before a payload.
pub(super) const HEAD: usize = 16;

/// The owner and the file of records that are written or read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub owner: Identity,
    /// The number of the file.
    pub file: u64,
}

impl Place {
    /// The place of the header of a file, which says whose the file is: one must be able to read
    /// that of a file that is somebody else's.
    pub(super) fn of_header(file: u64) -> Self {
        let nobody = ProtocolName::of("");
        Self { owner: Identity { cluster: 0, replica: ReplicaId(0), protocol: nobody }, file }
    }

    fn checksum(self, offset: u64, rest: &[u8]) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        for word in [self.owner.cluster, u64::from(self.owner.replica.0), self.file, offset] {
            hasher.update(&word.to_le_bytes());
        }
        hasher.update(rest);
        hasher.finalize()
    }

    /// Appends a record to `bytes`, which will stand at `base` in a file of which `durable` bytes
    /// are synced.
    ///
    /// # Panics
    /// When the payload is empty, which reads as the end of the file, or has 4 GiB or more.
    pub(super) fn write(self, bytes: &mut Vec<u8>, base: u64, durable: u64, payload: &[u8]) {
        assert!(!payload.is_empty(), "a record holds something: an empty one reads as the end");
        let length = u32::try_from(payload.len()).expect("a record has less than 4 GiB");
        let start = bytes.len();
        bytes.extend_from_slice(&length.to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&durable.to_le_bytes());
        bytes.extend_from_slice(payload);
        let checksum = self.checksum(base + start as u64, &bytes[start + 8..]);
        bytes[start + 4..start + 8].copy_from_slice(&checksum.to_le_bytes());
        debug_assert!(
            self.read_at(&bytes[start..], base + start as u64)
                .is_ok_and(|read| read.payload == payload && read.durable == durable),
            "a record reads as it was written"
        );
    }

    /// The record at `offset`.
    ///
    /// # Errors
    /// What stands there, if it is not a whole and sound one.
    pub(super) fn read(self, bytes: &[u8], offset: usize) -> Result<Frame<'_>, Unsound> {
        self.read_at(bytes.get(offset..).unwrap_or_default(), offset as u64)
    }

    /// The record that `rest` begins with, which stands at `offset` in the file.
    pub(super) fn read_at(self, rest: &[u8], offset: u64) -> Result<Frame<'_>, Unsound> {
        let short = Unsound::Short(rest.len());
        let head: &[u8; HEAD] = rest.first_chunk().ok_or(short)?;
        let length = payload_length(head);
        let written = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
        let end = HEAD.checked_add(length as usize).filter(|end| *end <= rest.len());
        let end = end.ok_or(Unsound::Long { length, left: rest.len() })?;
        if length == 0 {
            return Err(Unsound::Empty);
        }
        let computed = self.checksum(offset, &rest[8..end]);
        if computed != written {
            return Err(Unsound::Checksum { written, computed });
        }
        let [_, _, _, _, _, _, _, _, durable @ ..] = *head;
        Ok(Frame { payload: &rest[HEAD..end], durable: u64::from_le_bytes(durable) })
    }

    /// Whether a sound record after `offset` says that `offset` was durable when it was written.
    ///
    /// A checksum is computed only where the mark is one that a record at that place could carry,
    /// so that a long torn end is skipped at the speed of memory.
    pub(super) fn was_durable(self, bytes: &[u8], offset: usize) -> bool {
        let later = offset + 1..bytes.len().saturating_sub(HEAD - 1);
        let vouches = |at: &usize| {
            let durable = bytes[at + 8..].first_chunk().map_or(0, |mark| u64::from_le_bytes(*mark));
            (offset as u64 + 1..=*at as u64).contains(&durable)
        };
        later.filter(vouches).any(|at| self.read(bytes, at).is_ok())
    }
}

/// How long the payload is that follows a record's head, if that is sound.
pub(super) fn payload_length(head: &[u8; HEAD]) -> u32 {
    u32::from_le_bytes([head[0], head[1], head[2], head[3]])
}

/// A sound record.
#[derive(Debug)]
pub(super) struct Frame<'a> {
    pub payload: &'a [u8],
    /// How many bytes of the file were synced when it was written.
    pub durable: u64,
}

/// A reason for which bytes are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unsound {
    /// The file ends inside its head.
    Short(usize),
    /// It would end after the file.
    Long { length: u32, left: usize },
    /// It would hold nothing, as zeros do.
    Empty,
    /// It is not what was written.
    Checksum { written: u32, computed: u32 },
}

impl fmt::Display for Unsound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Short(0) => f.write_str("nothing more"),
            Self::Short(left) => write!(f, "the last {left} bytes"),
            Self::Long { length, left } => {
                write!(f, "a length of {length} bytes where {left} are left")
            }
            Self::Empty => write!(f, "a length of 0 bytes"),
            Self::Checksum { written, computed } => {
                write!(f, "the checksum {written:08x} on bytes whose checksum is {computed:08x}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "a record holds something")]
    fn a_record_of_nothing_is_not_written() {
        Place::of_header(0).write(&mut Vec::new(), 0, 0, b"");
    }
}
