//! The input of `submit`, read by a thread of its own: a pipe that has nothing to say for a while
//! keeps no reply back.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::thread;

use crossbeam_channel::{Receiver, bounded};

use crate::cli::outcome::Failure;
use crate::kv::command_file::CommandReader;

/// Owns what has been read and not been taken.
pub(super) struct SubmitInput {
    commands: Receiver<Result<CommandRead, Failure>>,
    bytes: Option<u64>,
}

/// A command of the input.
pub(super) struct CommandRead {
    pub command: Vec<u8>,
    /// Bytes of the input up to its end.
    pub position: u64,
}

impl SubmitInput {
    /// Commands that may have been read ahead.
    const READ_MAX: usize = 1024;

    /// Opens the file, or standard input where the name is `-`.
    ///
    /// # Errors
    /// [`Failure::Usage`] if it cannot be read.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let name = path.display().to_string();
        let (source, bytes): (Box<dyn Read + Send>, _) = if name == "-" {
            (Box::new(io::stdin()), None)
        } else {
            let unreadable = |error| Failure::Usage(format!("cannot read {name}: {error}"));
            let file = File::open(path).map_err(unreadable)?;
            let bytes = file.metadata().map_err(unreadable)?.len();
            (Box::new(BufReader::new(file)), Some(bytes))
        };
        let (read, commands) = bounded(Self::READ_MAX);
        let mut reader = CommandReader::new(source);
        let run = move || {
            while let Some(command) = reader.next() {
                let position = reader.position();
                let command = command
                    .map(|command| CommandRead { command, position })
                    .map_err(|error| Failure::Usage(format!("{name}: {error}")));
                // Nobody takes commands when `submit` has ended.
                if read.send(command).is_err() {
                    return;
                }
            }
        };
        thread::Builder::new().name("input".to_owned()).spawn(run)?;
        Ok(Self { commands, bytes })
    }

    /// How long it is, if that can be known.
    pub fn bytes(&self) -> Option<u64> {
        self.bytes
    }

    /// Where commands come out. It ends with the input, or with what is wrong in it.
    pub fn commands(&self) -> &Receiver<Result<CommandRead, Failure>> {
        &self.commands
    }
}
