//! A disk that keeps its promises and nothing else: what was not synced may be lost or torn, it can
//! be full, fail a sync, die after any operation, and rot.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::random::Random;
use crate::disk::Disk;
use crate::model::checkpoint::Source;

/// A simulated disk; copies share the files, which outlive a crash of the replica.
#[derive(Clone, Default)]
pub struct FaultyDisk(Arc<Mutex<Files>>);

#[derive(Default)]
struct Files {
    next: u64,
    files: BTreeMap<u64, File>,
    names: BTreeMap<String, u64>,
    /// The names as they would be found after a crash, and what has changed since they were synced.
    durable: BTreeMap<String, u64>,
    changes: Vec<Change>,
    full: bool,
    /// How many bytes all files may have.
    capacity: Option<usize>,
    fail_sync: bool,
    dies_after: Option<u64>,
    /// The bytes of all files at some crash of the past, as somebody may have copied them.
    copy: BTreeMap<String, Vec<u8>>,
    /// Whether the replica knows all it should know of its files: not from a crash of the machine, or
    /// from where a full disk did not let it note how far its journal reaches, to the next note.
    settled: bool,
    counts: DiskCounts,
}

/// What has been asked of a disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskCounts {
    /// Appends.
    pub appends: u64,
    /// Syncs of files.
    pub syncs: u64,
    /// Syncs of names.
    pub name_syncs: u64,
    /// Appends refused because the disk was full.
    pub full: u64,
    /// Syncs that failed.
    pub failed: u64,
}

#[derive(Default)]
struct File {
    bytes: Vec<u8>,
    /// Bytes that survive a crash.
    synced: usize,
    /// How many were so two syncs ago. A flip after them may look like a torn write, for the record
    /// that says they were durable may itself be the last; it is outside the fault model.
    synced_before: [usize; 2],
    /// What was written over since the last sync, as it was then: 512 bytes each, by their number.
    overwritten: BTreeMap<usize, Vec<u8>>,
    /// Up to where blocks are ready, as zeros that only a crash makes part of the file.
    prepared: usize,
}

/// A name, and the file that it is given, if it is given one.
type Change = (String, Option<u64>);

fn apply(names: &mut BTreeMap<String, u64>, (name, file): Change) {
    match file {
        Some(file) => names.insert(name, file),
        None => names.remove(&name),
    };
}

impl FaultyDisk {
    fn files(&self) -> MutexGuard<'_, Files> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The files, for an operation that changes them.
    fn operation(&self) -> io::Result<MutexGuard<'_, Files>> {
        let mut files = self.files();
        match &mut files.dies_after {
            Some(0) => return Err(io::Error::other("the disk is gone")),
            Some(left) => *left -= 1,
            None => {}
        }
        Ok(files)
    }

    /// Whether appends fail for want of room from now on.
    pub fn set_full(&self, full: bool) {
        self.files().full = full;
    }

    /// Has all files together hold no more than so many bytes from now on.
    pub fn set_capacity(&self, bytes: Option<usize>) {
        self.files().capacity = bytes;
    }

    /// Lets the next sync fail, and lose what it should have made durable.
    pub fn fail_next_sync(&self) {
        self.files().fail_sync = true;
    }

    /// Lets every operation fail from the one after the next `operations` on, until the crash.
    pub fn die_after(&self, operations: u64) {
        self.files().dies_after = Some(operations);
    }

    /// What has been asked of it.
    pub fn counts(&self) -> DiskCounts {
        self.files().counts
    }

    /// How many bytes its files have.
    pub fn bytes(&self) -> usize {
        self.files().used()
    }

    /// The replica has crashed: of what was not synced, some part is lost, some part is garbage.
    ///
    /// When only the process was killed, nothing is lost yet, and nothing of it is safer than
    /// before.
    pub fn crash(&self, random: &mut Random, torn_per_million: u64, process_only: bool) {
        let mut files = self.files();
        files.dies_after = None;
        files.fail_sync = false;
        if random.chance(300_000) {
            files.copy = files.all().collect();
        }
        if process_only {
            files.files.values_mut().for_each(File::show_prepared);
            return;
        }
        files.settled = false;
        let changes = std::mem::take(&mut files.changes);
        let kept = random.below(changes.len() as u64 + 1) as usize;
        let mut names = files.durable.clone();
        for change in changes.into_iter().take(kept) {
            apply(&mut names, change);
        }
        for file in files.files.values_mut() {
            file.undo_some(random);
            let tail = file.bytes.len() - file.synced;
            let kept = random.below(tail as u64 + 1) as usize;
            file.bytes.truncate(file.synced + kept);
            if kept > 0 && random.chance(torn_per_million) {
                let at = file.synced + random.below(kept as u64) as usize;
                file.bytes[at] ^= 1 << random.below(8);
            }
            file.synced = file.bytes.len();
            file.synced_before = file.synced_before.map(|before| before.min(file.synced));
            file.show_prepared();
        }
        files.files.retain(|id, _| names.values().any(|named| named == id));
        files.durable.clone_from(&names);
        files.names = names;
    }

    /// Flips a bit of something that was durable long ago; says in which file.
    pub fn rot(&self, random: &mut Random) -> Option<String> {
        let mut files = self.files();
        let names: Vec<(String, u64)> =
            files.names.iter().map(|(name, id)| (name.clone(), *id)).collect();
        let (name, id) = random.pick(&names).clone();
        let file = files.files.get_mut(&id)?;
        let whole = !name.starts_with("journal");
        let end = if whole { file.synced } else { file.synced_before[0] };
        let at = random.below(end as u64) as usize;
        let byte = file.bytes.get_mut(at).filter(|_| at < end)?;
        *byte ^= 1 << random.below(8);
        Some(name)
    }
}

/// What people and their tools do to a file.
#[derive(Clone, Copy, Debug)]
enum Harm {
    Gone,
    Empty,
    Cut,
    Zeros,
    Noise,
    /// An older copy of it is put back.
    Older,
    /// That of another replica is put in its place.
    Foreign,
}

impl Harm {
    const ALL: [Self; 7] =
        [Self::Gone, Self::Empty, Self::Cut, Self::Zeros, Self::Noise, Self::Older, Self::Foreign];
}

impl FaultyDisk {
    /// Does harm to one file of a replica whose process was killed; `other` is the disk of another
    /// replica. Says what was done to which file, if anything was.
    ///
    /// Not between a crash of the machine and the first sync after it, since up to where the journal
    /// reaches is not synced itself, nor while a full disk has no room for that note: two such faults
    /// together are outside the fault model.
    pub fn harm(&self, random: &mut Random, other: &Self) -> Option<String> {
        let (name, synced, older) = self.file_to_harm(random)?;
        let harm = *random.pick(&Harm::ALL);
        // Behind that nothing is promised.
        let at = random.below(synced as u64 + 1) as usize;
        let before = self.read(&name).ok()?;
        let after = match harm {
            Harm::Gone => None,
            Harm::Empty => Some(Vec::new()),
            Harm::Cut => Some(before[..at].to_vec()),
            Harm::Zeros => Some(vec![0; before.len()]),
            Harm::Noise => {
                let rest = before[at..].iter().map(|byte| byte ^ random.within(1..256) as u8);
                Some(before[..at].iter().copied().chain(rest).collect())
            }
            Harm::Older => Some(older?),
            Harm::Foreign => Some(other.read(&name).ok()?),
        };
        if after.as_ref() == Some(&before) {
            return None;
        }
        self.files().put(&name, after.map(File::of));
        Some(format!("{name}: {harm:?} at {at}"))
    }

    /// A file, how much of it is synced, and what it held some time ago; nothing if it is not the
    /// time for harm.
    fn file_to_harm(&self, random: &mut Random) -> Option<(String, usize, Option<Vec<u8>>)> {
        let files = self.files();
        if !files.settled {
            return None;
        }
        let names: Vec<_> = files.names.iter().collect();
        // The newest segment of the journal is one file of many, and most depends on it.
        let newest = names.iter().rfind(|(name, _)| name.starts_with("journal"));
        let newest = newest.filter(|_| random.chance(500_000));
        let (name, id) = *newest.unwrap_or_else(|| random.pick(&names));
        Some((name.clone(), files.files.get(id)?.synced, files.copy.get(name).cloned()))
    }
}

impl File {
    /// A file that is on the disk.
    fn of(bytes: Vec<u8>) -> Self {
        let synced = bytes.len();
        Self { bytes, synced, synced_before: [synced; 2], ..Self::default() }
    }

    /// Bytes that a disk writes at once or not at all.
    const SECTOR: usize = 512;

    /// Each sector that was written over since the last sync is as before or as written.
    fn undo_some(&mut self, random: &mut Random) {
        for (sector, before) in std::mem::take(&mut self.overwritten) {
            if random.chance(500_000) {
                // What a failed sync has dropped does not come back.
                let now = self.bytes.iter_mut().skip(sector * Self::SECTOR);
                now.zip(before).for_each(|(now, before)| *now = before);
            }
        }
    }

    /// Whoever reads the file next does not know where its bytes end and its blocks go on.
    fn show_prepared(&mut self) {
        let length = self.bytes.len().max(self.prepared);
        self.bytes.resize(length, 0);
    }
}

impl Files {
    /// All names with what is there.
    fn all(&self) -> impl Iterator<Item = (String, Vec<u8>)> {
        let bytes = |id| self.files.get(id).map_or_else(Vec::new, |file| file.bytes.clone());
        self.names.iter().map(move |(name, id)| (name.clone(), bytes(id)))
    }

    /// Puts a file in the place of another, or nothing, and on the disk.
    fn put(&mut self, name: &str, file: Option<File>) {
        let id = file.map(|file| self.add(file));
        // No change that is under way brings back what was there.
        self.changes.retain(|(named, _)| named != name);
        apply(&mut self.durable, (name.to_owned(), id));
        apply(&mut self.names, (name.to_owned(), id));
    }

    fn add(&mut self, file: File) -> u64 {
        self.next += 1;
        self.files.insert(self.next, file);
        self.next
    }

    fn used(&self) -> usize {
        let size = |id| self.files.get(id).map_or(0, |file| file.bytes.len());
        self.names.values().map(size).sum()
    }

    fn change(&mut self, name: &str, file: Option<u64>) {
        self.changes.push((name.to_owned(), file));
        apply(&mut self.names, (name.to_owned(), file));
    }

    fn file(&mut self, name: &str) -> io::Result<&mut File> {
        let id = self.names.get(name).ok_or(io::ErrorKind::NotFound)?;
        self.files.get_mut(id).ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

impl Disk for FaultyDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.files().names.keys().cloned().collect())
    }

    fn read_into(&self, file: &str, room: &mut Vec<u8>) -> io::Result<()> {
        room.clone_from(&self.files().file(file)?.bytes);
        Ok(())
    }

    fn source(&self, file: &str) -> io::Result<Arc<dyn Source>> {
        Ok(Arc::new(self.read(file)?))
    }

    fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let mut files = self.operation()?;
        files.counts.appends += 1;
        if !files.names.contains_key(name) {
            let id = files.add(File::default());
            files.change(name, Some(id));
        }
        let room = if files.full { bytes.len() / 2 } else { bytes.len() };
        let left = files.capacity.map_or(room, |most| most.saturating_sub(files.used()));
        let room = room.min(left);
        files.file(name)?.bytes.extend_from_slice(&bytes[..room]);
        if room < bytes.len() {
            files.counts.full += 1;
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(())
    }

    fn truncate(&mut self, name: &str, length: u64) -> io::Result<()> {
        let mut files = self.operation()?;
        let file = files.file(name)?;
        file.bytes.truncate(length as usize);
        file.prepared = 0;
        file.synced = file.synced.min(file.bytes.len());
        file.synced_before = file.synced_before.map(|before| before.min(file.synced));
        Ok(())
    }

    fn overwrite(&mut self, name: &str, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut files = self.operation()?;
        let is_full = files.full;
        let file = files.file(name)?;
        let (start, end) = (offset as usize, offset as usize + bytes.len());
        if end > file.bytes.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if is_full {
            // Some file systems write elsewhere what is written over.
            files.settled &= name != "extent";
            return Err(io::ErrorKind::StorageFull.into());
        }
        for sector in start / File::SECTOR..end.div_ceil(File::SECTOR) {
            let rest = &file.bytes[sector * File::SECTOR..];
            let before = || rest[..rest.len().min(File::SECTOR)].to_vec();
            file.overwritten.entry(sector).or_insert_with(before);
        }
        file.bytes[start..end].copy_from_slice(bytes);
        files.settled |= name == "extent";
        Ok(())
    }

    fn prepare(&mut self, name: &str, bytes: u64) -> io::Result<()> {
        let mut files = self.files();
        let file = files.file(name)?;
        file.prepared = file.bytes.len() + bytes as usize;
        Ok(())
    }

    fn sync(&mut self, name: &str) -> io::Result<()> {
        let mut files = self.operation()?;
        files.counts.syncs += 1;
        if std::mem::take(&mut files.fail_sync) {
            files.counts.failed += 1;
            let file = files.file(name)?;
            file.bytes.truncate(file.synced);
            return Err(io::Error::other("input/output error"));
        }
        let file = files.file(name)?;
        file.overwritten.clear();
        if file.bytes.len() > file.synced {
            file.synced_before = [file.synced_before[1], file.synced];
            file.synced = file.bytes.len();
        }
        Ok(())
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let mut files = self.operation()?;
        let id = *files.names.get(from).ok_or(io::ErrorKind::NotFound)?;
        files.change(to, Some(id));
        files.change(from, None);
        Ok(())
    }

    fn remove(&mut self, file: &str) -> io::Result<()> {
        let mut files = self.operation()?;
        files.file(file)?;
        files.change(file, None);
        Ok(())
    }

    fn sync_names(&mut self) -> io::Result<()> {
        let mut files = self.operation()?;
        files.counts.name_syncs += 1;
        files.durable = files.names.clone();
        files.changes.clear();
        Ok(())
    }
}
