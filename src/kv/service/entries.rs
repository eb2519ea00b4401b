//! The map of all keys, in parts that a frozen copy shares until they change.
//!
//! Parts are in groups, so that to freeze the map is to share as many groups as there are. Whoever
//! changes a part that is shared copies its group first, which is pointers, and then what changes
//! (`part.rs`): keys and short values, and no more of the long ones than who holds them.

use std::sync::Arc;

use super::entry::{Content, Entry, Owned};
use super::random::spread;
use super::store::Change;
use super::values::Kind;
use crate::model::app::Damaged;
use crate::model::parts::PartSet;

mod frozen;
mod part;
mod record;
mod records;
mod room;
mod size;

use frozen::Copies;
pub(super) use frozen::FrozenEntries;
use part::Part;
use records::{New, Records};

/// How many parts there are: so many that one of a hundred million keys is copied in some
/// microseconds. What is saved is kept by part, so there are as many for ever.
pub(super) const PARTS: usize = 1 << 16;

/// How many of them are in a group.
const GROUP: usize = 1 << 8;

/// The place of a key, which is how a walk over all keys goes: the part it is in, and a hash that
/// says where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) part: usize,
    pub(super) hash: u32,
}

impl Place {
    #[inline]
    pub(super) fn of(key: &[u8]) -> Self {
        Self::at(spread(key) >> 16)
    }

    /// The place of this number, of 48 bits.
    #[inline]
    pub(super) fn at(number: u64) -> Self {
        Self { part: (number >> 32) as usize % PARTS, hash: number as u32 }
    }

    #[inline]
    pub(super) fn number(self) -> u64 {
        (self.part as u64) << 32 | u64::from(self.hash)
    }
}

/// Where a key is in its part, or would be: as long as nothing changes there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) place: Place,
    index: Result<usize, usize>,
    /// Whether the record is one that has not changed since the part was shared.
    is_below: bool,
}

impl Found {
    /// Where a key would be in a part without any.
    fn nowhere(place: Place) -> Self {
        Self { place, index: Err(0), is_below: false }
    }

    pub(super) fn is_there(&self) -> bool {
        self.index.is_ok()
    }
}

type Groups = Box<[Option<Arc<Group>>]>;

/// Neighbouring parts; an empty one is none.
#[derive(Debug)]
struct Group([Option<Arc<Part>>; GROUP]);

impl Clone for Group {
    fn clone(&self) -> Self {
        look_ahead(&self.0);
        Self(self.0.clone())
    }
}

/// Brings near what will be shared. To look at all of it takes about as long as at one, but to
/// share one has to be done before the next is begun.
fn look_ahead<T>(all: &[Option<Arc<T>>]) {
    let holders = all.iter().flatten().map(Arc::strong_count).sum::<usize>();
    std::hint::black_box(holders);
}

impl Default for Group {
    fn default() -> Self {
        Self([const { None }; GROUP])
    }
}

impl Group {
    fn is_empty(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }
}

/// All keys and what they stand for, in the order of their places, and among equal places of the
/// keys.
#[derive(Clone, Debug)]
pub(super) struct Entries {
    /// An empty group is none.
    groups: Groups,
    keys: usize,
    /// The memory of all parts, near enough.
    bytes: usize,
    /// How many parts are as large as they may become.
    crowded: usize,
    /// The parts that have been changed since these were taken.
    changed: PartSet,
    copies: Arc<Copies>,
}

impl Default for Entries {
    fn default() -> Self {
        Self {
            groups: vec![None; PARTS / GROUP].into(),
            keys: 0,
            bytes: 0,
            crowded: 0,
            changed: PartSet::none(PARTS),
            copies: Arc::default(),
        }
    }
}

impl Entries {
    pub(super) fn len(&self) -> usize {
        self.keys
    }

    /// The memory that keys and values take, near enough. It depends on nothing but them.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The same of one key.
    pub(super) fn bytes_of(&self, key: &[u8], entry: &Entry<'_>) -> usize {
        size::bytes_of(key, entry)
    }

    /// Whether a part is as large as it may become.
    pub(super) fn is_crowded(&self) -> bool {
        self.crowded > 0
    }

    /// Becomes another map, all of whose parts count as changed.
    pub(super) fn become_state(&mut self, other: Self) {
        let copies = Arc::clone(&self.copies);
        *self = Self { changed: PartSet::all(PARTS), copies, ..other };
    }

    /// The parts that have been changed since this was last called.
    pub(super) fn take_changed(&mut self) -> PartSet {
        std::mem::replace(&mut self.changed, PartSet::none(PARTS))
    }

    #[inline]
    fn part(&self, part: usize) -> Option<&Part> {
        self.groups[part / GROUP].as_ref()?.0[part % GROUP].as_deref()
    }

    #[inline]
    pub(super) fn find(&self, key: &[u8]) -> Found {
        let place = Place::of(key);
        self.part(place.part).map_or(Found::nowhere(place), |part| part.find(place, key))
    }

    /// What stands at a place, if a key is there.
    #[inline]
    pub(super) fn at(&self, found: Found) -> Option<Entry<'_>> {
        self.part(found.place.part)?.at(found)
    }

    #[inline]
    pub(super) fn get(&self, key: &[u8]) -> Option<Entry<'_>> {
        self.at(self.find(key))
    }

    /// The entries of a part, the place from which on, in order.
    pub(super) fn from(&self, number: u64) -> impl Iterator<Item = (&[u8], Entry<'_>)> {
        let first = Place::at(number);
        (first.part..PARTS).filter_map(|part| Some((part, self.part(part)?))).flat_map(
            move |(number, part)| part.entries(if number == first.part { first.hash } else { 0 }),
        )
    }

    /// Lets a part become what `update` makes of it.
    #[inline]
    fn update<R>(&mut self, number: usize, update: impl FnOnce(&mut Arc<Part>, &Copies) -> R) -> R {
        self.changed.insert(number);
        let place = &mut self.groups[number / GROUP];
        let group = Arc::make_mut(place.get_or_insert_default());
        let part = group.0[number % GROUP].get_or_insert_default();
        let before = part.size();
        let result = update(part, &self.copies);
        let after = part.size();
        self.keys = self.keys - before.keys + after.keys;
        self.bytes = self.bytes - before.weight() + after.weight();
        self.crowded =
            self.crowded - usize::from(before.is_crowded()) + usize::from(after.is_crowded());
        if after.keys == 0 {
            group.0[number % GROUP] = None;
            if group.is_empty() {
                *place = None;
            }
        }
        result
    }

    /// Changes what is at `found`, by its place among records that are this map's own then.
    #[inline]
    fn change<R>(
        &mut self,
        found: Found,
        key: &[u8],
        change: impl FnOnce(&mut Records, Result<usize, usize>) -> R,
    ) -> R {
        self.update(found.place.part, |part, copies| {
            let (records, index) = Part::own(part, found, key, copies);
            change(records, index)
        })
    }

    /// The same of a key that is there.
    fn change_found<R>(
        &mut self,
        found: Found,
        key: &[u8],
        change: impl FnOnce(&mut Records, usize) -> R,
    ) -> R {
        self.change(found, key, |records, index| {
            change(records, index.expect("a key that was found is there"))
        })
    }

    /// Makes the key at `found` this string.
    #[inline]
    pub(super) fn put_text(&mut self, found: Found, key: &[u8], text: &[u8], expires_ms: u64) {
        let place = (found.place.hash, key);
        self.change(found, key, |records, index| records.put_text(index, place, expires_ms, text));
    }

    /// Makes the key at `found` this.
    pub(super) fn put(&mut self, found: Found, key: &[u8], entry: Owned) {
        let place = (found.place.hash, key);
        let kind = (entry.tag, entry.expires_ms);
        self.change(found, key, |records, index| match entry.content {
            Content::Packed(bytes) => records.put(index, place, kind, New::Packed(&bytes)),
            Content::Apart(value) => records.put(index, place, kind, New::Apart(value)),
        });
    }

    /// Writes into the string at `found`, which is there.
    pub(super) fn write_text(&mut self, found: Found, key: &[u8], from: usize, bytes: &[u8]) {
        let place = (found.place.hash, key);
        self.change_found(found, key, |records, index| {
            records.write_text(index, place, from, bytes);
        });
    }

    /// Changes the collection at `found`, which is there and of this kind. If nothing is left of
    /// it, its key is gone, and the expiry that it had comes back.
    pub(super) fn edit<K: Kind, R: Change>(
        &mut self,
        found: Found,
        key: &[u8],
        edit: impl FnOnce(&mut K) -> R,
    ) -> (R, Option<u64>) {
        let place = (found.place.hash, key);
        self.change_found(found, key, |records, index| records.edit(index, place, edit))
    }

    /// Lets the key at `found`, if it is there, expire at another time; returns the one before.
    pub(super) fn set_expiry(&mut self, found: Found, key: &[u8], expires_ms: u64) -> Option<u64> {
        let set = |records: &mut Records, index| records.set_expiry(index, expires_ms);
        found.is_there().then(|| self.change_found(found, key, set))
    }

    /// Takes out the key at `found`, if it is there; returns when it was to expire.
    pub(super) fn remove(&mut self, found: Found, key: &[u8]) -> Option<u64> {
        found.is_there().then(|| self.change_found(found, key, Records::remove))
    }

    /// Takes out a key that expires at this time and is at this place; returns it.
    pub(super) fn take_expired(&mut self, place: Place, expires_ms: u64) -> Option<Box<[u8]>> {
        let part = self.part(place.part)?;
        let key: Box<[u8]> = part.find_expiring(place.hash, expires_ms)?.into();
        self.remove(part.find(place, &key), &key);
        Some(key)
    }

    /// Takes all keys out.
    pub(super) fn clear(&mut self) {
        for part in 0..PARTS {
            if self.part(part).is_some() {
                self.changed.insert(part);
            }
        }
        self.groups.fill(None);
        (self.keys, self.bytes, self.crowded) = (0, 0, 0);
    }

    /// The keys of a part that expire, with their time.
    pub(super) fn expiring(&self, part: usize) -> Vec<(Place, u64)> {
        let entries = self.part(part).into_iter().flat_map(|part| part.entries(0));
        let expiring = entries.filter(|(_, entry)| entry.expires_ms != super::NEVER);
        expiring.map(|(key, entry)| (Place::of(key), entry.expires_ms)).collect()
    }

    /// Puts what a part was written as in its place.
    pub(super) fn restore(&mut self, number: usize, bytes: &[u8]) -> Result<(), Damaged> {
        let part = Part::read(number, bytes)?;
        if !(bytes.is_empty() && self.part(number).is_none()) {
            self.update(number, |old, copies| {
                if Arc::strong_count(old) > 1 {
                    copies.note(number, part.copied_bytes());
                }
                *old = Arc::new(part);
            });
        }
        self.changed.insert(number);
        Ok(())
    }

    /// These parts of the map as they are now, whatever becomes of it.
    pub(super) fn freeze(&self, parts: &PartSet) -> FrozenEntries {
        look_ahead(&self.groups);
        FrozenEntries::new(&self.groups, &self.copies, parts)
    }
}

/// Maps are equal when they hold the same.
impl PartialEq for Entries {
    fn eq(&self, other: &Self) -> bool {
        let same = |(one, two): (&Option<Arc<Group>>, &Option<Arc<Group>>)| match (one, two) {
            (Some(one), Some(two)) => Arc::ptr_eq(one, two) || one.0 == two.0,
            (one, two) => one.is_none() && two.is_none(),
        };
        self.keys == other.keys && self.groups.iter().zip(&other.groups).all(same)
    }
}

#[cfg(test)]
mod tests;
