//! Mutants of what a replica may expect of its disk.

use std::io;

use taraflow::dataflows::tara::invariants::subject;
use taraflow::disk::Disk;
use taraflow::simulation::FaultyDisk;

use super::rewriting::Subject;

/// A disk that says of some syncs that they are done, and does nothing.
struct Lazy {
    inner: FaultyDisk,
    /// How many syncs of files are yet to be left out, and whether those of names are.
    files: u64,
    names: bool,
}

impl Disk for Lazy {
    fn list(&self) -> io::Result<Vec<String>> {
        self.inner.list()
    }

    fn read(&self, file: &str) -> io::Result<Vec<u8>> {
        self.inner.read(file)
    }

    fn append(&mut self, file: &str, bytes: &[u8]) -> io::Result<()> {
        self.inner.append(file, bytes)
    }

    fn truncate(&mut self, file: &str, length: u64) -> io::Result<()> {
        self.inner.truncate(file, length)
    }

    fn overwrite(&mut self, file: &str, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.inner.overwrite(file, offset, bytes)
    }

    fn prepare(&mut self, file: &str, bytes: u64) -> io::Result<()> {
        self.inner.prepare(file, bytes)
    }

    fn sync(&mut self, file: &str) -> io::Result<()> {
        match self.files.checked_sub(1) {
            Some(left) => self.files = left,
            None => self.inner.sync(file)?,
        }
        Ok(())
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.inner.rename(from, to)
    }

    fn remove(&mut self, file: &str) -> io::Result<()> {
        self.inner.remove(file)
    }

    fn sync_names(&mut self) -> io::Result<()> {
        if self.names { self.inner.sync_names() } else { Ok(()) }
    }
}

/// 0.4: a replica speaks before its disk knows that it has started. Mostly it cannot start again.
pub fn a_start_is_not_durable() -> Subject {
    Subject { disk: |inner, _| Box::new(Lazy { inner, files: 1, names: true }), ..subject() }
}

/// 0.4: new files are filled and synced, and their names are not.
pub fn names_of_files_are_not_durable() -> Subject {
    Subject { disk: |inner, _| Box::new(Lazy { inner, files: 0, names: false }), ..subject() }
}
