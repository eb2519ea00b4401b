//! Files that hold a checkpoint: a header, and the state as it is.

use std::collections::VecDeque;

use super::frame::{HEAD, Place};
use super::segment::{Broken, Header};
use super::{Disk, Identity, disk_error, encode, names};
use crate::checkpoint::{Checkpoint, Digest};
use crate::error::Error;
use crate::types::Slot;

/// What comes before the state in the file of a checkpoint.
pub(super) fn head(checkpoint: &Checkpoint, owner: Identity) -> Vec<u8> {
    let mut bytes = Vec::new();
    let head = encode(&(Header::of(owner), checkpoint.slot, checkpoint.digest));
    Place::of_header(checkpoint.slot.0).write(&mut bytes, 0, 0, &head);
    bytes
}

/// The checkpoint before `slot` that `bytes` hold.
pub(super) fn read(mut bytes: Vec<u8>, owner: Identity, slot: Slot) -> Result<Checkpoint, Broken> {
    let broken = |offset, expected: &str, found| {
        Err(Broken { offset, expected: expected.to_owned(), found })
    };
    let head = match Place::of_header(slot.0).read(&bytes, 0) {
        Ok(frame) => frame.payload,
        Err(unsound) => {
            return broken(0, "a header whose checksum fits", unsound.to_string());
        }
    };
    let Ok((header, named, digest)) = postcard::from_bytes::<(Header, Slot, Digest)>(head) else {
        return broken(0, "the header of a checkpoint", "sound bytes of another kind".to_owned());
    };
    if let Some([expected, found]) = header.mismatch(owner) {
        return broken(0, &expected, found);
    }
    let start = HEAD + head.len();
    // To move the state within its memory takes a tenth of the time that new memory takes.
    bytes.drain(..start);
    let checkpoint = Checkpoint::new(named, bytes);
    if checkpoint.digest != digest {
        let expected = format!("a state whose digest is {digest}");
        let found =
            format!("{} bytes whose digest is {}", checkpoint.state.len(), checkpoint.digest);
        return broken(start as u64, &expected, found);
    }
    Ok(checkpoint)
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
        let bytes = disk.read(&file).map_err(|e| disk_error(owner, "read", &file, e))?;
        match read(bytes, owner, slot) {
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
