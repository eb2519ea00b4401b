//! A reader of the head, and of the snapshots in one piece that came before parts. It trusts no
//! byte of them.
//!
//! ```text
//! version   1 byte, 1 to 3
//! clock, watched keys: as now, but no watched keys before version 2
//! count     u64, then as many keys, ascending; in version 3 by their 4,096 parts first:
//!   key       bytes
//!   expiry    u64, milliseconds; all ones for never
//!   kind      1 byte: 0 string, 1 list, 2 hash, 3 set, 4 sorted set
//!   value     string: bytes; else count u64 and its elements, hashes (field, value), sets, and
//!             sorted sets (score, member) ascending
//! ```

use std::collections::BTreeSet;
use std::io::Read;
use std::sync::Arc;

use super::{VERSION, VERSION_WITH_LEASES};
use crate::kv::service::entry::Owned;
use crate::kv::service::expiries::NEVER;
use crate::kv::service::leases::{LEASES_MAX, Lease, Leases, NAME_BYTES_MAX};
use crate::kv::service::random::spread;
use crate::kv::service::store::{Hash, List, Set, Store};
use crate::kv::service::values::{Kind, Value};
use crate::kv::service::watched::Watched;
use crate::kv::service::zset::Zset;
use crate::model::app::Damaged;

/// The version before keys were written part by part as they lie in memory, the one before they
/// were in parts, and the one before some could be watched.
const VERSION_BEFORE_RECORDS: u8 = 3;
const VERSION_BEFORE_PARTS: u8 = 2;
const VERSION_BEFORE_WATCHED: u8 = 1;

/// Reads the clock, the watched keys and the leases that a head was written of.
pub(super) fn read_head(mut head: &[u8]) -> Result<(u64, Watched, Leases), Damaged> {
    let mut from = Reader::new(&mut head, 0);
    let version = from.byte("version 4 or 5")?;
    if ![VERSION, VERSION_WITH_LEASES].contains(&version) {
        return Err(from.damaged(1, "version 4 or 5"));
    }
    let (clock_ms, watched) = (from.clock()?, from.watched()?);
    let knows_leases = version == VERSION_WITH_LEASES;
    let leases = if knows_leases { from.leases(clock_ms)? } else { Leases::default() };
    if !from.is_at_end()? {
        return Err(from.damaged(0, "the end"));
    }
    Ok((clock_ms, watched, leases))
}

/// Reads what is behind the version of a snapshot in one piece, into a new store.
pub(super) fn read(version: u8, snapshot: &mut dyn Read, store: &mut Store) -> Result<(), Damaged> {
    if !(VERSION_BEFORE_WATCHED..=VERSION_BEFORE_RECORDS).contains(&version) {
        return Err(Damaged { offset: 0, expected: "version 4" });
    }
    let mut from = Reader::new(snapshot, 1);
    let clock_ms = from.clock()?;
    let knows_watched = version > VERSION_BEFORE_WATCHED;
    let watched = if knows_watched { from.watched()? } else { Watched::default() };
    let count = from.number("a count")?;
    let part = |key: &[u8]| if version > VERSION_BEFORE_PARTS { spread(key) >> 52 } else { 0 };
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
        store.insert(&key, Owned::new(value, expires_ms));
    }
    if !from.is_at_end()? {
        return Err(from.damaged(0, "the end"));
    }
    store.restore_rest(clock_ms, watched, Leases::default());
    Ok(())
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

impl<'r> Reader<'r> {
    /// From bytes that come behind so many others.
    fn new(from: &'r mut dyn Read, at: usize) -> Self {
        Self { from, room: Vec::new(), taken: 0, filled: 0, at }
    }

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
                self.room.resize(count.min(2 * self.filled).max(ROOM_BYTES), 0);
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

    fn clock(&mut self) -> Result<u64, Damaged> {
        let clock_ms = self.number("a clock")?;
        if clock_ms > i64::MAX as u64 {
            return Err(self.damaged(8, "a clock of at most 63 bits"));
        }
        Ok(clock_ms)
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

    fn leases(&mut self, clock_ms: u64) -> Result<Leases, Damaged> {
        let last_token = self.number("the last token")?;
        if last_token == 0 || last_token > i64::MAX as u64 {
            return Err(self.damaged(8, "a token from 1 on, of at most 63 bits"));
        }
        let mut leases = Leases::after(last_token);
        let count = self.number("a count")?;
        if count > LEASES_MAX as u64 {
            return Err(self.damaged(8, "a count of leases within its limit"));
        }
        let (mut last, mut tokens) = (None, BTreeSet::new());
        for _ in 0..count {
            let start = self.at;
            let expected = "a name greater than the one before";
            let name = self.next_in_order(last.as_deref(), expected)?.to_vec();
            let owner: Box<[u8]> = self.bytes()?.into();
            let (token, expires_ms) = (self.number("a token")?, self.number("an expiry")?);
            let fits = [name.len(), owner.len()].iter().all(|n| (1..=NAME_BYTES_MAX).contains(n));
            let is_new = (1..=last_token).contains(&token) && tokens.insert(token);
            if !fits || !is_new || expires_ms <= clock_ms {
                let expected =
                    "a lease within its limits that is not over, with a token of its own";
                return Err(Damaged { offset: start, expected });
            }
            leases.insert(&name, Lease { owner, token, expires_ms });
            last = Some(name);
        }
        Ok(leases)
    }

    fn value(&mut self) -> Result<Value, Damaged> {
        let kind = self.byte("a kind")?;
        if kind == 0 {
            return Ok(Value::Text(Arc::new(self.bytes()?.to_vec())));
        }
        if kind > 4 {
            return Err(self.damaged(1, "a kind from 0 to 4"));
        }
        let count = self.number("a count")?;
        if count == 0 {
            return Err(self.damaged(8, "a collection that is not empty"));
        }
        Ok(match kind {
            1 => self.list(count)?.into_value(),
            2 => self.hash(count)?.into_value(),
            3 => self.set(count)?.into_value(),
            _ => self.zset(count)?.into_value(),
        })
    }

    fn list(&mut self, count: u64) -> Result<List, Damaged> {
        let mut list = List::default();
        for _ in 0..count {
            list.push_back(self.bytes()?.into());
        }
        Ok(list)
    }

    fn hash(&mut self, count: u64) -> Result<Hash, Damaged> {
        let (mut hash, mut last) = (Hash::default(), None);
        for _ in 0..count {
            let field = self.next_in_order(last.as_deref(), "a field greater than the last")?;
            let field = field.to_vec();
            hash.put(&field, self.bytes()?);
            last = Some(field);
        }
        Ok(hash)
    }

    fn set(&mut self, count: u64) -> Result<Set, Damaged> {
        let (mut set, mut last) = (Set::default(), None);
        for _ in 0..count {
            let member = self.next_in_order(last.as_deref(), "a member greater than the last")?;
            set.insert(member);
            last = Some(member.to_vec());
        }
        Ok(set)
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
