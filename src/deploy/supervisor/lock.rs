//! The lock of a supervisor, of which a cluster has one at a time, and the way to find it.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::disk::LockFile;
use crate::model::error::Error;

const FILE: &str = "up.pid";

/// Takes the lock of the process that runs the cluster in a directory.
///
/// # Errors
/// [`Error::Running`] when another process holds it, or what the system says.
pub fn lock(directory: &Path) -> Result<LockFile, Error> {
    let path = directory.join(FILE);
    let taken = LockFile::take(&path, 0o666).map_err(Error::file("use", &path))?;
    taken.map_err(|pid| {
        let directory = directory.display().to_string();
        Error::Running { directory, pid }
    })
}

/// Asks the process that runs the cluster in a directory to end, and waits until it has. Answers
/// its number, or nothing if there is none.
///
/// # Errors
/// [`Error::StillRunning`] when it has not ended in time, or what the system says.
pub fn stop(directory: &Path, timeout: Duration) -> Result<Option<String>, Error> {
    let path = directory.join(FILE);
    let fail = Error::file("use", &path);
    let holder = || LockFile::holder(&path).map_err(&fail);
    let Some(pid) = holder()? else { return Ok(None) };
    let number = pid.parse().ok().and_then(Pid::from_raw);
    let number = number.ok_or_else(|| fail(io::ErrorKind::InvalidData.into()))?;
    kill_process(number, Signal::TERM).map_err(|error| fail(error.into()))?;
    let until = Instant::now() + timeout;
    while holder()?.is_some() {
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
    LockFile::holder(&directory.join(FILE)).is_ok_and(|holder| holder.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_supervisor_is_refused_with_the_number_of_the_first() {
        let directory = tempfile::tempdir().unwrap();
        let held = lock(directory.path()).unwrap();

        let refused = lock(directory.path());

        assert!(matches!(refused, Err(Error::Running { pid, .. })
                if pid == std::process::id().to_string()));
        assert!(runs(directory.path()));
        drop(held);
        assert!(!runs(directory.path()));
        lock(directory.path()).unwrap();
    }

    #[test]
    fn what_an_old_supervisor_left_is_not_stopped() {
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join(FILE), "1").unwrap();

        let stopped = stop(directory.path(), Duration::from_secs(1)).unwrap();

        assert_eq!(stopped, None);
    }
}
