//! The past that a journal can tell: what decided slots hold whose records are in segments that do
//! not grow any more.
//!
//! So a replica need not keep in memory what another may ask for. The store notes where the records
//! are; whoever asks reads them from the files, on a thread of its own if it likes.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::de::DeserializeOwned;

use super::frame::{HEAD, Place, payload_length};
use super::segment::Entry;
use crate::model::checkpoint::Source;
use crate::model::types::Slot;

/// The records of a journal about decided slots, as far as it can tell of them.
#[derive(Clone, Default)]
pub struct JournalPast(Arc<Mutex<Index>>);

#[derive(Default)]
struct Index {
    segments: BTreeMap<u64, Segment>,
    told: Range<Slot>,
}

/// A segment that does not grow any more.
struct Segment {
    place: Place,
    source: Arc<dyn Source>,
    spots: Spots,
}

/// Where in a segment records about slots begin, in the order in which they were written.
#[derive(Clone, Debug, Default)]
pub(super) struct Spots {
    spots: Vec<(Slot, u64)>,
    /// The slots from the lowest to behind the highest.
    slots: Option<Range<Slot>>,
}

impl Spots {
    pub fn push(&mut self, slot: Slot, at: u64) {
        self.spots.push((slot, at));
        let Range { start, end } = self.slots.clone().unwrap_or(slot..slot);
        self.slots = Some(start.min(slot)..end.max(slot.next()));
    }

    /// The lowest slot of which there is a record.
    pub fn lowest(&self) -> Option<Slot> {
        self.slots.as_ref().map(|slots| slots.start)
    }

    /// The slot behind the last one of which there is a record.
    pub fn reach(&self) -> Slot {
        self.slots.as_ref().map_or(Slot(0), |slots| slots.end)
    }

    /// All slots of which there are records, once for each.
    pub fn slots(&self) -> impl Iterator<Item = Slot> {
        self.spots.iter().map(|(slot, _)| *slot)
    }

    fn within(&self, wanted: &Range<Slot>) -> impl Iterator<Item = &(Slot, u64)> {
        let meet = |own: &Range<Slot>| own.start < wanted.end && wanted.start < own.end;
        let spots = if self.slots.as_ref().is_some_and(meet) { &self.spots[..] } else { &[] };
        spots.iter().filter(|(slot, _)| wanted.contains(slot))
    }
}

impl fmt::Debug for JournalPast {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("JournalPast").field(&self.told()).finish()
    }
}

impl JournalPast {
    /// Slots that are told of at a time.
    const SLOTS_MAX: u64 = 1 << 10;
    /// Slots that are sought at a time by who wants many.
    const SLOTS_SOUGHT: u64 = 1 << 16;

    /// The slots that can be told of: all their records are here, and say what was decided.
    pub fn told(&self) -> Range<Slot> {
        self.index().told.clone()
    }

    /// The records about slot after slot from `from` on, those of a slot in the order in which they
    /// were written: of so many slots that they have `bytes`, if there are as many.
    ///
    /// # Errors
    /// An error of the disk, and [`io::ErrorKind::InvalidData`] where something has rotted.
    pub fn records<R: DeserializeOwned>(
        &self,
        from: Slot,
        bytes: usize,
    ) -> io::Result<Vec<Vec<R>>> {
        let found = self.index().find(from..Slot(from.0 + Self::SLOTS_MAX));
        let mut reader = Reader::default();
        let mut told = Vec::new();
        for ((slot, spots), next) in found.into_iter().zip(from.0..) {
            if reader.bytes >= bytes || slot.0 != next {
                break;
            }
            told.push(reader.records(&spots)?);
        }
        Ok(told)
    }

    /// Hands the records about each of these slots to `each`, slot after slot.
    ///
    /// # Errors
    /// As [`records`](Self::records), where a slot has none, and what `each` says.
    pub fn walk<R: DeserializeOwned>(
        &self,
        slots: Range<Slot>,
        mut each: impl FnMut(Slot, &[R]) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut reader = Reader::default();
        for from in (slots.start.0..slots.end.0).step_by(Self::SLOTS_SOUGHT as usize) {
            let to = slots.end.min(Slot(from + Self::SLOTS_SOUGHT));
            let found = self.index().find(Slot(from)..to);
            for slot in (from..to.0).map(Slot) {
                let spots = found.get(&slot).map_or(&[][..], Vec::as_slice);
                each(slot, &reader.records(spots)?)?;
            }
        }
        Ok(())
    }

    /// A segment has its last record.
    pub(super) fn add(&self, place: Place, source: Arc<dyn Source>, spots: Spots) {
        self.index().segments.insert(place.file, Segment { place, source, spots });
    }

    /// A segment goes.
    pub(super) fn remove(&self, segment: u64) {
        self.index().segments.remove(&segment);
    }

    pub(super) fn set_told(&self, told: Range<Slot>) {
        self.index().told = told;
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of a record.
struct Spot {
    place: Place,
    source: Arc<dyn Source>,
    at: u64,
}

impl Index {
    /// Where the records about these slots are, as far as they can be told of.
    fn find(&self, slots: Range<Slot>) -> BTreeMap<Slot, Vec<Spot>> {
        let mut found: BTreeMap<Slot, Vec<Spot>> = BTreeMap::new();
        if !self.told.contains(&slots.start) {
            return found;
        }
        let wanted = slots.start..self.told.end.min(slots.end);
        for segment in self.segments.values() {
            for (slot, at) in segment.spots.within(&wanted) {
                let source = Arc::clone(&segment.source);
                let spot = Spot { place: segment.place, source, at: *at };
                found.entry(*slot).or_default().push(spot);
            }
        }
        found
    }
}

/// Reads records that are near each other.
#[derive(Default)]
struct Reader {
    /// The bytes read last: of which segment, from where on.
    room: Vec<u8>,
    of: Option<(u64, u64)>,
    /// Bytes of all records read.
    bytes: usize,
}

impl Reader {
    /// Bytes that are read at a time, unless a record is longer.
    const READ_BYTES: u64 = 256 << 10;

    fn records<R: DeserializeOwned>(&mut self, spots: &[Spot]) -> io::Result<Vec<R>> {
        spots.iter().map(|spot| self.record(spot)).collect()
    }

    fn record<R: DeserializeOwned>(&mut self, spot: &Spot) -> io::Result<R> {
        let rotten = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why.to_owned());
        let head: &[u8; HEAD] =
            self.at(spot, HEAD)?.first_chunk().ok_or_else(|| rotten("short"))?;
        let length = payload_length(head) as usize;
        let record = self.at(spot, HEAD + length)?;
        let frame = spot.place.read_at(record, spot.at).map_err(|e| rotten(&e.to_string()))?;
        let entry = postcard::from_bytes(frame.payload).map_err(|e| rotten(&e.to_string()))?;
        self.bytes += HEAD + length;
        match entry {
            Entry::Slot(_, record) => Ok(record),
            _ => Err(rotten("a record of another kind")),
        }
    }

    /// At least so many bytes that begin where a record does.
    fn at(&mut self, spot: &Spot, bytes: usize) -> io::Result<&[u8]> {
        let (file, at) = (spot.place.file, spot.at);
        let is_here = |(of, from): (u64, u64), room: &[u8]| {
            of == file && from <= at && at + bytes as u64 <= from + room.len() as u64
        };
        if !self.of.is_some_and(|of| is_here(of, &self.room)) {
            let left = spot.source.length().checked_sub(at).ok_or(io::ErrorKind::UnexpectedEof)?;
            if left < bytes as u64 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.of = None;
            self.room.resize(left.min(Self::READ_BYTES.max(bytes as u64)) as usize, 0);
            spot.source.read_at(at, &mut self.room)?;
            self.of = Some((file, at));
        }
        let from = self.of.map_or(at, |(_, from)| from);
        Ok(&self.room[(at - from) as usize..])
    }
}
