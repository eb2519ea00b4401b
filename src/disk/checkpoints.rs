//! Checkpoints as files: a *manifest* a checkpoint, and *packs* of parts.
//!
//! ```text
//! parts-<slot>        a header, then the bytes of the parts that were written for the checkpoint
//!                     at <slot>, one after the other
//! checkpoint-<slot>   a header with the digest of the checkpoint, then the table of all its parts:
//!                     the digest of each, and in which pack it is where
//! ```
//!
//! Parts that have not changed stay in the packs of earlier checkpoints. A pack that no manifest
//! names is removed. Up to format 3 a checkpoint was one file: a header, and the state in one piece.
//!
//! What their files hold is here; they are found in `checkpoints/finding.rs` and written in
//! `store/saving.rs`.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::frame::Place as Frame;
use super::segment::{Broken, Header, WHOLE_CHECKPOINTS, another_kind, read_header};
use super::{Disk, Identity, encode, names};
use crate::model::checkpoint::{Checkpoint, Digest, Parts, Source, Stored};
use crate::model::table::{Leaf, Table};
use crate::model::types::Slot;

mod finding;

pub use finding::ReadThrough;
pub(super) use finding::{Checkpoints, find, look_through, read};

/// The place of a part: the pack, by its slot, and where in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub pack: Slot,
    pub offset: u64,
}

/// The parts of a checkpoint, and where they are.
pub(super) type DiskTable = Table<Place>;

/// What a manifest's header holds beside whose it is.
#[derive(Serialize, Deserialize)]
struct ManifestHead {
    slot: Slot,
    /// That of all parts.
    digest: Digest,
    /// Bytes of the table that follows, and their digest.
    table_bytes: u64,
    table_digest: Digest,
}

/// The table of a manifest.
#[derive(Serialize, Deserialize)]
struct TableFile {
    parts: u32,
    packs: Vec<Slot>,
    leaves: Vec<LeafLine>,
}

/// A part with bytes: which one, its pack by its place in the list, where it is there, how long,
/// and its digest.
type LeafLine = (u32, u32, u64, u64, Digest);

/// The bytes of a manifest.
pub(super) fn manifest(slot: Slot, digest: Digest, table: &DiskTable, owner: Identity) -> Vec<u8> {
    let packs: Vec<Slot> = live_bytes(table).into_keys().collect();
    let line = |(part, leaf): (usize, &Leaf<Place>)| {
        let pack = packs.binary_search(&leaf.place.pack).expect("it is among those in use");
        (part as u32, pack as u32, leaf.place.offset, leaf.length, leaf.digest)
    };
    let leaves = table.iter().map(line).collect();
    let table = encode(&TableFile { parts: table.parts() as u32, packs, leaves });
    let (table_bytes, table_digest) = (table.len() as u64, Digest::of(&table));
    let head = ManifestHead { slot, digest, table_bytes, table_digest };
    let mut bytes = Vec::with_capacity(table.len() + HEAD_BYTES_MAX as usize);
    Frame::of_header(slot.0).write(&mut bytes, 0, 0, &encode(&(Header::of(owner), head)));
    bytes.extend_from_slice(&table);
    bytes
}

/// What comes before the parts in a pack.
pub(super) fn pack_head(slot: Slot, owner: Identity) -> Vec<u8> {
    let mut bytes = Vec::new();
    Frame::of_header(slot.0).write(&mut bytes, 0, 0, &encode(&(Header::of(owner), slot)));
    bytes
}

/// How many bytes of each pack a table names.
pub(super) fn live_bytes(table: &DiskTable) -> BTreeMap<Slot, u64> {
    let mut packs = BTreeMap::new();
    for (_, leaf) in table.iter() {
        let live: &mut u64 = packs.entry(leaf.place.pack).or_default();
        *live = live.saturating_add(leaf.length);
    }
    packs
}

/// Bytes within which the header of any checkpoint ends.
const HEAD_BYTES_MAX: u64 = 256;

/// The beginning of a file, its header in it.
pub(super) fn beginning(file: &dyn Source) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; file.length().min(HEAD_BYTES_MAX) as usize];
    file.read_at(0, &mut bytes)?;
    Ok(bytes)
}

/// The parts of a checkpoint in their packs.
struct Packed {
    table: Arc<DiskTable>,
    packs: BTreeMap<Slot, Arc<dyn Source>>,
}

impl Parts for Packed {
    fn parts(&self) -> usize {
        self.table.parts()
    }

    fn as_they_lie(&self) -> Vec<usize> {
        let mut parts: Vec<usize> = (0..self.parts()).collect();
        parts.sort_by_key(|part| self.table.get(*part).map(|leaf| leaf.place));
        parts
    }

    fn group_digest(&self, group: usize) -> Digest {
        self.table.group_digest(group)
    }

    fn digest(&self, part: usize) -> Digest {
        self.table.digest(part)
    }

    fn length(&self, part: usize) -> u64 {
        self.table.get(part).map_or(0, |leaf| leaf.length)
    }

    fn read_at(&self, part: usize, offset: u64, room: &mut [u8]) -> io::Result<()> {
        if room.is_empty() {
            return Ok(());
        }
        let leaf = self.table.get(part);
        let leaf = leaf.filter(|leaf| offset + room.len() as u64 <= leaf.length);
        let leaf = leaf.ok_or(io::ErrorKind::UnexpectedEof)?;
        let pack = self.packs.get(&leaf.place.pack).ok_or(io::ErrorKind::NotFound)?;
        pack.read_at(leaf.place.offset + offset, room)
    }

    fn keep(self: Arc<Self>) -> io::Result<Arc<dyn Parts>> {
        let keep = |(slot, pack): (&Slot, &Arc<dyn Source>)| Ok((*slot, Arc::clone(pack).keep()?));
        let packs = self.packs.iter().map(keep).collect::<io::Result<_>>()?;
        Ok(Arc::new(Self { table: Arc::clone(&self.table), packs }))
    }
}

/// The checkpoint with this table, whose packs are there.
///
/// # Errors
/// An error of the disk.
pub(super) fn packed(
    disk: &dyn Disk,
    slot: Slot,
    digest: Digest,
    table: &Arc<DiskTable>,
) -> io::Result<Checkpoint> {
    let pack = |slot: Slot| Ok((slot, disk.source(&names::pack(slot))?));
    let packs = live_bytes(table).into_keys().map(pack).collect::<io::Result<_>>()?;
    let state = Stored::Parts(Arc::new(Packed { table: Arc::clone(table), packs }));
    Ok(Checkpoint { slot, digest, state })
}

/// The state in the file of a checkpoint in one piece.
struct WholeState {
    file: Arc<dyn Source>,
    /// What comes before it.
    start: u64,
}

impl Source for WholeState {
    fn length(&self) -> u64 {
        self.file.length() - self.start
    }

    fn read_at(&self, offset: u64, room: &mut [u8]) -> io::Result<()> {
        self.file.read_at(self.start + offset, room)
    }

    fn keep(self: Arc<Self>) -> io::Result<Arc<dyn Source>> {
        Ok(Arc::new(Self { file: Arc::clone(&self.file).keep()?, start: self.start }))
    }
}

/// A checkpoint on the disk.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub slot: Slot,
    /// Its parts; nothing for one in one piece.
    pub table: Option<Arc<DiskTable>>,
}

/// A checkpoint of which the manifest has been read.
pub(super) struct Manifest {
    pub digest: Digest,
    pub form: Form,
}

/// The form of a checkpoint's files.
pub(super) enum Form {
    Parts(DiskTable),
    /// In one piece, which begins there.
    Whole(u64),
}

/// The manifest of the checkpoint before `slot`.
///
/// # Errors
/// An error of the disk, and what is wrong with the file.
pub(super) fn read_manifest(
    file: &dyn Source,
    owner: Identity,
    slot: Slot,
) -> io::Result<Result<Manifest, Broken>> {
    let beginning = beginning(file)?;
    let what = "the header of a checkpoint";
    let read = read_header(&beginning, 0, slot.0, owner, what);
    let (header, rest, length) = match read {
        Ok(read) => read,
        Err(broken) => return Ok(Err(broken)),
    };
    let another = |named| {
        let expected = format!("a checkpoint before slot {slot}");
        Ok(Err(Broken::new(0, expected, format!("one before {named}"))))
    };
    if header.version <= WHOLE_CHECKPOINTS {
        let Ok((named, digest)) = postcard::from_bytes::<(Slot, Digest)>(rest) else {
            return Ok(Err(another_kind(what)));
        };
        let form = Form::Whole(length as u64);
        return if named == slot { Ok(Ok(Manifest { digest, form })) } else { another(named) };
    }
    let Ok(head) = postcard::from_bytes::<ManifestHead>(rest) else {
        return Ok(Err(another_kind(what)));
    };
    if head.slot != slot {
        return another(head.slot);
    }
    let found = file.length() - length as u64;
    if found != head.table_bytes {
        let expected = format!("a table of {} bytes", head.table_bytes);
        return Ok(Err(Broken::new(length as u64, expected, format!("{found} bytes"))));
    }
    let mut bytes = vec![0; found as usize];
    file.read_at(length as u64, &mut bytes)?;
    let table = if Digest::of(&bytes) == head.table_digest { read_table(&bytes) } else { None };
    Ok(match table.filter(|(_, digest)| *digest == head.digest) {
        Some((table, digest)) => Ok(Manifest { digest, form: Form::Parts(table) }),
        None => {
            let expected = format!("a table whose digest is {}", head.table_digest);
            Err(Broken::new(length as u64, expected, "another"))
        }
    })
}

/// The table that these bytes hold, and the digest of all its parts.
fn read_table(bytes: &[u8]) -> Option<(DiskTable, Digest)> {
    let TableFile { parts, packs, leaves } = postcard::from_bytes(bytes).ok()?;
    if parts > PARTS_MAX {
        return None;
    }
    let mut table = Table::new(parts as usize);
    for (part, pack, offset, length, digest) in leaves {
        let place = Place { pack: *packs.get(pack as usize)?, offset };
        let is_sound = part < parts && length > 0 && offset.checked_add(length).is_some();
        is_sound.then(|| table.set(part as usize, Some(Leaf { digest, length, place })))?;
    }
    let digest = table.seal();
    Some((table, digest))
}

/// More parts than any state is kept in.
const PARTS_MAX: u32 = 1 << 21;
