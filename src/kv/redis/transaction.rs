//! The commands queued between MULTI and EXEC, and the keys that a client watches.

use std::collections::{BTreeMap, VecDeque};

use crate::kv::resp::{
    Arguments, Command, Parsed, RespLimits, RespReply, write_array, write_bulk, write_decimal,
};
use crate::kv::service::Shape;

use super::client;
use super::local::{Local, Target};

/// The longest queue, in commands.
const COMMANDS_MAX: usize = 10_000;

/// The most keys that one client watches, and their bytes: EXEC carries them all.
const WATCHED_MAX: usize = 1000;
const WATCHED_BYTES_MAX: usize = 128 << 10;

/// The room that EXEC takes besides the queued commands: headers, and the watched keys with their
/// versions.
const OVERHEAD_WORDS: usize = 2 + 2 * WATCHED_MAX;
const OVERHEAD_BYTES: usize = WATCHED_BYTES_MAX + WATCHED_MAX * 48 + 64;

/// The part of EXEC that stands for a queued command.
pub(super) enum Step {
    /// It is ordered with the others; this is the shape of its reply.
    Ordered(Shape),
    /// The connection answers it, when the replies of the others are known. With its words, in
    /// RESP.
    Local(&'static Local, Vec<u8>),
}

impl Step {
    /// The shape of the reply, if it is ordered.
    pub(super) fn shape(&self) -> Option<Shape> {
        match self {
            Self::Ordered(shape) => Some(*shape),
            Self::Local(..) => None,
        }
    }

    /// Whether the connection must know the others.
    pub(super) fn needs_listing(&self) -> bool {
        let Self::Local(local, bytes) = self else { return false };
        let mut room = Arguments::default();
        let parsed = room.parse(bytes, &RespLimits::default());
        matches!(parsed, Ok(Parsed::Complete { value, .. }) if client::needs_listing(local, &value))
    }
}

/// The commands since MULTI.
#[derive(Default)]
pub(super) struct Transaction {
    steps: Vec<Step>,
    /// The words of those that are ordered.
    words: usize,
    /// For each of those how many words it has, and the words, all as bulk strings.
    bytes: Vec<u8>,
    /// Bytes of the others.
    local_bytes: usize,
    /// A command could not be queued; EXEC will refuse.
    pub(super) failed: bool,
}

impl Transaction {
    /// Queues a command, unless EXEC could not carry it within `limits`.
    pub(super) fn push(
        &mut self,
        target: &Target,
        command: &Command<'_>,
        limits: &RespLimits,
    ) -> bool {
        if self.steps.len() == COMMANDS_MAX {
            return false;
        }
        match target {
            Target::Service(row) => {
                let before = self.bytes.len();
                write_number(command.len() as i64, &mut self.bytes);
                command.iter().for_each(|word| write_bulk(word, &mut self.bytes));
                let words = self.words + 1 + command.len();
                let fits = words + OVERHEAD_WORDS <= limits.arguments_max
                    && self.bytes.len() + OVERHEAD_BYTES <= limits.command_bytes_max;
                if fits {
                    self.words = words;
                    self.steps.push(Step::Ordered(row.shape(command)));
                } else {
                    self.bytes.truncate(before);
                }
                fits
            }
            Target::Local(local) => {
                let mut bytes = Vec::new();
                command.write(&mut bytes);
                let fits = self.local_bytes + bytes.len() <= limits.command_bytes_max;
                if fits {
                    self.local_bytes += bytes.len();
                    self.steps.push(Step::Local(local, bytes));
                }
                fits
            }
        }
    }

    /// How many commands are queued.
    pub(super) fn len(&self) -> usize {
        self.steps.len()
    }

    /// Bytes of these commands.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.len() + self.local_bytes
    }

    /// What is to be done, one after the other.
    pub(super) fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The one command that does all that is to be ordered, and all steps.
    pub(super) fn compose(self, watches: &Watches) -> (Vec<u8>, Vec<Step>) {
        let mut command = Vec::with_capacity(self.bytes.len() + OVERHEAD_BYTES);
        write_array(2 + 2 * watches.seen.len() + self.words, &mut command);
        write_bulk(b"TRANSACTION", &mut command);
        write_number(watches.seen.len() as i64, &mut command);
        for (key, version) in &watches.seen {
            write_bulk(key, &mut command);
            write_number(*version, &mut command);
        }
        command.extend_from_slice(&self.bytes);
        (command, self.steps)
    }
}

/// A number as a bulk string.
fn write_number(number: i64, out: &mut Vec<u8>) {
    let mut digits = Vec::with_capacity(8);
    write_decimal(number, &mut digits);
    write_bulk(&digits, out);
}

/// The keys that a client watches.
#[derive(Debug, Default)]
pub(super) struct Watches {
    /// Each with the version it had when it was watched first.
    seen: BTreeMap<Vec<u8>, i64>,
    /// Whose versions have been asked for, with the number of the ordered command.
    asked: VecDeque<(u64, Vec<Vec<u8>>)>,
    bytes: usize,
    keys: usize,
    /// A version will never be known, so nobody can say that nothing has changed.
    pub(super) failed: bool,
}

impl Watches {
    pub(super) fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }

    /// How many keys are watched.
    pub(super) fn keys(&self) -> usize {
        self.keys
    }

    /// Whether a version is on its way.
    pub(super) fn is_waiting(&self) -> bool {
        !self.asked.is_empty()
    }

    /// Makes of WATCH the command that asks for the versions; nothing if that would be too many.
    pub(super) fn ask(&mut self, watch: &Command<'_>) -> Option<Vec<u8>> {
        let keys: Vec<_> = watch.iter().skip(1).map(<[u8]>::to_vec).collect();
        let bytes = self.bytes + keys.iter().map(Vec::len).sum::<usize>();
        if self.keys + keys.len() > WATCHED_MAX || bytes > WATCHED_BYTES_MAX {
            return None;
        }
        (self.keys, self.bytes) = (self.keys + keys.len(), bytes);
        let mut command = Vec::new();
        write_array(watch.len(), &mut command);
        write_bulk(b"VERSIONS", &mut command);
        keys.iter().for_each(|key| write_bulk(key, &mut command));
        self.asked.push_back((0, keys));
        Some(command)
    }

    /// The command made last has this number.
    pub(super) fn number(&mut self, number: u64) {
        if let Some((last, _)) = self.asked.back_mut() {
            *last = number;
        }
    }

    /// Takes the reply to the ordered command `number`, if the keys are still of interest.
    pub(super) fn learn(&mut self, number: u64, reply: &[u8]) {
        let Some((_, keys)) = self.asked.pop_front_if(|(asked, _)| *asked == number) else {
            return;
        };
        match RespReply::parse(reply, &RespLimits::default()) {
            Ok(Parsed::Complete { value: RespReply::Array(Some(versions)), .. })
                if versions.len() == keys.len() =>
            {
                for (key, version) in keys.into_iter().zip(versions) {
                    match version {
                        RespReply::Integer(version) => {
                            self.seen.entry(key).or_insert(version);
                        }
                        _ => self.failed = true,
                    }
                }
            }
            _ => self.failed = true,
        }
    }

    /// No reply comes to ordered commands below `number`.
    pub(super) fn give_up(&mut self, number: u64) {
        while self.asked.pop_front_if(|(asked, _)| *asked < number).is_some() {
            self.failed = true;
        }
    }
}
