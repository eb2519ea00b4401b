//! The application: what the replicas agree to run.
//!
//! A replica hands every decided command, in slot order, to one [`StateMachine`]. The machine is
//! the only owner of the application's state; it sees no clock, no network and no random number, so
//! that the same commands give the same state and the same replies on every replica.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use thiserror::Error;

use crate::model::parts::PartSet;
use crate::model::types::Slot;

/// How much an application holds, to be read by another thread. It may be a moment old.
#[derive(Debug, Default)]
pub struct Census {
    /// Keys.
    pub keys: AtomicU64,
    /// Those of them that expire.
    pub expiring: AtomicU64,
    /// The memory that keys and values take, near enough; the same wherever the state is.
    pub bytes: AtomicU64,
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
///
/// # A large state
///
/// Of a machine like that one each checkpoint writes the whole state, and all clients wait while
/// [`snapshot`](Self::snapshot) makes bytes of it. For a state of more than some megabytes, give
/// [`parts`](Self::parts), [`freeze`](Self::freeze), [`take_changed`](Self::take_changed) and
/// [`restore_part`](Self::restore_part) as well. Then a checkpoint costs what has changed, and
/// nobody waits for it:
///
/// - which part something belongs to depends on nothing but what it is, so that equal states have
///   equal parts;
/// - a frozen state shares its parts with the machine, which copies one before it changes it;
/// - parts are many, so that a copy is short, and changes stay within a few of them.
///
/// ```
/// use std::collections::BTreeMap;
/// use std::sync::Arc;
/// use taraflow::model::app::{At, Damaged, Frozen, StateMachine, restore, written};
/// use taraflow::model::parts::PartSet;
/// use taraflow::model::types::Slot;
///
/// /// Counts how often each byte has come, in sixteen parts by its upper half.
/// struct Bytes {
///     parts: Counts,
///     changed: PartSet,
/// }
///
/// #[derive(Clone)]
/// struct Counts([Arc<BTreeMap<u8, u64>>; 16]);
///
/// impl Bytes {
///     fn new() -> Self {
///         Self { parts: Counts(Default::default()), changed: PartSet::none(16) }
///     }
/// }
///
/// impl StateMachine for Bytes {
///     fn apply(&mut self, _at: At, command: &[u8], _reply: &mut Vec<u8>) {
///         for byte in command {
///             let part = usize::from(byte >> 4);
///             self.changed.insert(part);
///             // Copies the part if a frozen state has it, too.
///             *Arc::make_mut(&mut self.parts.0[part]).entry(*byte).or_default() += 1;
///         }
///     }
///     fn parts(&self) -> usize {
///         16
///     }
///     fn freeze(&self, _parts: &PartSet) -> Arc<dyn Frozen> {
///         Arc::new(self.parts.clone())
///     }
///     fn take_changed(&mut self) -> PartSet {
///         std::mem::replace(&mut self.changed, PartSet::none(16))
///     }
///     fn restore_part(&mut self, part: usize, bytes: &[u8]) -> Result<(), Damaged> {
///         let (counts, rest) = bytes.as_chunks::<9>();
///         if !rest.is_empty() {
///             return Err(Damaged { offset: 9 * counts.len(), expected: "a byte and its count" });
///         }
///         let count = |of: &[u8; 9]| (of[0], u64::from_le_bytes(of[1..].try_into().unwrap()));
///         self.parts.0[part] = Arc::new(counts.iter().map(count).collect());
///         self.changed.insert(part);
///         Ok(())
///     }
///     fn snapshot(&self) -> Vec<u8> {
///         written(&self.parts)
///     }
///     fn restore(&mut self, snapshot: &[u8]) -> Result<(), Damaged> {
///         restore(self, snapshot)
///     }
/// }
///
/// impl Frozen for Counts {
///     fn parts(&self) -> usize {
///         16
///     }
///     fn write(&self, part: usize, out: &mut Vec<u8>) {
///         for (byte, count) in &*self.0[part] {
///             out.push(*byte);
///             out.extend_from_slice(&count.to_le_bytes());
///         }
///     }
///     fn forget(&mut self, part: usize) {
///         self.0[part] = Arc::default();
///     }
/// }
///
/// let at = At { slot: Slot(1), time_ms: 0 };
/// let mut bytes = Bytes::new();
/// bytes.apply(at, b"abc", &mut Vec::new());
/// let changed = bytes.take_changed();
/// assert_eq!(changed.iter().collect::<Vec<_>>(), [6]);
/// let frozen = bytes.freeze(&changed);
/// bytes.apply(at, b"a", &mut Vec::new());
///
/// let mut part = Vec::new();
/// frozen.write(6, &mut part);
/// let mut copy = Bytes::new();
/// copy.restore_part(6, &part).unwrap();
/// copy.apply(at, b"a", &mut Vec::new());
/// assert_eq!(copy.snapshot(), bytes.snapshot());
/// ```
pub trait StateMachine: 'static {
    /// Runs one command and appends its reply to `reply`, whose earlier bytes stay as they are.
    ///
    /// Must be deterministic, and must not panic whatever the bytes: a command that makes no sense
    /// is answered with an error the client can read.
    fn apply(&mut self, at: At, command: &[u8], reply: &mut Vec<u8>);

    /// Answers a command that only reads, as [`apply`](Self::apply) would at `at`, without touching
    /// the state, so that replicas may do this on their own. Returns whether it did; a command that
    /// may write is left alone, and `reply` too.
    ///
    /// Of a machine that has this the log is spared such commands.
    fn read(&self, _at: At, _command: &[u8], _reply: &mut Vec<u8>) -> bool {
        false
    }

    /// Whether what it answers to reads may change by time alone. Then the agreed time is kept
    /// moving while there are reads and nothing else.
    fn reads_change_by_time(&self) -> bool {
        true
    }

    /// The whole state as bytes, in a canonical form: equal states give equal bytes, whatever way
    /// they were reached. Replicas compare digests of it.
    fn snapshot(&self) -> Vec<u8>;

    /// In how many parts the state is kept: always as many, and no more than a million. What is saved, compared and fetched is
    /// those parts that have changed.
    fn parts(&self) -> usize {
        1
    }

    /// The state as it is now, to be written by another thread while commands go on. No parts but
    /// `parts` will be asked for. What this takes, all clients wait for.
    fn freeze(&self, _parts: &PartSet) -> Arc<dyn Frozen> {
        Arc::new(self.snapshot())
    }

    /// The parts that may have changed since this was last asked, or since the machine was made.
    /// Those that [`restore_part`](Self::restore_part) has replaced are among them.
    fn take_changed(&mut self) -> PartSet {
        PartSet::all(self.parts())
    }

    /// Puts what `bytes` hold, which [`Frozen::write`] gave, in the place of one part. All parts
    /// that differ are replaced, in any order, before the next command; in between the state is of
    /// no use to anybody.
    ///
    /// # Errors
    ///
    /// [`Damaged`] when the bytes are none that a machine gives for this part. No bytes make it
    /// panic or reserve memory out of proportion to their number.
    fn restore_part(&mut self, _part: usize, bytes: &[u8]) -> Result<(), Damaged> {
        self.restore(bytes)
    }

    /// Bytes of the state, near enough, and the same of equal states. Checkpoints of a large one are
    /// further apart, so that to save one stays cheap beside what has led to it; of one that does
    /// not say they are as near as the settings have it.
    fn bytes(&self) -> u64 {
        0
    }

    /// How much it holds, kept up to date while commands run. An application that has this speaks
    /// Redis's commands, and [reads](Self::read) those that change nothing; for another one no port
    /// is opened to Redis clients.
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
    /// In how many parts it is kept.
    fn parts(&self) -> usize;

    /// Appends the bytes of one part to `out`, in a canonical form: equal parts give equal bytes. A
    /// part as it is in a new machine may give none.
    fn write(&self, part: usize, out: &mut Vec<u8>);

    /// A part that will not be asked for again: what it shares need not be copied any more when it
    /// changes.
    fn forget(&mut self, _part: usize) {}

    /// A part that has changed since, so that it is in memory twice: to be written before others,
    /// and [forgotten](Self::forget). Each is told once.
    fn next_copied(&mut self) -> Option<usize> {
        None
    }

    /// How many bytes of memory hold only what has changed since, near enough.
    fn copied_bytes(&self) -> usize {
        0
    }
}

/// The state of a simple machine: one part.
impl Frozen for Vec<u8> {
    fn parts(&self) -> usize {
        1
    }

    fn write(&self, _part: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }

    fn forget(&mut self, _part: usize) {
        *self = Vec::new();
    }
}

/// A state in one piece: each part that has bytes with its number and its length, for the
/// [`StateMachine::snapshot`] of a machine that is kept in parts.
pub fn written(state: &dyn Frozen) -> Vec<u8> {
    let (mut bytes, mut part_bytes) = (Vec::new(), Vec::new());
    for part in 0..state.parts() {
        part_bytes.clear();
        state.write(part, &mut part_bytes);
        if !part_bytes.is_empty() {
            bytes.extend_from_slice(&(part as u32).to_le_bytes());
            bytes.extend_from_slice(&(part_bytes.len() as u64).to_le_bytes());
            bytes.extend_from_slice(&part_bytes);
        }
    }
    bytes
}

/// Restores what [`written`] gave: the [`StateMachine::restore`] that goes with it.
///
/// # Errors
/// As [`StateMachine::restore_part`], and where the parts are not in their order. The state is of
/// no use then.
pub fn restore(machine: &mut dyn StateMachine, snapshot: &[u8]) -> Result<(), Damaged> {
    let (mut rest, mut next) = (snapshot, 0);
    while !rest.is_empty() {
        let offset = snapshot.len() - rest.len();
        let damaged = |offset, expected| Damaged { offset, expected };
        let head = rest.split_first_chunk::<4>();
        let head = head.and_then(|(part, rest)| Some((part, rest.split_first_chunk::<8>()?)));
        let (part, (length, after)) = head.ok_or(damaged(offset, "the head of a part"))?;
        let part = u32::from_le_bytes(*part) as usize;
        if part < next || part >= machine.parts() {
            return Err(damaged(offset, "a part after the one before"));
        }
        let length = usize::try_from(u64::from_le_bytes(*length)).ok().filter(|it| *it > 0);
        let bytes = length.and_then(|length| after.get(..length));
        let bytes = bytes.ok_or(damaged(offset + 4, "the length of a part"))?;
        for empty in next..part {
            machine.restore_part(empty, &[])?;
        }
        let within = |damaged: Damaged| Damaged { offset: offset + 12 + damaged.offset, ..damaged };
        machine.restore_part(part, bytes).map_err(within)?;
        (rest, next) = (&after[bytes.len()..], part + 1);
    }
    (next..machine.parts()).try_for_each(|empty| machine.restore_part(empty, &[]))
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
