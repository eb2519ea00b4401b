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
//! Before version 3 all keys were ascending, and version 1 had no watched keys; both are still read.
//! `bytes` are a u32 length and what it counts; numbers are little-endian, scores in 64 bits.

use std::io::Read;

use crate::model::app::{Damaged, Frozen};

use super::entries::{Entries, PARTS, part_of};
use super::expiries::NEVER;
use super::store::{Entry, Hash, List, Set, Store, Value};
use super::watched::Watched;
use super::zset::Zset;

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

/// Reads what a [`Snapshot`] has written, and nothing else: a second form of a state would have a second
/// digest.
pub(super) fn read(snapshot: &mut dyn Read) -> Result<Store, Damaged> {
    let mut from = Reader { from: snapshot, room: vec![0; ROOM_BYTES], taken: 0, filled: 0, at: 0 };
    let version = from.byte("version 3")?;
    if !(VERSION_BEFORE_WATCHED..=VERSION).contains(&version) {
        return Err(Damaged { offset: 0, expected: "version 3" });
    }
    let clock_ms = from.number("a clock")?;
    if clock_ms > i64::MAX as u64 {
        return Err(from.damaged(8, "a clock of at most 63 bits"));
    }
    let mut store = Store::default();
    store.advance(clock_ms);
    let knows_watched = version > VERSION_BEFORE_WATCHED;
    let watched = if knows_watched { from.watched()? } else { Watched::default() };
    let count = from.number("a count")?;
    let part = |key: &[u8]| if version > VERSION_BEFORE_PARTS { part_of(key) } else { 0 };
    let mut key: Vec<u8> = Vec::new();
    let mut last = None;
    for _ in 0..count {
        let start = from.at;
        let bytes = from.bytes()?;
        let place = part(bytes);
        if last.is_some_and(|last| (last, &key[..]) >= (place, bytes)) {
            return Err(Damaged { offset: start, expected: "a key greater than the one before" });
        }
        last = Some(place);
        key.clear();
        key.extend_from_slice(bytes);
        let expires_ms = from.number("an expiry")?;
        let past = expires_ms <= clock_ms;
        if past || (expires_ms > i64::MAX as u64 && expires_ms != NEVER) {
            return Err(from.damaged(8, "an expiry after the clock"));
        }
        let value = from.value()?;
        store.insert(&key, Entry { value, expires_ms });
    }
    if !from.is_at_end()? {
        return Err(from.damaged(0, "the end"));
    }
    *store.watched_mut() = watched;
    Ok(store)
}

/// Bytes that are read at once: few enough to stay near the processor.
const ROOM_BYTES: usize = 128 << 10;

struct Reader<'r> {
    from: &'r mut dyn Read,
    /// What has been read, of which the bytes up to `taken` have been used.
    room: Vec<u8>,
    taken: usize,
    filled: usize,
    /// How many bytes have been used in all.
    at: usize,
}

impl Reader<'_> {
    /// The damage is in the last `back` bytes read.
    fn damaged(&self, back: usize, expected: &'static str) -> Damaged {
        Damaged { offset: self.at.saturating_sub(back), expected }
    }

    /// The next bytes.
    fn take(&mut self, count: usize, expected: &'static str) -> Result<&[u8], Damaged> {
        if self.filled - self.taken < count && !self.fill(count)? {
            return Err(self.damaged(0, expected));
        }
        let taken = &self.room[self.taken..self.taken + count];
        self.taken += count;
        self.at += count;
        Ok(taken)
    }

    /// Reads until `count` bytes are there, or the end has come. However much is asked for, the room is at
    /// most twice what comes.
    fn fill(&mut self, count: usize) -> Result<bool, Damaged> {
        self.room.copy_within(self.taken..self.filled, 0);
        self.filled -= self.taken;
        self.taken = 0;
        while self.filled < count {
            if self.filled == self.room.len() {
                self.room.resize(count.min(2 * self.filled), 0);
            }
            match self.from.read(&mut self.room[self.filled..]) {
                Ok(0) => return Ok(false),
                Ok(more) => self.filled += more,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => return Err(self.damaged(0, "bytes that can be read")),
            }
        }
        Ok(true)
    }

    fn is_at_end(&mut self) -> Result<bool, Damaged> {
        Ok(self.filled == self.taken && !self.fill(1)?)
    }

    fn byte(&mut self, expected: &'static str) -> Result<u8, Damaged> {
        Ok(self.take(1, expected)?[0])
    }

    fn number(&mut self, expected: &'static str) -> Result<u64, Damaged> {
        let bytes = self.take(8, expected)?;
        Ok(u64::from_le_bytes(bytes.try_into().expect("eight bytes were taken")))
    }

    fn bytes(&mut self) -> Result<&[u8], Damaged> {
        let length = self.take(4, "a length")?;
        let length = u32::from_le_bytes(length.try_into().expect("four bytes were taken"));
        self.take(length as usize, "as many bytes as their length says")
    }

    fn next_in_order(
        &mut self,
        last: Option<&[u8]>,
        expected: &'static str,
    ) -> Result<&[u8], Damaged> {
        let start = self.at;
        let bytes = self.bytes()?;
        if last.is_some_and(|last| last >= bytes) {
            return Err(Damaged { offset: start, expected });
        }
        Ok(bytes)
    }

    fn watched(&mut self) -> Result<Watched, Damaged> {
        let last = self.number("the last version")?;
        let mut watched = Watched::after(last);
        let mut before = 0;
        for _ in 0..self.number("a count")? {
            let start = self.at;
            let version = self.number("a version")?;
            let key = self.bytes()?;
            if version <= before || version > last || watched.knows(key) {
                let expected = "a new key with a version above the one before";
                return Err(Damaged { offset: start, expected });
            }
            watched.remember(key, version);
            before = version;
        }
        Ok(watched)
    }

    fn value(&mut self) -> Result<Value, Damaged> {
        let kind = self.byte("a kind")?;
        if kind == 0 {
            return Ok(Value::Text(self.bytes()?.into()));
        }
        if kind > 4 {
            return Err(self.damaged(1, "a kind from 0 to 4"));
        }
        let count = self.number("a count")?;
        if count == 0 {
            return Err(self.damaged(8, "a collection that is not empty"));
        }
        Ok(match kind {
            1 => Value::List(self.list(count)?.into()),
            2 => Value::Hash(self.hash(count)?.into()),
            3 => Value::Set(self.set(count)?.into()),
            _ => Value::Zset(self.zset(count)?.into()),
        })
    }

    fn list(&mut self, count: u64) -> Result<List, Damaged> {
        (0..count).map(|_| Ok(self.bytes()?.into())).collect()
    }

    fn hash(&mut self, count: u64) -> Result<Hash, Damaged> {
        let mut pairs: Vec<(Box<[u8]>, Vec<u8>)> = Vec::new();
        for _ in 0..count {
            let last = pairs.last().map(|(field, _)| &field[..]);
            let field = self.next_in_order(last, "a field greater than the last")?.into();
            pairs.push((field, self.bytes()?.to_vec()));
        }
        Ok(pairs.into_iter().collect())
    }

    fn set(&mut self, count: u64) -> Result<Set, Damaged> {
        let mut members: Vec<Box<[u8]>> = Vec::new();
        for _ in 0..count {
            let last = members.last().map(|member| &member[..]);
            members.push(self.next_in_order(last, "a member greater than the last")?.into());
        }
        Ok(members.into_iter().collect())
    }

    fn zset(&mut self, count: u64) -> Result<Zset, Damaged> {
        let mut zset = Zset::default();
        let mut last: Option<(f64, Vec<u8>)> = None;
        for _ in 0..count {
            let start = self.at;
            let score = f64::from_bits(self.number("a score")?);
            if score.is_nan() || score.to_bits() == (-0.0f64).to_bits() {
                return Err(self.damaged(8, "a score that is a number and not minus zero"));
            }
            let member = self.bytes()?;
            let ascends = last.as_ref().is_none_or(|(s, last)| (*s, &last[..]) < (score, member));
            if !ascends || zset.score(member).is_some() {
                return Err(Damaged { offset: start, expected: "a new member after the last" });
            }
            zset.insert(member, score);
            last = Some((score, member.to_vec()));
        }
        Ok(zset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
