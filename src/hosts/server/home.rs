//! Presence of the directory of a replica, checked again and again.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use crate::deploy::settings::NodeSettings;
use crate::model::error::Error;
use crate::model::types::ReplicaId;

/// Refuses a replica whose directory is not there or holds no journal: it has forgotten what it
/// voted for.
///
/// # Errors
/// [`Error::Gone`] and [`Error::Empty`], or what the system says.
pub fn check(settings: &NodeSettings) -> Result<(), Error> {
    let Some(path) = &settings.data else { return Ok(()) };
    let replica = settings.config.me;
    match holds_journal(path) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Error::Empty { replica }),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            Err(gone(replica, path, "is not there"))
        }
        Err(error) => Err(Error::file("read the data directory", path)(error)),
    }
}

/// Watches the directory of a replica that runs. Its files stay open when they are removed, so that
/// nothing that is written there says so; and what is written there then is lost.
pub(super) struct Home {
    replica: ReplicaId,
    path: PathBuf,
    lost: Arc<OnceLock<&'static str>>,
}

impl Home {
    const EVERY: Duration = Duration::from_secs(1);

    /// Watches the directory at `path` from now on, on a thread of its own: a disk may take its
    /// time.
    ///
    /// # Errors
    /// What the system says.
    pub fn watch(replica: ReplicaId, path: &Path) -> io::Result<Self> {
        let (mine, lost) = (number(path)?, Arc::new(OnceLock::new()));
        let (weak, place) = (Arc::downgrade(&lost), path.to_owned());
        let watch = move || Self::look(&place, mine, &weak);
        std::thread::Builder::new().name("home".to_owned()).spawn(watch)?;
        Ok(Self { replica, path: path.to_owned(), lost })
    }

    fn look(path: &Path, mine: (u64, u64), lost: &Weak<OnceLock<&'static str>>) {
        loop {
            std::thread::sleep(Self::EVERY);
            let Some(lost) = lost.upgrade() else { return };
            if let Some(why) = fault(path, mine) {
                // Nobody else sets it.
                let _ = lost.set(why);
                return;
            }
        }
    }

    /// Refuses to go on without the directory.
    ///
    /// # Errors
    /// [`Error::Gone`].
    pub fn check(&self) -> Result<(), Error> {
        match self.lost.get() {
            None => Ok(()),
            Some(why) => Err(gone(self.replica, &self.path, why)),
        }
    }
}

/// Whether a directory holds a segment of a journal. What they hold, whoever opens them finds out.
fn holds_journal(path: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(path)? {
        if entry?.file_name().as_encoded_bytes().starts_with(b"journal-") {
            return Ok(true);
        }
    }
    Ok(false)
}

fn gone(replica: ReplicaId, path: &Path, what: &'static str) -> Error {
    Error::Gone { replica, directory: path.display().to_string(), what }
}

/// What tells a directory from another in its place.
fn number(path: &Path) -> io::Result<(u64, u64)> {
    fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino()))
}

/// What has become of the directory, if it is not what it was. A system that gives no answer says
/// nothing.
fn fault(path: &Path, mine: (u64, u64)) -> Option<&'static str> {
    let missing =
        |error: &io::Error| matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory);
    match number(path) {
        Err(error) if missing(&error) => return Some("was removed or renamed while it ran"),
        Ok(number) if number != mine => return Some("was replaced by another while it ran"),
        Err(_) | Ok(_) => {}
    }
    match holds_journal(path) {
        Ok(false) => Some("has lost its journal while it ran"),
        Ok(true) | Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_is_removed_replaced_or_emptied_is_noticed() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        let journal = path.join(format!("journal-{:016x}", 1));
        fs::create_dir(&path).unwrap();
        fs::write(&journal, b"").unwrap();
        let mine = number(&path).unwrap();
        assert_eq!(fault(&path, mine), None);

        fs::remove_file(&journal).unwrap();
        assert!(fault(&path, mine).unwrap().contains("lost its journal"));
        fs::rename(&path, parent.path().join("moved")).unwrap();
        assert!(fault(&path, mine).unwrap().contains("removed or renamed"));
        fs::create_dir(&path).unwrap();
        assert!(fault(&path, mine).unwrap().contains("replaced by another"));
    }
}
