//! Creation of a replica's disk, and recovery from it when the replica starts.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::checkpoints::{self, Checkpoints, ReadThrough};
use super::extent::{self, Extent};
use super::frame::Place;
use super::past::JournalPast;
use super::segment::{Broken, Header};
use super::store::Store;
use super::whole::{self, JournalContents};
use super::{Disk, Identity, disk_error, encode, names};
use crate::model::checkpoint::Checkpoint;
use crate::model::error::Error;
use crate::model::types::Slot;

/// The contents of a replica's disk when it starts.
#[derive(Clone, Debug)]
pub struct Recovered<R> {
    /// How often the replica has started, this time included: from 1.
    pub incarnation: u64,
    /// The newest checkpoint.
    pub checkpoint: Option<Checkpoint>,
    /// The record of which only the newest counts.
    pub newest: Option<R>,
    /// The slots from the checkpoint on and below this one are decided, and told of in `past`.
    pub decided: Slot,
    /// What the journal can tell of decided slots, from now on.
    pub past: JournalPast,
    /// Records about the slots from `decided` on, in the order in which they were written.
    pub slots: Vec<(Slot, R)>,
}

impl<R> Recovered<R> {
    /// What a replica without a disk starts from.
    pub fn nothing() -> Self {
        Self {
            incarnation: 1,
            checkpoint: None,
            newest: None,
            decided: Slot(0),
            past: JournalPast::default(),
            slots: Vec::new(),
        }
    }

    /// The first slot that is not in the checkpoint.
    pub fn covered(&self) -> Slot {
        self.checkpoint.as_ref().map_or(Slot(0), |checkpoint| checkpoint.slot)
    }
}

impl Store {
    /// Makes an empty disk that of `owner`, once in the life of a replica and before its first
    /// start.
    ///
    /// A disk that has lost everything looks like one that never held anything, and a replica that
    /// has forgotten its votes must not vote again. So a first life is never guessed: whoever makes
    /// a cluster says it here, and [`Store::open`] refuses a disk that does not hold what was made.
    ///
    /// # Errors
    /// [`Error::Taken`] when the disk holds files of a replica; [`Error::Disk`] when it fails.
    pub fn create(disk: &mut dyn Disk, owner: Identity) -> Result<(), Error> {
        let all = disk.list().map_err(|e| disk_error(owner, "list", "the directory", e))?;
        let taken = names::taken(&all).or_else(|| {
            // Where only the extent of a journal that was never begun is found, the making was cut
            // short.
            let bytes = disk.read(extent::FILE).ok()?;
            let never = Extent::read(&bytes, owner).is_ok_and(|extent| extent.incarnation == 0);
            (!never).then(|| extent::FILE.to_owned())
        });
        if let Some(file) = taken {
            return Err(Error::Taken { replica: owner.replica, file });
        }
        for name in all.iter().filter(|name| names::is_unfinished(name)) {
            disk.remove(name).map_err(|e| disk_error(owner, "remove", name, e))?;
        }
        let mut header = Vec::new();
        Place::of_header(0).write(&mut header, 0, 0, &encode(&Header::of(owner)));
        let extent = Extent::of_new(header.len() as u64).file(owner);
        // The extent first: a journal without one has lost it.
        make_file(disk, owner, extent::FILE, &extent)?;
        make_file(disk, owner, &names::segment(0), &header)
    }

    /// Opens the disk of `owner`, skips what a crash tore, and notes that the replica starts.
    ///
    /// An older copy of all files of a replica, put back in their place, looks like the disk it
    /// once was, and cannot be told from it: never restore one.
    ///
    /// # Errors
    /// [`Error::Empty`] when nothing of a replica is there. [`Error::Damaged`] when something is
    /// wrong that a crash does not explain, or has gone, with file and offset; nothing has been
    /// changed then. [`Error::Disk`] when the disk fails.
    pub fn open<R: Serialize + DeserializeOwned>(
        disk: Box<dyn Disk>,
        owner: Identity,
    ) -> Result<(Self, Recovered<R>), Error> {
        Self::open_reading(disk, owner, &mut checkpoints::look_through)
    }

    /// The same for one that takes over the checkpoint while it is read.
    ///
    /// # Errors
    /// As [`Store::open`], and [`Error::Application`] when it refuses one that is sound.
    pub fn open_reading<R: Serialize + DeserializeOwned>(
        mut disk: Box<dyn Disk>,
        owner: Identity,
        read_through: ReadThrough<'_>,
    ) -> Result<(Self, Recovered<R>), Error> {
        let names = disk.list().map_err(|e| disk_error(owner, "list", "the directory", e))?;
        let DiskContents { mut journal, checkpoints } =
            read(disk.as_ref(), owner, &names, read_through)?;
        let Checkpoints { newest: checkpoint, sound, useless, .. } = checkpoints;
        // From here on the disk is changed.
        for name in names.iter().filter(|name| names::is_unfinished(name)).chain(&useless) {
            disk.remove(name).map_err(|e| disk_error(owner, "remove", name, e))?;
        }
        let mut store = Self::assemble(disk, owner, &mut journal, sound, checkpoint.clone())?;
        journal.unsynced.iter().for_each(|(slot, entry)| store.push_slot(*slot, entry));
        store.note_told();
        let JournalContents { incarnation, newest, told: decided, slots, .. } = journal;
        let past = store.past().clone();
        let recovered = Recovered { incarnation, checkpoint, newest, decided, past, slots };
        let (covered, told) = (recovered.covered(), recovered.past.told());
        let can_be_told = told.start <= covered && decided <= told.end;
        assert!(decided == covered || can_be_told, "what is not in memory can be read");
        Ok((store, recovered))
    }
}

/// The contents of a disk of which nothing is missing.
pub(super) struct DiskContents<R> {
    pub journal: JournalContents<R>,
    pub checkpoints: Checkpoints,
}

/// Reads the disk of `owner` and judges it; nothing is changed.
///
/// # Errors
/// As [`Store::open`].
pub(super) fn read<R: Serialize + DeserializeOwned>(
    disk: &dyn Disk,
    owner: Identity,
    names: &[String],
    read_through: ReadThrough<'_>,
) -> Result<DiskContents<R>, Error> {
    let checkpoints = checkpoints::find(disk, names, owner, read_through)?;
    let covered = checkpoints.newest.as_ref().map_or(Slot(0), |checkpoint| checkpoint.slot);
    let journal = whole::read::<R>(disk, owner, names, covered)?;
    if covered < journal.forgotten {
        return Err(missing_checkpoint(owner, journal.forgotten, checkpoints));
    }
    whole::check_decided(&journal, covered)
        .map_err(|broken| damaged(owner, names::segment(journal.last), broken))?;
    Ok(DiskContents { journal, checkpoints })
}

/// Makes a file with these bytes, durable as a whole or not at all.
fn make_file(disk: &mut dyn Disk, owner: Identity, file: &str, bytes: &[u8]) -> Result<(), Error> {
    let temporary = names::temporary(file);
    let failed = |doing| move |e| disk_error(owner, doing, file, e);
    disk.append(&temporary, bytes).map_err(failed("begin"))?;
    disk.sync(&temporary).map_err(failed("sync"))?;
    disk.sync_names().map_err(failed("sync the name of"))?;
    disk.rename(&temporary, file).map_err(failed("name"))?;
    disk.sync_names().map_err(failed("sync the name of"))
}

fn missing_checkpoint(owner: Identity, forgotten: Slot, found: Checkpoints) -> Error {
    let expected = format!("a sound checkpoint of all slots below {forgotten}");
    let nothing = Broken::new(0, &*expected, "no such file");
    let (file, broken) = found.wrong.unwrap_or_else(|| (names::checkpoint(forgotten), nothing));
    damaged(owner, file, Broken { expected, ..broken })
}

pub(super) fn damaged(owner: Identity, file: String, broken: Broken) -> Error {
    let Broken { offset, expected, found } = broken;
    Error::Damaged { replica: owner.replica, file, offset, expected, found }
}
