//! `taraflow log`: the records in a replica's journal.

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use serde_json::json;

use super::protocol::Spoken;
use crate::disk::{Files, RecordLine, Verified, is_anybodys};
use crate::model::error::Error;

/// The journal in a replica's data directory, whether the replica runs or not; nothing is changed.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  taraflow log inspect cluster/replica-0/data            one line a record
  taraflow log inspect cluster/replica-0/data -o json    one JSON object a record
  taraflow log verify cluster/replica-0/data             is it whole?

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
    /// Read everything, and say whether it is sound
    Verify(VerifyArgs),
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
struct VerifyArgs {
    #[command(flatten)]
    place: Where,
    /// The form of the answer
    #[arg(short, long, value_enum, default_value_t)]
    output: Form,
}

#[derive(Debug, Args)]
pub(super) struct Where {
    /// The data directory of a replica
    directory: PathBuf,
    #[command(flatten)]
    spoken: Spoken,
}

/// The form of what is printed, the same for all commands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Form {
    /// For people
    #[default]
    #[value(name = "text", alias = "table")]
    Table,
    /// For programs: an object, or one a line where there are many
    #[value(alias = "ndjson")]
    Json,
}

/// Runs the command.
///
/// # Errors
/// [`Error::Integrity`] if something is damaged.
pub fn run(args: &LogArgs) -> Result<(), Error> {
    match &args.verb {
        Verb::Inspect(args) => quietly(inspect(args)),
        Verb::Verify(args) => quietly(verify(&args.place, args.output)),
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
            let RecordLine { file, offset, kind, bytes, .. } = line;
            writeln!(out, "{file:<24} {offset:>9} {kind:<9} {slot:>9} {view:>6} {bytes:>8}")?;
            Ok(())
        }
    })?;
    Ok(())
}

fn verify(place: &Where, form: Form) -> Result<(), Error> {
    let judged = place.records(&mut |_| Ok(()));
    if form == Form::Json {
        let mut out = io::stdout().lock();
        let verdict = match &judged {
            Ok(whole) => json!({
                "sound": true,
                "replica": whole.owner.replica,
                "cluster": format!("{:016x}", whole.owner.cluster),
                "records": whole.records,
                "files": whole.segments,
                "bytes": whole.bytes,
                "from_slot": whole.forgotten,
            }),
            Err(error) => json!({ "sound": false, "error": error.to_string() }),
        };
        write_json(&mut out, &verdict)?;
        return judged.map(drop);
    }
    let Verified { owner, segments, records, bytes, forgotten } = judged?;
    let (replica, cluster) = (owner.replica, owner.cluster);
    let files = if segments == 1 { "file" } else { "files" };
    writeln!(
        io::stdout().lock(),
        "replica {replica} of cluster {cluster:016x}: {records} records in {segments} {files}, {bytes} \
         bytes, from slot {forgotten}: sound"
    )?;
    Ok(())
}

impl Where {
    /// The files of a replica.
    ///
    /// # Errors
    /// [`Error::Usage`] if there are none, or what the system says.
    pub(super) fn files(&self) -> Result<Files, Error> {
        let place = self.directory.display();
        if !self.directory.is_dir() {
            return Err(Error::Usage(format!(
                "{place} is no directory: name a replica's data directory"
            )));
        }
        let files = Files::look(&self.directory)?;
        if !is_anybodys(&files)? {
            return Err(Error::Usage(format!(
                "{place} holds no data of a replica: that is in its data directory, such as \
                 cluster/replica-0/data"
            )));
        }
        Ok(files)
    }

    /// Hands every record of the journal to `each`, and judges all the files.
    ///
    /// # Errors
    /// See [`records`](crate::disk::records).
    pub(super) fn records(
        &self,
        each: &mut dyn FnMut(RecordLine) -> Result<(), Error>,
    ) -> Result<Verified, Error> {
        let files = self.files()?;
        self.spoken.protocol()?.records(&files, each)
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
