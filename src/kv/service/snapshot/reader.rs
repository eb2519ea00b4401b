//! A reader of snapshots, which trusts no byte of them.

use std::io::Read;

use super::{VERSION, VERSION_BEFORE_PARTS, VERSION_BEFORE_WATCHED};
use crate::kv::service::entries::part_of;
use crate::kv::service::expiries::NEVER;
use crate::kv::service::store::{Entry, Hash, List, Set, Store, Value};
use crate::kv::service::watched::Watched;
use crate::kv::service::zset::Zset;
use crate::model::app::Damaged;

/// Reads what a [`Snapshot`](super::Snapshot) has written, and nothing else: a second form of a
/// state would have a second digest.
pub(in crate::kv::service) fn read(snapshot: &mut dyn Read) -> Result<Store, Damaged> {
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
pub(super) const ROOM_BYTES: usize = 128 << 10;

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

    /// Reads until `count` bytes are there, or the end has come. However much is asked for, the
    /// room is at most twice what comes.
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
