//! Files that hold a checkpoint: a header, and the state as it is. They are read here and written
//! in `store/saving.rs`.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use super::frame::Place;
use super::segment::{Broken, Header, read_headed};
use super::{Disk, Identity, disk_error, encode, names};
use crate::model::checkpoint::{Checkpoint, Digest, Source};
use crate::model::error::Error;
use crate::model::types::Slot;

/// What comes before the state in the file of a checkpoint, as long for any digest.
pub(super) fn head(slot: Slot, digest: Digest, owner: Identity) -> Vec<u8> {
    let mut bytes = Vec::new();
    let head = encode(&(Header::of(owner), slot, digest));
    Place::of_header(slot.0).write(&mut bytes, 0, 0, &head);
    bytes
}

/// Bytes within which the header of any checkpoint ends.
const HEAD_BYTES_MAX: u64 = 256;

/// The beginning of a file, its header in it.
pub(super) fn beginning(file: &dyn Source) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; file.length().min(HEAD_BYTES_MAX) as usize];
    file.read_at(0, &mut bytes)?;
    Ok(bytes)
}

/// The checkpoint before `slot` in a file that has a name, and so is whole.
pub(super) fn saved(
    disk: &dyn Disk,
    owner: Identity,
    slot: Slot,
    digest: Digest,
) -> io::Result<Checkpoint> {
    let start = head(slot, digest, owner).len() as u64;
    let file = disk.source(&names::checkpoint(slot))?;
    Ok(Checkpoint { slot, digest, bytes: Arc::new(State { file, start }) })
}

/// The state in the file of a checkpoint.
struct State {
    file: Arc<dyn Source>,
    /// What comes before it.
    start: u64,
}

impl Source for State {
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

/// The checkpoint before `slot` that a file holds, if its bytes have the digest that it names.
///
/// # Errors
/// An error of the disk, and what is wrong with the file.
pub(super) fn read(
    file: Arc<dyn Source>,
    owner: Identity,
    slot: Slot,
) -> io::Result<Result<Checkpoint, Broken>> {
    let beginning = beginning(&*file)?;
    let (start, digest) = match read_head(&beginning, owner, slot) {
        Ok(head) => head,
        Err(broken) => return Ok(Err(broken)),
    };
    let checkpoint = Checkpoint { slot, digest, bytes: Arc::new(State { file, start }) };
    let found = Digest::read(checkpoint.reader()?)?;
    if found == digest {
        return Ok(Ok(checkpoint));
    }
    let expected = format!("a state whose digest is {digest}");
    let found = format!("{} bytes whose digest is {found}", checkpoint.bytes.length());
    Ok(Err(Broken::new(start, expected, found)))
}

/// Where the state begins, and the digest that it should have.
fn read_head(bytes: &[u8], owner: Identity, slot: Slot) -> Result<(u64, Digest), Broken> {
    let what = "the header of a checkpoint";
    let ((named, digest), length) = read_headed::<(Slot, Digest)>(bytes, 0, slot.0, owner, what)?;
    if named != slot {
        let expected = format!("a checkpoint before slot {slot}");
        return Err(Broken::new(0, expected, format!("one before {named}")));
    }
    Ok((length as u64, digest))
}

/// The checkpoints found on a disk.
pub(super) struct Checkpoints {
    pub newest: Option<Checkpoint>,
    /// The newest and those before it, oldest first.
    pub sound: VecDeque<Slot>,
    /// The names of those after it, which cannot be read, and what is wrong with the last of them.
    pub unsound: Vec<String>,
    pub wrong: Option<(String, Broken)>,
}

/// Finds the newest checkpoint that can be read.
pub(super) fn find(
    disk: &dyn Disk,
    names: &[String],
    owner: Identity,
) -> Result<Checkpoints, Error> {
    let mut sound = VecDeque::from(names::checkpoints(names));
    let mut found =
        Checkpoints { newest: None, sound: VecDeque::new(), unsound: Vec::new(), wrong: None };
    while let Some(&slot) = sound.back() {
        let file = names::checkpoint(slot);
        let found_there = disk.source(&file).and_then(|source| read(source, owner, slot));
        match found_there.map_err(|e| disk_error(owner, "read", &file, e))? {
            Ok(newest) => {
                found.newest = Some(newest);
                break;
            }
            Err(broken) => {
                found.unsound.push(file.clone());
                found.wrong.get_or_insert((file, broken));
                sound.pop_back();
            }
        }
    }
    found.sound = sound;
    Ok(found)
}
