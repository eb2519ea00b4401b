//! One supervisor a cluster, and how to find it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::model::error::Error;

const FILE: &str = "up.pid";

/// Held by the process that runs the cluster in a directory. The system lets go of it when the process
/// ends, however it ends, so what an old process has left in the file misleads nobody.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Not removed: who has it open already would hold another file than the next. And let go of in so
        // many words: a child between its fork and its program holds it, too.
        let _ = self.file.set_len(0).and_then(|()| self.file.unlock());
    }
}

impl Lock {
    /// Takes the lock of a directory.
    ///
    /// # Errors
    /// [`Error::Running`] when another process holds it, or what the system says.
    pub fn take(directory: &Path) -> Result<Self, Error> {
        let fail = Error::file("use", &directory.join(FILE));
        let mut file = open(directory).map_err(&fail)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let pid = read(&mut file).map_err(&fail)?;
                let directory = directory.display().to_string();
                return Err(Error::Running { directory, pid });
            }
            Err(TryLockError::Error(error)) => return Err(fail(error)),
        }
        let write = |file: &mut File| {
            file.set_len(0)?;
            writeln!(file, "{}", std::process::id())
        };
        write(&mut file).map_err(&fail)?;
        Ok(Self { file })
    }
}

/// Asks the process that runs the cluster in a directory to end, and waits until it has. Answers its
/// number, or nothing if there is none.
///
/// # Errors
/// [`Error::StillRunning`] when it has not ended in time, or what the system says.
pub fn stop(directory: &Path, timeout: Duration) -> Result<Option<String>, Error> {
    let fail = Error::file("use", &directory.join(FILE));
    if !directory.join(FILE).exists() {
        return Ok(None);
    }
    let mut file = open(directory).map_err(&fail)?;
    if !is_held(&file).map_err(&fail)? {
        return Ok(None);
    }
    let pid = read(&mut file).map_err(&fail)?;
    let number = pid.parse().ok().and_then(Pid::from_raw);
    let number = number.ok_or_else(|| fail(io::ErrorKind::InvalidData.into()))?;
    kill_process(number, Signal::TERM).map_err(|error| fail(error.into()))?;
    let until = Instant::now() + timeout;
    while is_held(&file).map_err(&fail)? {
        if Instant::now() >= until {
            return Err(Error::StillRunning { pid, waited_s: timeout.as_secs() });
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(Some(pid))
}

/// Whether a process runs the cluster in a directory.
pub fn runs(directory: &Path) -> bool {
    // Who may not look at the lock knows of no such process.
    File::open(directory.join(FILE)).and_then(|file| is_held(&file)).unwrap_or_default()
}

fn open(directory: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).open(directory.join(FILE))
}

fn read(file: &mut File) -> io::Result<String> {
    let mut text = String::new();
    file.rewind()?;
    file.read_to_string(&mut text)?;
    Ok(text.trim_end().to_owned())
}

fn is_held(file: &File) -> io::Result<bool> {
    match file.try_lock_shared() {
        Ok(()) => file.unlock().map(|()| false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_supervisor_is_refused_with_the_number_of_the_first() {
        let directory = tempfile::tempdir().unwrap();
        let lock = Lock::take(directory.path()).unwrap();

        let refused = Lock::take(directory.path());

        assert!(matches!(refused, Err(Error::Running { pid, .. })
                if pid == std::process::id().to_string()));
        assert!(runs(directory.path()));
        drop(lock);
        assert!(!runs(directory.path()));
        Lock::take(directory.path()).unwrap();
    }

    #[test]
    fn what_an_old_supervisor_left_is_not_stopped() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(FILE), "1").unwrap();

        let stopped = stop(directory.path(), Duration::from_secs(1)).unwrap();

        assert_eq!(stopped, None);
    }
}
