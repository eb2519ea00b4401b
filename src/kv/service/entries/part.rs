//! One part of the map, of which little is copied when it changes while frozen maps share it.
//!
//! Its records stay as they are then, and those that change are copied on top of them, where they
//! are seen first. When nobody else has the lower ones any more, the next change makes one of both;
//! so does one that finds too much on top, and that copies the lower ones after all. What is seen
//! and written of a part, and its size, are the same however its records lie.

use std::ops::Range;
use std::sync::Arc;

use super::frozen::Copies;
use super::records::Records;
use super::size::Size;
use super::{Found, Place};
use crate::kv::service::entry::Entry;
use crate::model::app::Damaged;

/// Fewer bytes are copied at once: that takes no longer.
const BELOW_BYTES_MIN: usize = 512;

/// One of so many records may have changed before all are copied.
const BELOW_SHARE: usize = 2;

/// So many may have changed at most, so that it is a short work to make one of all.
const ABOVE_MAX: usize = 32;

/// The keys of one part.
#[derive(Clone, Debug, Default)]
pub(super) struct Part {
    own: Records,
    below: Option<Below>,
}

/// Records that others have, too.
#[derive(Clone, Debug)]
struct Below {
    /// A part that has nothing below.
    part: Arc<Part>,
    hidden: Box<Hidden>,
}

/// Those records below that have changed or gone since.
#[derive(Clone, Debug, Default)]
struct Hidden {
    /// Their places, ascending.
    places: Vec<u32>,
    size: Size,
}

impl Hidden {
    fn has(&self, index: usize) -> bool {
        self.places.binary_search(&(index as u32)).is_ok()
    }
}

impl Below {
    fn records(&self) -> &Records {
        &self.part.own
    }

    fn find(&self, hash: u32, key: &[u8]) -> Option<usize> {
        self.records().find(hash, key).ok().filter(|index| !self.hidden.has(*index))
    }

    fn hide(&mut self, index: usize) {
        let Hidden { places, size } = &mut *self.hidden;
        if let Err(at) = places.binary_search(&(index as u32)) {
            places.insert(at, index as u32);
            *size += self.part.own.size_of(index);
        }
    }

    /// Appends those at `range` that are still seen: runs of bytes.
    fn write(&self, range: Range<usize>, out: &mut Vec<u8>) {
        let places = &self.hidden.places;
        let first = places.partition_point(|place| (*place as usize) < range.start);
        let hidden = places[first..].iter().map(|place| *place as usize);
        let mut from = range.start;
        for place in hidden.take_while(|place| *place < range.end) {
            self.records().write_range(from..place, out);
            from = place + 1;
        }
        self.records().write_range(from..range.end, out);
    }

    /// How many records may have changed before all are copied.
    fn most(records: &Records) -> usize {
        if records.copied_bytes() < BELOW_BYTES_MIN {
            return 0;
        }
        (records.len() / BELOW_SHARE).min(ABOVE_MAX)
    }
}

impl Part {
    /// Reads what a part of this number was [written](Self::write) as.
    pub(super) fn read(number: usize, bytes: &[u8]) -> Result<Self, Damaged> {
        Ok(Self { own: Records::read(number, bytes)?, below: None })
    }

    /// A part that shows what is below.
    fn above(part: Arc<Self>) -> Self {
        Self { own: Records::default(), below: Some(Below { part, hidden: Box::default() }) }
    }

    /// What it holds, however.
    #[inline]
    pub(super) fn size(&self) -> Size {
        let own = self.own.size();
        match &self.below {
            None => own,
            Some(below) => own + below.records().size() - below.hidden.size,
        }
    }

    /// The memory that a copy of it takes.
    pub(super) fn copied_bytes(&self) -> usize {
        let hidden = self.below.as_ref().map(|below| &*below.hidden);
        let hidden = hidden.map_or(0, |it| size_of_val(it) + size_of_val(&it.places[..]));
        size_of::<Self>() + self.own.copied_bytes() + hidden
    }

    /// The memory that it has and does not use.
    #[cfg(test)]
    pub(super) fn idle_bytes(&self) -> usize {
        self.own.idle_bytes()
    }

    /// Where `key` is, or would be.
    #[inline]
    pub(super) fn find(&self, place: Place, key: &[u8]) -> Found {
        let index = self.own.find(place.hash, key);
        if let (Some(below), Err(_)) = (&self.below, index)
            && let Some(index) = below.find(place.hash, key)
        {
            return Found { place, index: Ok(index), is_below: true };
        }
        Found { place, index, is_below: false }
    }

    /// What stands where [`find`](Self::find) has said, if a key is there.
    #[inline]
    pub(super) fn at(&self, found: Found) -> Option<Entry<'_>> {
        let index = found.index.ok()?;
        let records = match &self.below {
            Some(below) if found.is_below => below.records(),
            _ => &self.own,
        };
        Some(records.entry(index).1)
    }

    /// Which records there are from a hash on, in order.
    fn places(&self, hash: u32) -> impl Iterator<Item = (&Records, usize)> {
        let from = move |records: &Records| records.first_from(hash)..records.len();
        let below = self.below.iter().flat_map(move |below| {
            let seen = from(below.records()).filter(|index| !below.hidden.has(*index));
            seen.map(|index| (below.records(), index))
        });
        let own = from(&self.own).map(|index| (&self.own, index));
        let (mut own, mut below) = (own.peekable(), below.peekable());
        std::iter::from_fn(move || match (own.peek(), below.peek()) {
            (Some((one, at)), Some((other, index))) if other.place(*index) < one.place(*at) => {
                below.next()
            }
            (Some(_), _) => own.next(),
            (None, _) => below.next(),
        })
    }

    /// The keys from a hash on, in order, and what they stand for.
    pub(super) fn entries(&self, hash: u32) -> impl Iterator<Item = (&[u8], Entry<'_>)> {
        self.places(hash).map(|(records, index)| records.entry(index))
    }

    /// The first key with this hash that expires at this time.
    pub(super) fn find_expiring(&self, hash: u32, expires_ms: u64) -> Option<&[u8]> {
        let run = self.places(hash).take_while(|(records, at)| records.place(*at).0 == hash);
        let found =
            run.map(|(records, at)| records.entry(at)).find(|(_, it)| it.expires_ms == expires_ms);
        found.map(|(key, _)| key)
    }

    /// Appends all records, none of whose values lies apart then.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let Some(below) = &self.below else { return self.own.write(out) };
        let mut from = 0;
        for index in 0..self.own.len() {
            let (hash, key) = self.own.place(index);
            let to = below.records().find(hash, key).unwrap_or_else(|to| to);
            below.write(from..to, out);
            self.own.write_range(index..index + 1, out);
            from = to;
        }
        below.write(from..below.records().len(), out);
    }

    /// The records to be changed where [`find`](Self::find) has said, and the place of the key
    /// among them. Nobody else has them then.
    #[inline]
    pub(super) fn own<'p>(
        shared: &'p mut Arc<Self>,
        found: Found,
        key: &[u8],
        copies: &Copies,
    ) -> (&'p mut Records, Result<usize, usize>) {
        let mut index = found.index;
        if Arc::strong_count(shared) > 1 || shared.below.is_some() {
            index = Self::make_own(shared, found.place, key, copies);
        }
        (&mut Arc::make_mut(shared).own, index)
    }

    #[cold]
    fn make_own(
        shared: &mut Arc<Self>,
        place: Place,
        key: &[u8],
        copies: &Copies,
    ) -> Result<usize, usize> {
        let mut is_copied = Arc::strong_count(shared) > 1;
        if is_copied && shared.below.is_none() && Below::most(&shared.own) > 0 {
            *shared = Arc::new(Self::above(Arc::clone(shared)));
        }
        let part = Arc::make_mut(shared);
        if let Some(below) = &part.below {
            let is_shared = Arc::strong_count(&below.part) > 1;
            let changed = part.own.len().max(below.hidden.places.len());
            if is_shared && changed < Below::most(below.records()) {
                // To be told of each change would be much to hear.
                let is_lifted = part.lift(place.hash, key);
                is_copied |= is_lifted && part.own.len().is_power_of_two();
            } else {
                part.settle();
                is_copied |= is_shared;
            }
        }
        if is_copied {
            copies.note(place.part, part.copied_bytes());
        }
        part.own.find(place.hash, key)
    }

    /// Copies a record to its own, if it is below. Says whether it was.
    fn lift(&mut self, hash: u32, key: &[u8]) -> bool {
        let Some(below) = &mut self.below else { return false };
        let Some(index) = below.find(hash, key) else { return false };
        self.own.put_copy(below.records(), index);
        below.hide(index);
        true
    }

    /// Makes its own what is below; if others have that, a copy of it.
    fn settle(&mut self) {
        let Some(below) = self.below.take() else { return };
        let own = Arc::unwrap_or_clone(below.part).own;
        let above = std::mem::replace(&mut self.own, own);
        // The last first: those before it stay where they are.
        for index in below.hidden.places.into_iter().rev() {
            let (hash, key) = self.own.place(index as usize);
            if above.find(hash, key).is_err() {
                self.own.remove(index as usize);
            }
        }
        (0..above.len()).for_each(|index| self.own.put_copy(&above, index));
    }
}

/// Parts are equal when they hold the same, wherever it lies.
impl PartialEq for Part {
    fn eq(&self, other: &Self) -> bool {
        self.size() == other.size() && self.entries(0).eq(other.entries(0))
    }
}

#[cfg(test)]
mod tests;
