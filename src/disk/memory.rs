//! A disk in memory, shared by whoever holds a copy: it outlives the replica, not the process.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use super::Disk;
use crate::model::checkpoint::Source;

/// Files in memory.
#[derive(Clone, Debug, Default)]
pub struct MemoryDisk(Arc<Mutex<BTreeMap<String, Vec<u8>>>>);

impl MemoryDisk {
    fn with<T>(&self, work: impl FnOnce(&mut BTreeMap<String, Vec<u8>>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn file<T>(&self, file: &str, work: impl FnOnce(&mut Vec<u8>) -> T) -> io::Result<T> {
        self.with(|files| {
            files.get_mut(file).map(work).ok_or_else(|| io::ErrorKind::NotFound.into())
        })
    }
}

impl Disk for MemoryDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        Ok(self.with(|files| files.keys().cloned().collect()))
    }

    fn read_into(&self, file: &str, room: &mut Vec<u8>) -> io::Result<()> {
        self.file(file, |bytes| room.clone_from(bytes))
    }

    fn source(&self, file: &str) -> io::Result<Arc<dyn Source>> {
        Ok(Arc::new(self.read(file)?))
    }

    fn append(&mut self, file: &str, bytes: &[u8]) -> io::Result<()> {
        self.with(|files| files.entry(file.to_owned()).or_default().extend_from_slice(bytes));
        Ok(())
    }

    fn truncate(&mut self, file: &str, length: u64) -> io::Result<()> {
        self.file(file, |bytes| bytes.truncate(length as usize))
    }

    fn overwrite(&mut self, file: &str, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file(file, |old| {
            let place = old.get_mut(offset as usize..offset as usize + bytes.len());
            place.map(|place| place.copy_from_slice(bytes)).ok_or(io::ErrorKind::UnexpectedEof)
        })?
        .map_err(Into::into)
    }

    fn prepare(&mut self, file: &str, _bytes: u64) -> io::Result<()> {
        self.file(file, |_| ())
    }

    fn sync(&mut self, file: &str) -> io::Result<()> {
        self.file(file, |_| ())
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.with(|files| {
            let bytes = files.remove(from).ok_or(io::ErrorKind::NotFound)?;
            files.insert(to.to_owned(), bytes);
            Ok(())
        })
    }

    fn remove(&mut self, file: &str) -> io::Result<()> {
        self.with(|files| files.remove(file).map(drop))
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn sync_names(&mut self) -> io::Result<()> {
        Ok(())
    }
}
