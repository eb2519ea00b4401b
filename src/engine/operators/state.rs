//! The replicated state in parts: where execution stands, the sessions, and the application's own.
//!
//! ```text
//! part 0        next slot, agreed time, progress of each source, name of the next session
//! parts 1..65   sessions, by their names
//! the rest      those of the application
//! ```

use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::engine::operators::executor::Progress;
use crate::engine::operators::sessions::{OpenSession, SessionPart, Sessions, part_of};
use crate::model::app::{Damaged, Frozen, StateMachine};
use crate::model::checkpoint::{Checkpoint, Cut, Digest, Parts, Reader, Stored};
use crate::model::parts::PartSet;
use crate::model::types::{ClientId, Slot};

/// The replicated state beside the application.
#[derive(Clone, Debug)]
pub struct ReplicatedState {
    /// The first slot not executed.
    pub next: Slot,
    /// The agreed time.
    pub time_ms: u64,
    /// How far the batches of each source have been executed.
    pub sources: Vec<Progress>,
    /// What is remembered of clients.
    pub sessions: Sessions,
}

/// The first part.
#[derive(Serialize, Deserialize)]
struct Head {
    next: Slot,
    time_ms: u64,
    sources: Vec<Progress>,
    next_session: ClientId,
}

/// The parts before those of the application.
const OWN_PARTS: usize = 1 + Sessions::PARTS;

impl ReplicatedState {
    /// That of a cluster of `n` that has executed nothing.
    pub fn new(n: usize) -> Self {
        let sources = vec![Progress::default(); n];
        Self { next: Slot(0), time_ms: 0, sources, sessions: Sessions::default() }
    }

    /// How many replicas there are.
    pub fn n(&self) -> usize {
        self.sources.len()
    }

    /// How many parts it has together with this application.
    pub fn parts(application: &dyn StateMachine) -> usize {
        OWN_PARTS + application.parts()
    }

    /// The parts that may have changed since this was last asked.
    pub fn take_changed(&mut self, application: &mut dyn StateMachine) -> PartSet {
        let mut changed = PartSet::none(Self::parts(application));
        changed.insert(0);
        changed.extend(1, &self.sessions.take_changed());
        changed.extend(OWN_PARTS, &application.take_changed());
        changed
    }

    /// Freezes these parts of it.
    pub fn freeze(&self, application: &dyn StateMachine, parts: PartSet) -> Cut {
        let Self { next, time_ms, ref sources, ref sessions } = *self;
        let next_session = sessions.next();
        let head = Head { next, time_ms, sources: sources.clone(), next_session };
        let state = FrozenState {
            head: encode(&head),
            sessions: sessions.freeze(),
            application: application.freeze(&parts.from(OWN_PARTS)),
        };
        Cut { slot: next, state: Arc::new(state), changed: parts }
    }

    /// The state of a cluster of `n` at a checkpoint, the application's with it.
    ///
    /// # Errors
    /// Where the checkpoint cannot be read, is damaged, or is of another cluster.
    pub fn restore(
        checkpoint: &Checkpoint,
        application: &mut dyn StateMachine,
        n: usize,
    ) -> Result<Self, Damaged> {
        let state = match &checkpoint.state {
            Stored::Parts(parts) => Self::restore_parts(&**parts, application)?,
            Stored::Whole(bytes) => {
                let bytes = Reader::new(bytes).map_err(|_| UNREADABLE)?;
                let (state, mut rest) = read_whole(bytes)?;
                application.restore_from(&mut rest)?;
                state
            }
        };
        if state.next != checkpoint.slot || state.n() != n {
            let expected = "the slot and cluster size of this checkpoint";
            return Err(Damaged { offset: 0, expected });
        }
        // On the disk it is as it is here.
        application.take_changed();
        Ok(state)
    }

    fn restore_parts(
        parts: &dyn Parts,
        application: &mut dyn StateMachine,
    ) -> Result<Self, Damaged> {
        if parts.parts() != Self::parts(application) {
            return Err(Damaged { offset: 0, expected: "as many parts as the application has" });
        }
        let mut bytes = Vec::new();
        let read = |part, bytes: &mut Vec<u8>| {
            parts.read(part, bytes).map_err(|_| UNREADABLE)?;
            let is_sound = Digest::of(bytes) == parts.digest(part);
            let expected = "a part with the digest that the checkpoint names";
            if is_sound { Ok(()) } else { Err(Damaged { offset: 0, expected }) }
        };
        read(0, &mut bytes)?;
        let Head { next, time_ms, sources, next_session } = decode(&bytes)?;
        let mut sessions = Vec::with_capacity(Sessions::PARTS);
        for part in 1..OWN_PARTS {
            read(part, &mut bytes)?;
            let open = if bytes.is_empty() { SessionPart::default() } else { decode(&bytes)? };
            sessions.push(open);
        }
        let sessions = Sessions::restored(next_session, sessions)?;
        for part in parts.as_they_lie() {
            if let Some(own) = part.checked_sub(OWN_PARTS) {
                read(part, &mut bytes)?;
                application.restore_part(own, &bytes)?;
            }
        }
        Ok(Self { next, time_ms, sources, sessions })
    }
}

const UNREADABLE: Damaged = Damaged { offset: 0, expected: "bytes that can be read" };

fn encode(value: &impl Serialize) -> Vec<u8> {
    postcard::to_stdvec(value).expect("plain data always encodes")
}

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Damaged> {
    let damaged = Damaged { offset: 0, expected: "sessions and progress" };
    let (value, rest) = postcard::take_from_bytes(bytes).map_err(|_| damaged)?;
    if rest.is_empty() { Ok(value) } else { Err(damaged) }
}

/// The replicated state at a slot.
struct FrozenState {
    head: Vec<u8>,
    sessions: Vec<Arc<SessionPart>>,
    application: Arc<dyn Frozen>,
}

impl Frozen for FrozenState {
    fn parts(&self) -> usize {
        OWN_PARTS + self.application.parts()
    }

    fn write(&self, part: usize, out: &mut Vec<u8>) {
        if part == 0 {
            out.extend_from_slice(&self.head);
        } else if let Some(part) = part.checked_sub(OWN_PARTS) {
            self.application.write(part, out);
        } else if !self.sessions[part - 1].is_empty() {
            out.extend_from_slice(&encode(&*self.sessions[part - 1]));
        }
    }

    fn forget(&mut self, part: usize) {
        if let Some(part) = part.checked_sub(OWN_PARTS) {
            if let Some(application) = Arc::get_mut(&mut self.application) {
                application.forget(part);
            }
        } else if let Some(part) = part.checked_sub(1) {
            self.sessions[part] = Arc::default();
        }
    }

    fn copied_bytes(&self) -> usize {
        self.application.copied_bytes()
    }

    fn next_copied(&mut self) -> Option<usize> {
        let application = Arc::get_mut(&mut self.application)?;
        application.next_copied().map(|part| OWN_PARTS + part)
    }
}

/// What a checkpoint in one piece begins with.
#[derive(Deserialize)]
struct WholeHead {
    next: Slot,
    time_ms: u64,
    sources: Vec<Progress>,
    next_session: ClientId,
    open: BTreeMap<ClientId, OpenSession>,
}

/// Bytes in which it is first looked for: most have room for many sessions.
const HEAD_BYTES: u64 = 64 << 10;

/// Reads it off the beginning of such a checkpoint; what is left is the application's.
fn read_whole(mut from: impl Read) -> Result<(ReplicatedState, impl Read), Damaged> {
    let mut bytes = Vec::new();
    loop {
        // It does not show how long it is, and may be most of the checkpoint, or the least of it.
        let more = HEAD_BYTES.max(bytes.len() as u64);
        let read = from.by_ref().take(more).read_to_end(&mut bytes);
        let read = read.map_err(|_| Damaged { offset: bytes.len(), ..UNREADABLE })?;
        match postcard::take_from_bytes::<WholeHead>(&bytes) {
            Ok((head, rest)) => {
                let start = bytes.len() - rest.len();
                let WholeHead { next, time_ms, sources, next_session, open } = head;
                let mut parts = vec![SessionPart::default(); Sessions::PARTS];
                for (client, session) in open {
                    parts[part_of(client)].insert(client, session);
                }
                let sessions = Sessions::restored(next_session, parts)?;
                let mut rest = Cursor::new(bytes);
                rest.set_position(start as u64);
                return Ok((
                    ReplicatedState { next, time_ms, sources, sessions },
                    rest.chain(from),
                ));
            }
            Err(postcard::Error::DeserializeUnexpectedEnd) if read > 0 => {}
            Err(_) => return Err(Damaged { offset: 0, expected: "sessions and progress" }),
        }
    }
}
