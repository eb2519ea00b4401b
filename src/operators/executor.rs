//! Executor: applies the ordered stream to the application.
//!
//! Everything here but the counters is replicated state: the application, the sessions, and how far
//! the batches of each source have been executed. A batch is applied only if it is the next of its
//! source, so that the requests of a client take effect in the order in which its replica sent them,
//! and a batch that has come to stand in two slots is applied once. The source sends again what was
//! passed over.

use std::rc::Rc;

use serde::{Deserialize, Serialize};

use crate::app::{At, Damaged, StateMachine};
use crate::batch::{Batch, Replies, Reply, Value};
use crate::checkpoint::Checkpoint;
use crate::config::Config;
use crate::events::Event;
use crate::operators::release::Ordered;
use crate::operators::sessions::{Limits, Sessions};
use crate::role::{Role, Stream};
use crate::types::{ReplicaId, Slot};

/// "All slots below `next` are executed, and with them this much of each source's batches."
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Executed {
    /// The first slot not executed.
    pub next: Slot,
    /// For each replica, the last of its batches that has been applied.
    pub sources: Rc<[Progress]>,
}

/// How far the batches of one source have been executed.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Progress {
    /// The source's incarnation.
    pub incarnation: u64,
    /// The number of the last batch applied; 0 before the first.
    pub number: u64,
}

/// The streams an executor writes.
pub struct Streams<'s> {
    /// Answers to this replica's clients.
    pub replies: Stream<'s, Replies>,
    /// Progress, once a slot.
    pub executed: Stream<'s, Executed>,
    /// A checkpoint every [`Config::checkpoint_every`] slots.
    pub checkpoints: Stream<'s, Checkpoint>,
    /// What happened.
    pub events: Stream<'s, Event>,
}

/// Applies what the ordered stream holds, each slot when the frontier has passed it.
pub fn executor<'s>(
    ordered: Stream<'s, Ordered>,
    digests: Stream<'s, ()>,
    executor: Executor,
) -> Streams<'s> {
    let mut role = Role::new("executor", ordered.scope(), executor);
    let (reply, replies) = role.output();
    let (done, executed) = role.output();
    let (cut, checkpoints) = role.output();
    let (tell, events) = role.output();
    let answer = tell.clone();
    role.on_closed(ordered, move |executor, slot, ordered| {
        match ordered {
            Ordered::Value(value) => {
                tell.send([Event::Executed { slot, value: value.clone() }]);
                let (replies, duplicates) = executor.on_value(slot, value);
                reply.send((!replies.is_empty()).then_some(replies));
                tell.send((duplicates > 0).then_some(Event::Duplicates { count: duplicates }));
            }
            Ordered::Restored(checkpoint) => {
                let restored = executor.restore(&checkpoint);
                restored.expect("a checkpoint is verified by its digest before it gets here");
                tell.send([Event::Installed { slot: checkpoint.slot }]);
            }
        }
        done.send([executor.executed()]);
        if let Some(checkpoint) = executor.checkpoint_due() {
            let Checkpoint { slot, digest, .. } = checkpoint;
            tell.send([Event::Checkpointed { slot, digest }]);
            cut.send([checkpoint]);
        }
    });
    role.on(digests, move |executor, ()| {
        let Checkpoint { slot, digest, .. } = executor.checkpoint();
        answer.send([Event::Digest { slot, digest }]);
    });
    role.build();
    Streams { replies, executed, checkpoints, events }
}

/// Owns the replicated state.
pub struct Executor {
    me: ReplicaId,
    checkpoint_every: u64,
    limits: Limits,
    state: State,
    application: Box<dyn StateMachine>,
}

/// The replicated state beside the application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    next: Slot,
    time_ms: u64,
    sources: Vec<Progress>,
    sessions: Sessions,
}

impl Executor {
    /// An executor that has executed nothing.
    #[must_use]
    pub fn new(application: Box<dyn StateMachine>, config: &Config) -> Self {
        Self {
            me: config.me,
            checkpoint_every: config.checkpoint_every,
            limits: Limits { window: config.client_window, sessions: config.sessions_max },
            state: State {
                next: Slot(0),
                time_ms: 0,
                sources: vec![Progress::default(); config.n],
                sessions: Sessions::default(),
            },
            application,
        }
    }

    /// Goes on from a checkpoint.
    ///
    /// # Errors
    /// Where the checkpoint is damaged, or is not of a cluster of this size; the state is untouched
    /// unless the application breaks its word.
    pub fn restore(&mut self, checkpoint: &Checkpoint) -> Result<(), Damaged> {
        let damaged = |offset, expected| Damaged { offset, expected };
        let (state, application) = postcard::take_from_bytes::<State>(&checkpoint.state)
            .map_err(|_| damaged(0, "sessions and progress"))?;
        let n = self.state.sources.len();
        if state.next != checkpoint.slot || state.sources.len() != n {
            return Err(damaged(0, "the slot and cluster size of this checkpoint"));
        }
        self.application.restore(application)?;
        self.state = state;
        Ok(())
    }

    /// How far execution has come.
    #[must_use]
    pub fn executed(&self) -> Executed {
        Executed { next: self.state.next, sources: self.state.sources.as_slice().into() }
    }

    fn on_value(&mut self, slot: Slot, value: Value) -> (Replies, u64) {
        assert_eq!(slot, self.state.next, "slots are released in order and once");
        self.state.next = slot.next();
        match value {
            Some(batch) if self.is_next_of_its_source(&batch) => self.apply(slot, &batch),
            _ => (Replies::default(), 0),
        }
    }

    fn is_next_of_its_source(&mut self, batch: &Batch) -> bool {
        let id = batch.id;
        let Some(done) = self.state.sources.get_mut(id.source.0 as usize) else { return false };
        let first_of_later = id.incarnation > done.incarnation && id.number == 1;
        let next = id.incarnation == done.incarnation && id.number == done.number + 1;
        if first_of_later || next {
            *done = Progress { incarnation: id.incarnation, number: id.number };
        }
        first_of_later || next
    }

    fn apply(&mut self, slot: Slot, batch: &Batch) -> (Replies, u64) {
        let State { time_ms, sessions, .. } = &mut self.state;
        *time_ms = batch.time_ms.max(*time_ms);
        let at = At { slot, time_ms: *time_ms };
        let mut replies = Replies::default();
        let mut duplicates = 0;
        for request in batch.requests.iter() {
            let executed = sessions.execute(slot, request, self.limits, |reply| {
                self.application.apply(at, request.command, reply);
            });
            duplicates += u64::from(executed.duplicate);
            // Only the source's own replica has the client on its line.
            if let (true, Some(answer)) = (batch.id.source == self.me, executed.answer) {
                replies.push(Reply { client: request.client, number: request.number, answer });
            }
        }
        (replies, duplicates)
    }

    fn checkpoint_due(&self) -> Option<Checkpoint> {
        (self.state.next.0.is_multiple_of(self.checkpoint_every)).then(|| self.checkpoint())
    }

    /// The replicated state as it stands.
    #[must_use]
    pub fn checkpoint(&self) -> Checkpoint {
        let mut bytes = postcard::to_stdvec(&self.state).expect("plain data always encodes");
        bytes.extend(self.application.snapshot());
        Checkpoint::new(self.state.next, bytes)
    }
}
