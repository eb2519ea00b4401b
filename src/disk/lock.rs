//! A lock file: held by one process at a time, whose number it contains meanwhile.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// A lock that this process holds.
///
/// The system releases it when the process ends, however it ends, so a number that an old process
/// has left in the file misleads nobody.
#[derive(Debug)]
pub struct LockFile(File);

impl LockFile {
    /// Takes the lock in the file at `path`, which is made with `mode` if there is none; or says
    /// which process holds it.
    ///
    /// # Errors
    /// An error of the system.
    pub fn take(path: &Path, mode: u32) -> io::Result<Result<Self, String>> {
        let mut file = create(mode).open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return number(&mut file).map(Err),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        file.set_len(0)?;
        writeln!(file, "{}", std::process::id())?;
        Ok(Ok(Self(file)))
    }

    /// The number of the process that holds the lock at `path`, if one does; empty if it has just
    /// begun.
    ///
    /// # Errors
    /// An error of the system. That there is no such file is no error.
    pub fn holder(path: &Path) -> io::Result<Option<String>> {
        let mut file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            outcome => outcome?,
        };
        match file.try_lock_shared() {
            Ok(()) => Ok(None),
            Err(TryLockError::WouldBlock) => number(&mut file).map(Some),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        // The file stays: who has it open already would lock another one than the next. And
        // unlocked it is in so many words, since a child between its fork and its program holds the
        // lock, too.
        let _ = self.0.set_len(0).and_then(|()| self.0.unlock());
    }
}

/// How a file is opened that may not be there yet.
pub(super) fn create(mode: u32) -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(mode);
    options
}

fn number(file: &mut File) -> io::Result<String> {
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    Ok(text.trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_has_one_holder_who_is_named_and_none_once_it_is_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        assert_eq!(LockFile::holder(&path).unwrap(), None);

        let lock = LockFile::take(&path, 0o600).unwrap().unwrap();

        let own = std::process::id().to_string();
        assert_eq!(LockFile::take(&path, 0o600).unwrap().unwrap_err(), own);
        assert_eq!(LockFile::holder(&path).unwrap(), Some(own));
        drop(lock);
        assert_eq!(LockFile::holder(&path).unwrap(), None);
        LockFile::take(&path, 0o600).unwrap().unwrap();
    }
}
