//! `taraflow log`: the records in a replica's journal.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;

use crate::dataflows;
use crate::disk::{Files, Line, Verified};
use crate::error::Error;

/// The journal in a replica's data directory, whether the replica runs or not; nothing is changed.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  taraflow log inspect data/replica-0            one line a record
  taraflow log inspect data/replica-0 -o json    one JSON object a record
  taraflow log verify data/replica-0             is it whole?

A record that is being written while one looks is no damage. Exit code 7 if there is damage; file, \
offset, what was expected and what was found are printed.")]
pub struct LogArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Print the records, oldest first
    Inspect(InspectArgs),
    /// Read everything, and say what it amounts to
    Verify(Where),
}

#[derive(Debug, Args)]
struct InspectArgs {
    #[command(flatten)]
    place: Where,
    /// The form of a record
    #[arg(short, long, value_enum, default_value_t)]
    output: Form,
}

#[derive(Debug, Args)]
struct Where {
    /// The data directory of a replica
    directory: PathBuf,
    /// The protocol its replica speaks
    #[arg(long, default_value = "tara", value_parser = PossibleValuesParser::new(dataflows::NAMES))]
    protocol: String,
}

/// The form in which things are listed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Form {
    /// A line each, for people
    #[default]
    Table,
    /// An object each, for programs
    Json,
}

/// Runs the command.
///
/// # Errors
/// [`Error::Integrity`] if something is damaged.
pub fn run(args: &LogArgs) -> Result<(), Error> {
    match &args.verb {
        Verb::Inspect(args) => quietly(inspect(args)),
        Verb::Verify(place) => quietly(verify(place)),
    }
}

fn inspect(args: &InspectArgs) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    if args.output == Form::Table {
        let [file, offset, kind, slot, view, bytes] =
            ["file", "offset", "kind", "slot", "view", "bytes"];
        writeln!(out, "{file:<24} {offset:>9} {kind:<9} {slot:>9} {view:>6} {bytes:>8}")?;
    }
    args.place.records(&mut |line| match args.output {
        Form::Json => write_json(&mut out, &line),
        Form::Table => {
            let number = |number: Option<u64>| number.map_or(String::new(), |n| n.to_string());
            let (slot, view) = (number(line.slot.map(|s| s.0)), number(line.view.map(|v| v.0)));
            let Line { file, offset, kind, bytes, .. } = line;
            writeln!(out, "{file:<24} {offset:>9} {kind:<9} {slot:>9} {view:>6} {bytes:>8}")?;
            Ok(())
        }
    })?;
    Ok(())
}

fn verify(place: &Where) -> Result<(), Error> {
    let whole = place.records(&mut |_| Ok(()))?;
    let Verified { owner, segments, records, bytes, forgotten } = whole;
    let (replica, cluster) = (owner.replica, owner.cluster);
    writeln!(
        io::stdout().lock(),
        "replica {replica} of cluster {cluster:x}: {records} records in {segments} files, {bytes} \
         bytes, from slot {forgotten}: sound"
    )?;
    Ok(())
}

impl Where {
    fn records(&self, each: &mut dyn FnMut(Line) -> Result<(), Error>) -> Result<Verified, Error> {
        let files = Files::look(&self.directory)?;
        dataflows::records(&self.protocol, &files, each)
            .unwrap_or_else(|| Err(Error::no_protocol(&self.protocol)))
    }
}

/// Writes one object and the end of its line.
pub(super) fn write_json(out: &mut impl Write, line: &impl Serialize) -> Result<(), Error> {
    serde_json::to_writer(&mut *out, line).map_err(io::Error::from)?;
    writeln!(out)?;
    Ok(())
}

/// A reader that has seen enough, as `head` has, is no error.
pub(super) fn quietly(outcome: Result<(), Error>) -> Result<(), Error> {
    match outcome {
        Err(Error::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome,
    }
}
