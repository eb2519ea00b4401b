//! Mutants of what a replica may expect of its disk.

use std::io;
use std::sync::Arc;

use taraflow::dataflows::tara::invariants::subject;
use taraflow::disk::Disk;
use taraflow::hosts::simulation::FaultyDisk;
use taraflow::model::checkpoint::Source;

use crate::spoken::Subject;

/// A disk that says of some things that they are done, and does nothing.
pub(super) struct Lazy {
    pub(super) inner: FaultyDisk,
    /// How many syncs of files are yet to be left out.
    pub(super) files: u64,
    /// Whether it syncs names.
    pub(super) names: bool,
    /// Whether it writes over what is there.
    pub(super) overwrites: bool,
    /// Whether it syncs packs.
    pub(super) packs: bool,
    /// Whether packs stay that are named when a manifest goes.
    pub(super) keeps_packs: bool,
}

impl Lazy {
    /// One that does all.
    pub(super) fn not_at_all(inner: FaultyDisk) -> Self {
        Self { inner, files: 0, names: true, overwrites: true, packs: true, keeps_packs: true }
    }
}

impl Disk for Lazy {
    fn list(&self) -> io::Result<Vec<String>> {
        self.inner.list()
    }

    fn read_into(&self, file: &str, room: &mut Vec<u8>) -> io::Result<()> {
        self.inner.read_into(file, room)
    }

    fn source(&self, file: &str) -> io::Result<Arc<dyn Source>> {
        self.inner.source(file)
    }

    fn append(&mut self, file: &str, bytes: &[u8]) -> io::Result<()> {
        self.inner.append(file, bytes)
    }

    fn truncate(&mut self, file: &str, length: u64) -> io::Result<()> {
        self.inner.truncate(file, length)
    }

    fn overwrite(&mut self, file: &str, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if self.overwrites {
            return self.inner.overwrite(file, offset, bytes);
        }
        let start = offset as usize;
        let before = self.inner.read(file)?[start..start + bytes.len()].to_vec();
        self.inner.overwrite(file, offset, &before)
    }

    fn prepare(&mut self, file: &str, bytes: u64) -> io::Result<()> {
        self.inner.prepare(file, bytes)
    }

    fn sync(&mut self, file: &str) -> io::Result<()> {
        match self.files.checked_sub(1) {
            Some(left) => self.files = left,
            None if file.starts_with("parts-") && !self.packs => {}
            None => self.inner.sync(file)?,
        }
        Ok(())
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.inner.rename(from, to)
    }

    fn remove(&mut self, file: &str) -> io::Result<()> {
        if self.keeps_packs {
            return self.inner.remove(file);
        }
        let oldest = self.list()?.into_iter().find(|name| name.starts_with("parts-"));
        if let Some(oldest) = oldest.filter(|_| file.starts_with("checkpoint-")) {
            self.inner.remove(&oldest)?;
        }
        match self.inner.remove(file) {
            // It has gone already.
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            outcome => outcome,
        }
    }

    fn sync_names(&mut self) -> io::Result<()> {
        if self.names { self.inner.sync_names() } else { Ok(()) }
    }
}

/// 0.4: a replica speaks before its disk knows that it has started. Mostly it cannot start again.
pub fn a_start_is_not_durable() -> Subject {
    let disk =
        |inner, _| -> Box<dyn Disk> { Box::new(Lazy { files: 1, ..Lazy::not_at_all(inner) }) };
    Subject { disk, ..subject() }
}

/// 0.4: new files are filled and synced, and their names are not.
pub fn names_of_files_are_not_durable() -> Subject {
    let disk =
        |inner, _| -> Box<dyn Disk> { Box::new(Lazy { names: false, ..Lazy::not_at_all(inner) }) };
    Subject { disk, ..subject() }
}

/// 0.4: a disk whose journal ends too early is taken for whole.
pub fn nothing_says_how_far_a_journal_reached() -> Subject {
    let disk = |inner, _| -> Box<dyn Disk> {
        Box::new(Lazy { overwrites: false, ..Lazy::not_at_all(inner) })
    };
    Subject { disk, ..subject() }
}
