//! A look into a replica's files that changes nothing, whether the replica runs or not.

use std::io;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::checkpoints::Kept;
use super::extent::{self, Extent};
use super::frame::Place;
use super::recovery;
use super::segment::{At, Broken, Ending, Entry, Follows, Header, Segment};
use super::{Disk, Identity, checkpoints as files, names};
use crate::model::checkpoint::{Checkpoint, Digest};
use crate::model::error::Error;
use crate::model::types::{Slot, View};

/// The name of a protocol's record, and the view it speaks of.
#[derive(Clone, Copy, Debug)]
pub struct RecordKind {
    /// Its name.
    pub name: &'static str,
    /// The view.
    pub view: Option<View>,
}

/// A record of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RecordLine {
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

/// The summary of a whole journal.
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct CheckpointLine {
    /// The file: a manifest, and in an older format all of it.
    pub file: String,
    /// The first slot that is not in it.
    pub slot: Slot,
    /// Bytes of the manifest and of all parts that it names.
    pub bytes: u64,
    /// Bytes of the parts that were written for it; the others are those of earlier checkpoints.
    pub new_bytes: u64,
    /// How many parts it has.
    pub parts: u64,
    /// In how many files they are, and the checkpoint for which the oldest of these was written.
    pub packs: u64,
    /// See [`packs`](Self::packs).
    pub oldest_pack: Option<Slot>,
    /// The digest of the state, in hexadecimal digits.
    pub digest: Option<String>,
    /// Where it is damaged, what was expected there, and what was found.
    pub damage: Option<String>,
}

/// Hands every record of a journal to `each`, oldest first, and judges all the files with it.
/// What is being written while one looks is not among them.
///
/// # Errors
/// [`Error::Integrity`] at the first damage, with file and offset, after the records before it, and
/// where something is missing that should be there; and what `each` or the disk says.
pub fn records<R: Serialize + DeserializeOwned>(
    disk: &dyn Disk,
    kind: impl Fn(&R) -> RecordKind,
    each: &mut dyn FnMut(RecordLine) -> Result<(), Error>,
) -> Result<Verified, Error> {
    let names = list(disk)?;
    let Some(owner) = owner_of(disk, &names)? else {
        return Err(Error::Integrity(no_journal(&names)));
    };
    let mut whole = Verified { owner, segments: 0, records: 0, bytes: 0, forgotten: Slot(0) };
    for seen in segments(disk, owner, &names, &kind)? {
        whole.segments += 1;
        whole.bytes += seen.bytes;
        whole.records += seen.lines.len() as u64;
        whole.forgotten = whole.forgotten.max(seen.forgotten);
        seen.lines.into_iter().try_for_each(&mut *each)?;
        if let Some(broken) = seen.broken {
            return Err(Error::Integrity(damage(&names::segment(seen.number), &broken)));
        }
    }
    judge::<R>(disk, owner)?;
    Ok(whole)
}

/// Why there is no journal of anybody's to be read among these files.
fn no_journal(names: &[String]) -> String {
    match names::segments(names).last() {
        Some(newest) => {
            let nothing = Broken::new(0, "a header", "none, in no segment");
            damage(&names::segment(*newest), &nothing)
        }
        None => format!("there is no journal beside {}", past(names).unwrap_or_default()),
    }
}

/// Whether files of these names are a replica's.
///
/// # Errors
/// An error of the disk.
pub fn is_anybodys(disk: &dyn Disk) -> Result<bool, Error> {
    let names = list(disk)?;
    Ok(past(&names).is_some())
}

/// A file that speaks of a replica's past.
fn past(names: &[String]) -> Option<String> {
    names::taken(names).or_else(|| names.iter().find(|name| *name == extent::FILE).cloned())
}

/// The owner of a journal, by the newest segment that says so.
///
/// # Errors
/// An error of the disk.
pub fn owner(disk: &dyn Disk) -> Result<Option<Identity>, Error> {
    let names = list(disk)?;
    owner_of(disk, &names)
}

fn owner_of(disk: &dyn Disk, names: &[String]) -> Result<Option<Identity>, Error> {
    for number in names::segments(names).into_iter().rev() {
        let bytes = read(disk, &names::segment(number))?.unwrap_or_default();
        if let Some(owner) = Header::owner(&bytes, number) {
            return Ok(Some(owner));
        }
    }
    Ok(None)
}

/// The segments that count, oldest first.
fn segments<R: DeserializeOwned>(
    disk: &dyn Disk,
    owner: Identity,
    names: &[String],
    kind: &impl Fn(&R) -> RecordKind,
) -> Result<Vec<Seen>, Error> {
    let extent = read(disk, extent::FILE)?.and_then(|bytes| Extent::read(&bytes, owner).ok());
    let mut all: Vec<Seen> = Vec::new();
    for number in names::segments(names).into_iter().rev() {
        let follows = all.last().map(|later| later.follows);
        let durable = extent.map_or(0, |extent| extent.length_of(number));
        let end = match follows {
            None => Ending::Open { durable },
            Some(Some(follows)) if follows.segment == number => Ending::At(follows.length),
            Some(_) => continue,
        };
        let Some(seen) = (Look { number, end }).segment(disk, owner, kind)? else { continue };
        // A file that was begun and never written to says nothing.
        if seen.bytes > 0 || seen.broken.is_some() {
            all.push(seen);
        }
    }
    all.reverse();
    Ok(all)
}

/// Whether all is there that should be, as a replica that starts would see it.
fn judge<R: Serialize + DeserializeOwned>(disk: &dyn Disk, owner: Identity) -> Result<(), Error> {
    let mut tries = 0;
    loop {
        let names = list(disk)?;
        match recovery::read::<R>(disk, owner, &names, &mut files::look_through) {
            Ok(_) => return Ok(()),
            // A replica that runs may have removed a file, or written one, since they were listed.
            Err(_) if tries < Look::READS_MAX => tries += 1,
            Err(Error::Damaged { file, offset, expected, found, .. }) => {
                let broken = Broken::new(offset, expected, found);
                return Err(Error::Integrity(damage(&file, &broken)));
            }
            Err(error) => return Err(error),
        }
    }
}

/// The checkpoints of a replica, oldest first.
///
/// # Errors
/// An error of the disk.
pub fn checkpoints(disk: &dyn Disk) -> Result<Vec<CheckpointLine>, Error> {
    let names = list(disk)?;
    let journal = owner_of(disk, &names)?;
    let mut lines = Vec::new();
    for slot in names::checkpoints(&names) {
        let file = names::checkpoint(slot);
        let Some(source) = present(disk.source(&file), &file)? else { continue };
        // One that lies by itself is whoever's it says.
        let nobody = Place::of_header(0).owner;
        let Some(beginning) = present(files::beginning(&*source), &file)? else { continue };
        let owner = journal.or_else(|| Header::owner(&beginning, slot.0)).unwrap_or(nobody);
        let Some(found) = present(files::read(disk, owner, slot), &file)? else { continue };
        lines.push(match found {
            Ok((checkpoint, kept)) => line_of(slot, source.length(), &checkpoint, &kept),
            Err((broken_file, broken)) => {
                // Its replica may have removed it meanwhile.
                if present(disk.source(&file), &file)?.is_none() {
                    continue;
                }
                let damage = Some(damage(&broken_file, &broken));
                let (bytes, digest) = (source.length(), None);
                CheckpointLine { file, slot, bytes, digest, damage, ..CheckpointLine::default() }
            }
        });
    }
    Ok(lines)
}

fn line_of(slot: Slot, bytes: u64, checkpoint: &Checkpoint, kept: &Kept) -> CheckpointLine {
    let mut line = CheckpointLine {
        file: names::checkpoint(slot),
        slot,
        bytes,
        digest: Some(hexadecimal(checkpoint.digest)),
        ..CheckpointLine::default()
    };
    if let Some(table) = &kept.table {
        let live = files::live_bytes(table);
        line.bytes += live.values().sum::<u64>();
        line.new_bytes = live.get(&slot).copied().unwrap_or(0);
        line.parts = table.iter().count() as u64;
        line.packs = live.len() as u64;
        line.oldest_pack = live.first_key_value().map(|(slot, _)| *slot);
    }
    line
}

/// One segment to be looked at.
#[derive(Clone, Copy)]
struct Look {
    number: u64,
    end: Ending,
}

/// The contents of a segment.
struct Seen {
    number: u64,
    follows: Option<Follows>,
    lines: Vec<RecordLine>,
    bytes: u64,
    forgotten: Slot,
    broken: Option<Broken>,
}

impl Look {
    /// Reads of a growing file may see late bytes and miss early ones, so damage counts when a
    /// second read finds the same bytes.
    const READS_MAX: usize = 5;

    /// Reads the segment; nothing, if its replica has removed it meanwhile.
    fn segment<R: DeserializeOwned>(
        self,
        disk: &dyn Disk,
        owner: Identity,
        kind: &impl Fn(&R) -> RecordKind,
    ) -> Result<Option<Seen>, Error> {
        let file = names::segment(self.number);
        let grows = matches!(self.end, Ending::Open { .. });
        let mut before = Vec::new();
        let mut reads = 0;
        loop {
            let Some(bytes) = read(disk, &file)? else { return Ok(None) };
            let seen = self.walk(&bytes, owner, kind);
            reads += 1;
            if seen.broken.is_none() || !grows || bytes == before || reads == Self::READS_MAX {
                return Ok(Some(seen));
            }
            before = bytes;
        }
    }

    fn walk<R: DeserializeOwned>(
        self,
        bytes: &[u8],
        owner: Identity,
        kind: &impl Fn(&R) -> RecordKind,
    ) -> Seen {
        let Self { number, end } = self;
        let file = names::segment(number);
        let lines = Vec::new();
        let (follows, forgotten, broken) = (None, Slot(0), None);
        let mut seen = Seen { number, follows, lines, bytes: 0, forgotten, broken };
        let segment = Segment { bytes, place: Place { owner, file: number }, end };
        let outcome = segment.walk(|entry: Entry<R>, At { offset, size: bytes, .. }| {
            let of_store = |name| RecordKind { name, view: None };
            let (kind, slot) = match &entry {
                Entry::Started(_) => (of_store("started"), None),
                Entry::Follows(follows) => {
                    seen.follows = Some(*follows);
                    (of_store("follows"), None)
                }
                Entry::Newest(record) => (kind(record), None),
                Entry::Slot(slot, record) => (kind(record), Some(*slot)),
                Entry::Forgot(slot) => {
                    seen.forgotten = seen.forgotten.max(*slot);
                    (of_store("forgot"), Some(*slot))
                }
                Entry::Decided(_, to) => (of_store("decided"), Some(*to)),
            };
            let (file, RecordKind { name, view }) = (file.clone(), kind);
            seen.lines.push(RecordLine { file, offset, kind: name, slot, view, bytes });
        });
        match outcome {
            Ok(length) => seen.bytes = length,
            Err(broken) => seen.broken = Some(broken),
        }
        seen
    }
}

fn list(disk: &dyn Disk) -> Result<Vec<String>, Error> {
    disk.list().map_err(Error::file("read", Path::new("the directory")))
}

/// The bytes of a file, unless it has been removed meanwhile.
fn read(disk: &dyn Disk, file: &str) -> Result<Option<Vec<u8>>, Error> {
    present(disk.read(file), file)
}

/// What was found in a file, if it is still there.
fn present<T>(found: io::Result<T>, file: &str) -> Result<Option<T>, Error> {
    match found {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        outcome => outcome.map(Some).map_err(Error::file("read", Path::new(file))),
    }
}

fn damage(file: &str, broken: &Broken) -> String {
    let Broken { offset, expected, found } = broken;
    crate::model::error::damage(file, *offset, expected, found)
}

fn hexadecimal(digest: Digest) -> String {
    digest.0.iter().map(|byte| format!("{byte:02x}")).collect()
}
