//! The state as bytes: one form for each state, and no trust in what is read.
//!
//! ```text
//! version   1 byte, 3
//! clock     u64, milliseconds
//! watched   u64, the last version given to a watched key
//! count     u64, then as many watched keys in ascending order of versions, none before version 2:
//!   version   u64
//!   key       bytes
//! count     u64, then as many keys, part by part of the map and ascending in each:
//!   key       bytes
//!   expiry    u64, milliseconds; all ones for never
//!   kind      1 byte: 0 string, 1 list, 2 hash, 3 set, 4 sorted set
//!   value     string: bytes; else count u64 and its elements, hashes (field, value), sets, and
//!             sorted sets (score, member) ascending
//! ```
//!
//! Before version 3 all keys were ascending, and version 1 had no watched keys; both are still
//! read. `bytes` are a u32 length and what it counts; numbers are little-endian, scores in 64 bits.

use crate::model::app::Frozen;

use super::entries::{Entries, PARTS};
use super::store::{Store, Value};
use super::watched::Watched;

mod reader;

pub(super) use reader::read;

const VERSION: u8 = 3;

/// The version before keys were in parts, and the one before some could be watched.
const VERSION_BEFORE_PARTS: u8 = 2;
const VERSION_BEFORE_WATCHED: u8 = 1;

/// The state that the commands so far have made, to be written while others are applied.
pub(super) struct Snapshot {
    /// What comes before the keys.
    head: Vec<u8>,
    entries: Entries,
}

impl Snapshot {
    pub(super) fn of(store: &Store) -> Self {
        let entries = store.entries().clone();
        let mut head = vec![VERSION];
        write_number(store.clock_ms(), &mut head);
        write_watched(store.watched(), &mut head);
        write_number(entries.len() as u64, &mut head);
        Self { head, entries }
    }
}

impl Frozen for Snapshot {
    fn parts(&self) -> usize {
        1 + PARTS
    }

    fn write(&self, part: usize, out: &mut Vec<u8>) {
        let Some(part) = part.checked_sub(1) else { return out.extend_from_slice(&self.head) };
        for (key, entry) in self.entries.sorted(part) {
            write_bytes(key, out);
            write_number(entry.expires_ms, out);
            write_value(&entry.value, out);
        }
    }

    fn forget(&mut self, part: usize) {
        if let Some(part) = part.checked_sub(1) {
            self.entries.forget(part);
        }
    }
}

fn write_watched(watched: &Watched, out: &mut Vec<u8>) {
    write_number(watched.last(), out);
    write_number(watched.iter().len() as u64, out);
    for (version, key) in watched.iter() {
        write_number(version, out);
        write_bytes(key, out);
    }
}

fn write_value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Text(text) => {
            out.push(0);
            write_bytes(text, out);
        }
        Value::List(list) => {
            out.push(1);
            write_number(list.len() as u64, out);
            list.iter().for_each(|element| write_bytes(element, out));
        }
        Value::Hash(hash) => {
            out.push(2);
            write_number(hash.len() as u64, out);
            for (field, value) in hash.iter() {
                write_bytes(field, out);
                write_bytes(value, out);
            }
        }
        Value::Set(set) => {
            out.push(3);
            write_number(set.len() as u64, out);
            set.iter().for_each(|member| write_bytes(member, out));
        }
        Value::Zset(zset) => {
            out.push(4);
            write_number(zset.len() as u64, out);
            for one in zset.iter() {
                write_number(one.score.to_bits(), out);
                write_bytes(&one.member, out);
            }
        }
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
mod tests {
    use super::reader::ROOM_BYTES;
    use super::*;
    use crate::kv::service::expiries::NEVER;
    use crate::kv::service::store::{Hash, List, Set};
    use crate::kv::service::zset::Zset;
    use crate::model::app::Damaged;

    fn write(store: &Store) -> Vec<u8> {
        crate::model::app::written(&Snapshot::of(store))
    }

    fn read(mut snapshot: &[u8]) -> Result<Store, Damaged> {
        super::read(&mut snapshot)
    }

    fn sample() -> Store {
        let mut store = Store::default();
        store.advance(5);
        store.set(b"text", b"value", NEVER);
        store.set(b"brief", b"", 9);
        store.get_or_new::<List>(b"list").unwrap().extend([b"b"[..].into(), b"a"[..].into()]);
        store.get_or_new::<Hash>(b"hash").unwrap().insert(b"f"[..].into(), b"v".to_vec());
        let zset = store.get_or_new::<Zset>(b"zset").unwrap();
        for (member, score) in [(&b"y"[..], 1.5), (b"x", 1.5), (b"a", 2.0)] {
            zset.insert(member, score);
        }
        store.get_or_new::<Set>(b"set").unwrap().extend([b"y"[..].into(), b"x"[..].into()]);
        for key in [&b"gone"[..], b"text", b"none"] {
            store.watched_mut().watch(key);
        }
        store.modified(b"gone");
        store
    }

    #[test]
    fn a_state_is_read_as_it_was_written() {
        assert_eq!(read(&write(&sample())), Ok(sample()));
    }

    #[test]
    fn every_cut_of_a_snapshot_is_refused_within_it() {
        let snapshot = write(&sample());

        for end in 0..snapshot.len() {
            let damaged = read(&snapshot[..end]).expect_err("a part is no snapshot");
            assert!(damaged.offset <= end, "cut at {end}: {damaged}");
        }
    }

    #[test]
    fn a_changed_byte_is_refused_or_is_another_state() {
        let snapshot = write(&sample());

        for at in 0..snapshot.len() {
            for flip in [1, 0x80, 0xff] {
                let mut changed = snapshot.clone();
                changed[at] ^= flip;
                if let Ok(store) = read(&changed) {
                    assert_eq!(write(&store), changed, "byte {at} changed by {flip}");
                }
            }
        }
    }

    #[test]
    fn counts_beyond_the_bytes_present_are_refused_where_those_end() {
        let mut snapshot = write(&Store::default());
        snapshot[25..33].fill(0xff);

        let damaged = read(&snapshot).unwrap_err();

        assert_eq!(damaged.to_string(), "snapshot is damaged at byte 33: expected a length");
    }

    #[test]
    fn values_longer_than_the_room_of_the_reader_are_read() {
        let mut store = Store::default();
        for bytes in [ROOM_BYTES - 40, ROOM_BYTES, 3 * ROOM_BYTES] {
            store.set(&bytes.to_be_bytes(), &vec![b'x'; bytes], NEVER);
        }

        assert_eq!(read(&write(&store)), Ok(store));
    }

    #[test]
    fn what_is_written_late_is_the_state_at_which_it_was_frozen() {
        let mut store = sample();
        let before = write(&store);
        let mut snapshot = Snapshot::of(&store);

        store.set(b"text", b"another", NEVER);
        store.edit(b"list", |list: &mut List| list.clear()).unwrap();
        store.get_or_new::<Hash>(b"hash").unwrap().insert(b"f"[..].into(), b"w".to_vec());
        store.advance(100);

        let mut late = Vec::new();
        for part in 0..snapshot.parts() {
            snapshot.write(part, &mut late);
            snapshot.forget(part);
        }
        assert_eq!(late, before);
        assert_ne!(write(&store), before);
    }

    #[test]
    fn states_from_before_keys_were_in_parts_or_watched_are_read() {
        let mut store = Store::default();
        for key in *b"abcdefgh" {
            store.set(&[key], b"v", NEVER);
        }
        let mut snapshot = vec![VERSION_BEFORE_PARTS];
        write_number(store.clock_ms(), &mut snapshot);
        write_watched(store.watched(), &mut snapshot);
        write_number(8, &mut snapshot);
        for key in *b"abcdefgh" {
            write_bytes(&[key], &mut snapshot);
            write_number(NEVER, &mut snapshot);
            write_value(&Value::Text(b"v"[..].into()), &mut snapshot);
        }
        assert_eq!(read(&snapshot), Ok(store.clone()));

        snapshot[0] = VERSION_BEFORE_WATCHED;
        snapshot.drain(9..25);
        assert_eq!(read(&snapshot), Ok(store));
    }
}
