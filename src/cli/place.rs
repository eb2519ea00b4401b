//! Which cluster a command is about, where it is not told.

use std::path::{Path, PathBuf};

use crate::deploy::settings::DIRECTORY;
use crate::model::error::{Error, in_shell};

/// What commands say of their `--dir`.
pub(super) const HELP: &str = "The cluster's directory [default: $TARAFLOW_DIR, or ./cluster]";

/// The directory of the cluster: the one told, that of the environment, or the usual one.
pub(super) fn directory(told: Option<&Path>) -> PathBuf {
    let of_environment = || std::env::var_os(DIRECTORY).filter(|dir| !dir.is_empty());
    told.map(Path::to_owned)
        .or_else(|| of_environment().map(PathBuf::from))
        .unwrap_or_else(|| PathBuf::from("cluster"))
}

/// Refuses a directory in which there is no cluster.
///
/// # Errors
/// [`Error::Usage`], with the command that makes one there.
pub(super) fn expect_cluster(dir: &Path) -> Result<(), Error> {
    if dir.join("cluster.toml").exists() {
        return Ok(());
    }
    let (shown, word) = (dir.display(), in_shell(&dir.display().to_string()));
    Err(Error::Usage(format!(
        "there is no cluster in {shown}: no cluster.toml. Name its directory with --dir or \
         TARAFLOW_DIR; `taraflow cluster up --dir {word}` makes a new one there and runs it"
    )))
}
