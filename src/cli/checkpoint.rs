//! `taraflow checkpoint`: the checkpoints in a replica's data directory.

use std::io::{self, Write};

use clap::{Args, Subcommand};
use serde::Serialize;
use serde_json::json;

use super::log::DataArgs;
use super::output::{OutputForm, print, print_json, print_with, write_json};
use crate::cli::outcome::Failure;
use crate::cli::output::words::span;
use crate::disk::{CheckpointLine, checkpoints};
use crate::model::error::Error;
use crate::observe::memory::size;

/// The checkpoints in a replica's data directory, whether the replica runs or not; nothing is changed.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  taraflow checkpoint list cluster/replica-0/data
  taraflow checkpoint verify cluster/replica-0/data -o json

A checkpoint is a manifest, and parts of the state in packs: `new` is what was written for it, and \
`packs` counts the files that its parts are in, of which those that have not changed are in older \
ones. Equal slots have equal digests on all replicas. Exit code 7 from `verify` if \
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

/// A checkpoint, and how long ago it was written.
#[derive(Serialize)]
struct ListedCheckpoint {
    #[serde(flatten)]
    line: CheckpointLine,
    /// By when its file was last changed; nothing if the system does not tell.
    age_ms: Option<u64>,
}

fn list(args: &DataArgs, out: &mut impl Write) -> Result<(), Failure> {
    let found = checkpoints(&args.files()?)?;
    if args.output == OutputForm::Text {
        let names =
            ["file", "slot", "age", "size", "new", "parts", "packs", "oldest pack", "digest"];
        row(out, names.map(str::to_owned))?;
    }
    for line in found {
        let age_ms = args.age_ms(&line.file);
        if args.output == OutputForm::Json {
            write_json(out, &ListedCheckpoint { line, age_ms })?;
            continue;
        }
        let CheckpointLine { file, slot, bytes, new_bytes, parts, packs, oldest_pack, .. } = line;
        let known = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        // Of one in one piece, as older versions write them, or that is damaged, this is not known.
        let [new, parts, packs] = match packs {
            0 => ["-"; 3].map(str::to_owned),
            _ => [size(new_bytes), parts.to_string(), packs.to_string()],
        };
        row(
            out,
            [
                file,
                slot.to_string(),
                known(age_ms.map(|ms| span(ms.saturating_mul(1_000)))),
                size(bytes),
                new,
                parts,
                packs,
                known(oldest_pack.map(|slot| slot.to_string())),
                known(line.digest.or(line.damage)),
            ],
        )?;
    }
    Ok(())
}

fn row(out: &mut impl Write, cells: [String; 9]) -> io::Result<()> {
    let [file, slot, age, size, new, parts, packs, oldest, digest] = cells;
    writeln!(
        out,
        "{file:<27} {slot:>9} {age:>7} {size:>8} {new:>8} {parts:>7} {packs:>5} {oldest:>11} {digest}"
    )
}
