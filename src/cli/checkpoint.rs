//! `taraflow checkpoint`: the checkpoints in a replica's data directory.

use std::io::Write;

use clap::{Args, Subcommand};
use serde_json::json;

use super::log::DataDirArgs;
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
    List(ListArgs),
    /// Read every checkpoint, and say whether all are sound and none is missing
    Verify(ListArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    place: DataDirArgs,
    /// The form of the answer
    #[arg(short, long, value_enum, default_value_t)]
    output: OutputForm,
}

/// Runs the command.
///
/// # Errors
/// [`Error::Integrity`] if a checkpoint does not verify.
pub(super) fn run(args: &CheckpointArgs) -> Result<(), Failure> {
    match &args.verb {
        Verb::List(args) => print_with(|out| list(args, out)),
        Verb::Verify(args) => {
            let found = checkpoints(&args.place.files()?)?;
            let damage = found.iter().find_map(|line| line.damage.clone());
            let damage = damage.or_else(|| missing(&args.place));
            say_verdict(&found, damage.as_deref(), args.output)?;
            damage.map_or(Ok(()), |damage| Err(Failure::integrity(damage)))
        }
    }
}

/// That the journal needs a checkpoint which is not there, if that is all that is wrong with it.
fn missing(place: &DataDirArgs) -> Option<String> {
    match place.records(&mut |_| Ok(())) {
        Err(Failure::Library(Error::Integrity(why))) if why.starts_with("checkpoint-") => Some(why),
        _ => None,
    }
}

fn say_verdict(
    found: &[CheckpointLine],
    damage: Option<&str>,
    form: OutputForm,
) -> Result<(), Failure> {
    let count = found.len();
    match (form, damage) {
        (OutputForm::Json, None) => print_json(&json!({ "sound": true, "checkpoints": count })),
        (OutputForm::Json, Some(why)) => print_json(&json!({ "sound": false, "error": why })),
        (OutputForm::Text, None) => {
            let s = if count == 1 { "" } else { "s" };
            print(&format!("{count} checkpoint{s}: sound\n"))
        }
        // It is what the process ends with.
        (OutputForm::Text, Some(_)) => Ok(()),
    }
}

fn list(args: &ListArgs, out: &mut impl Write) -> Result<(), Failure> {
    let found = checkpoints(&args.place.files()?)?;
    if args.output == OutputForm::Text {
        let [file, slot, bytes, digest] = ["file", "slot", "bytes", "digest"];
        writeln!(out, "{file:<27} {slot:>9} {bytes:>12} {digest}")?;
    }
    for line in found {
        if args.output == OutputForm::Json {
            write_json(out, &line)?;
            continue;
        }
        let CheckpointLine { file, slot, bytes, digest, damage } = line;
        let slot = slot.0;
        let digest = digest.or(damage).unwrap_or_default();
        writeln!(out, "{file:<27} {slot:>9} {bytes:>12} {digest}")?;
    }
    Ok(())
}
