//! `taraflow checkpoint`: the checkpoints in a replica's data directory.

use std::io::Write;

use clap::{Args, Subcommand};
use serde_json::json;

use super::log::DataArgs;
use super::output::{OutputForm, print, print_json, print_with, write_json};
use crate::cli::outcome::Failure;
use crate::disk::{CheckpointLine, checkpoints};
use crate::model::error::Error;

/// The checkpoints in a replica's data directory, whether the replica runs or not; nothing is changed.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  taraflow checkpoint list cluster/replica-0/data
  taraflow checkpoint verify cluster/replica-0/data -o json

Equal slots have equal digests on all replicas. Exit code 7 from `verify` if \
one is damaged; file, offset, what was expected and what was found are printed.")]
pub(super) struct CheckpointArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Print the checkpoints, oldest first
    List(DataArgs),
    /// Read every checkpoint, and report whether all are sound and none is missing
    Verify(DataArgs),
}

/// Runs the command.
///
/// # Errors
/// [`Error::Integrity`] if a checkpoint does not verify.
pub(super) fn run(args: &CheckpointArgs) -> Result<(), Failure> {
    match &args.verb {
        Verb::List(args) => print_with(|out| list(args, out)),
        Verb::Verify(args) => verify(args),
    }
}

/// That the journal needs a checkpoint which is missing, if that is all that is wrong with it.
fn missing(args: &DataArgs) -> Option<String> {
    match args.records(&mut |_| Ok(())) {
        Err(Failure::Library(Error::Integrity(why))) if why.starts_with("checkpoint-") => Some(why),
        _ => None,
    }
}

fn verify(args: &DataArgs) -> Result<(), Failure> {
    let found = checkpoints(&args.files()?)?;
    let count = found.len();
    let damage = found.into_iter().find_map(|line| line.damage).or_else(|| missing(args));
    match (args.output, &damage) {
        (OutputForm::Json, None) => print_json(&json!({ "sound": true, "checkpoints": count })),
        (OutputForm::Json, Some(why)) => print_json(&json!({ "sound": false, "error": why })),
        (OutputForm::Text, None) => {
            let s = if count == 1 { "" } else { "s" };
            print(&format!("{count} checkpoint{s}: sound\n"))
        }
        // The process ends with it.
        (OutputForm::Text, Some(_)) => Ok(()),
    }?;
    damage.map_or(Ok(()), |damage| Err(Failure::integrity(damage)))
}

fn list(args: &DataArgs, out: &mut impl Write) -> Result<(), Failure> {
    let found = checkpoints(&args.files()?)?;
    if args.output == OutputForm::Text {
        let [file, slot, bytes, new] = ["file", "slot", "bytes", "new bytes"];
        let [parts, packs, digest] = ["parts", "packs", "digest"];
        writeln!(out, "{file:<27} {slot:>9} {bytes:>12} {new:>12} {parts:>7} {packs:>5} {digest}")?;
    }
    for line in found {
        if args.output == OutputForm::Json {
            write_json(out, &line)?;
            continue;
        }
        let CheckpointLine { file, slot, bytes, new_bytes, parts, packs, digest, damage, .. } =
            line;
        let slot = slot.0;
        let digest = digest.or(damage).unwrap_or_default();
        writeln!(
            out,
            "{file:<27} {slot:>9} {bytes:>12} {new_bytes:>12} {parts:>7} {packs:>5} {digest}"
        )?;
    }
    Ok(())
}
