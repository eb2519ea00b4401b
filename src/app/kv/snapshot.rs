//! The state as bytes: one form for each state, and no trust in what is read.
//!
//! ```text
//! version   1 byte, 2
//! clock     u64, milliseconds
//! watched   u64, the last version given to a watched key
//! count     u64, then as many watched keys in ascending order of versions, none before version 2:
//!   version   u64
//!   key       bytes
//! count     u64, then as many keys in ascending order:
//!   key       bytes
//!   expiry    u64, milliseconds; all ones for never
//!   kind      1 byte: 0 string, 1 list, 2 hash, 3 set, 4 sorted set
//!   value     string: bytes; else count u64 and its elements, hashes (field, value), sets, and
//!             sorted sets (score, member) ascending
//! ```
//!
//! Version 1 had no watched keys, and is still read. `bytes` are a u32 length and what it counts; numbers are little-endian, scores in 64 bits.

use crate::app::Damaged;

use super::expiries::NEVER;
use super::store::{Entry, Hash, List, Set, Store, Value};
use super::watched::Watched;
use super::zset::Zset;

const VERSION: u8 = 2;

/// The version before keys could be watched.
const VERSION_BEFORE_WATCHED: u8 = 1;

/// The fewest bytes a watched key takes: a version and a length.
const WATCHED_BYTES_MIN: usize = 8 + 4;

/// The fewest bytes a key takes: two lengths, an expiry and a kind.
const KEY_BYTES_MIN: usize = 4 + 8 + 1 + 4;

/// Writes the state that the commands so far have made.
pub(super) fn write(store: &Store) -> Vec<u8> {
    let mut keys: Vec<_> = store.unordered(store.clock_ms()).collect();
    keys.sort_unstable_by_key(|(key, _)| *key);
    let mut out = vec![VERSION];
    write_number(store.clock_ms(), &mut out);
    write_watched(store.watched(), &mut out);
    write_number(keys.len() as u64, &mut out);
    for (key, entry) in keys {
        write_bytes(key, &mut out);
        write_number(entry.expires_ms, &mut out);
        write_value(&entry.value, &mut out);
    }
    out
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

/// Reads what [`write`] wrote, and nothing else: a second form of a state would have a second
/// digest.
pub(super) fn read(snapshot: &[u8]) -> Result<Store, Damaged> {
    let mut from = Reader { bytes: snapshot, at: 0 };
    let version = from.byte("version 2")?;
    if ![VERSION, VERSION_BEFORE_WATCHED].contains(&version) {
        return Err(Damaged { offset: 0, expected: "version 2" });
    }
    let clock_ms = from.number("a clock")?;
    if clock_ms > i64::MAX as u64 {
        return Err(from.damaged(8, "a clock of at most 63 bits"));
    }
    let mut store = Store::default();
    store.advance(clock_ms);
    let watched = if version == VERSION { from.watched()? } else { Watched::default() };
    let count = from.count(KEY_BYTES_MIN)?;
    store.reserve(count);
    let mut last: Option<&[u8]> = None;
    for _ in 0..count {
        let key = from.next_in_order(&mut last, "a key greater than the one before")?;
        let expires_ms = from.number("an expiry")?;
        let past = expires_ms <= clock_ms;
        if past || (expires_ms > i64::MAX as u64 && expires_ms != NEVER) {
            return Err(from.damaged(8, "an expiry after the clock"));
        }
        let value = from.value()?;
        store.insert(key, Entry { value, expires_ms });
    }
    if from.at < snapshot.len() {
        return Err(from.damaged(0, "the end"));
    }
    *store.watched_mut() = watched;
    Ok(store)
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// The damage is in the last `back` bytes read.
    fn damaged(&self, back: usize, expected: &'static str) -> Damaged {
        Damaged { offset: self.at.saturating_sub(back), expected }
    }

    fn take(&mut self, count: usize, expected: &'static str) -> Result<&'a [u8], Damaged> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let taken = rest.get(..count).ok_or(Damaged { offset: self.at, expected })?;
        self.at += count;
        Ok(taken)
    }

    fn byte(&mut self, expected: &'static str) -> Result<u8, Damaged> {
        Ok(self.take(1, expected)?[0])
    }

    fn number(&mut self, expected: &'static str) -> Result<u64, Damaged> {
        let bytes = self.take(8, expected)?;
        Ok(u64::from_le_bytes(bytes.try_into().expect("eight bytes were taken")))
    }

    /// Reads how many elements follow, of which each takes `bytes_min` or more.
    fn count(&mut self, bytes_min: usize) -> Result<usize, Damaged> {
        let count = self.number("a count")?;
        let possible = (self.bytes.len() - self.at) / bytes_min;
        match usize::try_from(count) {
            Ok(count) if count <= possible => Ok(count),
            _ => Err(self.damaged(8, "a count of elements that are there")),
        }
    }

    fn bytes(&mut self) -> Result<&'a [u8], Damaged> {
        let length = self.take(4, "a length")?;
        let length = u32::from_le_bytes(length.try_into().expect("four bytes were taken"));
        self.take(length as usize, "as many bytes as their length says")
    }

    fn next_in_order(
        &mut self,
        last: &mut Option<&'a [u8]>,
        expected: &'static str,
    ) -> Result<&'a [u8], Damaged> {
        let start = self.at;
        let bytes = self.bytes()?;
        if last.is_some_and(|last| last >= bytes) {
            return Err(Damaged { offset: start, expected });
        }
        *last = Some(bytes);
        Ok(bytes)
    }

    fn watched(&mut self) -> Result<Watched, Damaged> {
        let last = self.number("the last version")?;
        let mut watched = Watched::after(last);
        let mut before = 0;
        for _ in 0..self.count(WATCHED_BYTES_MIN)? {
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
        let bytes_min = match kind {
            1 | 3 => 4,
            2 => 8,
            4 => 12,
            _ => return Err(self.damaged(1, "a kind from 0 to 4")),
        };
        let count = self.count(bytes_min)?;
        if count == 0 {
            return Err(self.damaged(8, "a collection that is not empty"));
        }
        let mut last = None;
        match kind {
            1 => {
                let elements = (0..count).map(|_| Ok(self.bytes()?.into()));
                Ok(Value::List(Box::new(elements.collect::<Result<List, _>>()?)))
            }
            2 => {
                let fields = (0..count).map(|_| {
                    let field = self.next_in_order(&mut last, "a field greater than the last")?;
                    Ok((field.into(), self.bytes()?.to_vec()))
                });
                Ok(Value::Hash(Box::new(fields.collect::<Result<Hash, _>>()?)))
            }
            3 => {
                let members = (0..count).map(|_| {
                    let member = self.next_in_order(&mut last, "a member greater than the last")?;
                    Ok(member.into())
                });
                Ok(Value::Set(Box::new(members.collect::<Result<Set, _>>()?)))
            }
            _ => Ok(Value::Zset(Box::new(self.zset(count)?))),
        }
    }

    fn zset(&mut self, count: usize) -> Result<Zset, Damaged> {
        let mut zset = Zset::default();
        let mut last: Option<(f64, &[u8])> = None;
        for _ in 0..count {
            let start = self.at;
            let score = f64::from_bits(self.number("a score")?);
            if score.is_nan() || score.to_bits() == (-0.0f64).to_bits() {
                return Err(self.damaged(8, "a score that is a number and not minus zero"));
            }
            let member = self.bytes()?;
            let ascends = last.is_none_or(|last| last < (score, member));
            if !ascends || zset.score(member).is_some() {
                return Err(Damaged { offset: start, expected: "a new member after the last" });
            }
            zset.insert(member, score);
            last = Some((score, member));
        }
        Ok(zset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn counts_beyond_the_bytes_present_are_refused_where_they_stand() {
        let mut snapshot = write(&Store::default());
        snapshot[25..33].fill(0xff);

        let damaged = read(&snapshot).unwrap_err();

        assert_eq!(damaged.offset, 25);
        assert_eq!(
            damaged.to_string(),
            "snapshot is damaged at byte 25: expected a count of elements that are there"
        );
    }

    #[test]
    fn a_state_from_before_keys_were_watched_is_read() {
        let mut store = Store::default();
        store.set(b"k", b"v", NEVER);
        let mut snapshot = write(&store);
        snapshot[0] = VERSION_BEFORE_WATCHED;
        snapshot.drain(9..25);

        assert_eq!(read(&snapshot), Ok(store));
    }
}
