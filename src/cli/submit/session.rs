//! Session file: where the next run of `taraflow submit` continues.

use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::cli::outcome::Failure;
use crate::model::error::Error;
use crate::model::types::ClientId;

/// Progress of a run, as the file keeps it: how far the input has been answered, and in which
/// sessions.
#[derive(Serialize, Deserialize)]
pub(super) struct SavedRun {
    /// The format of the file.
    taraflow_session: u32,
    pub sessions: Vec<ClientId>,
    /// Replies that have been printed.
    pub printed: u64,
    /// The hash of the commands that have been answered, in hexadecimal digits: it tells this input
    /// from another.
    pub seen: String,
}

impl SavedRun {
    const FORMAT: u32 = 1;

    /// A run that begins.
    pub fn new(sessions: Vec<ClientId>) -> Self {
        Self { taraflow_session: Self::FORMAT, sessions, printed: 0, seen: String::new() }
    }
}

/// File that a later run continues from, if there is one.
pub(super) struct SessionFile(Option<PathBuf>);

impl SessionFile {
    /// The place asked for, or one beside the input; none for standard input.
    pub fn of(asked: Option<&PathBuf>, input: &Path) -> Self {
        let beside = || {
            let mut name = input.as_os_str().to_owned();
            name.push(".session");
            (input.as_os_str() != "-").then(|| PathBuf::from(name))
        };
        Self(asked.cloned().or_else(beside))
    }

    /// Whether a later run can continue where this one ends.
    pub fn is_kept(&self) -> bool {
        self.0.is_some()
    }

    /// The run that an earlier process has left.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn read(&self) -> Result<Option<SavedRun>, Failure> {
        let Some(path) = &self.0 else { return Ok(None) };
        let text = match fs::read_to_string(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            text => text.map_err(Error::file("read", path))?,
        };
        let sound =
            |run: &SavedRun| run.taraflow_session == SavedRun::FORMAT && !run.sessions.is_empty();
        let run = serde_json::from_str(&text).ok().filter(sound);
        run.map(Some).ok_or_else(|| {
            let what = "not a session file of this version; remove it to start from the beginning";
            Failure::Usage(format!("{self}: {what}"))
        })
    }

    /// Keeps a run, in place of what was kept before.
    ///
    /// # Errors
    /// What the system says.
    pub fn write(&self, run: &SavedRun) -> Result<(), Failure> {
        let Some(path) = &self.0 else { return Ok(()) };
        let text = serde_json::to_string(run).expect("plain data always encodes");
        let temporary = path.with_extension("session.new");
        fs::write(&temporary, text)
            .and_then(|()| fs::rename(&temporary, path))
            .map_err(Error::file("write", path))?;
        Ok(())
    }

    /// Removes it: all is done.
    pub fn remove(&self) {
        if let Some(path) = &self.0 {
            // If it stays, the next run finds all of the input answered.
            let _ = fs::remove_file(path);
        }
    }
}

impl fmt::Display for SessionFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(path) => path.display().fmt(f),
            None => f.write_str("no session file"),
        }
    }
}
