//! Arguments that several commands share: numbers, the cluster's directory, the protocol.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;
use clap::builder::PossibleValuesParser;

use super::outcome::Failure;
use crate::dataflows::{self, AnyProtocol};
use crate::deploy::settings::DIRECTORY;
use crate::model::error::in_shell;

/// A whole number that is not negative, and no larger than what it counts may be.
pub(super) fn whole<T: FromStr>(text: &str) -> Result<T, String> {
    let digits = !text.is_empty() && text.bytes().all(|letter| letter.is_ascii_digit());
    text.parse().map_err(|_| match digits {
        true => "is too large".to_owned(),
        false => "must be a whole number, 0 or more".to_owned(),
    })
}

/// A number of which there must be one at least.
pub(super) fn at_least_one(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("must be a whole number, 1 or more".to_owned()),
        Ok(number) => Ok(number),
    }
}

/// Help on `--dir`.
pub(super) const DIR_HELP: &str = "The cluster's directory [default: $TARAFLOW_DIR, or ./cluster]";

/// The directory of the cluster: the one named, that of the environment, or the usual one.
pub(super) fn directory(named: Option<&Path>) -> PathBuf {
    let of_environment = || std::env::var_os(DIRECTORY).filter(|dir| !dir.is_empty());
    named
        .map(Path::to_owned)
        .or_else(|| of_environment().map(PathBuf::from))
        .unwrap_or_else(|| PathBuf::from("cluster"))
}

/// The same, of a cluster that exists.
///
/// # Errors
/// [`Failure::Usage`] if there is none, with the command that makes one there.
pub(super) fn cluster(named: Option<&Path>) -> Result<PathBuf, Failure> {
    let dir = directory(named);
    if dir.join("cluster.toml").exists() {
        return Ok(dir);
    }
    let (shown, word) = (dir.display(), in_shell(&dir.display().to_string()));
    Err(Failure::Usage(format!(
        "there is no cluster in {shown}: no cluster.toml. Name its directory with --dir or \
         TARAFLOW_DIR; `taraflow cluster up --dir {word}` makes a new one there and runs it"
    )))
}

/// Argument that names the protocol, for commands that work without a cluster's files.
#[derive(Debug, Args)]
pub(super) struct ProtocolArgs {
    /// The protocol its replicas speak
    #[arg(long, value_name = "NAME", default_value = dataflows::usual(), value_parser = known())]
    protocol: String,
}

impl ProtocolArgs {
    /// The protocol.
    pub(super) fn protocol(&self) -> Result<&'static dyn AnyProtocol, Failure> {
        Ok(dataflows::find(&self.protocol)?)
    }
}

/// Takes the names of protocols.
pub(super) fn known() -> PossibleValuesParser {
    PossibleValuesParser::new(dataflows::names())
}
