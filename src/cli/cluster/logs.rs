//! Log files of a cluster's replicas, kept short.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The name of the log in the home of its replica.
pub(super) const NAME: &str = "log";
/// What a log that has become too long is put aside as, in place of the one before it.
const OLD: &str = "log.old";
/// How long a log may become.
const BYTES_MAX: u64 = 16 << 20;
/// How often that is looked at.
const EVERY: Duration = Duration::from_secs(10);

/// Opens the log of the replica that lives in `home`, to be written at its end.
pub(super) fn open(home: &Path) -> io::Result<File> {
    trim(home)?;
    OpenOptions::new().append(true).create(true).open(home.join(NAME))
}

/// Keeps the logs in `homes` short as long as this process lives.
pub(super) fn keep_short(homes: Vec<PathBuf>) -> io::Result<()> {
    let watch = move || {
        loop {
            std::thread::sleep(EVERY);
            for home in &homes {
                // A disk that is full, or a directory that is gone, is reported elsewhere.
                let _ = trim(home);
            }
        }
    };
    std::thread::Builder::new().name("logs".to_owned()).spawn(watch).map(drop)
}

/// Puts aside what a log that is too long holds. Its writer continues at its end, which is then its
/// beginning. Lines written in that moment are lost.
fn trim(home: &Path) -> io::Result<()> {
    let path = home.join(NAME);
    if !path.metadata().is_ok_and(|metadata| metadata.len() >= BYTES_MAX) {
        return Ok(());
    }
    fs::copy(&path, home.join(OLD))?;
    OpenOptions::new().write(true).open(path)?.set_len(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_long_log_is_put_aside() {
        let home = tempfile::tempdir().unwrap();
        File::create(home.path().join(NAME)).unwrap().set_len(BYTES_MAX).unwrap();

        let log = open(home.path()).unwrap();

        assert_eq!(log.metadata().unwrap().len(), 0);
        assert!(home.path().join("log.old").exists());
    }

    #[test]
    fn a_log_that_becomes_long_while_it_is_written_begins_anew() {
        let home = tempfile::tempdir().unwrap();
        let mut log = open(home.path()).unwrap();
        log.write_all(&vec![b'x'; BYTES_MAX as usize]).unwrap();

        trim(home.path()).unwrap();
        log.write_all(b"next\n").unwrap();

        assert_eq!(fs::read(home.path().join(NAME)).unwrap(), b"next\n");
        assert_eq!(home.path().join(OLD).metadata().unwrap().len(), BYTES_MAX);
    }
}
