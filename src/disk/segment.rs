//! One file of the journal: a header and records.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::frame::{Frame, HEAD, Place, Unsound};
use super::{Identity, ProtocolName};
use crate::model::types::{ReplicaId, Slot};

/// The format of segments and checkpoints that is written.
const VERSION: u32 = 4;
/// The last one in which a checkpoint was a file in one piece.
pub(super) const WHOLE_CHECKPOINTS: u32 = 3;
/// The oldest format that is read: its headers name no protocol, because there was one.
const OLDEST: u32 = 2;
/// That one.
const FIRST: ProtocolName = ProtocolName::of("tara");

/// The first record of a segment.
#[derive(Debug, Serialize)]
pub(super) struct Header {
    magic: [u8; 8],
    pub version: u32,
    cluster: u64,
    replica: ReplicaId,
    protocol: ProtocolName,
}

impl Header {
    const MAGIC: [u8; 8] = *b"taraflow";

    pub(super) fn of(owner: Identity) -> Self {
        let Identity { cluster, replica, protocol } = owner;
        Self { magic: Self::MAGIC, version: VERSION, cluster, replica, protocol }
    }

    /// Reads a header of any format; returns what follows it, too.
    pub(super) fn read(bytes: &[u8]) -> postcard::Result<(Self, &[u8])> {
        let ((magic, version, cluster, replica), rest) = postcard::take_from_bytes(bytes)?;
        let (protocol, rest) =
            if version > OLDEST { postcard::take_from_bytes(rest)? } else { (FIRST, rest) };
        Ok((Self { magic, version, cluster, replica, protocol }, rest))
    }

    /// Whose file this is, if its header can be read.
    pub(super) fn owner(bytes: &[u8], file: u64) -> Option<Identity> {
        let payload = Place::of_header(file).read(bytes, 0).ok()?.payload;
        let (header, _) = Self::read(payload).ok()?;
        let Self { cluster, replica, protocol, .. } = header;
        let owner = Identity { cluster, replica, protocol };
        header.check(owner).ok().map(|()| owner)
    }

    /// Whether this version can read the file, and `owner` may.
    pub(super) fn check(&self, owner: Identity) -> Result<(), Broken> {
        if self.magic != Self::MAGIC || !(OLDEST..=VERSION).contains(&self.version) {
            let (expected, found) =
                (format!("format {VERSION}"), format!("format {}", self.version));
            return Err(Broken::new(0, expected, found));
        }
        let Self { cluster, replica, protocol, .. } = *self;
        if (cluster, replica) != (owner.cluster, owner.replica) {
            let whose =
                |cluster, replica| format!("a file of replica {replica} of cluster {cluster:016x}");
            let expected = whose(owner.cluster, owner.replica);
            return Err(Broken::new(0, expected, whose(cluster, replica)));
        }
        if protocol != owner.protocol {
            let spoken = |protocol| format!("a file of the protocol {protocol}");
            return Err(Broken::new(0, spoken(owner.protocol), spoken(protocol)));
        }
        Ok(())
    }
}

/// Reads the record at `offset` of the file with this number: the header, which must be of a file
/// of `owner`, and what follows it. Says how long the record is, too. `what` names the record.
pub(super) fn read_header<'b>(
    bytes: &'b [u8],
    offset: usize,
    file: u64,
    owner: Identity,
    what: &str,
) -> Result<(Header, &'b [u8], usize), Broken> {
    let record = Place::of_header(file).read(bytes, offset);
    let payload = record.map_err(|unsound| Broken::new(0, what, unsound.to_string()))?.payload;
    let (header, rest) = Header::read(payload).map_err(|_| another_kind(what))?;
    header.check(owner)?;
    Ok((header, rest, HEAD + payload.len()))
}

/// The same, with a value after the header.
pub(super) fn read_headed<T: DeserializeOwned>(
    bytes: &[u8],
    offset: usize,
    file: u64,
    owner: Identity,
    what: &str,
) -> Result<T, Broken> {
    let (_, rest, _) = read_header(bytes, offset, file, owner, what)?;
    postcard::from_bytes(rest).map_err(|_| another_kind(what))
}

/// What stands in the place of `what` is sound, and something else.
pub(super) fn another_kind(what: &str) -> Broken {
    Broken::new(0, what, "sound bytes of another kind")
}

/// A record of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Entry<R> {
    /// The replica started for this time.
    Started(u64),
    /// Which segment this one goes on from; no other record of a segment but the first has none.
    Follows(Follows),
    /// The protocol's newest record of the kind of which one counts.
    Newest(R),
    /// The protocol's record about a slot.
    Slot(Slot, R),
    /// Records about slots below this one may be gone.
    Forgot(Slot),
    /// The slots from the first to below the second are decided, as their records say.
    Decided(Slot, Slot),
}

/// A segment's note of those before it, so that none of them can go, or become shorter, unseen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Follows {
    /// The number of the segment before it.
    pub segment: u64,
    /// How many bytes of that one count.
    pub length: u64,
    /// The slot behind the last one of which it, or any before it, has a record.
    pub reach: Slot,
}

/// A fault inside a file.
#[derive(Clone, Debug)]
pub(super) struct Broken {
    pub offset: u64,
    pub expected: String,
    pub found: String,
}

impl Broken {
    pub fn new(offset: u64, expected: impl Into<String>, found: impl Into<String>) -> Self {
        Self { offset, expected: expected.into(), found: found.into() }
    }
}

/// A segment to be read, record after record.
#[derive(Clone, Copy)]
pub(super) struct Segment<'a> {
    pub bytes: &'a [u8],
    pub place: Place,
    pub end: Ending,
}

/// The end of a segment.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ending {
    /// It was complete with so many bytes before the next was begun. What may follow does not
    /// count.
    At(u64),
    /// It grows, and may end in a torn record or in zeros; but so many bytes are known to be
    /// durable.
    Open { durable: u64 },
}

/// The place of a record.
#[derive(Clone, Copy, Debug)]
pub(super) struct At {
    pub offset: u64,
    /// Bytes of the record.
    pub size: u64,
    /// How much of the segment was durable when it was written.
    pub durable: u64,
}

/// The contents of a segment at some place.
#[derive(Debug)]
pub(super) enum Found<'a> {
    /// A sound record.
    Record(Frame<'a>),
    /// Nothing was written from here on.
    End,
    /// What a crash has torn, or what is being written.
    Torn,
}

impl<'a> Segment<'a> {
    /// What stands at `offset`, where a record should begin.
    pub fn look(&self, offset: usize) -> Result<Found<'a>, Broken> {
        let is_end = match self.end {
            Ending::At(length) => offset as u64 == length,
            Ending::Open { durable } => offset == self.bytes.len() && offset as u64 >= durable,
        };
        if is_end {
            return Ok(Found::End);
        }
        let place = if offset == 0 { Place::of_header(self.place.file) } else { self.place };
        match place.read(self.bytes, offset) {
            Ok(frame) => Ok(Found::Record(frame)),
            Err(unsound) => self.explain(offset, unsound),
        }
    }

    /// Whether the unsound place at `offset` is where the segment ends.
    fn explain(&self, offset: usize, unsound: Unsound) -> Result<Found<'a>, Broken> {
        if matches!(self.end, Ending::Open { durable } if offset as u64 >= durable) {
            // Blocks are filled with zeros before they are needed.
            if self.bytes[offset..].iter().all(|byte| *byte == 0) {
                return Ok(Found::End);
            }
            if !self.place.was_durable(self.bytes, offset) {
                return Ok(Found::Torn);
            }
        }
        let expected = match self.end {
            Ending::At(length) | Ending::Open { durable: length } if length > offset as u64 => {
                format!("a record whose checksum fits, for {length} bytes were on the disk")
            }
            _ => "a record whose checksum fits".to_owned(),
        };
        Err(Broken::new(offset as u64, expected, unsound.to_string()))
    }

    /// Hands the records after the header to `each`, with where they stand. Says how many bytes are
    /// sound.
    pub fn walk<R: DeserializeOwned>(&self, each: impl FnMut(Entry<R>, At)) -> Result<u64, Broken> {
        self.walk_from(0, each)
    }

    /// The same from the record at `offset` on.
    pub fn walk_from<R: DeserializeOwned>(
        &self,
        mut offset: usize,
        mut each: impl FnMut(Entry<R>, At),
    ) -> Result<u64, Broken> {
        while let Found::Record(Frame { payload, durable }) = self.look(offset)? {
            let unread = |expected| {
                let found = format!("{} sound bytes of another kind", payload.len());
                Broken::new(offset as u64, expected, found)
            };
            let size = HEAD + payload.len();
            if offset == 0 {
                let (header, _) =
                    Header::read(payload).map_err(|_| unread("the header of a journal segment"))?;
                header.check(self.place.owner)?;
            } else {
                let entry = postcard::from_bytes(payload)
                    .map_err(|_| unread("a record this version understands"))?;
                each(entry, At { offset: offset as u64, size: size as u64, durable });
            }
            offset += size;
        }
        Ok(offset as u64)
    }
}

#[cfg(test)]
mod tests;
