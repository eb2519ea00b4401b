//! Commands for a demo: those of a file, or those made from the texts that come with the program.

use std::fs::File;
use std::io::{self, BufReader, Seek};
use std::path::Path;

use crate::cli::outcome::Failure;
use crate::kv::command_file::CommandReader;
use crate::kv::resp::write_command;

/// Licences, which may be copied verbatim; see `texts/README.md`.
const TEXTS: [(&str, &str); 9] = [
    ("Apache-2.0", include_str!("texts/Apache-2.0")),
    ("GFDL-1.2", include_str!("texts/GFDL-1.2")),
    ("GFDL-1.3", include_str!("texts/GFDL-1.3")),
    ("GPL-2", include_str!("texts/GPL-2")),
    ("GPL-3", include_str!("texts/GPL-3")),
    ("LGPL-2", include_str!("texts/LGPL-2")),
    ("LGPL-2.1", include_str!("texts/LGPL-2.1")),
    ("MPL-1.1", include_str!("texts/MPL-1.1")),
    ("MPL-2.0", include_str!("texts/MPL-2.0")),
];

/// A stream of commands, as often repeated as it takes.
pub(super) struct DemoInput {
    source: Source,
    /// Commands still to be given.
    left: u64,
    total: u64,
}

enum Source {
    Texts(Texts),
    File { name: String, file: File, reader: CommandReader<BufReader<File>> },
}

impl DemoInput {
    /// The bundled texts, or the file at `path`, `-` being standard input; `requests` commands of it.
    ///
    /// A file is read through before anything starts, so that a mistake in its last line is not found
    /// when half of it has been executed.
    ///
    /// # Errors
    /// [`Failure::Usage`] with the place of what cannot be read.
    pub fn open(path: Option<&Path>, requests: Option<u64>, seed: u64) -> Result<Self, Failure> {
        let Some(path) = path else {
            let (mut once, mut command) = (Texts::new(seed), Vec::new());
            let all = std::iter::from_fn(|| once.next(&mut command, false).then_some(()));
            let total = requests.unwrap_or_else(|| all.count() as u64);
            return Ok(Self { source: Source::Texts(Texts::new(seed)), left: total, total });
        };
        let name = path.display().to_string();
        let unreadable = |error: io::Error| Failure::Usage(format!("cannot read {name}: {error}"));
        let file = if name == "-" {
            spool(&mut io::stdin().lock()).map_err(unreadable)?
        } else {
            let mut file = File::open(path).map_err(unreadable)?;
            let regular = file.metadata().map_err(unreadable)?.is_file();
            if regular { file } else { spool(&mut file).map_err(unreadable)? }
        };
        let mut reader = rewound(&file).map_err(unreadable)?;
        let mut counted = 0;
        while read(&name, &mut reader)?.is_some() {
            counted += 1;
            if requests.is_some_and(|requests| counted >= requests) {
                break;
            }
        }
        if counted == 0 {
            return Err(Failure::Usage(format!("{name} holds no command")));
        }
        let reader = rewound(&file).map_err(unreadable)?;
        let total = requests.unwrap_or(counted);
        Ok(Self { source: Source::File { name, file, reader }, left: total, total })
    }

    /// How many commands there are in all.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// Puts the next command into `command`; returns whether there was one.
    ///
    /// # Errors
    /// [`Failure::Usage`] when a file has changed since it was opened.
    pub fn next(&mut self, command: &mut Vec<u8>) -> Result<bool, Failure> {
        if self.left == 0 {
            return Ok(false);
        }
        self.left -= 1;
        match &mut self.source {
            Source::Texts(texts) => Ok(texts.next(command, true)),
            Source::File { name, file, reader } => {
                let mut found = read(name, reader)?;
                if found.is_none() {
                    *reader = rewound(file)
                        .map_err(|error| Failure::Usage(format!("cannot read {name}: {error}")))?;
                    found = read(name, reader)?;
                }
                *command = found.ok_or_else(|| Failure::Usage(format!("{name} has changed")))?;
                Ok(true)
            }
        }
    }
}

fn read(
    name: &str,
    reader: &mut CommandReader<BufReader<File>>,
) -> Result<Option<Vec<u8>>, Failure> {
    reader.next().transpose().map_err(|error| Failure::Usage(format!("{name}: {error}")))
}

fn rewound(file: &File) -> io::Result<CommandReader<BufReader<File>>> {
    let mut file = file.try_clone()?;
    file.rewind()?;
    Ok(CommandReader::new(BufReader::new(file)))
}

/// Copies what can be read only once to a file without a name.
fn spool(from: &mut impl io::Read) -> io::Result<File> {
    let path = std::env::temp_dir().join(format!("taraflow-input-{}", std::process::id()));
    let mut options = File::options();
    let mut file = options.read(true).write(true).create_new(true).open(&path)?;
    let copied = io::copy(from, &mut file);
    std::fs::remove_file(&path)?;
    copied?;
    Ok(file)
}

/// Commands made of the words of the bundled texts.
///
/// The state they make is bounded by the number of different words, however often they are repeated.
struct Texts {
    text: usize,
    /// How many texts have been read to their end.
    read: usize,
    line: u64,
    rest: &'static str,
    words: std::str::SplitAsciiWhitespace<'static>,
    word: String,
    step: u8,
}

impl Texts {
    /// Begins with a text that `seed` chooses.
    fn new(seed: u64) -> Self {
        let text = (seed % TEXTS.len() as u64) as usize;
        let (rest, words) = (TEXTS[text].1, "".split_ascii_whitespace());
        Self { text, read: 0, line: 0, rest, words, word: String::new(), step: STEPS }
    }

    fn next(&mut self, command: &mut Vec<u8>, again: bool) -> bool {
        if self.step == STEPS {
            if !self.next_word(again) {
                return false;
            }
            self.step = 0;
        }
        let (name, line) = (TEXTS[self.text].0, self.line);
        let word = self.word.as_str();
        let mut write = |words: &[&str]| {
            command.clear();
            write_command(words.iter().map(|word| word.as_bytes()), command);
        };
        match self.step {
            0 => write(&["INCR", &format!("word:{word}")]),
            1 => write(&["SET", &format!("last:{word}"), &format!("{name}:{line}")]),
            2 => write(&["HSET", &format!("text:{name}"), word, &line.to_string()]),
            3 => write(&["RPUSH", "recent", word]),
            4 => write(&["GET", &format!("word:{word}")]),
            _ => write(&["LTRIM", "recent", "-100", "-1"]),
        }
        self.step += 1;
        true
    }

    fn next_word(&mut self, again: bool) -> bool {
        loop {
            if let Some(word) = self.words.next() {
                self.word.clear();
                let letters = word.chars().filter(char::is_ascii_alphanumeric);
                self.word.extend(letters.map(|letter| letter.to_ascii_lowercase()));
                if !self.word.is_empty() {
                    return true;
                }
            } else if let Some((line, rest)) = self.rest.split_once('\n') {
                (self.words, self.rest) = (line.split_ascii_whitespace(), rest);
                self.line += 1;
            } else {
                self.read += 1;
                if self.read == TEXTS.len() && !again {
                    return false;
                }
                self.text = (self.text + 1) % TEXTS.len();
                (self.rest, self.line) = (TEXTS[self.text].1, 0);
            }
        }
    }
}

/// Commands made of a word.
const STEPS: u8 = 6;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn bundled_texts_give_the_same_hundred_thousand_commands_each_time() {
        let commands = |seed| {
            let mut input = DemoInput::open(None, None, seed).unwrap();
            let (mut all, mut command) = (0, Vec::new());
            let mut hash = blake3::Hasher::new();
            while input.next(&mut command).unwrap() {
                crate::kv::service::check(&command).unwrap();
                hash.update(&command);
                all += 1;
            }
            assert_eq!(all, input.total());
            (all, hash.finalize())
        };
        assert!(commands(0).0 > 100_000);
        assert_eq!(commands(3), commands(3));
        assert_ne!(commands(3).1, commands(4).1);
    }

    #[test]
    fn an_input_is_repeated_or_cut_to_the_requests_asked_for() {
        let mut input = DemoInput::open(None, Some(400_000), 0).unwrap();
        let mut command = Vec::new();
        let given = std::iter::from_fn(|| input.next(&mut command).unwrap().then_some(())).count();
        assert_eq!(given, 400_000);
    }
}
