//! How a replica's disk begins, and what a replica finds there when it starts.

use std::collections::BTreeSet;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::checkpoints::{self, Checkpoints};
use super::frame::Place;
use super::segment::{Broken, Entry, Header, Segment};
use super::store::Store;
use super::{Disk, Identity, disk_error, encode, names};
use crate::checkpoint::Checkpoint;
use crate::error::Error;
use crate::types::Slot;

/// What a replica finds on its disk when it starts.
#[derive(Clone, Debug)]
pub struct Recovered<R> {
    /// How often the replica has started, this time included: from 1.
    pub incarnation: u64,
    /// The newest checkpoint.
    pub checkpoint: Option<Checkpoint>,
    /// The record of which only the newest counts.
    pub newest: Option<R>,
    /// Records about slots, in the order in which they were written.
    pub slots: Vec<(Slot, R)>,
}

impl<R> Recovered<R> {
    /// What a replica without a disk starts from.
    #[must_use]
    pub fn nothing() -> Self {
        Self { incarnation: 1, checkpoint: None, newest: None, slots: Vec::new() }
    }
}

impl Store {
    /// Makes an empty disk that of `owner`, once in the life of a replica and before its first start.
    ///
    /// A disk that has lost everything looks like one that never held anything, and a replica that has
    /// forgotten its votes must not vote again. So a first life is never guessed: whoever makes a
    /// cluster says it here, and [`Store::open`] refuses a disk without a journal.
    ///
    /// # Errors
    /// [`Error::Taken`] when the disk holds files of a replica; [`Error::Disk`] when it fails.
    pub fn create(disk: &mut dyn Disk, owner: Identity) -> Result<(), Error> {
        let all = disk.list().map_err(|e| disk_error(owner, "list", "the directory", e))?;
        let (old, checkpoints) = (names::segments(&all), names::checkpoints(&all));
        let segment = old.first().map(|number| names::segment(*number));
        let taken = segment.or_else(|| checkpoints.first().map(|slot| names::checkpoint(*slot)));
        if let Some(file) = taken {
            return Err(Error::Taken { replica: owner.replica, file });
        }
        for name in all.iter().filter(|name| names::is_unfinished(name)) {
            disk.remove(name).map_err(|e| disk_error(owner, "remove", name, e))?;
        }
        let mut header = Vec::new();
        Place::of_header(0).write(&mut header, 0, 0, &encode(&Header::of(owner)));
        let file = names::segment(0);
        let beside = names::beside(&file);
        let failed = |doing| move |e| disk_error(owner, doing, &names::segment(0), e);
        disk.append(&beside, &header).map_err(failed("begin"))?;
        disk.sync(&beside).map_err(failed("sync"))?;
        disk.sync_names().map_err(failed("sync the name of"))?;
        disk.rename(&beside, &file).map_err(failed("name"))?;
        disk.sync_names().map_err(failed("sync the name of"))
    }

    /// Opens the disk of `owner`, cuts off what a crash tore, and notes that the replica starts.
    ///
    /// An older copy of a replica's own disk, put back in its place, looks like the disk it once was,
    /// and cannot be told from it: never restore one, replace the replica.
    ///
    /// # Errors
    /// [`Error::Empty`] when there is no journal. [`Error::Damaged`] when something is wrong that a
    /// crash does not explain, with file and offset; nothing has been changed then. [`Error::Disk`]
    /// when the disk fails.
    pub fn open<R: Serialize + DeserializeOwned>(
        mut disk: Box<dyn Disk>,
        owner: Identity,
    ) -> Result<(Self, Recovered<R>), Error> {
        let names = disk.list().map_err(|e| disk_error(owner, "list", "the directory", e))?;
        let journal = read_journal(disk.as_ref(), owner, &names)?;
        let Journal { mut recovered, forgotten, segments, last, cut } = journal;
        let found = checkpoints::find(disk.as_ref(), &names, owner)?;
        let covered = found.newest.as_ref().map_or(Slot(0), |checkpoint| checkpoint.slot);
        if covered < forgotten {
            return Err(missing_checkpoint(owner, forgotten, found));
        }
        let Checkpoints { newest: checkpoint, sound, unsound, .. } = found;
        recovered.checkpoint = checkpoint;
        // From here on the disk is changed.
        let remove = names.iter().filter(|name| names::is_unfinished(name)).chain(&unsound);
        clean(disk.as_mut(), owner, (last, cut), remove)?;
        let newest = recovered.newest.as_ref().map(|record| encode(&Entry::Newest(record)));
        let incarnation = recovered.incarnation;
        let mut store = Self::stand(disk, owner, incarnation, newest, segments, sound, forgotten);
        store.write_anew(&mut recovered.slots);
        recovered.slots.retain(|(slot, _)| *slot >= covered);
        Ok((store, recovered))
    }

    /// Queues what was found, for it to be written into new segments; the old ones go after that.
    ///
    /// A sync that failed in an earlier life may have left what the disk does not hold, and no later
    /// sync of that file would say so. All of it: the checkpoint may rot, and the one before it needs
    /// what came between. A start that did not get to remove the old files leaves them beside its copy;
    /// each record counts once.
    fn write_anew<R: Serialize>(&mut self, slots: &mut Vec<(Slot, R)>) {
        let forgotten = self.forgotten();
        let mut written = BTreeSet::new();
        slots.retain(|(slot, record)| {
            let entry = encode(&Entry::Slot(*slot, record));
            let keep = *slot >= forgotten && !written.contains(&entry);
            if keep {
                self.push_slot(*slot, &entry);
                written.insert(entry);
            }
            keep
        });
    }
}

/// What the segments of a disk hold.
struct Journal<R> {
    recovered: Recovered<R>,
    forgotten: Slot,
    segments: Vec<u64>,
    /// The newest segment.
    last: u64,
    /// Where it ends, if something follows that is no record.
    cut: Option<u64>,
}

fn read_journal<R: DeserializeOwned>(
    disk: &dyn Disk,
    owner: Identity,
    names: &[String],
) -> Result<Journal<R>, Error> {
    let segments = names::segments(names);
    let Some(&last) = segments.last() else {
        return Err(Error::Empty { replica: owner.replica });
    };
    let (mut recovered, mut forgotten, mut cut) = (Recovered::nothing(), Slot(0), None);
    for &number in &segments {
        let file = names::segment(number);
        let bytes = disk.read(&file).map_err(|e| disk_error(owner, "read", &file, e))?;
        let place = Place { owner, file: number };
        let segment = Segment { bytes: &bytes, place, newest: number == last };
        let take = |entry, _, _| match entry {
            Entry::Started(times) => recovered.incarnation = recovered.incarnation.max(times + 1),
            Entry::Newest(record) => recovered.newest = Some(record),
            Entry::Slot(slot, record) => recovered.slots.push((slot, record)),
            Entry::Forgot(slot) => forgotten = forgotten.max(slot),
        };
        let length = segment.walk(take).map_err(|broken| damaged(owner, file, broken))?;
        cut = (length < bytes.len() as u64).then_some(length);
    }
    Ok(Journal { recovered, forgotten, segments, last, cut })
}

/// Cuts the end of the newest segment, and removes what is of no use.
fn clean<'a>(
    disk: &mut dyn Disk,
    owner: Identity,
    (newest, cut): (u64, Option<u64>),
    remove: impl Iterator<Item = &'a String>,
) -> Result<(), Error> {
    let file = &names::segment(newest);
    if let Some(length) = cut {
        let cut = disk.truncate(file, length);
        cut.map_err(|e| disk_error(owner, "cut the torn end of", file, e))?;
    }
    // What a killed process left in it can be read, but need not be on the disk.
    disk.sync(file).map_err(|e| disk_error(owner, "sync", file, e))?;
    disk.sync_names().map_err(|e| disk_error(owner, "sync", "the directory", e))?;
    for name in remove {
        disk.remove(name).map_err(|e| disk_error(owner, "remove", name, e))?;
    }
    Ok(())
}

fn missing_checkpoint(owner: Identity, forgotten: Slot, found: Checkpoints) -> Error {
    let expected = format!("a sound checkpoint of all slots below {forgotten}");
    let nothing = Broken { offset: 0, expected: expected.clone(), found: "none".to_owned() };
    let (file, broken) = found.wrong.unwrap_or_else(|| (names::checkpoint(forgotten), nothing));
    damaged(owner, file, Broken { expected, ..broken })
}

fn damaged(owner: Identity, file: String, broken: Broken) -> Error {
    let Broken { offset, expected, found } = broken;
    Error::Damaged { replica: owner.replica, file, offset, expected, found }
}
