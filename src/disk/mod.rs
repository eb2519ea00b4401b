//! The disk: a journal and checkpoints, which survive a crash.
//!
//! A replica has a [`Store`]: a journal of records, and its latest checkpoints. The store works on
//! a [`Disk`], which is small enough for the simulator to tear, lose, corrupt and fill it; the code
//! that must cope with that is the same everywhere. In a process of its own a replica has its disk
//! in [`Files`] and its store on a thread, a [`Journal`].
//!
//! A disk is [made](Store::create) for one owner. A replica refuses another's disk, and one from
//! which something is missing. The age of a disk cannot be seen: an older copy of all
//! of a replica's files is a replica that has forgotten its votes.
//!
//! `recovery` opens a store on what a disk holds, with `whole` to judge the segments; `store`
//! appends and syncs, its `saving` writes checkpoints, `fetching` those that others send,
//! `checkpoints` reads them, and `past` what the journal has of decided slots.

mod checkpoints;
mod extent;
mod files;
mod frame;
mod inspect;
#[allow(clippy::disallowed_methods, reason = "an edge: has a thread, and times its syncs")]
mod journal;
mod lock;
mod memory;
mod meter;
pub(crate) mod names;
mod past;
mod recovery;
mod segment;
mod store;
mod whole;

use std::fmt;
use std::io;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::checkpoint::{Cut, Digest, Source};
use crate::model::error::Error;
use crate::model::types::{ReplicaId, Slot};

pub use checkpoints::ReadThrough;
pub use files::Files;
pub use inspect::{
    CheckpointLine, RecordKind, RecordLine, Verified, checkpoints, is_anybodys, owner, records,
};
pub use journal::{Journal, Wake};
pub use lock::LockFile;
pub use memory::MemoryDisk;
pub use meter::{DiskMeter, SavingProgress, SyncTimes};
pub use past::JournalPast;
pub use recovery::Recovered;
pub use store::Store;

/// A change that a turn leaves for the disk. `R` is the protocol's record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Durable<R> {
    /// A record that only the next one of its kind replaces.
    Newest(R),
    /// A record about a slot, needed until a checkpoint covers the slot.
    Slot(Slot, R),
    /// A checkpoint to be saved.
    Checkpoint(Cut),
    /// What has come of another replica's checkpoint. It is saved as one's own is.
    Fetched(Fetched),
    /// Slots below this one need not be kept.
    Forget(Slot),
    /// All slots from `from` on and below `to` are decided, and their records say what they hold.
    /// No message rests on this, and it goes to the disk with the next record: a replica that
    /// starts again knows by it what it need not learn.
    Decided {
        /// The first of these slots.
        from: Slot,
        /// The slot behind the last one.
        to: Slot,
    },
}

/// A piece of another replica's checkpoint, whose digests have been compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// One of so many parts begins, in place of any that was on its way. The parts that are not
    /// sent are those of the own checkpoint `base`.
    Begin {
        /// The first slot that is not in it.
        slot: Slot,
        /// How many parts it has.
        parts: u32,
        /// The own checkpoint whose parts it shares.
        base: Option<Slot>,
    },
    /// A part of it, which may have no bytes.
    Part {
        /// The first slot that is not in the checkpoint.
        slot: Slot,
        /// Which part.
        part: u32,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// All parts that differ have been sent.
    End {
        /// The first slot that is not in it.
        slot: Slot,
        /// The digest of all its parts.
        digest: Digest,
    },
}

/// The owner of files. Cluster and replica are part of every checksum, so a file that came from
/// another of these does not read as one's own; the protocol, whose records only it can read, is in
/// each header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// A number drawn when the cluster was made.
    pub cluster: u64,
    /// The replica.
    pub replica: ReplicaId,
    /// The protocol that it speaks.
    pub protocol: ProtocolName,
}

/// The name of a protocol, as files bear it.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProtocolName([u8; Self::BYTES]);

impl ProtocolName {
    /// Bytes of a name; a shorter one ends in spaces, as zeros are what a crash may leave.
    pub const BYTES: usize = 16;

    /// The name as files bear it.
    ///
    /// # Panics
    /// When it is longer than [`ProtocolName::BYTES`]: the names of protocols are constants.
    pub const fn of(name: &str) -> Self {
        let name = name.as_bytes();
        assert!(name.len() <= Self::BYTES, "a protocol's name is longer than files can bear");
        let mut bytes = [b' '; Self::BYTES];
        let mut at = 0;
        while at < name.len() {
            bytes[at] = name[at];
            at += 1;
        }
        Self(bytes)
    }
}

impl fmt::Display for ProtocolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(String::from_utf8_lossy(&self.0).trim_end())
    }
}

impl fmt::Debug for ProtocolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Named files that grow at their end.
///
/// What a successful [`Disk::sync`] covered survives a crash. Without it, any part of what was
/// appended may be lost or damaged, and without [`Disk::sync_names`] so may creations, renames and
/// removals.
pub trait Disk: Send {
    /// The names of all files, sorted.
    ///
    /// # Errors
    /// An error of the disk.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Puts all bytes of a file in the place of those in `room`, whose memory is used again.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`], or an error of the disk.
    fn read_into(&self, file: &str, room: &mut Vec<u8>) -> io::Result<()>;

    /// All bytes of a file.
    ///
    /// # Errors
    /// As [`Disk::read_into`].
    fn read(&self, file: &str) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.read_into(file, &mut bytes)?;
        Ok(bytes)
    }

    /// The bytes of a file that does not change any more, to be read when they are needed.
    ///
    /// # Errors
    /// As [`Disk::read`].
    fn source(&self, file: &str) -> io::Result<Arc<dyn Source>>;

    /// Adds bytes to the end of a file, which it makes if need be.
    ///
    /// # Errors
    /// [`io::ErrorKind::StorageFull`] when there is no room, perhaps after part of the bytes; or
    /// an error of the disk.
    fn append(&mut self, file: &str, bytes: &[u8]) -> io::Result<()>;

    /// Cuts a file to a length, and what was made ready after it.
    ///
    /// # Errors
    /// An error of the disk.
    fn truncate(&mut self, file: &str, length: u64) -> io::Result<()>;

    /// Writes over bytes of a file, whose size stays. After a crash each 512 bytes of the file,
    /// from its beginning, are as before or as written.
    ///
    /// # Errors
    /// An error of the disk.
    fn overwrite(&mut self, file: &str, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Makes blocks ready for the next `bytes` that are appended, as zeros that follow the end of
    /// the file without being part of it. After a crash they may be found there.
    ///
    /// # Errors
    /// An error of the disk; [`io::ErrorKind::StorageFull`] does no harm.
    fn prepare(&mut self, file: &str, bytes: u64) -> io::Result<()>;

    /// Begins to bring the bytes of a file to the disk, so that less is left for [`Disk::sync`], and
    /// waits for nothing. They are not wanted in memory.
    fn begin_sync(&mut self, _file: &str) {}

    /// Makes the bytes of a file durable.
    ///
    /// # Errors
    /// An error of the disk. The bytes may be gone for good, so nobody may try again.
    fn sync(&mut self, file: &str) -> io::Result<()>;

    /// Gives a file another name, in place of the file that has it.
    ///
    /// # Errors
    /// An error of the disk.
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// An error of the disk.
    fn remove(&mut self, file: &str) -> io::Result<()>;

    /// Removes a file whose room is not wanted at once, and comes back with [`Disk::sweep`]: to give
    /// back that of a large file takes long.
    ///
    /// # Errors
    /// As [`Disk::remove`].
    fn discard(&mut self, file: &str) -> io::Result<()> {
        self.remove(file)
    }

    /// Gives back so many bytes of files that were discarded, if there are as many and nobody reads
    /// them any more. Says how many it has given back.
    ///
    /// # Errors
    /// An error of the disk.
    fn sweep(&mut self, _bytes: u64) -> io::Result<u64> {
        Ok(0)
    }

    /// Whether there are bytes to be swept.
    fn has_discarded(&self) -> bool {
        false
    }

    /// Nothing more is written to a file.
    fn close(&mut self, _file: &str) {}

    /// Makes creations, renames and removals durable.
    ///
    /// # Errors
    /// An error of the disk.
    fn sync_names(&mut self) -> io::Result<()>;
}

fn encode<T: Serialize>(entry: &T) -> Vec<u8> {
    postcard::to_stdvec(entry).expect("plain data always encodes")
}

fn disk_error(owner: Identity, doing: &'static str, file: &str, source: io::Error) -> Error {
    Error::Disk { replica: owner.replica, doing, file: file.to_owned(), source }
}
