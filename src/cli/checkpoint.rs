//! `taraflow checkpoint`: the checkpoints in a replica's data directory.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use super::log::{Form, quietly, write_json};
use crate::disk::{CheckpointLine, Files, checkpoints};
use crate::error::Error;

/// The checkpoints in a replica's data directory, whether the replica runs or not; nothing is changed.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  taraflow checkpoint list cluster/replica-0/data
  taraflow checkpoint verify cluster/replica-0/data -o json

Equal slots have equal digests on all replicas. Exit code 7 from `verify` if \
one is damaged; file, offset, what was expected and what was found are printed.")]
pub struct CheckpointArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Print the checkpoints, oldest first
    List(ListArgs),
    /// Read every checkpoint, and say whether all are sound
    Verify(ListArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    /// The data directory of a replica
    directory: PathBuf,
    /// The form of the answer
    #[arg(short, long, value_enum, default_value_t)]
    output: Form,
}

/// Runs the command.
///
/// # Errors
/// [`Error::Integrity`] if a checkpoint does not verify.
pub fn run(args: &CheckpointArgs) -> Result<(), Error> {
    match &args.verb {
        Verb::List(args) => quietly(list(args)),
        Verb::Verify(args) => {
            let found = checkpoints(&Files::look(&args.directory)?)?;
            let damage = found.iter().find_map(|line| line.damage.clone());
            quietly(say_verdict(&found, damage.as_deref(), args.output))?;
            damage.map_or(Ok(()), |damage| Err(Error::Integrity(damage)))
        }
    }
}

fn say_verdict(found: &[CheckpointLine], damage: Option<&str>, form: Form) -> Result<(), Error> {
    let (mut out, count) = (io::stdout().lock(), found.len());
    match (form, damage) {
        (Form::Json, None) => write_json(&mut out, &json!({ "sound": true, "checkpoints": count })),
        (Form::Json, Some(why)) => write_json(&mut out, &json!({ "sound": false, "error": why })),
        (Form::Table, None) => Ok(writeln!(out, "{count} checkpoints: sound")?),
        // It is what the process ends with.
        (Form::Table, Some(_)) => Ok(()),
    }
}

fn list(args: &ListArgs) -> Result<(), Error> {
    let found = checkpoints(&Files::look(&args.directory)?)?;
    let mut out = io::stdout().lock();
    if args.output == Form::Table {
        let [file, slot, bytes, digest] = ["file", "slot", "bytes", "digest"];
        writeln!(out, "{file:<27} {slot:>9} {bytes:>12} {digest}")?;
    }
    for line in found {
        if args.output == Form::Json {
            write_json(&mut out, &line)?;
            continue;
        }
        let CheckpointLine { file, slot, bytes, digest, damage } = line;
        let slot = slot.0;
        let digest = digest.or(damage).unwrap_or_default();
        writeln!(out, "{file:<27} {slot:>9} {bytes:>12} {digest}")?;
    }
    Ok(())
}
