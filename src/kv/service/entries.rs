//! The map of all keys, in parts that a frozen copy shares until they change.
//!
//! To freeze the map takes as long as it has parts. Whoever changes a part that is shared copies it
//! first: its keys and short values, and no more of the long ones than who holds them.

use std::sync::Arc;

use hashbrown::HashTable;
use hashbrown::hash_table;

use super::bytes::Bytes;
use super::random::spread;
use super::store::Entry;

/// How many parts there are: so many that one of ten million keys is copied in well below a
/// millisecond. A snapshot is in the order of the parts, so it stays the same for ever.
pub(super) const PARTS: usize = 1 << PARTS_BITS;
const PARTS_BITS: u32 = 12;

/// Keys of one part, with what they stand for.
type Part = HashTable<(Bytes, Entry)>;

/// The place of a key: the high bits say in which part, which is also how a walk over all keys
/// goes.
#[derive(Clone, Copy)]
struct Spot(u64);

impl Spot {
    fn of(key: &[u8]) -> Self {
        Self(spread(key))
    }

    fn part(self) -> usize {
        (self.0 >> (u64::BITS - PARTS_BITS)) as usize
    }

    /// The hash within the part, whose own high bits must differ from key to key.
    fn hash(self) -> u64 {
        self.0.rotate_left(PARTS_BITS)
    }
}

/// The part that holds `key`, if it is there.
pub(super) fn part_of(key: &[u8]) -> usize {
    Spot::of(key).part()
}

/// The part of the keys with this [spread](fn@spread).
pub(super) fn part_at(spread: u64) -> usize {
    Spot(spread).part()
}

fn hash(entry: &(Bytes, Entry)) -> u64 {
    Spot::of(&entry.0).hash()
}

/// All keys and what they stand for.
///
/// Its order is never shown but part by part: within a part it depends on how the part grew, which
/// a restored replica does not share.
#[derive(Clone, Debug)]
pub(super) struct Entries {
    /// An empty part is none.
    parts: Vec<Option<Arc<Part>>>,
    /// How many parts are not empty, and how many keys they have.
    used: usize,
    keys: usize,
}

impl Default for Entries {
    fn default() -> Self {
        Self { parts: vec![None; PARTS], used: 0, keys: 0 }
    }
}

/// The entry of a key, or room for one.
pub(super) enum Place<'e> {
    Taken(&'e mut Entry),
    Free(Free<'e>),
}

/// Room for a key.
pub(super) struct Free<'e>(hash_table::VacantEntry<'e, (Bytes, Entry)>, &'e mut usize);

impl<'e> Free<'e> {
    pub(super) fn insert(self, key: Bytes, entry: Entry) -> &'e mut Entry {
        *self.1 += 1;
        &mut self.0.insert((key, entry)).into_mut().1
    }
}

impl Entries {
    pub(super) fn len(&self) -> usize {
        self.keys
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<&Entry> {
        let spot = Spot::of(key);
        let part = self.parts[spot.part()].as_ref()?;
        part.find(spot.hash(), |(own, _)| own[..] == *key).map(|(_, entry)| entry)
    }

    /// What `key` stands for, to be changed.
    pub(super) fn get_mut(&mut self, key: &[u8]) -> Option<&mut Entry> {
        let spot = Spot::of(key);
        let part = part_to_change(self.parts[spot.part()].as_mut()?, spot, key)?;
        part.find_mut(spot.hash(), |(own, _)| own[..] == *key).map(|(_, entry)| entry)
    }

    /// The place of `key`.
    pub(super) fn place(&mut self, key: &[u8]) -> Place<'_> {
        let spot = Spot::of(key);
        let part = self.parts[spot.part()].get_or_insert_with(|| {
            // A state that is restored fills part after part; no part is then made larger time and
            // again.
            let usual = self.keys.checked_div(self.used).unwrap_or(0);
            self.used += 1;
            Arc::new(Part::with_capacity(usual))
        });
        match Arc::make_mut(part).entry(spot.hash(), |(own, _)| own[..] == *key, hash) {
            hash_table::Entry::Occupied(entry) => Place::Taken(&mut entry.into_mut().1),
            hash_table::Entry::Vacant(entry) => Place::Free(Free(entry, &mut self.keys)),
        }
    }

    pub(super) fn remove(&mut self, key: &[u8]) -> Option<Entry> {
        let spot = Spot::of(key);
        let place = &mut self.parts[spot.part()];
        let part = part_to_change(place.as_mut()?, spot, key)?;
        let found = part.find_entry(spot.hash(), |(own, _)| own[..] == *key).ok()?;
        let ((_, entry), _) = found.remove();
        self.keys -= 1;
        if part.is_empty() {
            *place = None;
            self.used -= 1;
        }
        Some(entry)
    }

    /// All keys, part by part.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], &Entry)> {
        (0..PARTS).flat_map(|part| self.part(part))
    }

    /// The keys of one part.
    pub(super) fn part(&self, part: usize) -> impl Iterator<Item = (&[u8], &Entry)> {
        self.parts[part].iter().flat_map(|part| part.iter()).map(|(key, entry)| (&key[..], entry))
    }

    /// Shares a part no more; its keys are not here any more.
    pub(super) fn forget(&mut self, part: usize) {
        if let Some(part) = self.parts[part].take() {
            self.keys -= part.len();
            self.used -= 1;
        }
    }

    /// The keys of one part in ascending order.
    pub(super) fn sorted(&self, part: usize) -> Vec<(&[u8], &Entry)> {
        let mut sorted: Vec<_> = self.part(part).collect();
        sorted.sort_unstable_by_key(|(key, _)| *key);
        sorted
    }
}

/// The part as this map's own. Only for a key that is there is a shared one worth a copy.
fn part_to_change<'p>(part: &'p mut Arc<Part>, spot: Spot, key: &[u8]) -> Option<&'p mut Part> {
    if Arc::strong_count(part) > 1 {
        part.find(spot.hash(), |(own, _)| own[..] == *key)?;
    }
    Some(Arc::make_mut(part))
}

/// Maps are equal when they hold the same.
impl PartialEq for Entries {
    fn eq(&self, other: &Self) -> bool {
        self.keys == other.keys && self.iter().all(|(key, entry)| other.get(key) == Some(entry))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kv::service::expiries::NEVER;
    use crate::kv::service::store::Value;

    fn entry(text: &[u8]) -> Entry {
        Entry { value: Value::Text(text.into()), expires_ms: NEVER }
    }

    fn set(entries: &mut Entries, key: &[u8], text: &[u8]) {
        match entries.place(key) {
            Place::Taken(old) => *old = entry(text),
            Place::Free(free) => drop(free.insert(key.into(), entry(text))),
        }
    }

    #[test]
    fn what_is_changed_in_one_copy_stays_in_the_other() {
        let mut entries = Entries::default();
        for key in 0..3 * PARTS as u32 {
            set(&mut entries, &key.to_be_bytes(), b"before");
        }
        let frozen = entries.clone();

        for key in 0..PARTS as u32 {
            set(&mut entries, &key.to_be_bytes(), b"after");
            entries.remove(&(key + PARTS as u32).to_be_bytes());
            entries.get_mut(&(key + 2 * PARTS as u32).to_be_bytes()).unwrap().expires_ms = 7;
        }

        assert_eq!((frozen.len(), entries.len()), (3 * PARTS, 2 * PARTS));
        assert!(frozen.iter().all(|(_, found)| *found == entry(b"before")));
        assert!(entries.iter().all(|(_, found)| *found != entry(b"before")));
    }

    #[test]
    fn to_look_at_a_part_or_to_miss_a_key_in_it_copies_nothing() {
        let mut entries = Entries::default();
        set(&mut entries, b"here", b"");
        let frozen = entries.clone();
        let absent = (0..).map(|number: u32| number.to_be_bytes());
        let absent = absent.into_iter().find(|key| part_of(key) == part_of(b"here")).unwrap();

        assert!(entries.get(b"here").is_some());
        assert!(entries.get_mut(&absent).is_none() && entries.remove(&absent).is_none());

        let part = part_of(b"here");
        let [one, other] = [&entries, &frozen].map(|entries| entries.parts[part].clone().unwrap());
        assert!(Arc::ptr_eq(&one, &other));
    }

    #[test]
    fn each_part_has_its_keys_until_it_is_forgotten() {
        let mut entries = Entries::default();
        (0..9999u32).for_each(|key| set(&mut entries, &key.to_be_bytes(), b""));
        let mut frozen = entries.clone();

        for part in 0..PARTS {
            assert!(frozen.part(part).all(|(key, _)| part_of(key) == part));
            frozen.forget(part);
        }

        assert_eq!((frozen.len(), entries.len(), entries.iter().count()), (0, 9999, 9999));
        assert!(entries.parts.iter().flatten().all(|part| Arc::strong_count(part) == 1));
    }
}
