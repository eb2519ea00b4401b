//! One file of the journal: a header and records.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Identity;
use super::frame::{Frame, HEAD, Place, Unsound};
use crate::types::Slot;

/// The format of segments and checkpoints; another one is refused.
const VERSION: u32 = 1;

/// The first record of a segment.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Header {
    magic: [u8; 8],
    version: u32,
    owner: Identity,
}

impl Header {
    const MAGIC: [u8; 8] = *b"taraflow";

    pub(super) fn of(owner: Identity) -> Self {
        Self { magic: Self::MAGIC, version: VERSION, owner }
    }

    /// Whose file this is, if its header can be read.
    pub(super) fn owner(bytes: &[u8], file: u64) -> Option<Identity> {
        let payload = Place::of_header(file).read(bytes, 0).ok()?.payload;
        let header: Self = postcard::from_bytes(payload).ok()?;
        header.mismatch(header.owner).is_none().then_some(header.owner)
    }

    /// What it should have said and what it says, if this version cannot read the file or `owner`
    /// should not.
    pub(super) fn mismatch(&self, owner: Identity) -> Option<[String; 2]> {
        if self.magic != Self::MAGIC || self.version != VERSION {
            return Some([format!("format {VERSION}"), format!("format {}", self.version)]);
        }
        let whose = |owner: Identity| {
            format!("a file of replica {} of cluster {:x}", owner.replica, owner.cluster)
        };
        (self.owner != owner).then(|| [whose(owner), whose(self.owner)])
    }
}

/// What a journal record says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Entry<R> {
    /// The replica started for this time.
    Started(u64),
    /// The protocol's newest record of the kind of which one counts.
    Newest(R),
    /// The protocol's record about a slot.
    Slot(Slot, R),
    /// Records about slots below this one may be gone.
    Forgot(Slot),
}

/// What is wrong inside a file.
#[derive(Debug)]
pub(super) struct Broken {
    pub offset: u64,
    pub expected: String,
    pub found: String,
}

/// A segment to be read, record after record.
#[derive(Clone, Copy)]
pub(super) struct Segment<'a> {
    pub bytes: &'a [u8],
    pub place: Place,
    /// Whether none was begun after it. Only the newest may end in a torn record or in zeros: the
    /// others were complete before the next was begun.
    pub newest: bool,
}

/// What stands at a place of a segment.
#[derive(Debug)]
pub(super) enum Found<'a> {
    /// A sound record.
    Record(&'a [u8]),
    /// Nothing was written from here on.
    End,
    /// What a crash has torn, or what is being written.
    Torn,
}

impl<'a> Segment<'a> {
    /// What stands at `offset`, where a record should begin.
    pub fn look(&self, offset: usize) -> Result<Found<'a>, Broken> {
        if offset == self.bytes.len() {
            return Ok(Found::End);
        }
        let place = if offset == 0 { Place::of_header(self.place.file) } else { self.place };
        match place.read(self.bytes, offset) {
            Ok(Frame { payload }) => Ok(Found::Record(payload)),
            Err(unsound) => self.explain(offset, unsound),
        }
    }

    /// Whether the unsound place at `offset` is where the segment ends.
    fn explain(&self, offset: usize, unsound: Unsound) -> Result<Found<'a>, Broken> {
        if self.newest {
            // Blocks are filled with zeros before they are needed.
            if self.bytes[offset..].iter().all(|byte| *byte == 0) {
                return Ok(Found::End);
            }
            if !self.place.was_durable(self.bytes, offset) {
                return Ok(Found::Torn);
            }
        }
        let expected = "a record whose checksum fits".to_owned();
        Err(Broken { offset: offset as u64, expected, found: unsound.to_string() })
    }

    /// Hands the records after the header to `each`, with the offset and the size of each. Says how
    /// many bytes are sound.
    pub fn walk<R: DeserializeOwned>(
        &self,
        mut each: impl FnMut(Entry<R>, u64, u64),
    ) -> Result<u64, Broken> {
        let mut offset = 0;
        while let Found::Record(payload) = self.look(offset)? {
            let unread = |expected: &str| Broken {
                offset: offset as u64,
                expected: expected.to_owned(),
                found: format!("{} sound bytes of another kind", payload.len()),
            };
            let size = HEAD + payload.len();
            if offset == 0 {
                let header: Header = postcard::from_bytes(payload)
                    .map_err(|_| unread("the header of a journal segment"))?;
                if let Some([expected, found]) = header.mismatch(self.place.owner) {
                    return Err(Broken { offset: 0, expected, found });
                }
            } else {
                let entry = postcard::from_bytes(payload)
                    .map_err(|_| unread("a record this version understands"))?;
                each(entry, offset as u64, size as u64);
            }
            offset += size;
        }
        Ok(offset as u64)
    }
}

#[cfg(test)]
mod tests;
