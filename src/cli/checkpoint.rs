//! `taraflow checkpoint`: the checkpoints in a replica's data directory.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::log::{Form, quietly, write_json};
use crate::disk::{CheckpointLine, Files, checkpoints};
use crate::error::Error;

/// The checkpoints in a replica's data directory, whether the replica runs or not; nothing is changed.
#[derive(Debug, Args)]
#[command(
    after_help = "Equal slots have equal digests on all replicas. Exit code 7 from `verify` if \
one is damaged; file, offset, what was expected and what was found are printed."
)]
pub struct CheckpointArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Print the checkpoints, oldest first
    List(ListArgs),
    /// Read every checkpoint, and say whether all are sound
    Verify {
        /// The data directory of a replica
        directory: PathBuf,
    },
}

#[derive(Debug, Args)]
struct ListArgs {
    /// The data directory of a replica
    directory: PathBuf,
    /// The form of a checkpoint
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
        Verb::Verify { directory } => {
            let found = checkpoints(&Files::look(directory)?)?;
            match found.iter().find_map(|line| line.damage.clone()) {
                Some(damage) => Err(Error::Integrity(damage)),
                None => quietly(say_sound(&found)),
            }
        }
    }
}

fn say_sound(found: &[CheckpointLine]) -> Result<(), Error> {
    writeln!(io::stdout().lock(), "{} checkpoints: sound", found.len())?;
    Ok(())
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
