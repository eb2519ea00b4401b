//! `taraflow checkpoint`: the checkpoints in a replica's data directory.

use std::io::Write;

use clap::{Args, Subcommand};
use serde_json::json;

use super::log::Where;
use super::output::{Form, print, print_json, print_with, write_json};
use crate::disk::{CheckpointLine, checkpoints};
use crate::model::error::Error;

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
    /// Read every checkpoint, and say whether all are sound and none is missing
    Verify(ListArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    #[command(flatten)]
    place: Where,
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
        Verb::List(args) => print_with(|out| list(args, out)),
        Verb::Verify(args) => {
            let found = checkpoints(&args.place.files()?)?;
            let damage = found.iter().find_map(|line| line.damage.clone());
            let damage = damage.or_else(|| missing(&args.place));
            say_verdict(&found, damage.as_deref(), args.output)?;
            damage.map_or(Ok(()), |damage| Err(Error::Integrity(damage)))
        }
    }
}

/// That the journal needs a checkpoint which is not there, if that is all that is wrong with it.
fn missing(place: &Where) -> Option<String> {
    match place.records(&mut |_| Ok(())) {
        Err(Error::Integrity(why)) if why.starts_with("checkpoint-") => Some(why),
        _ => None,
    }
}

fn say_verdict(found: &[CheckpointLine], damage: Option<&str>, form: Form) -> Result<(), Error> {
    let count = found.len();
    match (form, damage) {
        (Form::Json, None) => print_json(&json!({ "sound": true, "checkpoints": count })),
        (Form::Json, Some(why)) => print_json(&json!({ "sound": false, "error": why })),
        (Form::Text, None) => {
            let s = if count == 1 { "" } else { "s" };
            print(&format!("{count} checkpoint{s}: sound\n"))
        }
        // It is what the process ends with.
        (Form::Text, Some(_)) => Ok(()),
    }
}

fn list(args: &ListArgs, out: &mut impl Write) -> Result<(), Error> {
    let found = checkpoints(&args.place.files()?)?;
    if args.output == Form::Text {
        let [file, slot, bytes, digest] = ["file", "slot", "bytes", "digest"];
        writeln!(out, "{file:<27} {slot:>9} {bytes:>12} {digest}")?;
    }
    for line in found {
        if args.output == Form::Json {
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
