//! The application: what the replicas agree to run.
//!
//! A replica hands every decided command, in slot order, to one [`StateMachine`]. The machine is
//! the only owner of the application's state; it sees no clock, no network and no random number, so
//! that the same commands give the same state and the same replies on every replica.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use thiserror::Error;

use crate::model::types::Slot;

/// How much an application holds, to be read by another thread. It may be a moment old.
#[derive(Debug, Default)]
pub struct Census {
    /// Keys.
    pub keys: AtomicU64,
    /// Those of them that expire.
    pub expiring: AtomicU64,
}

/// Where in the agreed order a command stands.
///
/// All that a command may know besides its own bytes and the state: both numbers were agreed on
/// together with the command, so they are the same on every replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At {
    /// The slot that holds the command; commands of one batch share it.
    pub slot: Slot,
    /// The agreed time, in milliseconds since the Unix epoch.
    pub time_ms: u64,
}

/// A deterministic service: a state, and commands that change it one at a time.
///
/// Two machines of one type that have applied the same commands at the same places hold equal
/// states and have given equal replies. One that was restored from a snapshot is no exception: what
/// it does next depends on nothing that the snapshot leaves out.
///
/// ```
/// use taraflow::model::app::{At, Damaged, StateMachine};
/// use taraflow::model::types::Slot;
///
/// /// Adds up the bytes of all commands.
/// struct Counter(u64);
///
/// impl StateMachine for Counter {
///     fn apply(&mut self, _at: At, command: &[u8], reply: &mut Vec<u8>) {
///         self.0 = command.iter().fold(self.0, |sum, byte| sum.wrapping_add(u64::from(*byte)));
///         reply.extend_from_slice(&self.0.to_le_bytes());
///     }
///     fn snapshot(&self) -> Vec<u8> {
///         self.0.to_le_bytes().to_vec()
///     }
///     fn restore(&mut self, snapshot: &[u8]) -> Result<(), Damaged> {
///         let damaged = Damaged { offset: snapshot.len().min(8), expected: "eight bytes" };
///         self.0 = u64::from_le_bytes(snapshot.try_into().map_err(|_| damaged)?);
///         Ok(())
///     }
/// }
///
/// let mut counter = Counter(0);
/// counter.apply(At { slot: Slot(1), time_ms: 0 }, &[1, 2], &mut Vec::new());
/// let mut copy = Counter(0);
/// copy.restore(&counter.snapshot()).unwrap();
/// assert_eq!(copy.0, 3);
/// assert!(copy.restore(b"short").is_err());
/// assert_eq!(copy.0, 3);
/// ```
pub trait StateMachine: 'static {
    /// Runs one command and appends its reply to `reply`, whose earlier bytes stay as they are.
    ///
    /// Must be deterministic, and must not panic whatever the bytes: a command that makes no sense
    /// is answered with an error the client can read.
    fn apply(&mut self, at: At, command: &[u8], reply: &mut Vec<u8>);

    /// The whole state as bytes, in a canonical form: equal states give equal bytes, whatever way
    /// they were reached. Replicas compare digests of it.
    fn snapshot(&self) -> Vec<u8>;

    /// The state as it is now, to be written by another thread while commands go on. What this
    /// takes, all clients wait for; for a large state, give something that shares it until it
    /// changes, in place of a [`snapshot`](Self::snapshot), whose bytes it writes.
    fn freeze(&self) -> Arc<dyn Frozen> {
        Arc::new(self.snapshot())
    }

    /// How much it holds, kept up to date while commands run. An application that has this speaks
    /// Redis's commands; for another one no port is opened to Redis clients.
    fn census(&self) -> Option<Arc<Census>> {
        None
    }

    /// Replaces the state by the one that `snapshot` holds.
    ///
    /// # Errors
    ///
    /// [`Damaged`] when the bytes are not what [`snapshot`](Self::snapshot) writes; the state is
    /// untouched then. No bytes make it panic or reserve memory out of proportion to their number.
    fn restore(&mut self, snapshot: &[u8]) -> Result<(), Damaged>;

    /// The same, from a snapshot of which not all need be in memory at once: for a large state, in
    /// place of [`restore`](Self::restore).
    ///
    /// # Errors
    ///
    /// As [`restore`](Self::restore), and where the snapshot cannot be read.
    fn restore_from(&mut self, snapshot: &mut dyn Read) -> Result<(), Damaged> {
        let mut bytes = Vec::new();
        let read = snapshot.read_to_end(&mut bytes);
        let expected = "bytes that can be read";
        read.map_err(|_| Damaged { offset: bytes.len(), expected })?;
        self.restore(&bytes)
    }
}

/// A state as it was at some time, whatever becomes of it since.
pub trait Frozen: Send + Sync {
    /// In how many parts its bytes come.
    fn parts(&self) -> usize;

    /// Appends the bytes of one part to `out`.
    fn write(&self, part: usize, out: &mut Vec<u8>);

    /// A part that will not be asked for again: what it shares need not be copied any more when it
    /// changes.
    fn forget(&mut self, _part: usize) {}
}

/// Bytes of a part of what is bytes already.
const PART_BYTES: usize = 1 << 20;

impl Frozen for Vec<u8> {
    fn parts(&self) -> usize {
        self.len().div_ceil(PART_BYTES)
    }

    fn write(&self, part: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(self.chunks(PART_BYTES).nth(part).unwrap_or_default());
    }
}

/// All bytes of a state.
pub fn written(state: &dyn Frozen) -> Vec<u8> {
    let mut bytes = Vec::new();
    (0..state.parts()).for_each(|part| state.write(part, &mut bytes));
    bytes
}

/// A snapshot that cannot be restored, and the first byte that shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("snapshot is damaged at byte {offset}: expected {expected}")]
pub struct Damaged {
    /// Bytes from the start of the snapshot to the first one that is wrong or missing.
    pub offset: usize,
    /// What a sound snapshot has in that place.
    pub expected: &'static str,
}

/// An application without a state, which answers nothing: for those who look at the rest.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nothing;

impl StateMachine for Nothing {
    fn apply(&mut self, _at: At, _command: &[u8], _reply: &mut Vec<u8>) {}

    fn snapshot(&self) -> Vec<u8> {
        Vec::new()
    }

    fn restore(&mut self, snapshot: &[u8]) -> Result<(), Damaged> {
        if snapshot.is_empty() { Ok(()) } else { Err(Damaged { offset: 0, expected: "the end" }) }
    }
}
