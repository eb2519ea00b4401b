//! Standard output of the commands: text or JSON, tables, and readers that leave early.

pub(super) mod listing;
pub(super) mod words;

use std::io::{self, StdoutLock, Write};

use clap::ValueEnum;
use serde::Serialize;

use crate::cli::outcome::Failure;
use crate::model::error::Error;

/// Form of what is printed, the same for all commands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum OutputForm {
    /// For people
    #[default]
    #[value(alias = "table")]
    Text,
    /// For programs: an object, or one a line where there are many
    #[value(alias = "ndjson")]
    Json,
}

/// Prints text, which brings its line ends.
pub(super) fn print(text: &str) -> Result<(), Failure> {
    print_with(|out| Ok(out.write_all(text.as_bytes())?))
}

/// Prints one object on a line.
pub(super) fn print_json(object: &impl Serialize) -> Result<(), Failure> {
    print_with(|out| Ok(write_json(out, object)?))
}

/// Lets `write` print, piece by piece. A reader that has seen enough, as `head` has, ends that and is no error.
pub(super) fn print_with(
    write: impl FnOnce(&mut StdoutLock<'_>) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let written = write(&mut out);
    forgive_closed_pipe(written.and_then(|()| Ok(out.flush()?)))
}

/// Takes it for no error that the reader has gone.
pub(super) fn forgive_closed_pipe(written: Result<(), Failure>) -> Result<(), Failure> {
    match written {
        Err(Failure::Library(Error::Output(error)))
            if error.kind() == io::ErrorKind::BrokenPipe =>
        {
            Ok(())
        }
        outcome => outcome,
    }
}

/// Writes one object and the end of its line.
pub(super) fn write_json(out: &mut impl Write, object: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, object)?;
    writeln!(out)
}
