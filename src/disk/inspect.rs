//! Looks into a replica's files without changing them, whether it runs or not.

use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::frame::Place;
use super::segment::{Broken, Entry, Header, Segment};
use super::{Disk, Identity, checkpoints as files, names};
use crate::checkpoint::Digest;
use crate::error::Error;
use crate::types::{Slot, View};

/// What a protocol's record is called, and the view it speaks of.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// Its name.
    pub name: &'static str,
    /// The view.
    pub view: Option<View>,
}

/// A record of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// The file it is in.
    pub file: String,
    /// Where it begins, in bytes.
    pub offset: u64,
    /// What it is.
    pub kind: &'static str,
    /// The slot it is about.
    pub slot: Option<Slot>,
    /// The view it speaks of.
    pub view: Option<View>,
    /// How many bytes it takes.
    pub bytes: u64,
}

/// What a whole journal amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Whose it is.
    pub owner: Identity,
    /// How many files it has.
    pub segments: u64,
    /// How many records.
    pub records: u64,
    /// How many bytes they take, with the headers.
    pub bytes: u64,
    /// Slots below this one may be missing; a checkpoint must cover them.
    pub forgotten: Slot,
}

/// A file that should hold a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CheckpointLine {
    /// The file.
    pub file: String,
    /// The first slot that is not in it.
    pub slot: Slot,
    /// The size of the file.
    pub bytes: u64,
    /// The digest of the state, in hexadecimal digits.
    pub digest: Option<String>,
    /// Where it is damaged, what was expected there, and what was found.
    pub damage: Option<String>,
}

/// Hands every record of a journal to `each`, oldest first. What is being written while one looks is not
/// among them.
///
/// # Errors
/// [`Error::Integrity`] at the first damage, with file and offset, after the records before it; and what
/// `each` or the disk says.
pub fn records<R: DeserializeOwned>(
    disk: &dyn Disk,
    kind: impl Fn(&R) -> Kind,
    each: &mut dyn FnMut(Line) -> Result<(), Error>,
) -> Result<Verified, Error> {
    let names = disk.list().map_err(|e| unreadable("the directory", e))?;
    let segments = names::segments(&names);
    let mut whole: Option<Verified> = None;
    for &number in &segments {
        let look = Look { number, newest: segments.last() == Some(&number) };
        let owner = whole.map(|whole| whole.owner);
        let Some(seen) = look.segment(disk, owner, &kind)? else { continue };
        let Some(owner) = seen.owner else { continue };
        let before = Verified { owner, segments: 0, records: 0, bytes: 0, forgotten: Slot(0) };
        let whole = whole.get_or_insert(before);
        whole.segments += 1;
        whole.bytes += seen.bytes;
        whole.records += seen.lines.len() as u64;
        whole.forgotten = whole.forgotten.max(seen.forgotten);
        seen.lines.into_iter().try_for_each(&mut *each)?;
        if let Some(broken) = seen.broken {
            return Err(Error::Integrity(damage(&names::segment(number), &broken)));
        }
    }
    whole.ok_or_else(|| Error::Integrity("there is no journal".to_owned()))
}

/// The checkpoints of a replica, oldest first.
///
/// # Errors
/// What the disk says.
pub fn checkpoints(disk: &dyn Disk) -> Result<Vec<CheckpointLine>, Error> {
    let names = disk.list().map_err(|e| unreadable("the directory", e))?;
    let mut lines = Vec::new();
    for slot in names::checkpoints(&names) {
        let file = names::checkpoint(slot);
        let Some(bytes) = read(disk, &file)? else { continue };
        let nobody = Place::of_header(0).owner;
        let owner = Header::owner(&bytes, slot.0).unwrap_or(nobody);
        let (digest, damage) = match files::read(&bytes, owner, slot) {
            Ok(checkpoint) => (Some(hexadecimal(checkpoint.digest)), None),
            Err(broken) => (None, Some(damage(&file, &broken))),
        };
        lines.push(CheckpointLine { file, slot, bytes: bytes.len() as u64, digest, damage });
    }
    Ok(lines)
}

/// One segment to be looked at.
#[derive(Clone, Copy)]
struct Look {
    number: u64,
    newest: bool,
}

/// What is in it.
struct Seen {
    /// Whose it is; a file that was begun and never written to says nothing.
    owner: Option<Identity>,
    lines: Vec<Line>,
    bytes: u64,
    forgotten: Slot,
    broken: Option<Broken>,
}

impl Look {
    /// Reads of a growing file may see late bytes and miss early ones, so damage counts when a second
    /// read finds the same bytes.
    const READS_MAX: usize = 5;

    /// Reads the segment; nothing, if its replica has removed it meanwhile.
    fn segment<R: DeserializeOwned>(
        self,
        disk: &dyn Disk,
        owner: Option<Identity>,
        kind: &impl Fn(&R) -> Kind,
    ) -> Result<Option<Seen>, Error> {
        let file = names::segment(self.number);
        let mut before = Vec::new();
        for _ in 1..Self::READS_MAX {
            let Some(bytes) = read(disk, &file)? else { return Ok(None) };
            let seen = self.walk(&bytes, owner, kind);
            if seen.broken.is_none() || !self.newest || bytes == before {
                return Ok(Some(seen));
            }
            before = bytes;
        }
        let Some(bytes) = read(disk, &file)? else { return Ok(None) };
        Ok(Some(self.walk(&bytes, owner, kind)))
    }

    fn walk<R: DeserializeOwned>(
        self,
        bytes: &[u8],
        owner: Option<Identity>,
        kind: &impl Fn(&R) -> Kind,
    ) -> Seen {
        let file = names::segment(self.number);
        let own = Header::owner(bytes, self.number);
        let place = match owner.or(own) {
            Some(owner) => Place { owner, file: self.number },
            None => Place::of_header(self.number),
        };
        let mut seen = Seen {
            owner: owner.or(own),
            lines: Vec::new(),
            bytes: 0,
            forgotten: Slot(0),
            broken: None,
        };
        let segment = Segment { bytes, place, newest: self.newest };
        let outcome = segment.walk(|entry: Entry<R>, offset, bytes| {
            let (kind, slot) = match &entry {
                Entry::Started(_) => (Kind { name: "started", view: None }, None),
                Entry::Newest(record) => (kind(record), None),
                Entry::Slot(slot, record) => (kind(record), Some(*slot)),
                Entry::Forgot(slot) => {
                    seen.forgotten = seen.forgotten.max(*slot);
                    (Kind { name: "forgot", view: None }, Some(*slot))
                }
            };
            let (file, Kind { name, view }) = (file.clone(), kind);
            seen.lines.push(Line { file, offset, kind: name, slot, view, bytes });
        });
        match outcome {
            Ok(length) => seen.bytes = length,
            Err(broken) => {
                seen.owner = Some(place.owner);
                seen.broken = Some(broken);
            }
        }
        seen
    }
}

/// The bytes of a file, unless it has been removed meanwhile.
fn read(disk: &dyn Disk, file: &str) -> Result<Option<Vec<u8>>, Error> {
    match disk.read(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        outcome => outcome.map(Some).map_err(|e| unreadable(file, e)),
    }
}

fn unreadable(path: &str, source: io::Error) -> Error {
    Error::File { doing: "read", path: path.to_owned(), source }
}

fn damage(file: &str, broken: &Broken) -> String {
    let Broken { offset, expected, found } = broken;
    format!("{file} is damaged at byte {offset}: expected {expected}, found {found}")
}

fn hexadecimal(digest: Digest) -> String {
    digest.0.iter().map(|byte| format!("{byte:02x}")).collect()
}
