//! The search for the newest checkpoint that can be read, and what is wrong with one that cannot.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;

use super::{
    DiskTable, Form, Kept, Manifest, Place, WholeState, beginning, live_bytes, packed,
    read_manifest,
};
use crate::disk::segment::{Broken, read_header};
use crate::disk::{Disk, Identity, disk_error, names};
use crate::model::app::Damaged;
use crate::model::checkpoint::{Checkpoint, Digest, Reader, Source, Stored};
use crate::model::error::Error;
use crate::model::types::Slot;

/// The checkpoint before `slot` that a manifest names, if all its bytes have the digests that it
/// says.
///
/// # Errors
/// An error of the disk, and which file is wrong, and what is wrong with it.
pub(in crate::disk) fn read(
    disk: &dyn Disk,
    owner: Identity,
    slot: Slot,
) -> io::Result<Result<(Checkpoint, Kept), Wrong>> {
    let name = names::checkpoint(slot);
    let file = disk.source(&name)?;
    let Manifest { digest, form } = match read_manifest(&*file, owner, slot)? {
        Ok(manifest) => manifest,
        Err(broken) => return Ok(Err((name, broken))),
    };
    match form {
        Form::Whole(start) => {
            let state: Arc<dyn Source> = Arc::new(WholeState { file, start });
            let found = Digest::read(Reader::new(&state)?)?;
            if found != digest {
                let expected = format!("a state whose digest is {digest}");
                let found = format!("{} bytes whose digest is {found}", state.length());
                return Ok(Err((name, Broken::new(start, expected, found))));
            }
            let checkpoint = Checkpoint { slot, digest, state: Stored::Whole(state) };
            Ok(Ok((checkpoint, Kept { slot, table: None })))
        }
        Form::Parts(table) => {
            let packs = match open_packs(disk, owner, &table)? {
                Ok(packs) => packs,
                Err(wrong) => return Ok(Err(wrong)),
            };
            if let Some(wrong) = check_parts(&packs, &table)? {
                return Ok(Err(wrong));
            }
            let table = Arc::new(table);
            let checkpoint = packed(disk, slot, digest, &table)?;
            Ok(Ok((checkpoint, Kept { slot, table: Some(table) })))
        }
    }
}

/// Reads all of a checkpoint, and says whether it has the digests that it names. Who takes it over
/// has to do as much, so that it need not be done twice.
pub type ReadThrough<'r> = &'r mut dyn FnMut(&Checkpoint) -> Result<(), Damaged>;

/// That of one who has no other use for it.
pub(in crate::disk) fn look_through(checkpoint: &Checkpoint) -> Result<(), Damaged> {
    let Some(parts) = checkpoint.parts() else { return Ok(()) };
    let mut bytes = Vec::new();
    for part in parts.as_they_lie() {
        let read = parts.read(part, &mut bytes);
        if read.is_err() || Digest::of(&bytes) != parts.digest(part) {
            return Err(Damaged { offset: 0, expected: "a part with the digest that is named" });
        }
    }
    Ok(())
}

/// Reads the checkpoint before `slot` by `read_through`. What is wrong with one that it refuses is
/// found out then.
fn read_by(
    disk: &dyn Disk,
    owner: Identity,
    slot: Slot,
    read_through: ReadThrough<'_>,
) -> Result<Result<(Checkpoint, Kept), Wrong>, Error> {
    let name = names::checkpoint(slot);
    let failed = |e| disk_error(owner, "read", &name, e);
    let refused = |damaged| Error::Application { replica: owner.replica, slot, damaged };
    let manifest = disk.source(&name).and_then(|file| read_manifest(&*file, owner, slot));
    let Ok(Manifest { digest, form: Form::Parts(table) }) = manifest.map_err(failed)? else {
        let read = read(disk, owner, slot).map_err(failed)?;
        if let Ok((whole, _)) = &read {
            read_through(whole).map_err(refused)?;
        }
        return Ok(read);
    };
    let table = Arc::new(table);
    let packs = match open_packs(disk, owner, &table).map_err(failed)? {
        Ok(packs) => packs,
        Err(wrong) => return Ok(Err(wrong)),
    };
    let checkpoint = packed(disk, slot, digest, &table).map_err(failed)?;
    if let Err(damaged) = read_through(&checkpoint) {
        let wrong = check_parts(&packs, &table).map_err(failed)?;
        return wrong.map_or_else(|| Err(refused(damaged)), |wrong| Ok(Err(wrong)));
    }
    Ok(Ok((checkpoint, Kept { slot, table: Some(table) })))
}

/// Which file is wrong, and what is wrong with it.
type Wrong = (String, Broken);

/// The packs that a table names, whose headers are sound.
type Packs = BTreeMap<Slot, Arc<dyn Source>>;

/// Opens the packs that a table names.
///
/// # Errors
/// An error of the disk, and the first of them that is not there, or not what it should be.
fn open_packs(
    disk: &dyn Disk,
    owner: Identity,
    table: &DiskTable,
) -> io::Result<Result<Packs, Wrong>> {
    let mut packs = BTreeMap::new();
    for slot in live_bytes(table).into_keys() {
        let name = names::pack(slot);
        let pack = match disk.source(&name).and_then(Source::keep) {
            Ok(pack) => pack,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let broken = Broken::new(0, "parts of a checkpoint", "no such file");
                return Ok(Err((name, broken)));
            }
            Err(error) => return Err(error),
        };
        let what = "the header of parts of a checkpoint";
        if let Err(broken) = read_header(&beginning(&*pack)?, 0, slot.0, owner, what) {
            return Ok(Err((name, broken)));
        }
        packs.insert(slot, pack);
    }
    Ok(Ok(packs))
}

/// The first pack in which something is not as a table says.
fn check_parts(packs: &Packs, table: &DiskTable) -> io::Result<Option<Wrong>> {
    let mut bytes = Vec::new();
    let mut leaves: Vec<_> = table.iter().collect();
    leaves.sort_by_key(|(_, leaf)| leaf.place);
    for (part, leaf) in leaves {
        let Some(pack) = packs.get(&leaf.place.pack) else { continue };
        let Place { pack: slot, offset } = leaf.place;
        let wrong = |found: String| {
            let expected = format!("part {part}, whose digest is {}", leaf.digest);
            Ok(Some((names::pack(slot), Broken::new(offset, expected, found))))
        };
        if offset + leaf.length > pack.length() {
            return wrong(format!("a file of {} bytes", pack.length()));
        }
        bytes.resize(leaf.length as usize, 0);
        pack.read_at(offset, &mut bytes)?;
        let found = Digest::of(&bytes);
        if found != leaf.digest {
            return wrong(format!("{} bytes whose digest is {found}", leaf.length));
        }
    }
    Ok(None)
}

/// The checkpoints found on a disk.
pub(in crate::disk) struct Checkpoints {
    pub newest: Option<Checkpoint>,
    /// The newest and those before it, oldest first.
    pub sound: VecDeque<Kept>,
    /// The names of files that are of no use: of checkpoints after the newest, which cannot be read,
    /// and of packs that no other names.
    pub useless: Vec<String>,
    /// What is wrong with the last of those that cannot be read.
    pub wrong: Option<Wrong>,
}

/// Finds the newest checkpoint that can be read, and reads it by `read_through`.
pub(in crate::disk) fn find(
    disk: &dyn Disk,
    names: &[String],
    owner: Identity,
    read_through: ReadThrough<'_>,
) -> Result<Checkpoints, Error> {
    let failed = |slot| move |e| disk_error(owner, "read", &names::checkpoint(slot), e);
    let mut found =
        Checkpoints { newest: None, sound: VecDeque::new(), useless: Vec::new(), wrong: None };
    for slot in names::checkpoints(names).into_iter().rev() {
        if found.newest.is_some() {
            // The spare: its parts are looked at when they are needed.
            let file = disk.source(&names::checkpoint(slot));
            let manifest = file.and_then(|file| read_manifest(&*file, owner, slot));
            match manifest.map_err(failed(slot))? {
                Ok(Manifest { form: Form::Parts(table), .. }) => {
                    found.sound.push_front(Kept { slot, table: Some(Arc::new(table)) });
                }
                Ok(_) => found.sound.push_front(Kept { slot, table: None }),
                Err(_) => found.useless.push(names::checkpoint(slot)),
            }
            continue;
        }
        match read_by(disk, owner, slot, read_through)? {
            Ok((newest, kept)) => {
                found.newest = Some(newest);
                found.sound.push_front(kept);
            }
            Err(wrong) => {
                found.useless.push(names::checkpoint(slot));
                found.wrong.get_or_insert(wrong);
            }
        }
    }
    let mut used: BTreeMap<Slot, u64> = BTreeMap::new();
    for table in found.sound.iter().filter_map(|kept| kept.table.as_deref()) {
        used.extend(live_bytes(table));
    }
    let unused = names::packs(names).into_iter().filter(|slot| !used.contains_key(slot));
    found.useless.extend(unused.map(names::pack));
    Ok(found)
}
