//! The check that a journal is whole: which of its segments count, and whether all are there.
//!
//! Each segment says which one it goes on from, how many bytes of that one count, and of which
//! slots it and those before it speak. So from the newest one on, each is found and its length is
//! known; where the line ends, all that came before must have been forgotten. How far the newest
//! one reached is in the [extent](super::extent).
//!
//! What is decided, or in the checkpoint, is read and checked like the rest and stays where it is:
//! a journal may be longer than there is memory.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::extent::{self, Extent};
use super::frame::Place;
use super::past::Spots;
use super::recovery::damaged;
use super::segment::{At, Broken, Ending, Entry, Follows, Segment};
use super::{Disk, Identity, disk_error, encode, names};
use crate::model::error::Error;
use crate::model::types::Slot;

/// The contents of all segments of a disk.
pub(super) struct JournalContents<R> {
    pub extent: Extent,
    /// How often the replica has started, this time included.
    pub incarnation: u64,
    pub newest: Option<R>,
    /// The records about slots from `told` on; those of earlier ones are where `spots` say.
    pub slots: Vec<(Slot, R)>,
    /// The slots below this one are in the checkpoint, or decided as their records say.
    pub told: Slot,
    pub forgotten: Slot,
    /// The slots that are known to be decided, from the first to below the second.
    pub decided: Option<(Slot, Slot)>,
    /// The segments that count, each with the slot behind the last one it speaks of.
    pub segments: BTreeMap<u64, Slot>,
    /// Where in those the records about slots are.
    pub spots: BTreeMap<u64, Spots>,
    /// Those that do not.
    pub stale: Vec<u64>,
    /// The newest segment there is, whether it counts or not.
    pub last: u64,
    /// What the next segment goes on from.
    pub follows: Option<Follows>,
    /// Records that may not be durable, as entries: they belong into the next segment.
    pub unsynced: Vec<(Slot, Vec<u8>)>,
}

/// The contents of one segment.
struct Part<R> {
    number: u64,
    /// How often the replica had started.
    started: Option<u64>,
    follows: Option<Follows>,
    entries: Vec<(Entry<R>, At)>,
    /// Of records that are about slots below `told` and count only where they are is kept.
    told: Slot,
    spots: Spots,
    /// How much of it a record, or the extent, says to be durable.
    durable: u64,
}

/// Reads the journal of `owner`, of whose slots those below `covered` are in a checkpoint.
///
/// # Errors
/// [`Error::Empty`] when there is none and never was; [`Error::Damaged`] when something of it is
/// wrong or missing that a crash does not explain; [`Error::Disk`].
pub(super) fn read<R: Serialize + DeserializeOwned>(
    disk: &dyn Disk,
    owner: Identity,
    names: &[String],
    covered: Slot,
) -> Result<JournalContents<R>, Error> {
    let extent = read_extent(disk, owner, names)?;
    let mut parts = Vec::new();
    let mut stale = Vec::new();
    let mut next: Option<Follows> = None;
    // While nothing says that what was written anew into a later segment has come on the disk, it
    // counts where it stood before. Nor is it known till then what is in doubt.
    let mut told = None;
    let mut room = Vec::new();
    let present = names::segments(names);
    for &number in present.iter().rev() {
        let end = match next {
            Some(next) if next.segment == number => Ending::At(next.length),
            // The line has ended: what it goes on from is not there.
            Some(next) if number < next.segment => {
                stale.push(number);
                continue;
            }
            _ if told.is_some() => {
                stale.push(number);
                continue;
            }
            _ => Ending::Open { durable: extent.length_of(number) },
        };
        let mut part = Part::<R>::new(number, end, told.unwrap_or_default());
        part.read(disk, owner, end, &mut room)?;
        if !part.has_begun() {
            if number <= extent.segment {
                let expected = "the beginning of a segment of the journal that was on the disk";
                let broken = Broken::new(0, expected, "bytes that are no record");
                return Err(damaged(owner, names::segment(number), broken));
            }
            stale.push(number);
            continue;
        }
        next = part.follows;
        let is_vouched = part.durable > 0;
        parts.push(part);
        if is_vouched && told.is_none() {
            told = Some(told_below(&parts, covered));
        }
    }
    let told = told.unwrap_or_else(|| told_below(&parts, covered));
    if parts.first().is_none_or(|newest| newest.number < extent.segment) {
        return Err(missing_segment(owner, extent.segment));
    }
    parts.reverse();
    let last = present.last().copied().unwrap_or_default();
    let journal = JournalContents::of(extent, parts, told, stale, last);
    journal.check_beginning(owner, next)?;
    Ok(journal)
}

fn read_extent(disk: &dyn Disk, owner: Identity, names: &[String]) -> Result<Extent, Error> {
    if !names.iter().any(|name| name == extent::FILE) {
        let Some(taken) = names::taken(names) else {
            return Err(Error::Empty { replica: owner.replica });
        };
        let found = format!("no such file beside {taken}");
        let broken = Broken::new(0, "how far the journal reaches", found);
        return Err(damaged(owner, extent::FILE.to_owned(), broken));
    }
    let bytes = disk.read(extent::FILE).map_err(|e| disk_error(owner, "read", extent::FILE, e))?;
    Extent::read(&bytes, owner).map_err(|broken| damaged(owner, extent::FILE.to_owned(), broken))
}

/// The first slot that must be in memory, by the newest segments, of which all may be in doubt but
/// the last.
fn told_below<R: Serialize + DeserializeOwned>(newest: &[Part<R>], covered: Slot) -> Slot {
    let doubtful = newest.iter().flat_map(Part::late).map(|(slot, _)| slot).min();
    match newest.iter().find_map(Part::decided) {
        Some((from, to)) if from <= covered => doubtful.unwrap_or(to).min(to).max(covered),
        _ => covered,
    }
}

fn missing_segment(owner: Identity, number: u64) -> Error {
    let broken = Broken::new(0, "a segment of the journal that was on the disk", "no such file");
    damaged(owner, names::segment(number), broken)
}

/// Whether each slot that is known to be decided has a record that can say what it holds.
///
/// # Errors
/// The first slot that has none.
pub(super) fn check_decided<R>(journal: &JournalContents<R>, covered: Slot) -> Result<(), Broken> {
    let Some((_, decided)) = journal.decided.filter(|(from, _)| *from <= covered) else {
        return Ok(());
    };
    let spots = || journal.spots.values().flat_map(Spots::slots);
    // Of more slots than there are records one has none.
    let records = spots().count() as u64 + journal.slots.len() as u64;
    let mut known = vec![false; decided.0.saturating_sub(covered.0).min(records + 1) as usize];
    for slot in spots().chain(journal.slots.iter().map(|(slot, _)| *slot)) {
        let place = slot.0.checked_sub(covered.0).and_then(|place| known.get_mut(place as usize));
        place.into_iter().for_each(|known| *known = true);
    }
    match known.iter().position(|known| !known) {
        None => Ok(()),
        Some(place) => {
            let slot = Slot(covered.0 + place as u64);
            let expected = format!("a record of slot {slot}, which is known to be decided");
            Err(Broken::new(0, expected, "none in the whole journal"))
        }
    }
}

impl<R: Serialize + DeserializeOwned> Part<R> {
    fn new(number: u64, end: Ending, told: Slot) -> Self {
        let durable = match end {
            Ending::At(length) | Ending::Open { durable: length } => length,
        };
        let (started, follows, entries, spots) = (None, None, Vec::new(), Spots::default());
        Self { number, started, follows, entries, told, spots, durable }
    }

    fn read(
        &mut self,
        disk: &dyn Disk,
        owner: Identity,
        end: Ending,
        room: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let file = names::segment(self.number);
        disk.read_into(&file, room).map_err(|e| disk_error(owner, "read", &file, e))?;
        let segment = Segment { bytes: room, place: Place { owner, file: self.number }, end };
        let each = |entry, at| self.take(entry, at);
        let length = segment.walk(each).map_err(|broken| damaged(owner, file, broken))?;
        if matches!(end, Ending::At(_)) {
            // What follows was to be written anew, and perhaps it was not.
            let rest = Segment { end: Ending::Open { durable: 0 }, ..segment };
            let _ = rest.walk_from(length as usize, |entry, at| self.take(entry, at));
        }
        if self.number == 0 && length > 0 {
            // The first segment is made with nothing but a header.
            self.started.get_or_insert(0);
        }
        Ok(())
    }

    fn take(&mut self, entry: Entry<R>, at: At) {
        self.durable = self.durable.max(at.durable);
        match entry {
            Entry::Started(times) => self.started = Some(times),
            Entry::Follows(follows) => self.follows = Some(follows),
            Entry::Slot(slot, _) if slot < self.told && at.offset < self.durable => {
                self.spots.push(slot, at.offset);
            }
            entry => self.entries.push((entry, at)),
        }
    }

    /// Whether it says how often the replica had started, and what it goes on from.
    fn has_begun(&self) -> bool {
        self.started.is_some() && (self.follows.is_some() || self.number == 0)
    }

    /// The slot behind the last one it speaks of in what counts of it.
    fn reach(&self) -> Slot {
        let counted = self.entries.iter().filter(|(_, at)| at.offset < self.durable);
        let slots = counted.filter_map(|(entry, _)| match entry {
            Entry::Slot(slot, _) => Some(slot.next()),
            _ => None,
        });
        slots.max().unwrap_or_default().max(self.spots.reach())
    }

    /// What it says last to be decided.
    fn decided(&self) -> Option<(Slot, Slot)> {
        self.entries.iter().rev().find_map(|(entry, _)| match entry {
            Entry::Decided(from, to) => Some((*from, *to)),
            _ => None,
        })
    }

    /// Where in what counts of it records about slots are, those of a slot in their order.
    fn take_spots(&mut self) -> Spots {
        let mut spots = std::mem::take(&mut self.spots);
        for (entry, at) in self.entries.iter().filter(|(_, at)| at.offset < self.durable) {
            if let Entry::Slot(slot, _) = entry {
                spots.push(*slot, at.offset);
            }
        }
        spots
    }

    /// The records about slots that may not be durable.
    fn late(&self) -> impl Iterator<Item = (Slot, &Entry<R>)> {
        let late = self.entries.iter().filter(|(_, at)| at.offset >= self.durable);
        late.filter_map(|(entry, _)| match entry {
            Entry::Slot(slot, _) => Some((*slot, entry)),
            _ => None,
        })
    }

    /// The same as they are written.
    fn unsynced(&self) -> Vec<(Slot, Vec<u8>)> {
        self.late().map(|(slot, entry)| (slot, encode(entry))).collect()
    }
}

impl<R: Serialize + DeserializeOwned> JournalContents<R> {
    fn of(extent: Extent, parts: Vec<Part<R>>, told: Slot, stale: Vec<u64>, last: u64) -> Self {
        let mut journal = Self {
            extent,
            incarnation: 1,
            newest: None,
            slots: Vec::new(),
            told,
            forgotten: Slot(0),
            decided: None,
            segments: BTreeMap::new(),
            spots: BTreeMap::new(),
            stale,
            last,
            follows: None,
            unsynced: Vec::new(),
        };
        // What one segment left in doubt is found again in the next, and counts once.
        let mut rewritten: BTreeSet<Vec<u8>> = BTreeSet::new();
        for mut part in parts {
            let (number, reach) = (part.number, part.reach());
            let before = journal.segments.values().copied().max().unwrap_or_default();
            if part.durable > 0 {
                journal.segments.insert(number, reach);
                journal.spots.insert(number, part.take_spots());
                let (length, reach) = (part.durable, reach.max(before));
                journal.follows = Some(Follows { segment: number, length, reach });
                journal.unsynced = part.unsynced();
            } else {
                // Nothing says that the start which began it came to an end: what it wrote, and
                // wrote anew, is written again.
                journal.stale.push(number);
                journal.follows = journal.follows.or(part.follows);
                let late = part.unsynced().into_iter();
                journal.unsynced.extend(late.filter(|(_, entry)| !rewritten.contains(entry)));
            }
            let times = part.started.unwrap_or_default();
            journal.incarnation = journal.incarnation.max(times + 1);
            for (entry, _) in part.entries {
                let is_again = !rewritten.is_empty() && rewritten.contains(&encode(&entry));
                if !is_again {
                    journal.take(entry);
                }
            }
            rewritten = journal.unsynced.iter().map(|(_, entry)| entry.clone()).collect();
        }
        journal
    }

    fn take(&mut self, entry: Entry<R>) {
        match entry {
            Entry::Newest(record) => self.newest = Some(record),
            Entry::Slot(slot, record) if slot >= self.told => self.slots.push((slot, record)),
            Entry::Slot(..) => {}
            Entry::Forgot(slot) => self.forgotten = self.forgotten.max(slot),
            Entry::Decided(from, to) => self.decided = Some((from, to)),
            Entry::Started(_) | Entry::Follows(_) => {}
        }
    }

    /// Whether what came before the oldest segment was forgotten, and the replica has not started
    /// more often than the journal knows.
    fn check_beginning(&self, owner: Identity, before: Option<Follows>) -> Result<(), Error> {
        if let Some(before) = before.filter(|before| before.reach > self.forgotten) {
            return Err(missing_segment(owner, before.segment));
        }
        if self.incarnation > self.extent.incarnation {
            return Ok(());
        }
        let expected = format!("a journal of {} starts", self.extent.incarnation);
        let found = format!("one of {}", self.incarnation - 1);
        Err(damaged(owner, names::segment(self.last), Broken::new(0, expected, found)))
    }
}
