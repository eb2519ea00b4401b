//! A disk that is a directory.
//!
//! Only one process may have it, which holds the lock of the file `lock` there; whoever reads a file
//! locks that as well, so that its bytes stay. Files that grow
//! stay open, and are readable by their owner only; what else lies in the directory is left alone.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::lock::create;
use super::{Disk, LockFile};
use crate::model::checkpoint::Source;
use crate::model::error::Error;

/// The files of a directory.
#[derive(Debug)]
pub struct Files {
    path: PathBuf,
    /// To sync names.
    directory: File,
    /// Held as long as this lives; without it nothing may be changed.
    lock: Option<LockFile>,
    /// What has been written to.
    open: BTreeMap<String, Grown>,
    /// What has no name any more, and still takes room.
    discarded: VecDeque<Discarded>,
}

/// A file without a name.
#[derive(Debug)]
struct Discarded {
    file: File,
    length: u64,
}

/// A file that grows.
#[derive(Debug)]
struct Grown {
    file: File,
    end: u64,
    /// Up to where it is filled with zeros.
    prepared: u64,
}

/// A file to be read. Unless it is kept it is only open meanwhile: the room of one that is removed
/// is wanted.
#[derive(Debug)]
struct FileSource {
    path: PathBuf,
    length: u64,
    /// Open, whatever becomes of its name.
    kept: Option<File>,
}

const LOCK: &str = "lock";
/// The access that files are made with.
const MODE: u32 = 0o600;

impl Files {
    /// Makes a directory, if there is none, and opens it.
    ///
    /// # Errors
    /// As [`Files::open`].
    pub fn make(path: &Path) -> Result<Self, Error> {
        if !path.is_dir() {
            let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
            made.map_err(Error::file("make directory", path))?;
            let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
            let parent = parent.unwrap_or(Path::new("."));
            let synced = File::open(parent).and_then(|parent| parent.sync_all());
            synced.map_err(Error::file("sync directory", parent))?;
        }
        Self::open(path)
    }

    /// Opens a directory, and keeps others from doing so as long as it is in use.
    ///
    /// # Errors
    /// [`Error::Locked`] when a process uses it; [`Error::File`] when the system refuses.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let directory = File::open(path).map_err(Error::file("open directory", path))?;
        let name = path.join(LOCK);
        let lock = LockFile::take(&name, MODE).map_err(Error::file("lock", &name))?;
        let lock = lock.map_err(|process| {
            let directory = path.display().to_string();
            Error::Locked { directory, holder: in_words(&process) }
        })?;
        Ok(Self {
            path: path.to_owned(),
            directory,
            lock: Some(lock),
            open: BTreeMap::new(),
            discarded: VecDeque::new(),
        })
    }

    /// The process that uses a directory, in words; nothing if none does.
    pub fn holder(path: &Path) -> Option<String> {
        LockFile::holder(&path.join(LOCK)).ok()?.map(|process| in_words(&process))
    }

    /// Opens a directory to look into it, whoever uses it.
    ///
    /// # Errors
    /// [`Error::File`] when the system refuses.
    pub fn look(path: &Path) -> Result<Self, Error> {
        let directory = File::open(path).map_err(Error::file("open directory", path))?;
        Ok(Self {
            path: path.to_owned(),
            directory,
            lock: None,
            open: BTreeMap::new(),
            discarded: VecDeque::new(),
        })
    }

    fn grown(&mut self, name: &str, options: &OpenOptions) -> io::Result<&mut Grown> {
        if self.lock.is_none() {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        if !self.open.contains_key(name) {
            let file = options.open(self.path.join(name))?;
            let end = file.metadata()?.len();
            self.open.insert(name.to_owned(), Grown { file, end, prepared: end });
        }
        self.open.get_mut(name).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn known(&mut self, name: &str) -> io::Result<&mut Grown> {
        self.grown(name, OpenOptions::new().read(true).write(true))
    }
}

impl Disk for Files {
    fn list(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            let is_file = match entry.file_type() {
                // It has been removed meanwhile by whoever uses the directory.
                Err(error) if error.kind() == io::ErrorKind::NotFound => false,
                kind => kind?.is_file(),
            };
            if let Ok(name) = entry.file_name().into_string()
                && is_file
                && name != LOCK
            {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn read_into(&self, file: &str, room: &mut Vec<u8>) -> io::Result<()> {
        room.clear();
        let opened = open_to_read(&self.path.join(file))?;
        // What was made ready behind the end of one that grows is no part of it.
        let end = self.open.get(file).map_or(u64::MAX, |grown| grown.end);
        let length = opened.metadata()?.len().min(end);
        room.try_reserve_exact(length as usize).map_err(|_| io::ErrorKind::OutOfMemory)?;
        opened.take(end).read_to_end(room)?;
        Ok(())
    }

    fn source(&self, file: &str) -> io::Result<Arc<dyn Source>> {
        let path = self.path.join(file);
        let length = fs::metadata(&path)?.len();
        Ok(Arc::new(FileSource { path, length, kept: None }))
    }

    fn append(&mut self, file: &str, bytes: &[u8]) -> io::Result<()> {
        let grown = self.grown(file, &create(MODE))?;
        let mut rest = bytes;
        while !rest.is_empty() {
            let written = match grown.file.write_at(rest, grown.end) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                outcome => outcome?,
            };
            grown.end += written as u64;
            rest = &rest[written..];
        }
        grown.prepared = grown.prepared.max(grown.end);
        Ok(())
    }

    fn truncate(&mut self, file: &str, length: u64) -> io::Result<()> {
        let grown = self.known(file)?;
        if grown.file.metadata()?.len() > length {
            grown.file.set_len(length)?;
        }
        grown.end = grown.end.min(length);
        grown.prepared = grown.end;
        Ok(())
    }

    fn overwrite(&mut self, file: &str, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let grown = self.known(file)?;
        if offset + bytes.len() as u64 > grown.end {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        grown.file.write_all_at(bytes, offset)
    }

    fn prepare(&mut self, file: &str, bytes: u64) -> io::Result<()> {
        let grown = self.known(file)?;
        let (from, to) = (grown.prepared.max(grown.end), grown.end + bytes);
        if from < to {
            // Reserved blocks would not do: the first write to one changes what the file system
            // knows of the file, and the sync of that is what takes time.
            grown.file.write_all_at(&vec![0; (to - from) as usize], from)?;
            grown.prepared = to;
        }
        Ok(())
    }

    #[cfg(target_os = "linux")]
    fn begin_sync(&mut self, file: &str) {
        if let Some(grown) = self.open.get(file) {
            // What is written is begun to be synced, and what has been synced leaves the cache: all
            // that at once, when the file is removed, takes a tenth of a second for half a gigabyte.
            // It is advice: where it is not taken, the sync takes longer.
            let _ = rustix::fs::fadvise(&grown.file, 0, None, rustix::fs::Advice::DontNeed);
        }
    }

    fn sync(&mut self, file: &str) -> io::Result<()> {
        self.known(file)?.file.sync_data()
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.known(from)?;
        fs::rename(self.path.join(from), self.path.join(to))?;
        if let Some(grown) = self.open.remove(from) {
            self.open.insert(to.to_owned(), grown);
        }
        Ok(())
    }

    fn remove(&mut self, file: &str) -> io::Result<()> {
        if self.lock.is_none() {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        self.open.remove(file);
        fs::remove_file(self.path.join(file))
    }

    fn discard(&mut self, file: &str) -> io::Result<()> {
        let open = self.known(file)?.file.try_clone()?;
        self.remove(file)?;
        let length = open.metadata()?.len();
        self.discarded.push_back(Discarded { file: open, length });
        Ok(())
    }

    fn sweep(&mut self, bytes: u64) -> io::Result<u64> {
        let mut left = bytes;
        for mut file in std::mem::take(&mut self.discarded) {
            if left > 0 && file.is_read_by_nobody()? {
                let count = left.min(file.length);
                file.length -= count;
                file.file.set_len(file.length)?;
                left -= count;
            }
            if file.length > 0 {
                self.discarded.push_back(file);
            }
        }
        Ok(bytes - left)
    }

    fn has_discarded(&self) -> bool {
        !self.discarded.is_empty()
    }

    fn close(&mut self, file: &str) {
        self.open.remove(file);
    }

    fn sync_names(&mut self) -> io::Result<()> {
        self.directory.sync_all()
    }
}

impl Discarded {
    fn is_read_by_nobody(&self) -> io::Result<bool> {
        match self.file.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

impl Source for FileSource {
    fn length(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, room: &mut [u8]) -> io::Result<()> {
        match &self.kept {
            Some(file) => file.read_exact_at(room, offset),
            None => open_to_read(&self.path)?.read_exact_at(room, offset),
        }
    }

    fn keep(self: Arc<Self>) -> io::Result<Arc<dyn Source>> {
        if self.kept.is_some() {
            return Ok(self);
        }
        let (path, kept) = (self.path.clone(), Some(open_to_read(&self.path)?));
        Ok(Arc::new(Self { path, length: self.length, kept }))
    }
}

/// Opens a file whose bytes stay as long as it is open.
fn open_to_read(path: &Path) -> io::Result<File> {
    let file = File::open(path)?;
    match file.try_lock_shared() {
        Ok(()) => Ok(file),
        // It was discarded since.
        Err(TryLockError::WouldBlock) => Err(io::ErrorKind::NotFound.into()),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn in_words(process: &str) -> String {
    if process.is_empty() { "a process".to_owned() } else { format!("process {process}") }
}
