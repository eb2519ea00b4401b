//! `taraflow log`: the records in a replica's journal.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use super::output::{OutputForm, print, print_json, print_with, write_json};
use crate::cli::outcome::Failure;
use crate::dataflows;
use crate::disk::{Files, RecordLine, Verified, is_anybodys, owner};
use crate::model::error::Error;

/// The journal in a replica's data directory, whether the replica runs or not; nothing is changed.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  taraflow log inspect cluster/replica-0/data            one line a record
  taraflow log inspect cluster/replica-0/data -o json    one JSON object a record
  taraflow log verify cluster/replica-0/data             is it whole?

A record that is being written at the time does not count as damage. Exit code 7 if there is damage; file, \
offset, what was expected and what was found are printed.")]
pub(super) struct LogArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Print the records, oldest first
    Inspect(DataArgs),
    /// Read everything, and report whether it is sound
    Verify(DataArgs),
}

/// Arguments that name a replica's data, and the form of what is printed about it.
#[derive(Debug, Args)]
pub(super) struct DataArgs {
    /// The data directory of a replica
    directory: PathBuf,
    /// The form of the answer
    #[arg(short, long, value_enum, default_value_t)]
    pub output: OutputForm,
}

/// Runs the command.
///
/// # Errors
/// [`Error::Integrity`] if something is damaged.
pub(super) fn run(args: &LogArgs) -> Result<(), Failure> {
    match &args.verb {
        Verb::Inspect(args) => print_with(|out| inspect(args, out)),
        Verb::Verify(args) => verify(args),
    }
}

fn inspect(args: &DataArgs, out: &mut impl Write) -> Result<(), Failure> {
    if args.output == OutputForm::Text {
        let [file, offset, kind, slot, view, bytes] =
            ["file", "offset", "kind", "slot", "view", "bytes"];
        writeln!(out, "{file:<24} {offset:>9} {kind:<9} {slot:>9} {view:>6} {bytes:>8}")?;
    }
    args.records(&mut |line| match args.output {
        OutputForm::Json => Ok(write_json(out, &line)?),
        OutputForm::Text => {
            let number = |number: Option<u64>| number.map_or(String::new(), |n| n.to_string());
            let (slot, view) = (number(line.slot.map(|s| s.0)), number(line.view.map(|v| v.0)));
            let RecordLine { file, offset, kind, bytes, .. } = line;
            writeln!(out, "{file:<24} {offset:>9} {kind:<9} {slot:>9} {view:>6} {bytes:>8}")?;
            Ok(())
        }
    })?;
    Ok(())
}

fn verify(args: &DataArgs) -> Result<(), Failure> {
    let judged = args.records(&mut |_| Ok(()));
    if args.output == OutputForm::Json {
        let verdict = match &judged {
            Ok(whole) => json!({
                "sound": true,
                "replica": whole.owner.replica,
                "cluster": format!("{:016x}", whole.owner.cluster),
                "protocol": whole.owner.protocol.to_string(),
                "records": whole.records,
                "files": whole.segments,
                "bytes": whole.bytes,
                "from_slot": whole.forgotten,
            }),
            Err(error) => json!({ "sound": false, "error": error.to_string() }),
        };
        print_json(&verdict)?;
        return judged.map(drop);
    }
    let Verified { owner, segments, records, bytes, forgotten } = judged?;
    let (replica, cluster) = (owner.replica, owner.cluster);
    let files = if segments == 1 { "file" } else { "files" };
    print(&format!(
        "replica {replica} of cluster {cluster:016x}: {records} records in {segments} {files}, {bytes} \
         bytes, from slot {forgotten}: sound\n"
    ))
}

impl DataArgs {
    /// The files of a replica.
    ///
    /// # Errors
    /// [`Failure::Usage`] if there are none, or what the system says.
    pub(super) fn files(&self) -> Result<Files, Failure> {
        let refuse = |what: &str| {
            let place = self.directory.display();
            let how = "name a replica's data directory, such as cluster/replica-0/data";
            Err(Failure::Usage(format!("{place} {what}: {how}")))
        };
        if !self.directory.is_dir() {
            return refuse("is not a directory");
        }
        let files = Files::look(&self.directory)?;
        if is_anybodys(&files)? { Ok(files) } else { refuse("holds no data of a replica") }
    }

    /// How long ago one of these files was last changed, if the system tells.
    pub(super) fn age_ms(&self, file: &str) -> Option<u64> {
        let changed = std::fs::metadata(self.directory.join(file)).ok()?.modified().ok()?;
        changed.elapsed().ok().map(|age| age.as_millis() as u64)
    }

    /// Hands every record of the journal to `each`, and judges all the files.
    ///
    /// # Errors
    /// See [`records`](crate::disk::records).
    pub(super) fn records(
        &self,
        each: &mut dyn FnMut(RecordLine) -> Result<(), Error>,
    ) -> Result<Verified, Failure> {
        let files = self.files()?;
        let owner = owner(&files)?;
        // Files that do not even name their owner are damaged, whichever protocol reads them.
        let name = owner.map_or(dataflows::usual().to_owned(), |owner| owner.protocol.to_string());
        Ok(dataflows::find(&name)?.records(&files, each)?)
    }
}
