//! The extent of a journal: how far it is known to reach on the disk, in a file of its own.
//!
//! A journal that somebody has cut reads like one whose end a crash has torn, and an empty one like
//! one that was never begun. So each sync of the journal is followed by a note of what it covered,
//! written over the older one of two. The notes are not synced themselves: after a crash of the
//! machine they may say less than what is true, never more. The file is made with the disk; that it
//! is there says that a life may have begun.

use serde::{Deserialize, Serialize};

use super::frame::Place;
use super::segment::{Broken, Header, read_headed};
use super::{Disk, Identity, encode};
use crate::model::error::is_full;

/// The name of the file.
pub(super) const FILE: &str = "extent";

/// The number that notes bear in place of that of a segment: none has this one.
const NUMBER: u64 = u64::MAX;
/// Bytes from one note to the next: a disk writes so many at once or not at all.
const APART: usize = 512;

/// Up to where a journal is durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Extent {
    /// Counts the notes, so that of two the later is known.
    count: u64,
    /// How often the replica has started.
    pub incarnation: u64,
    /// The segment that grows.
    pub segment: u64,
    /// How many of its bytes are durable.
    pub length: u64,
}

impl Extent {
    /// What a disk begins with, whose first segment has so many bytes.
    pub fn of_new(length: u64) -> Self {
        Self { length, ..Self::default() }
    }

    /// How much of a segment is known to be durable, by this alone.
    pub fn length_of(&self, segment: u64) -> u64 {
        if segment == self.segment { self.length } else { 0 }
    }

    /// The file of a disk that is made.
    pub fn file(self, owner: Identity) -> Vec<u8> {
        let mut bytes = self.note(owner).1;
        bytes.resize(2 * APART, 0);
        bytes
    }

    /// Where this note belongs, and its bytes.
    fn note(self, owner: Identity) -> (u64, Vec<u8>) {
        let offset = (self.count % 2) * APART as u64;
        let mut bytes = Vec::new();
        Place::of_header(NUMBER).write(&mut bytes, offset, 0, &encode(&(Header::of(owner), self)));
        (offset, bytes)
    }

    /// Notes that a journal reaches further.
    ///
    /// # Errors
    /// An error of the disk.
    ///
    /// # Panics
    /// When it reaches less far than before: what was durable stays so.
    pub fn advance(
        &mut self,
        disk: &mut dyn Disk,
        owner: Identity,
        to: (u64, u64, u64),
    ) -> std::io::Result<()> {
        let (incarnation, segment, length) = to;
        let before = (self.incarnation, self.segment, self.length);
        assert!(to >= before, "what was durable stays so: {to:?} after {before:?}");
        if before == to {
            return Ok(());
        }
        let further = Self { count: self.count + 1, incarnation, segment, length };
        let (offset, bytes) = further.note(owner);
        match disk.overwrite(FILE, offset, &bytes) {
            // Some disks want room even for this. A note that says less than is true does no harm,
            // so the next one makes up for it.
            Err(error) if is_full(&error) => Ok(()),
            outcome => outcome.map(|()| *self = further),
        }
    }

    /// The later one of the notes in a file that can be read.
    pub fn read(bytes: &[u8], owner: Identity) -> Result<Self, Broken> {
        if bytes.len() != 2 * APART {
            let found = format!("a file of {} bytes", bytes.len());
            return Err(Broken::new(0, format!("{} bytes", 2 * APART), found));
        }
        let note = |at: usize| {
            let what = "a note of how far the journal reaches";
            read_headed::<Self>(bytes, at * APART, NUMBER, owner, what)
        };
        match (note(0), note(1)) {
            (Ok(one), Ok(other)) => Ok(if one.count < other.count { other } else { one }),
            (Ok(note), Err(_)) | (Err(_), Ok(note)) => Ok(note),
            (Err(broken), Err(_)) => Err(broken),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{MemoryDisk, ProtocolName};
    use crate::hosts::simulation::FaultyDisk;
    use crate::model::types::ReplicaId;

    const OWNER: Identity =
        Identity { cluster: 3, replica: ReplicaId(1), protocol: ProtocolName::of("tara") };

    #[test]
    fn the_later_note_counts_and_the_earlier_stands_in_for_one_that_is_torn() {
        let mut disk = MemoryDisk::default();
        let mut extent = Extent::of_new(20);
        disk.append(FILE, &extent.file(OWNER)).unwrap();
        for length in [30, 40, 50] {
            extent.advance(&mut disk, OWNER, (1, 7, length)).unwrap();
        }
        let mut bytes = disk.read(FILE).unwrap();
        assert_eq!(Extent::read(&bytes, OWNER).unwrap(), extent);
        bytes[APART + 18] ^= 1;
        assert_eq!(Extent::read(&bytes, OWNER).unwrap().length, 40);
        assert!(Extent::read(&bytes[..APART], OWNER).is_err(), "it never changes its size");
        bytes[18] ^= 1;
        assert!(Extent::read(&bytes, OWNER).is_err());
    }

    #[test]
    fn a_note_for_which_a_disk_has_no_room_is_made_up_for_by_the_next() {
        let disk = FaultyDisk::default();
        let mut extent = Extent::of_new(20);
        disk.clone().append(FILE, &extent.file(OWNER)).unwrap();
        disk.set_full(true);

        extent.advance(&mut disk.clone(), OWNER, (1, 7, 30)).unwrap();
        assert_eq!(Extent::read(&disk.read(FILE).unwrap(), OWNER).unwrap().length, 20);

        disk.set_full(false);
        extent.advance(&mut disk.clone(), OWNER, (1, 7, 30)).unwrap();
        assert_eq!(Extent::read(&disk.read(FILE).unwrap(), OWNER).unwrap().length, 30);
    }

    #[test]
    #[should_panic(expected = "what was durable stays so")]
    fn a_journal_does_not_become_shorter() {
        let mut disk = MemoryDisk::default();
        let mut extent = Extent::of_new(20);
        disk.append(FILE, &extent.file(OWNER)).unwrap();

        extent.advance(&mut disk, OWNER, (0, 0, 19)).unwrap();
    }

    #[test]
    fn the_note_of_another_replica_does_not_read_as_ones_own() {
        let other = Identity { replica: ReplicaId(2), ..OWNER };
        assert!(Extent::read(&Extent::of_new(20).file(other), OWNER).is_err());
    }
}
