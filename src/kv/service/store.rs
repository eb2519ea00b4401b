//! The keys and their values: the state that the commands work on.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::convert;
use std::sync::Arc;

use super::Refusal;
use super::bytes::Bytes;
use super::entries::{Entries, PARTS, Place};
use super::expiries::{Expiries, NEVER};
use super::watched::Watched;
use super::zset::Zset;

/// A string value.
pub(super) type Text = Bytes;
/// A list value, its head first.
pub(super) type List = VecDeque<Box<[u8]>>;
/// A hash value; fields are kept in byte order, so that what shows their order is canonical.
pub(super) type Hash = BTreeMap<Box<[u8]>, Vec<u8>>;
/// A set value; members are kept in byte order for the same reason.
pub(super) type Set = BTreeSet<Box<[u8]>>;

/// A value of one of the kinds. Collections are never empty: their key goes with the last element.
/// Those that a frozen copy shares are copied before they change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Text(Text),
    List(Arc<List>),
    Hash(Arc<Hash>),
    Set(Arc<Set>),
    Zset(Arc<Zset>),
}

/// The value of a key, and its expiry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) value: Value,
    /// The key is absent from this time on; [`NEVER`] if it stays.
    pub(super) expires_ms: u64,
}

impl Entry {
    /// Whether it has not expired at `now_ms`.
    pub(super) fn is_live(&self, now_ms: u64) -> bool {
        self.expires_ms > now_ms
    }
}

/// All keys, with the clock that decides which of them have expired.
///
/// After [`advance`](Self::advance) the map holds no expired key, so what is in it, and with it a
/// snapshot, depends only on the commands applied and their times. A clone shares what neither
/// changes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Store {
    entries: Entries,
    expiries: Expiries,
    /// Every modification of a key is noted here.
    watched: Watched,
    clock_ms: u64,
}

/// The result of an edit, so that a key counts as modified only if it was.
pub(super) trait Change {
    fn is_change(&self) -> bool;
}

impl Change for () {
    fn is_change(&self) -> bool {
        true
    }
}

impl Change for bool {
    fn is_change(&self) -> bool {
        *self
    }
}

/// So many elements came, went or changed.
impl Change for usize {
    fn is_change(&self) -> bool {
        *self > 0
    }
}

impl<T> Change for Option<T> {
    fn is_change(&self) -> bool {
        self.is_some()
    }
}

impl<T, E> Change for Result<T, E> {
    fn is_change(&self) -> bool {
        self.is_ok()
    }
}

/// A kind of value, so that each access is written once for all of them.
pub(super) trait Kind: Default {
    fn of(value: &Value) -> Option<&Self>;
    fn of_mut(value: &mut Value) -> Option<&mut Self>;
    fn into_value(self) -> Value;
    /// Whether a key with this value has to go.
    fn is_spent(&self) -> bool;
}

impl Store {
    /// Moves the clock forward to `time_ms`, never back, and drops the keys that expired on the
    /// way; returns the new time.
    pub(super) fn advance(&mut self, time_ms: u64) -> u64 {
        self.clock_ms = self.time_at(time_ms);
        if self.expiries.is_due(self.clock_ms) {
            self.drop_expired();
        }
        self.clock_ms
    }

    /// The time a command at `time_ms` would see. Stays within 63 bits, as Redis's times do.
    pub(super) fn time_at(&self, time_ms: u64) -> u64 {
        self.clock_ms.max(time_ms.min(i64::MAX as u64))
    }

    #[cold]
    fn drop_expired(&mut self) {
        while let Some(key) = self.expiries.take_due(self.clock_ms) {
            let gone = self.entries.remove(&key);
            assert!(gone.is_some(), "a key that expires is there");
            self.watched.modify(&key);
        }
    }

    /// The last time that [`advance`](Self::advance) was given, or later.
    pub(super) fn clock_ms(&self) -> u64 {
        self.clock_ms
    }

    /// How many keys there are at `now_ms`.
    pub(super) fn len(&self, now_ms: u64) -> usize {
        self.entries.len() - self.expiries.count_due(now_ms)
    }

    /// How many keys there are after the last [`advance`](Self::advance), and how many of them
    /// expire.
    pub(super) fn counts(&self) -> (usize, usize) {
        let (keys, expiring) = (self.entries.len(), self.expiries.len());
        assert!(expiring <= keys, "{expiring} of {keys} keys cannot expire");
        (keys, expiring)
    }

    /// The keys and entries at `now_ms`, in an order that must not be shown.
    pub(super) fn unordered(&self, now_ms: u64) -> impl Iterator<Item = (&[u8], &Entry)> {
        (0..PARTS).flat_map(move |part| self.part(part, now_ms))
    }

    /// The keys and entries at `now_ms` in one part of the map, in an order that must not be shown.
    pub(super) fn part(&self, part: usize, now_ms: u64) -> impl Iterator<Item = (&[u8], &Entry)> {
        self.entries.part(part).filter(move |(_, entry)| entry.is_live(now_ms))
    }

    /// All entries as the map holds them.
    pub(super) fn entries(&self) -> &Entries {
        &self.entries
    }

    pub(super) fn entry(&self, key: &[u8], now_ms: u64) -> Option<&Entry> {
        self.entries.get(key).filter(|entry| entry.is_live(now_ms))
    }

    /// The value of `key` at `now_ms` if it has one, refused if it is of another kind.
    pub(super) fn get<K: Kind>(&self, key: &[u8], now_ms: u64) -> Result<Option<&K>, Refusal> {
        let entry = self.entry(key, now_ms);
        entry.map(|entry| K::of(&entry.value).ok_or(Refusal::WRONG_TYPE)).transpose()
    }

    /// The value of `key`, an empty one if there was none. The caller puts something into it, or
    /// changes it.
    pub(super) fn get_or_new<K: Kind>(&mut self, key: &[u8]) -> Result<&mut K, Refusal> {
        let value = look_up_or_new(&mut self.entries, key)?;
        self.watched.modify(key);
        Ok(value)
    }

    /// The value of `key`, an empty one if there was none. The caller puts something into it,
    /// unless it is there already, and says so by [`modified`](Self::modified).
    pub(super) fn look_up_or_new<K: Kind>(&mut self, key: &[u8]) -> Result<&mut K, Refusal> {
        look_up_or_new(&mut self.entries, key)
    }

    /// Notes that the value of `key` was modified.
    pub(super) fn modified(&mut self, key: &[u8]) {
        self.watched.modify(key);
    }

    /// The keys that are watched.
    pub(super) fn watched(&self) -> &Watched {
        &self.watched
    }

    /// The keys that are watched, to watch more.
    pub(super) fn watched_mut(&mut self) -> &mut Watched {
        &mut self.watched
    }

    /// Changes the value of `key` if there is one, and drops the key if nothing is left of it.
    pub(super) fn edit<K: Kind, R: Change>(
        &mut self,
        key: &[u8],
        edit: impl FnOnce(&mut K) -> R,
    ) -> Result<Option<R>, Refusal> {
        let Some(entry) = self.entries.get_mut(key) else { return Ok(None) };
        let value = K::of_mut(&mut entry.value).ok_or(Refusal::WRONG_TYPE)?;
        let result = edit(value);
        if value.is_spent() {
            self.remove(key);
        } else if result.is_change() {
            self.watched.modify(key);
        }
        Ok(Some(result))
    }

    /// Makes `key` the string `text` that expires at `expires_ms`, whatever it was before.
    pub(super) fn set(&mut self, key: &[u8], text: &[u8], expires_ms: u64) {
        self.watched.modify(key);
        let from_ms = match self.entries.place(key) {
            Place::Taken(entry) => {
                match &mut entry.value {
                    Value::Text(old) => old.overwrite(text),
                    other => *other = Value::Text(text.into()),
                }
                std::mem::replace(&mut entry.expires_ms, expires_ms)
            }
            Place::Free(free) => {
                free.insert(key.into(), Entry { value: Value::Text(text.into()), expires_ms });
                NEVER
            }
        };
        self.expiries.shift(key, from_ms, expires_ms);
    }

    /// Puts an entry in the place of whatever `key` was before.
    pub(super) fn insert(&mut self, key: &[u8], entry: Entry) {
        self.watched.modify(key);
        let expires_ms = entry.expires_ms;
        let from_ms = match self.entries.place(key) {
            Place::Taken(old) => std::mem::replace(old, entry).expires_ms,
            Place::Free(free) => {
                free.insert(key.into(), entry);
                NEVER
            }
        };
        self.expiries.shift(key, from_ms, expires_ms);
    }

    /// Takes `key` out.
    pub(super) fn remove(&mut self, key: &[u8]) -> Option<Entry> {
        let entry = self.entries.remove(key)?;
        self.expiries.shift(key, entry.expires_ms, NEVER);
        self.watched.modify(key);
        Some(entry)
    }

    /// Lets `key`, if it is there, expire at `expires_ms`; at once if that time has come.
    pub(super) fn expire(&mut self, key: &[u8], expires_ms: u64) {
        if expires_ms <= self.clock_ms {
            self.remove(key);
        } else if let Some(entry) = self.entries.get_mut(key) {
            let from_ms = std::mem::replace(&mut entry.expires_ms, expires_ms);
            self.expiries.shift(key, from_ms, expires_ms);
            if (from_ms, expires_ms) != (NEVER, NEVER) {
                self.watched.modify(key);
            }
        }
    }

    /// Drops all keys; the clock goes on, and what was no key is not modified.
    pub(super) fn clear(&mut self) {
        let entries = std::mem::take(&mut self.entries);
        self.expiries = Expiries::default();
        self.watched.modify_all(|key| entries.get(key).is_some());
    }
}

fn look_up_or_new<'s, K: Kind>(entries: &'s mut Entries, key: &[u8]) -> Result<&'s mut K, Refusal> {
    let new = || Entry { value: K::default().into_value(), expires_ms: NEVER };
    let entry = match entries.place(key) {
        Place::Taken(entry) => entry,
        Place::Free(free) => free.insert(key.into(), new()),
    };
    K::of_mut(&mut entry.value).ok_or(Refusal::WRONG_TYPE)
}

impl Value {
    /// The word that TYPE answers with.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "string",
            Self::List(_) => "list",
            Self::Hash(_) => "hash",
            Self::Set(_) => "set",
            Self::Zset(_) => "zset",
        }
    }
}

macro_rules! kind {
    ($kind:ty, $variant:path, $into:expr, $to_change:expr, $is_spent:expr) => {
        impl Kind for $kind {
            fn of(value: &Value) -> Option<&Self> {
                if let $variant(value) = value { Some(value) } else { None }
            }
            fn of_mut(value: &mut Value) -> Option<&mut Self> {
                if let $variant(value) = value { Some($to_change(value)) } else { None }
            }
            fn into_value(self) -> Value {
                $variant($into(self))
            }
            fn is_spent(&self) -> bool {
                $is_spent(self)
            }
        }
    };
}

kind!(Text, Value::Text, convert::identity, convert::identity, |_| false);
kind!(List, Value::List, Arc::new, Arc::make_mut, VecDeque::is_empty);
kind!(Hash, Value::Hash, Arc::new, Arc::make_mut, BTreeMap::is_empty);
kind!(Set, Value::Set, Arc::new, Arc::make_mut, BTreeSet::is_empty);
kind!(Zset, Value::Zset, Arc::new, Arc::make_mut, Zset::is_empty);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_and_its_entry_take_72_bytes() {
        assert_eq!(size_of::<(Bytes, Entry)>(), 72);
    }

    #[test]
    fn the_clock_never_goes_back() {
        let mut store = Store::default();
        store.set(b"k", b"v", 10);

        assert_eq!(store.advance(10), 10);
        assert_eq!(store.advance(5), 10);

        assert_eq!(store.len(5), 0);
    }

    #[test]
    fn a_key_without_expiry_outlives_every_clock() {
        let mut store = Store::default();
        store.set(b"k", b"v", NEVER);

        let now_ms = store.advance(u64::MAX);

        assert_eq!(store.len(now_ms), 1);
        assert!(store.entry(b"k", now_ms).is_some());
    }

    #[test]
    fn the_last_element_takes_its_key_along() {
        let mut store = Store::default();
        store.get_or_new::<Set>(b"k").unwrap().insert(b"m"[..].into());
        store.expire(b"k", 10);

        store.edit(b"k", |set: &mut Set| set.clear()).unwrap();

        assert_eq!(store, Store::default());
    }

    #[test]
    #[should_panic(expected = "1 of 0 keys cannot expire")]
    fn no_more_keys_expire_than_there_are() {
        let mut store = Store::default();
        store.expiries.shift(b"k", NEVER, 10);
        store.counts();
    }

    #[test]
    #[should_panic(expected = "a key that expires is there")]
    fn a_key_that_is_gone_does_not_expire() {
        let mut store = Store::default();
        store.expiries.shift(b"k", NEVER, 10);
        store.advance(10);
    }
}
