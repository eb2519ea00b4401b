//! A key-value service that speaks the commands of Redis.
//!
//! A command is one RESP array, a reply one RESP2 value; errors are in Redis's words. What differs
//! from Redis, so that replicas agree:
//!
//! - Time is the time the replicas agreed on, [`At::time_ms`], and never goes back. A key whose
//!   expiry has come is gone at once, not when someone looks.
//! - What Redis answers in no particular order, KEYS, HGETALL, SMEMBERS and their like, comes
//!   sorted.
//! - RANDOMKEY, SPOP and SRANDMEMBER draw by the slot, so a client can foresee them.
//! - SCAN walks in the order of a hash, and a part of it ends early when it is long.
//! - Scores are shown with the fewest digits that give them back, as in Redis 7.2 and later; minus
//!   zero is zero. INCRBYFLOAT and HINCRBYFLOAT add in 64 bits, where Redis has 80 on some
//!   machines: digits may differ from the seventeenth on, and what does not fit 64 bits, above
//!   1.8e308, is refused.
//! - A string has at most [`STRING_BYTES_MAX`], a reply at most [`REPLY_BYTES_MAX`] bytes.
//!
//! The hash that says where keys lie is the same for ever. A client that may choose keys freely can
//! make them collide, and slow the service down, not break it: to find one of them takes a few
//! steps more, to add one moves those that are there, and when they fill gigabytes no more come.
//!
//! `table.rs` lists the commands; each family of them has a file.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use thiserror::Error;

use crate::kv::resp::{
    Arguments, Command, Parsed, ProtocolError, RespLimits, integer, write_error,
};

use crate::model::app::{At, Census, Damaged, Frozen, StateMachine, written};
use crate::model::parts::PartSet;
use entry::Held;
use expiries::NEVER;
use refusal::Refusal;
use snapshot::Snapshot;
use store::Store;
use table::Handler;
use values::Kind;

mod entries;
mod entry;
mod expiries;
mod expiry;
mod floats;
mod glob;
mod hashes;
mod keys;
mod leases;
mod lists;
mod object;
mod packed;
mod random;
mod refusal;
mod replies;
mod scan;
mod sets;
mod shape;
mod snapshot;
mod store;
mod strings;
mod table;
mod transaction;
mod values;
mod watched;
mod zset;

pub use glob::matches;
pub use shape::Shape;
pub use table::{Row, commands, find, takes};

/// The longest string, in bytes; Redis has 512 MiB. No longer one fits a command, and APPEND and
/// SETRANGE refuse to make one.
pub const STRING_BYTES_MAX: usize = 16 << 20;

/// The longest reply, in bytes. A command that would be answered with more gets an error instead
/// and changes nothing. A transaction stops to run its commands when their replies are longer than
/// this, so all of them have at most twice as many bytes, and those of its errors.
pub const REPLY_BYTES_MAX: usize = 32 << 20;

/// The key-value service.
///
/// ```
/// use taraflow::kv::service::KeyValue;
/// use taraflow::model::app::{At, StateMachine};
/// use taraflow::model::types::Slot;
///
/// let mut service = KeyValue::default();
/// let mut reply = Vec::new();
/// let at = At { slot: Slot(1), time_ms: 0 };
/// service.apply(at, b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n", &mut reply);
/// service.apply(at, b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n", &mut reply);
/// assert_eq!(reply, b"+OK\r\n$1\r\nv\r\n");
/// ```
#[derive(Clone, Debug, Default)]
pub struct KeyValue {
    store: Store,
    /// Room for parsing, no part of the state.
    arguments: Arguments,
    census: Arc<Census>,
}

impl StateMachine for KeyValue {
    fn apply(&mut self, at: At, command: &[u8], reply: &mut Vec<u8>) {
        let now_ms = self.store.advance(at.time_ms);
        let (row, arguments) = match look_up(&mut self.arguments, command) {
            Ok(found) => found,
            Err(refused) => return write_error(&refused.message(), reply),
        };
        let call = Call { slot: at.slot.0, now_ms, name: row.name, arguments };
        run(&mut self.store, row, &call, reply);
        self.count();
    }

    /// Not even the clock moves.
    fn read(&self, at: At, command: &[u8], reply: &mut Vec<u8>) -> bool {
        let mut room = Arguments::default();
        let (row, arguments) = match look_up(&mut room, command) {
            Ok(found) => found,
            Err(refused) => {
                write_error(&refused.message(), reply);
                return true;
            }
        };
        let Handler::Read(read) = row.handler else { return false };
        let now_ms = self.store.time_at(at.time_ms);
        let call = Call { slot: at.slot.0, now_ms, name: row.name, arguments };
        let start = reply.len();
        if let Err(refusal) = read(&self.store, &call, reply) {
            reply.truncate(start);
            refusal.write(&call, reply);
        }
        true
    }

    fn reads_change_by_time(&self) -> bool {
        self.store.counts().1 > 0
    }

    fn bytes(&self) -> u64 {
        self.memory()
    }

    fn census(&self) -> Option<Arc<Census>> {
        Some(Arc::clone(&self.census))
    }

    fn snapshot(&self) -> Vec<u8> {
        [&[snapshot::VERSION], &written(&*self.freeze(&PartSet::all(self.parts())))[..]].concat()
    }

    fn parts(&self) -> usize {
        snapshot::PARTS
    }

    fn freeze(&self, parts: &PartSet) -> Arc<dyn Frozen> {
        Arc::new(Snapshot::of(&self.store, parts))
    }

    fn take_changed(&mut self) -> PartSet {
        snapshot::take_changed(&mut self.store)
    }

    fn restore_part(&mut self, part: usize, bytes: &[u8]) -> Result<(), Damaged> {
        snapshot::restore_part(&mut self.store, part, bytes)?;
        self.count();
        Ok(())
    }

    fn restore(&mut self, mut snapshot: &[u8]) -> Result<(), Damaged> {
        self.restore_from(&mut snapshot)
    }

    fn restore_from(&mut self, snapshot: &mut dyn Read) -> Result<(), Damaged> {
        let mut restored = Self::default();
        snapshot::read(snapshot, &mut restored)?;
        self.store.become_state(restored.store);
        self.count();
        Ok(())
    }
}

impl KeyValue {
    /// The same service with so many bytes for keys and values: above them commands are refused
    /// that may need more, as Redis does above its `maxmemory`. All replicas must have the same.
    #[must_use]
    pub fn with_memory_max(mut self, bytes: u64) -> Self {
        self.store.set_bytes_max(bytes);
        self
    }

    /// The memory that keys and values take, near enough. It depends on nothing but them, so it is
    /// the same on all replicas.
    pub fn memory(&self) -> u64 {
        self.store.bytes()
    }

    fn count(&self) {
        let (keys, expiring) = self.store.counts();
        self.census.keys.store(keys as u64, Ordering::Relaxed);
        self.census.expiring.store(expiring as u64, Ordering::Relaxed);
        self.census.bytes.store(self.store.bytes(), Ordering::Relaxed);
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.store.len(self.store.clock_ms())
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Runs one command, unless it may need more memory and there is too little.
#[inline]
fn run(store: &mut Store, row: &Row, call: &Call<'_>, reply: &mut Vec<u8>) {
    if row.grows() && store.is_full() {
        return Refusal::FULL.write(call, reply);
    }
    run_anyway(store, row, call, reply);
}

/// Runs one command. If it is refused its reply says why, and it has changed nothing.
#[inline]
fn run_anyway(store: &mut Store, row: &Row, call: &Call<'_>, reply: &mut Vec<u8>) {
    let start = reply.len();
    let done = match row.handler {
        Handler::Read(read) => read(store, call, reply),
        Handler::Write(write) => write(store, call, reply),
    };
    if let Err(refusal) = done {
        reply.truncate(start);
        refusal.write(call, reply);
    }
    assert!(reply.len() > start, "{} gives a reply", row.name);
}

/// Two services are equal when their states are.
impl PartialEq for KeyValue {
    fn eq(&self, other: &Self) -> bool {
        self.store == other.store
    }
}

/// Checks a RESP-encoded command against the table, without running it.
///
/// # Errors
///
/// [`CheckError`] when the command would be refused whatever the state is: it is no RESP, unknown,
/// or has a wrong number of arguments.
///
/// ```
/// use taraflow::kv::service::check;
///
/// let refused = check(b"*1\r\n$3\r\nGET\r\n").unwrap_err();
/// assert_eq!(refused.to_string(), "wrong number of arguments for 'get' command");
/// ```
pub fn check(command: &[u8]) -> Result<(), CheckError> {
    look_up(&mut Arguments::default(), command).map(|_| ())
}

/// A command that is refused whatever the state is.
///
/// Prints in Redis's words, without the code and fit for a terminal.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CheckError {
    /// The bytes are not one RESP array of bulk strings.
    #[error("{0}")]
    Protocol(#[from] ProtocolError),
    /// The bytes end before the command does, go on behind it, or hold no argument.
    #[error("Protocol error: expected exactly one command")]
    NotOne,
    /// There is no command of this name. Name and arguments are cut short as in Redis, which names
    /// them in its reply.
    #[error("unknown command '{}'", name.escape_ascii())]
    Unknown {
        /// The name as it was sent.
        name: Vec<u8>,
        /// The first arguments, each in quotes and followed by a space.
        arguments: Vec<u8>,
    },
    /// The command takes fewer or more arguments.
    #[error("wrong number of arguments for '{name}' command")]
    Arity {
        /// The name in the table.
        name: &'static str,
    },
}

impl CheckError {
    /// The error reply's text, which may hold any bytes that the client sent.
    pub fn message(&self) -> Vec<u8> {
        match self {
            Self::Unknown { name, arguments } => {
                let parts = [b"ERR unknown command '", &name[..], b"', with args beginning with: "];
                [&parts.concat()[..], arguments].concat()
            }
            other => format!("ERR {other}").into_bytes(),
        }
    }

    /// For a command whose name nobody knows.
    #[cold]
    pub fn unknown(command: &Command<'_>) -> Self {
        // Redis prints through C strings, which end at a zero byte, of 128 bytes in all.
        let cut = |bytes: &[u8], most: usize| {
            let bytes = &bytes[..bytes.len().min(most)];
            bytes.split(|byte| *byte == 0).next().unwrap_or_default().to_vec()
        };
        let mut arguments = Vec::new();
        for argument in command.iter().skip(1) {
            if arguments.len() >= 128 {
                break;
            }
            arguments.push(b'\'');
            arguments.extend(cut(argument, 129 - arguments.len()));
            arguments.extend_from_slice(b"' ");
        }
        Self::Unknown { name: cut(&command[0], 128), arguments }
    }
}

/// Answers a command that needs no state, whose row is [stateless](Row::is_stateless) and takes it.
pub fn answer_stateless(row: &'static Row, command: Command<'_>, reply: &mut Vec<u8>) {
    let call = Call { slot: 0, now_ms: 0, name: row.name, arguments: command };
    run(&mut Store::default(), row, &call, reply);
}

/// Parses `bytes` and finds the row of the table they call.
#[inline]
fn look_up<'a>(
    room: &'a mut Arguments,
    bytes: &'a [u8],
) -> Result<(&'static Row, Command<'a>), CheckError> {
    // Inline text would give one command two encodings.
    if bytes.first() != Some(&b'*') {
        return Err(CheckError::NotOne);
    }
    let command = match room.parse(bytes, &RespLimits::default())? {
        Parsed::Complete { value, consumed } if consumed == bytes.len() => value,
        _ => return Err(CheckError::NotOne),
    };
    Ok((row_of(&command)?, command))
}

/// The row of the table that `command` calls with a right number of arguments.
#[inline]
fn row_of(command: &Command<'_>) -> Result<&'static Row, CheckError> {
    let Some(name) = command.get(0) else { return Err(CheckError::NotOne) };
    match find(name) {
        None => Err(CheckError::unknown(command)),
        Some(row) if row.takes(command.len()) => Ok(row),
        Some(row) => Err(CheckError::Arity { name: row.name }),
    }
}

/// A command on its way to its handler, with what it may know besides the state.
struct Call<'a> {
    slot: u64,
    now_ms: u64,
    name: &'static str,
    arguments: Command<'a>,
}

impl<'a> Call<'a> {
    /// How many arguments there are, the name among them.
    fn len(&self) -> usize {
        self.arguments.len()
    }

    /// The argument at `index`, which the table's arity says is there.
    fn argument(&self, index: usize) -> &'a [u8] {
        self.arguments.get(index).unwrap_or_default()
    }

    /// The first argument, the key of most commands.
    fn key(&self) -> &'a [u8] {
        self.argument(1)
    }

    /// The arguments from `index` on.
    fn from(&self, index: usize) -> impl ExactSizeIterator<Item = &'a [u8]> + Clone {
        self.arguments.iter().skip(index)
    }

    /// The arguments from `index` on, two by two; refused if one is left over.
    fn pairs(&self, index: usize) -> Result<impl Iterator<Item = (&'a [u8], &'a [u8])>, Refusal> {
        if !(self.len() - index).is_multiple_of(2) {
            return Err(Refusal::Arity);
        }
        let left = self.from(index).step_by(2);
        Ok(left.zip(self.from(index + 1).step_by(2)))
    }

    /// The value of the key that is the first argument, refused if it is of another kind.
    fn value<'s, K: Kind>(&self, store: &'s Store) -> Result<Option<Held<'s, K>>, Refusal> {
        store.get(self.key(), self.now_ms)
    }

    /// The string of the key that is the first argument, refused if it is no string.
    #[inline]
    fn text<'s>(&self, store: &'s Store) -> Result<Option<&'s [u8]>, Refusal> {
        store.text(self.key(), self.now_ms)
    }

    fn integer(&self, index: usize) -> Result<i64, Refusal> {
        integer(self.argument(index)).ok_or(Refusal::NOT_INTEGER)
    }
}

/// The outcome of a handler: its reply is written, or nothing has changed for this reason.
type Done = Result<(), Refusal>;

#[cfg(test)]
mod tests;
