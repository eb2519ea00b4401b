//! A reader of files of Redis commands: RESP, as `redis-cli --pipe` takes it, or a command a line.
//!
//! What starts with `*` is a RESP command, all else a line of inline words; a file may mix both.
//! Blank lines and lines that start with `#` are skipped. Each command is checked against the
//! table of the key-value service, so that a mistake is reported with its place, not by a replica.

use std::fmt;
use std::io::{self, Read};

use thiserror::Error;

use crate::kv::resp::{Arguments, Parsed, ProtocolError, RespFault, RespLimits};
use crate::kv::service::{self, CheckError};
use crate::model::buffer::ByteQueue;

/// Bytes read from the source at a time.
const BLOCK_BYTES: usize = 64 << 10;

/// Commands out of a stream of bytes, one at a time, each in its canonical RESP form.
///
/// Holds no more than one command and one block of the input. The first error, a [`ReadError`] that
/// names the place, is the last item: what follows it could not be told apart.
///
/// ```
/// use taraflow::kv::command_file::CommandReader;
///
/// let file = b"# greetings\nSET greeting \"hello world\"\n\nGOT greeting\n";
/// let mut commands = CommandReader::new(&file[..]);
/// assert_eq!(
///     commands.next().unwrap().unwrap(),
///     b"*3\r\n$3\r\nSET\r\n$8\r\ngreeting\r\n$11\r\nhello world\r\n"
/// );
/// let refused = commands.next().unwrap().unwrap_err();
/// assert_eq!(refused.to_string(), "line 4: unknown command 'GOT'");
/// assert!(commands.next().is_none());
/// ```
#[derive(Debug)]
pub struct CommandReader<R> {
    source: R,
    limits: RespLimits,
    arguments: Arguments,
    /// What was read and not yet passed on.
    buffer: ByteQueue<BLOCK_BYTES>,
    /// Bytes of the input before the buffer.
    offset: u64,
    /// The line that the buffer begins in, the first being 1.
    line: u64,
    /// The source has given its last byte.
    drained: bool,
    /// The last command, or an error, has been given out.
    finished: bool,
}

/// A place in the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandPlace {
    /// In this line, the first being 1; for commands a line.
    Line(u64),
    /// After this many bytes; for RESP.
    Byte(u64),
}

impl fmt::Display for CommandPlace {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(to, "line {line}"),
            Self::Byte(offset) => write!(to, "byte {offset}"),
        }
    }
}

/// A reason for which there is no next command.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The source failed.
    #[error("cannot read commands: {0}")]
    Source(#[from] io::Error),
    /// The bytes in this place are no command.
    #[error("{place}: {fault}")]
    Faulty {
        /// The line, or the very byte.
        place: CommandPlace,
        /// What is wrong.
        fault: RespFault,
    },
    /// There is a command, but it would be refused whatever the state is.
    #[error("{place}: {why}")]
    Refused {
        /// The line, or the byte at which the command starts.
        place: CommandPlace,
        /// What the replicas would say.
        why: CheckError,
    },
    /// The input ends too early.
    #[error("input ends in the middle of a command that starts at byte {offset}")]
    Cut {
        /// Bytes of the input before the command.
        offset: u64,
    },
}

/// One step over the buffered input.
enum Step {
    Command(Vec<u8>, usize),
    /// Nothing to run in this many bytes.
    Skip(usize),
    /// The buffer has to hold this many bytes.
    More(usize),
}

impl<R: Read> CommandReader<R> {
    /// Reads commands from `source` within the limits of the service.
    pub fn new(source: R) -> Self {
        Self {
            source,
            limits: RespLimits::default(),
            arguments: Arguments::default(),
            buffer: ByteQueue::default(),
            offset: 0,
            line: 1,
            drained: false,
            finished: false,
        }
    }

    /// Bytes of the input that the commands so far have taken.
    pub fn position(&self) -> u64 {
        self.offset
    }

    fn advance(&mut self) -> Result<Option<Vec<u8>>, ReadError> {
        loop {
            let step = match self.buffer.waiting().first() {
                None if self.drained => return Ok(None),
                None => Step::More(1),
                Some(b'*') => self.resp()?,
                Some(_) => self.inline()?,
            };
            match step {
                Step::Command(command, consumed) => {
                    self.consume(consumed);
                    return Ok(Some(command));
                }
                Step::Skip(consumed) => self.consume(consumed),
                Step::More(_) if self.drained => {
                    return Err(ReadError::Cut { offset: self.offset });
                }
                Step::More(needed) => self.fill(needed)?,
            }
        }
    }

    fn resp(&mut self) -> Result<Step, ReadError> {
        let input = self.buffer.waiting();
        let consumed = match self.arguments.parse(input, &self.limits) {
            Ok(Parsed::Incomplete { needed }) => return Ok(Step::More(needed)),
            Ok(Parsed::Complete { value, consumed }) if value.is_empty() => {
                return Ok(Step::Skip(consumed));
            }
            Ok(Parsed::Complete { consumed, .. }) => consumed,
            Err(ProtocolError { offset, fault }) => {
                let place = CommandPlace::Byte(self.offset + offset as u64);
                return Err(ReadError::Faulty { place, fault });
            }
        };
        // Lengths have one spelling only, so what was parsed is canonical as it is.
        let command = input[..consumed].to_vec();
        let place = CommandPlace::Byte(self.offset);
        service::check(&command).map_err(|why| ReadError::Refused { place, why })?;
        Ok(Step::Command(command, consumed))
    }

    fn inline(&mut self) -> Result<Step, ReadError> {
        let place = CommandPlace::Line(self.line);
        let faulty = |fault| ReadError::Faulty { place, fault };
        let input = self.buffer.waiting();
        let window = &input[..input.len().min(self.limits.inline_bytes_max.saturating_add(2))];
        let newline = window.iter().position(|byte| *byte == b'\n');
        let (line, consumed) = match newline {
            Some(end) => (&input[..end], end + 1),
            None if window.len() > self.limits.inline_bytes_max => {
                return Err(faulty(RespFault::InlineBytes));
            }
            // The last line needs no end.
            None if self.drained => (input, input.len()),
            None => return Ok(Step::More(input.len() + 1)),
        };
        let text = line.trim_ascii();
        if text.is_empty() || text.starts_with(b"#") {
            return Ok(Step::Skip(consumed));
        }
        let ended = [line, b"\n"].concat();
        let mut command = Vec::new();
        match self.arguments.parse(&ended, &self.limits) {
            Ok(Parsed::Complete { value, .. }) => value.write(&mut command),
            // The line ends where we ended it.
            Ok(Parsed::Incomplete { .. }) => return Err(faulty(RespFault::InlineBytes)),
            Err(ProtocolError { fault, .. }) => return Err(faulty(fault)),
        }
        service::check(&command).map_err(|why| ReadError::Refused { place, why })?;
        Ok(Step::Command(command, consumed))
    }

    fn consume(&mut self, bytes: usize) {
        let consumed = self.buffer.pass(bytes);
        self.line += consumed.iter().filter(|byte| **byte == b'\n').count() as u64;
        self.offset += bytes as u64;
    }

    /// Reads until `needed` bytes are there or the source has no more.
    fn fill(&mut self, needed: usize) -> Result<(), ReadError> {
        while self.buffer.len() < needed && !self.drained {
            let tail = self.buffer.tail();
            let end = tail.len();
            tail.resize(end + BLOCK_BYTES, 0);
            let read = self.source.read(&mut tail[end..]);
            tail.truncate(end + read.as_ref().map_or(0, |read| *read));
            match read {
                Ok(0) => self.drained = true,
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

impl<R: Read> Iterator for CommandReader<R> {
    type Item = Result<Vec<u8>, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.finished {
            return None;
        }
        let found = self.advance().transpose();
        self.finished = !matches!(found, Some(Ok(_)));
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives one byte a read.
    struct Slow<'a>(&'a [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            let count = to.len().min(1);
            self.0.read(&mut to[..count])
        }
    }

    /// The commands with `|` between them and spaces for line ends, and the error if there is one.
    fn read(input: &[u8]) -> (String, Option<String>) {
        let collect = |commands: &mut dyn Iterator<Item = Result<Vec<u8>, ReadError>>| {
            let (mut found, mut error) = (Vec::new(), None);
            for command in commands {
                match command {
                    Ok(bytes) => found.push(String::from_utf8_lossy(&bytes).replace("\r\n", " ")),
                    Err(refused) => error = Some(refused.to_string()),
                }
            }
            (found.join("|"), error)
        };
        let at_once = collect(&mut CommandReader::new(input));
        let slowly = collect(&mut CommandReader::new(Slow(input)));
        assert_eq!(at_once, slowly);
        at_once
    }

    #[test]
    fn lines_and_resp_may_be_mixed() {
        let input =
            b"# it's a comment\n\nget 'a b'\r\n*2\r\n$4\r\nECHO\r\n$2\r\n\r\n\r\n\r\n  PING";

        let (commands, error) = read(input);

        assert_eq!(commands, "*2 $3 get $3 a b |*2 $4 ECHO $2   |*1 $4 PING ");
        assert_eq!(error, None);
    }

    #[test]
    fn mistakes_in_lines_are_named_by_line() {
        for (input, said) in [
            (&b"PING\n\n# c\nfoo bar\n"[..], "line 4: unknown command 'foo'"),
            (b"PING\nget a b", "line 2: wrong number of arguments for 'get' command"),
            (b"PING\nget 'a", "line 2: unbalanced quotes in request"),
            (b"*1\r\n$4\r\nPING\r\n\"\\x1b[2J\"\n", r"line 4: unknown command '\x1b[2J'"),
        ] {
            assert_eq!(read(input).1.as_deref(), Some(said));
        }
    }

    #[test]
    fn mistakes_in_resp_are_named_by_byte() {
        for (input, said) in [
            (&b"PING\n*1\r\nx4\r\n"[..], "byte 9: expected '$', got 'x'"),
            (b"PING\n*1\r\n$3\r\nfoo\r\n", "byte 5: unknown command 'foo'"),
            (
                b"*0\r\n*1\r\n$16777217\r\n",
                "byte 9: invalid bulk length: an argument has at most 16777216 bytes",
            ),
            (
                b"PING\n*1\r\n$4\r\nPI",
                "input ends in the middle of a command that starts at byte 5",
            ),
            (b"PING\n*", "input ends in the middle of a command that starts at byte 5"),
        ] {
            assert_eq!(read(input).1.as_deref(), Some(said));
        }
    }

    #[test]
    fn overlong_lines_are_refused_and_not_collected() {
        struct Endless(usize);
        impl Read for Endless {
            fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
                self.0 += to.len();
                to.fill(b'#');
                Ok(to.len())
            }
        }
        let mut commands = CommandReader::new(Endless(0));

        let error = commands.next().unwrap().unwrap_err();

        assert_eq!(error.to_string(), "line 1: too big inline request");
        assert!(commands.source.0 <= 2 * BLOCK_BYTES);
    }

    #[test]
    fn commands_longer_than_a_block_are_read_whole() {
        let value = "v".repeat(3 * BLOCK_BYTES);
        let input = format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n${}\r\n{value}\r\nPING\n", value.len());

        let commands: Vec<_> = CommandReader::new(input.as_bytes()).map(Result::unwrap).collect();

        assert_eq!(commands, [&input.as_bytes()[..input.len() - 5], b"*1\r\n$4\r\nPING\r\n"]);
    }
}
