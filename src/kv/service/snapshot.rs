//! The state as bytes: one form for each state, and no trust in what is read.
//!
//! Part 0 is what is no key, the others are the parts of the map (`entries/record.rs`):
//!
//! ```text
//! version   1 byte, 4; or 5, if a lease was ever given
//! clock     u64, milliseconds
//! watched   u64, the last version given to a watched key
//! count     u64, then as many watched keys in ascending order of versions:
//!   version   u64
//!   key       bytes
//! token     u64, the last given with a lease; it and what follows in version 5 only
//! count     u64, then as many leases in ascending order of names:
//!   name      bytes
//!   owner     bytes
//!   token     u64
//!   expiry    u64, milliseconds
//! ```
//!
//! `bytes` are a u32 length and what it counts; numbers are little-endian. In one piece a snapshot
//! is the version again, and the parts with their numbers. What versions 1 to 3 have written in one
//! piece is still read (`snapshot/reader.rs`).

use std::io::Read;

use super::KeyValue;
use super::entries::{self, FrozenEntries};
use super::leases::Leases;
use super::store::Store;
use super::watched::Watched;
use crate::model::app::{self, Damaged, Frozen};
use crate::model::parts::PartSet;

mod reader;

/// The version of what is written.
pub(super) const VERSION: u8 = 4;

/// The version of a head with leases. Without any it is written as before there were some, so that
/// replicas of both versions have one digest for it.
const VERSION_WITH_LEASES: u8 = 5;

/// How many parts a state has.
pub(super) const PARTS: usize = 1 + entries::PARTS;

/// The state that the commands so far have made, to be written while others are applied.
pub(super) struct Snapshot {
    /// What is no key.
    head: Vec<u8>,
    entries: FrozenEntries,
}

impl Snapshot {
    pub(super) fn of(store: &Store, parts: &PartSet) -> Self {
        let knows_leases = store.leases.last_token() > 0;
        let mut head = vec![if knows_leases { VERSION_WITH_LEASES } else { VERSION }];
        write_number(store.clock_ms(), &mut head);
        write_watched(store.watched(), &mut head);
        if knows_leases {
            write_leases(&store.leases, &mut head);
        }
        Self { head, entries: store.freeze(&parts.from(1)) }
    }
}

impl Frozen for Snapshot {
    fn parts(&self) -> usize {
        PARTS
    }

    fn write(&self, part: usize, out: &mut Vec<u8>) {
        match part.checked_sub(1) {
            None => out.extend_from_slice(&self.head),
            Some(part) => self.entries.write(part, out),
        }
    }

    fn forget(&mut self, part: usize) {
        match part.checked_sub(1) {
            None => self.head = Vec::new(),
            Some(part) => self.entries.forget(part),
        }
    }

    fn copied_bytes(&self) -> usize {
        self.entries.copied_bytes()
    }

    fn next_copied(&mut self) -> Option<usize> {
        self.entries.next_copied().map(|part| 1 + part)
    }
}

/// The parts that have been changed since this was last called.
pub(super) fn take_changed(store: &mut Store) -> PartSet {
    let (rest, keys) = store.take_changed();
    let mut changed = PartSet::none(PARTS);
    changed.extend(1, &keys);
    if rest {
        changed.insert(0);
    }
    changed
}

/// Replaces a part by what it was written as.
pub(super) fn restore_part(store: &mut Store, part: usize, bytes: &[u8]) -> Result<(), Damaged> {
    let Some(part) = part.checked_sub(1) else {
        let (clock_ms, watched, leases) = reader::read_head(bytes)?;
        store.restore_rest(clock_ms, watched, leases);
        return Ok(());
    };
    store.restore(part, bytes)
}

/// Restores a new service from what [`snapshot`](app::StateMachine::snapshot) gave, in this version
/// or an earlier one.
pub(super) fn read(snapshot: &mut dyn Read, restored: &mut KeyValue) -> Result<(), Damaged> {
    let mut version = [0];
    let expected = "version 4";
    snapshot.read_exact(&mut version).map_err(|_| Damaged { offset: 0, expected })?;
    if version != [VERSION] {
        return reader::read(version[0], snapshot, &mut restored.store);
    }
    let mut bytes = Vec::new();
    let expected = "bytes that can be read";
    let read = snapshot.read_to_end(&mut bytes);
    read.map_err(|_| Damaged { offset: 1 + bytes.len(), expected })?;
    let behind = |damaged: Damaged| Damaged { offset: 1 + damaged.offset, ..damaged };
    app::restore(restored, &bytes).map_err(behind)
}

fn write_watched(watched: &Watched, out: &mut Vec<u8>) {
    write_number(watched.last(), out);
    write_number(watched.iter().len() as u64, out);
    for (version, key) in watched.iter() {
        write_number(version, out);
        write_bytes(key, out);
    }
}

fn write_leases(leases: &Leases, out: &mut Vec<u8>) {
    write_number(leases.last_token(), out);
    write_number(leases.iter().len() as u64, out);
    for (name, lease) in leases.iter() {
        write_bytes(name, out);
        write_bytes(&lease.owner, out);
        write_number(lease.token, out);
        write_number(lease.expires_ms, out);
    }
}

fn write_number(number: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(&number.to_le_bytes());
}

fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    let length = u32::try_from(bytes.len()).expect("limits on values are far below 4 GiB");
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests;
