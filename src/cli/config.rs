//! `taraflow config`: a check and a list of a node's settings.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;

use super::output::{OutputForm, print, print_json};
use crate::cli::outcome::Failure;
use crate::dataflows;
use crate::deploy::settings::{self, Found, Layers, LogLevel, NodeSettings};
use crate::disk::{Files, Identity};
use crate::hosts::server;
use crate::model::error::Error;

/// Arguments of `taraflow config`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  taraflow config check --config ./cluster/replica-0/node.toml
  taraflow config print --origin --config ./cluster/replica-0/node.toml

A flag overrides the environment (where `limits.clients_max` is TARAFLOW_LIMITS_CLIENTS_MAX), which \
overrides the file. Nothing overrides `cluster.toml`, which is the same on all nodes: its limits, such as \
`limits.memory_max` (bytes of the state from which on writes are refused; 0 for no limit), are changed \
there, and on all of them at once.")]
pub(super) struct ConfigArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check whether `taraflow node` would start: print `ok`, or all that is wrong (exit code 2 or 7); reads all data
    Check {
        #[command(flatten)]
        node: NodeArgs,
        /// The form of the answer
        #[arg(short, long, value_enum, default_value_t)]
        output: OutputForm,
    },
    /// Print each setting
    Print {
        #[command(flatten)]
        node: NodeArgs,
        /// Print where each value came from, too
        #[arg(long)]
        origin: bool,
        /// The form of the answer; in JSON the origins are always there
        #[arg(short, long, value_enum, default_value_t)]
        output: OutputForm,
    },
}

/// Arguments that name a node's settings: a file, and what overrides it.
#[derive(Debug, Args)]
pub(super) struct NodeArgs {
    /// The node's file
    #[arg(long, value_name = "FILE", default_value = "node.toml")]
    config: PathBuf,
    /// Keep no data on disk; once stopped, the replica cannot rejoin
    #[arg(long, conflicts_with = "data")]
    memory: bool,
    /// The directory of journal and checkpoints
    #[arg(long, value_name = "DIR")]
    data: Option<String>,
    /// Lowest level to log
    #[arg(long, value_name = "LEVEL")]
    log: Option<LogLevel>,
    /// Any setting of node.toml, as in `--set limits.clients_max=100`
    #[arg(long, value_name = "NAME=VALUE", value_parser = assignment)]
    set: Vec<(String, String)>,
}

/// Reads what follows `--set`.
pub(super) fn assignment(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| "write NAME=VALUE".to_owned())?;
    Ok((name.to_owned(), value.to_owned()))
}

/// The arguments of `--set`, as settings from the command line.
pub(super) fn flags(set: &[(String, String)]) -> Vec<(String, String, String)> {
    let flag = |(name, value): &(String, String)| {
        (name.clone(), value.clone(), format!("--set {name}={value}"))
    };
    set.iter().map(flag).collect()
}

impl NodeArgs {
    /// Reads and checks the settings.
    pub fn read(&self) -> Result<(NodeSettings, Vec<Found>), Failure> {
        Ok(settings::read(&self.config, &self.layers(), dataflows::tolerance)?)
    }

    fn layers(&self) -> Layers {
        let mut flags = flags(&self.set);
        if let Some(data) = &self.data {
            flags.push(("data".to_owned(), data.clone(), "--data".to_owned()));
            // A flag overrides `memory` in the file.
            flags.push(("memory".to_owned(), "false".to_owned(), "--data".to_owned()));
        }
        if self.memory {
            flags.push(("memory".to_owned(), "true".to_owned(), "--memory".to_owned()));
        }
        if let Some(level) = self.log {
            flags.push(("log.level".to_owned(), level.to_string(), "--log".to_owned()));
        }
        let environment: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Layers { flags, environment }
    }
}

/// Checks or prints.
///
/// # Errors
/// All that is wrong with the settings, or what standard output says.
pub(super) fn run(args: &ConfigArgs) -> Result<(), Failure> {
    match &args.command {
        Command::Check { node, output } => {
            let checked = node.read().and_then(|(settings, _)| check(&settings));
            match (output, checked) {
                (OutputForm::Text, Ok(())) => print("ok\n"),
                (OutputForm::Json, Ok(())) => print_json(&json!({ "ok": true })),
                (OutputForm::Text, Err(error)) => Err(error),
                (OutputForm::Json, Err(error)) => {
                    print_json(&json!({ "ok": false, "error": error.to_string() }))?;
                    Err(error)
                }
            }
        }
        Command::Print { node, origin, output: OutputForm::Text } => {
            print(&table(&node.read()?.1, *origin))
        }
        Command::Print { node, output: OutputForm::Json, .. } => print(&objects(&node.read()?.1)),
    }
}

/// Refuses what a replica with these settings would not start with.
fn check(settings: &NodeSettings) -> Result<(), Failure> {
    server::check_home(settings)?;
    let Some(data) = &settings.data else { return Ok(()) };
    check_data(settings, data)
}

/// Refuses data that is not whole, or not that of these settings; nothing is changed.
///
/// # Errors
/// [`Failure::Unsound`] and [`Failure::Foreign`], or what the disk says.
pub(super) fn check_data(settings: &NodeSettings, directory: &Path) -> Result<(), Failure> {
    let replica = settings.config.me;
    let files = Files::look(directory)?;
    let judged = dataflows::find(&settings.protocol)?.records(&files, &mut |_| Ok(()));
    let whole = judged.map_err(|error| match error {
        Error::Integrity(damage) => Failure::Unsound { replica, damage },
        other => other.into(),
    })?;
    let (found, expected) = (whole.owner, settings.identity());
    if found == expected {
        return Ok(());
    }
    let name =
        |owner: Identity| format!("replica {} of cluster {:016x}", owner.replica, owner.cluster);
    Err(Failure::Foreign {
        replica,
        directory: directory.display().to_string(),
        found: name(found),
        expected: name(expected),
    })
}

fn objects(found: &[Found]) -> String {
    let line = |Found { name, value, origin }: &Found| {
        json!({ "name": name, "value": value, "origin": origin.to_string() }).to_string() + "\n"
    };
    found.iter().map(line).collect()
}

fn table(found: &[Found], origin: bool) -> String {
    let names = found.iter().map(|found| found.name.len()).max().unwrap_or_default();
    let values = found.iter().map(|found| found.value.len()).max().unwrap_or_default();
    let line = |found: &Found| match origin {
        true => format!("{:<names$}  {:<values$}  {}\n", found.name, found.value, found.origin),
        false => format!("{:<names$}  {}\n", found.name, found.value),
    };
    found.iter().map(line).collect()
}
