//! What the replicas of a cluster log.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

const NAME: &str = "log";
/// A log as long as this is put aside when its replica starts, in place of the one before it.
const BYTES_MAX: u64 = 16 << 20;

/// Opens the log of the replica that lives in `home`, to be written at its end.
pub(super) fn open(home: &Path) -> io::Result<File> {
    let path = home.join(NAME);
    if path.metadata().is_ok_and(|metadata| metadata.len() >= BYTES_MAX) {
        fs::rename(&path, home.join("log.old"))?;
    }
    OpenOptions::new().append(true).create(true).open(path)
}

/// The last line of the log that says anything.
pub(super) fn last_line(home: &Path) -> Option<String> {
    const TAIL: u64 = 4096;
    let mut file = File::open(home.join(NAME)).ok()?;
    let start = file.metadata().ok()?.len().saturating_sub(TAIL);
    file.seek(SeekFrom::Start(start)).ok()?;
    let mut tail = Vec::new();
    file.read_to_end(&mut tail).ok()?;
    let tail = String::from_utf8_lossy(&tail);
    tail.lines().rev().find(|line| !line.trim().is_empty()).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_that_says_anything_is_found() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join(NAME), "first\nlast\n\n").unwrap();

        assert_eq!(last_line(home.path()), Some("last".to_owned()));
    }

    #[test]
    fn a_long_log_is_put_aside() {
        let home = tempfile::tempdir().unwrap();
        File::create(home.path().join(NAME)).unwrap().set_len(BYTES_MAX).unwrap();

        let log = open(home.path()).unwrap();

        assert_eq!(log.metadata().unwrap().len(), 0);
        assert!(home.path().join("log.old").exists());
    }
}
