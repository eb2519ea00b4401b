//! One file of the journal: a header and records.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Identity;
use super::frame::{Frame, HEAD, Place};
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

    /// What it should have said, if this version cannot read the file or `owner` should not.
    pub(super) fn mismatch(&self, owner: Identity) -> Option<String> {
        if self.magic != Self::MAGIC || self.version != VERSION {
            return Some(format!("format {VERSION}"));
        }
        let Identity { cluster, replica } = owner;
        let theirs = self.owner;
        (theirs != owner).then(|| {
            format!(
                "a file of replica {replica} of cluster {cluster:x}; it is of replica {} of {:x}",
                theirs.replica, theirs.cluster
            )
        })
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

/// What a segment holds, or where it is broken.
pub(super) struct Scan<R> {
    pub entries: Vec<Entry<R>>,
    /// Bytes that are sound.
    pub length: u64,
    /// Whether bytes follow that are not.
    pub torn: bool,
}

/// What is wrong inside a segment.
pub(super) struct Broken {
    pub offset: u64,
    pub expected: String,
}

/// Reads a segment. Only the newest one may end in a torn record: the others were complete before the
/// next was begun.
pub(super) fn scan<R: DeserializeOwned>(
    bytes: &[u8],
    place: Place,
    newest: bool,
) -> Result<Scan<R>, Broken> {
    let broken = |offset: usize, expected: &str| Broken {
        offset: offset as u64,
        expected: expected.to_owned(),
    };
    let mut scan = Scan { entries: Vec::new(), length: 0, torn: false };
    let mut offset = 0;
    while offset < bytes.len() {
        let here = if offset == 0 { Place::of_header(place.file) } else { place };
        let Some(Frame { payload, .. }) = here.read(bytes, offset) else {
            if !newest || place.was_durable(bytes, offset) {
                return Err(broken(offset, "a record whose checksum fits"));
            }
            scan.torn = true;
            return Ok(scan);
        };
        if offset == 0 {
            let header: Header = postcard::from_bytes(payload)
                .map_err(|_| broken(offset, "the header of a journal segment"))?;
            if let Some(expected) = header.mismatch(place.owner) {
                return Err(broken(offset, &expected));
            }
        } else {
            let entry = postcard::from_bytes(payload)
                .map_err(|_| broken(offset, "a record this version understands"))?;
            scan.entries.push(entry);
        }
        offset += HEAD + payload.len();
        scan.length = offset as u64;
    }
    Ok(scan)
}
