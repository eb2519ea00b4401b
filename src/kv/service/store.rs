//! The keys and their values: the state that the commands work on.

use super::Refusal;
use super::entries::{Entries, Found, FrozenEntries, Place};
use super::entry::{Entry, Held, Owned};
use super::expiries::{Expiries, NEVER};
use super::leases::Leases;
use super::values::Kind;
use super::watched::Watched;
use crate::model::app::Damaged;
use crate::model::parts::PartSet;

pub(super) use super::values::{Hash, List, Set};

/// All keys, with the clock that decides which of them have expired.
///
/// After [`advance`](Self::advance) the map holds no expired key, so what is in it, and with it a
/// snapshot, depends only on the commands applied and their times. A clone shares what neither
/// changes.
#[derive(Clone, Debug)]
pub(super) struct Store {
    entries: Entries,
    expiries: Expiries,
    /// Every modification of a key is noted here.
    watched: Watched,
    pub(super) leases: Leases,
    clock_ms: u64,
    /// Whether the clock has moved since the changes were taken.
    clock_moved: bool,
    /// The memory of keys and values above which commands are refused that may need more.
    bytes_max: u64,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            entries: Entries::default(),
            expiries: Expiries::default(),
            watched: Watched::default(),
            leases: Leases::default(),
            clock_ms: 0,
            clock_moved: false,
            bytes_max: u64::MAX,
        }
    }
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

/// A result, and whether something has changed.
impl<T> Change for (T, bool) {
    fn is_change(&self) -> bool {
        self.1
    }
}

/// A string to be changed, which is there.
pub(super) struct Text<'s> {
    store: &'s mut Store,
    key: &'s [u8],
    found: Found,
    expires_ms: u64,
}

impl Text<'_> {
    pub(super) fn bytes(&self) -> &[u8] {
        self.store.entries.at(self.found).and_then(|entry| entry.text().ok()).unwrap_or_default()
    }

    /// Replaces it by `text`; the expiry stays.
    pub(super) fn overwrite(self, text: &[u8]) {
        self.store.entries.put_text(self.found, self.key, text, self.expires_ms);
        self.store.watched.modify(self.key);
    }

    /// Writes `bytes` into it from the place `from` on, behind zeros if it ends before.
    pub(super) fn write(self, from: usize, bytes: &[u8]) {
        self.store.entries.write_text(self.found, self.key, from, bytes);
        self.store.watched.modify(self.key);
    }
}

impl Store {
    /// Moves the clock forward to `time_ms`, never back, and drops the keys that expired on the
    /// way; returns the new time.
    pub(super) fn advance(&mut self, time_ms: u64) -> u64 {
        let time_ms = self.time_at(time_ms);
        self.clock_moved |= time_ms != self.clock_ms;
        self.clock_ms = time_ms;
        self.leases.expire(time_ms);
        if self.expiries.is_due(time_ms) {
            self.drop_expired();
        }
        time_ms
    }

    /// The time a command at `time_ms` would see. Stays within 63 bits, as Redis's times do.
    pub(super) fn time_at(&self, time_ms: u64) -> u64 {
        self.clock_ms.max(time_ms.min(i64::MAX as u64))
    }

    #[cold]
    fn drop_expired(&mut self) {
        while let Some((expires_ms, place)) = self.expiries.take_due(self.clock_ms) {
            let key = self.entries.take_expired(Place::at(place), expires_ms);
            let key = key.expect("a key that expires is there");
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

    /// The memory that keys, values and leases take, near enough; it depends on nothing but them.
    pub(super) fn bytes(&self) -> u64 {
        (self.entries.bytes() + self.leases.bytes()) as u64
    }

    /// The same of one key.
    pub(super) fn bytes_of(&self, key: &[u8], entry: &Entry<'_>) -> usize {
        self.entries.bytes_of(key, entry)
    }

    /// Sets the limit above which it [is full](Self::is_full).
    pub(super) fn set_bytes_max(&mut self, bytes_max: u64) {
        self.bytes_max = bytes_max;
    }

    /// Whether nothing may be done that needs more memory.
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.bytes() > self.bytes_max || self.is_crowded()
    }

    /// Whether too many bytes of keys are in one place for more to come there.
    pub(super) fn is_crowded(&self) -> bool {
        self.entries.is_crowded()
    }

    /// The keys and entries at `now_ms`, in the order of their places.
    pub(super) fn iter(&self, now_ms: u64) -> impl Iterator<Item = (&[u8], Entry<'_>)> {
        self.from(0, now_ms)
    }

    /// The same from a place of this number on.
    pub(super) fn from(
        &self,
        number: u64,
        now_ms: u64,
    ) -> impl Iterator<Item = (&[u8], Entry<'_>)> {
        self.entries.from(number).filter(move |(_, entry)| entry.is_live(now_ms))
    }

    pub(super) fn entry(&self, key: &[u8], now_ms: u64) -> Option<Entry<'_>> {
        self.entries.get(key).filter(|entry| entry.is_live(now_ms))
    }

    /// The string of `key` at `now_ms` if it has one, refused if it is of another kind.
    #[inline]
    pub(super) fn text(&self, key: &[u8], now_ms: u64) -> Result<Option<&[u8]>, Refusal> {
        self.entry(key, now_ms).map(|entry| entry.text()).transpose()
    }

    /// The collection of `key` at `now_ms` if it has one, refused if it is of another kind.
    pub(super) fn get<K: Kind>(
        &self,
        key: &[u8],
        now_ms: u64,
    ) -> Result<Option<Held<'_, K>>, Refusal> {
        self.entry(key, now_ms).map(|entry| entry.get()).transpose()
    }

    /// The string of `key` if it has one, to be changed.
    pub(super) fn text_mut<'s>(&'s mut self, key: &'s [u8]) -> Result<Option<Text<'s>>, Refusal> {
        let found = self.entries.find(key);
        let Some(entry) = self.entries.at(found) else { return Ok(None) };
        entry.text()?;
        let expires_ms = entry.expires_ms;
        Ok(Some(Text { store: self, key, found, expires_ms }))
    }

    /// The keys that are watched.
    pub(super) fn watched(&self) -> &Watched {
        &self.watched
    }

    /// The keys that are watched, to watch more.
    pub(super) fn watched_mut(&mut self) -> &mut Watched {
        &mut self.watched
    }

    /// Changes the collection of `key` if there is one, and drops the key if nothing is left of it.
    pub(super) fn edit<K: Kind, R: Change>(
        &mut self,
        key: &[u8],
        edit: impl FnOnce(&mut K) -> R,
    ) -> Result<Option<R>, Refusal> {
        let found = self.entries.find(key);
        let is_there = self.has::<K>(found)?;
        Ok(is_there.then(|| self.edit_at(found, key, edit)))
    }

    /// Changes the collection of `key`, an empty one if there was none.
    pub(super) fn edit_or_new<K: Kind, R: Change>(
        &mut self,
        key: &[u8],
        edit: impl FnOnce(&mut K) -> R,
    ) -> Result<R, Refusal> {
        let found = self.entries.find(key);
        if self.has::<K>(found)? {
            return Ok(self.edit_at(found, key, edit));
        }
        let mut collection = K::default();
        let result = edit(&mut collection);
        if !collection.is_spent() {
            self.entries.put(found, key, Owned::new(collection.into_value(), NEVER));
            self.watched.modify(key);
        }
        Ok(result)
    }

    /// Whether a collection is there, refused if it is of another kind.
    fn has<K: Kind>(&self, found: Found) -> Result<bool, Refusal> {
        match self.entries.at(found) {
            Some(entry) if entry.tag != K::TAG => Err(Refusal::WRONG_TYPE),
            _ => Ok(found.is_there()),
        }
    }

    fn edit_at<K: Kind, R: Change>(
        &mut self,
        found: Found,
        key: &[u8],
        edit: impl FnOnce(&mut K) -> R,
    ) -> R {
        let (result, gone_ms) = self.entries.edit(found, key, edit);
        if let Some(expired_ms) = gone_ms {
            self.expiries.shift(found.place.number(), expired_ms, NEVER);
            self.watched.modify(key);
        } else if result.is_change() {
            self.watched.modify(key);
        }
        result
    }

    /// Makes `key` the string `text` that expires at `expires_ms`, whatever it was before.
    pub(super) fn set(&mut self, key: &[u8], text: &[u8], expires_ms: u64) {
        self.watched.modify(key);
        let found = self.entries.find(key);
        let from_ms = self.entries.at(found).map_or(NEVER, |old| old.expires_ms);
        self.entries.put_text(found, key, text, expires_ms);
        self.expiries.shift(found.place.number(), from_ms, expires_ms);
    }

    /// Puts an entry in the place of whatever `key` was before.
    pub(super) fn insert(&mut self, key: &[u8], entry: Owned) {
        self.watched.modify(key);
        let found = self.entries.find(key);
        let from_ms = self.entries.at(found).map_or(NEVER, |old| old.expires_ms);
        let expires_ms = entry.expires_ms;
        self.entries.put(found, key, entry);
        self.expiries.shift(found.place.number(), from_ms, expires_ms);
    }

    /// Takes `key` out; returns whether it was there.
    pub(super) fn remove(&mut self, key: &[u8]) -> bool {
        let found = self.entries.find(key);
        let Some(expired_ms) = self.entries.remove(found, key) else { return false };
        self.expiries.shift(found.place.number(), expired_ms, NEVER);
        self.watched.modify(key);
        true
    }

    /// Lets `key`, if it is there, expire at `expires_ms`; at once if that time has come.
    pub(super) fn expire(&mut self, key: &[u8], expires_ms: u64) {
        if expires_ms <= self.clock_ms {
            self.remove(key);
            return;
        }
        let found = self.entries.find(key);
        if let Some(from_ms) = self.entries.set_expiry(found, key, expires_ms) {
            self.expiries.shift(found.place.number(), from_ms, expires_ms);
            if (from_ms, expires_ms) != (NEVER, NEVER) {
                self.watched.modify(key);
            }
        }
    }

    /// Drops all keys; the clock goes on, and what was no key is not modified.
    pub(super) fn clear(&mut self) {
        self.watched.modify_all(|key| self.entries.find(key).is_there());
        self.entries.clear();
        self.expiries = Expiries::default();
    }

    /// All keys as they are now, whatever becomes of them.
    pub(super) fn freeze(&self, parts: &PartSet) -> FrozenEntries {
        self.entries.freeze(parts)
    }

    /// The parts of the map that have been changed since this was last called, and whether the
    /// rest of the state has.
    pub(super) fn take_changed(&mut self) -> (bool, PartSet) {
        let others = self.watched.take_changed() | self.leases.take_changed();
        let rest = std::mem::take(&mut self.clock_moved) | others;
        (rest, self.entries.take_changed())
    }

    /// Becomes another state, all of which counts as changed. The limit stays, which is no part of
    /// a state.
    pub(super) fn become_state(&mut self, other: Self) {
        self.clock_moved = true;
        self.entries.become_state(other.entries);
        self.restore_rest(other.clock_ms, other.watched, other.leases);
        self.expiries = other.expiries;
    }

    /// Replaces a part of the map by what it was written as.
    pub(super) fn restore(&mut self, part: usize, bytes: &[u8]) -> Result<(), Damaged> {
        let before = self.entries.expiring(part);
        self.entries.restore(part, bytes)?;
        for (place, expired_ms) in before {
            self.expiries.shift(place.number(), expired_ms, NEVER);
        }
        for (place, expires_ms) in self.entries.expiring(part) {
            self.expiries.shift(place.number(), NEVER, expires_ms);
        }
        Ok(())
    }

    /// Replaces what is no part of the map.
    pub(super) fn restore_rest(&mut self, clock_ms: u64, watched: Watched, leases: Leases) {
        (self.clock_ms, self.watched, self.leases) = (clock_ms, watched, leases);
        self.clock_moved = true;
    }
}

/// States are equal when nothing that is written of them differs.
impl PartialEq for Store {
    fn eq(&self, other: &Self) -> bool {
        self.clock_ms == other.clock_ms
            && self.watched == other.watched
            && self.leases == other.leases
            && self.expiries == other.expiries
            && self.entries == other.entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        store.edit_or_new(b"k", |set: &mut Set| set.insert(b"m")).unwrap();
        store.expire(b"k", 10);

        store.edit(b"k", |set: &mut Set| set.remove(b"m")).unwrap();

        assert_eq!(store, Store::default());
    }

    #[test]
    #[should_panic(expected = "1 of 0 keys cannot expire")]
    fn no_more_keys_expire_than_there_are() {
        let mut store = Store::default();
        store.expiries.shift(7, NEVER, 10);
        store.counts();
    }

    #[test]
    #[should_panic(expected = "a key that expires is there")]
    fn a_key_that_is_gone_does_not_expire() {
        let mut store = Store::default();
        store.expiries.shift(7, NEVER, 10);
        store.advance(10);
    }
}
