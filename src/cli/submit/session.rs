//! Session file: where the next run of `taraflow submit` continues.

use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::cli::outcome::Failure;
use crate::model::error::Error;
use crate::model::types::ClientId;

/// Progress of a run: how far the input has been answered, and in which sessions.
#[derive(Clone, Debug)]
pub(super) struct Saved {
    pub sessions: Vec<ClientId>,
    /// Replies that have been printed.
    pub printed: u64,
    /// The commands that have been answered, to tell this input from another.
    pub seen: blake3::Hasher,
}

/// The same as a file.
#[derive(Serialize, Deserialize)]
struct Written {
    taraflow_session: u32,
    sessions: Vec<u64>,
    printed: u64,
    seen: String,
}

impl Saved {
    pub fn new(sessions: Vec<ClientId>) -> Self {
        Self { sessions, printed: 0, seen: blake3::Hasher::new() }
    }
}

/// File that a later run continues from, if there is one.
pub(super) struct SessionFile(Option<PathBuf>);

/// The format of the file.
const FORMAT: u32 = 1;

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

    /// Whether a later run can go on where this one ends.
    pub fn is_kept(&self) -> bool {
        self.0.is_some()
    }

    /// What an earlier run has left.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub fn read(&self) -> Result<Option<EarlierRun>, Failure> {
        let Some(path) = &self.0 else { return Ok(None) };
        let text = match fs::read_to_string(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            text => text.map_err(Error::file("read", path))?,
        };
        let written: Result<Written, _> = serde_json::from_str(&text);
        match written {
            Ok(written) if written.taraflow_session == FORMAT && !written.sessions.is_empty() => {
                let sessions = written.sessions.into_iter().map(ClientId).collect();
                Ok(Some(EarlierRun { sessions, printed: written.printed, seen: written.seen }))
            }
            _ => {
                let what = format!("{self}: no session of this version; remove it to start anew");
                Err(Failure::Usage(what))
            }
        }
    }

    /// Keeps it, in place of what was kept before.
    ///
    /// # Errors
    /// What the system says.
    pub fn write(&self, saved: &Saved) -> Result<(), Failure> {
        let Some(path) = &self.0 else { return Ok(()) };
        let written = Written {
            taraflow_session: FORMAT,
            sessions: saved.sessions.iter().map(|session| session.0).collect(),
            printed: saved.printed,
            seen: saved.seen.finalize().to_hex().to_string(),
        };
        let text = serde_json::to_string(&written).expect("plain data always encodes");
        let beside = path.with_extension("session.new");
        fs::write(&beside, text)
            .and_then(|()| fs::rename(&beside, path))
            .map_err(Error::file("write", path))?;
        Ok(())
    }

    /// Forgets it: all is done.
    pub fn remove(&self) {
        if let Some(path) = &self.0 {
            // If it stays, the next run finds all of the input answered.
            let _ = fs::remove_file(path);
        }
    }
}

/// State that an earlier run has left.
pub(super) struct EarlierRun {
    pub sessions: Vec<ClientId>,
    pub printed: u64,
    /// The hash of the commands it has answered, in hexadecimal digits.
    pub seen: String,
}

impl fmt::Display for SessionFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(path) => path.display().fmt(f),
            None => f.write_str("no session file"),
        }
    }
}
