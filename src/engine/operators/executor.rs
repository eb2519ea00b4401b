//! Executor: applies the ordered stream to the application.
//!
//! Everything here but the counters is replicated state: the application, the sessions, and how far
//! the batches of each source have been executed. A batch is applied only if it is the next of its
//! source, so that the requests of a client take effect in the order in which its replica sent
//! them, and a batch that has come to stand in two slots is applied once. The source sends again
//! what was skipped. A request of a client without a session needs no more than that to be
//! applied once.

use std::rc::Rc;

use serde::{Deserialize, Serialize};

use crate::engine::operators::reader::Permit;
use crate::engine::operators::release::Ordered;
use crate::engine::operators::sessions::SessionLimits;
use crate::engine::operators::state::ReplicatedState;
use crate::engine::role::{Role, Stream};
use crate::model::app::{At, Damaged, StateMachine};
use crate::model::batch::{Answer, Batch, Replies, Reply, Value, weight};
use crate::model::checkpoint::{Checkpoint, Cut};
use crate::model::config::Config;
use crate::model::events::{Event, Holding, Wait};
use crate::model::parts::PartSet;
use crate::model::refused::{Refusal, Refused};
use crate::model::types::{Millis, ReplicaId, Slot, is_plausible};

/// "All slots below `next` are executed, and with them this much of each source's batches."
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Executed {
    /// The first slot not executed.
    pub next: Slot,
    /// For each replica, the last of its batches that has been applied.
    pub sources: Rc<[Progress]>,
    /// How much the last of the slots weighs: nothing where a checkpoint has come in place of slots.
    pub weight: usize,
    /// How many times as far apart as the settings say checkpoints are now.
    pub stretch: u64,
    /// The agreed time, which the state has come to; nothing while reads do not change by it.
    pub time_ms: Option<Millis>,
}

impl Executed {
    /// Whether a checkpoint has come in place of slots.
    pub fn is_restored(&self) -> bool {
        self.weight == 0
    }
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

impl Progress {
    /// Whether progress that came from outside can be true.
    pub fn is_plausible(self) -> bool {
        is_plausible(self.incarnation) && is_plausible(self.number)
    }
}

/// The streams an executor writes.
pub struct ExecutorStreams<'s> {
    /// Answers to this replica's clients.
    pub replies: Stream<'s, Replies>,
    /// Progress, once a slot.
    pub executed: Stream<'s, Executed>,
    /// A checkpoint every [`Config::checkpoint_every`] slots or [`Config::checkpoint_bytes`], or as
    /// many times as many of either as the state is large.
    pub cuts: Stream<'s, Cut>,
    /// What happened.
    pub events: Stream<'s, Event>,
}

/// Applies what the ordered stream holds, each slot when the frontier has passed it, and answers
/// reads from the state as it is when they are permitted.
pub fn executor<'s>(
    ordered: Stream<'s, Ordered>,
    permits: Stream<'s, Permit>,
    digests: Stream<'s, ()>,
    looks: Stream<'s, ()>,
    executor: Executor,
) -> ExecutorStreams<'s> {
    let mut role = Role::new("executor", ordered.scope(), executor);
    let (reply, replies) = role.output();
    let (done, executed) = role.output();
    let (save, cuts) = role.output();
    let (event, events) = role.output();
    let (answer, event_too, reply_too) = (event.clone(), event.clone(), reply.clone());
    let meter = role.meter();
    role.on_look(looks, event.clone(), Executor::holding);
    role.on_closed(ordered, move |executor, slot, ordered| {
        match ordered {
            Ordered::Value(value) => {
                let done = executor.on_value(slot, &value);
                event.send([Event::Executed { slot, value, applied: done.is_some() }]);
                let (replies, duplicates) = done.unwrap_or_default();
                reply.send((!replies.is_empty()).then_some(replies));
                event.send((duplicates > 0).then_some(Event::Duplicates { count: duplicates }));
            }
            Ordered::Restored(checkpoint) => {
                let Checkpoint { slot, .. } = checkpoint;
                match executor.restore(&checkpoint) {
                    Ok(()) => event.send([Event::Installed { slot }, executor.paced()]),
                    // Its digests were compared when it came, so it is the disk, or the application.
                    Err(damaged) => event.send([Event::Unrestored { slot, damaged }]),
                }
            }
        }
        if let Some(paced) = executor.take_due() {
            event.send([paced]);
            let cut = meter.cutting(|| executor.cut());
            event.send([Event::Checkpointed { slot: cut.slot }]);
            save.send([cut]);
        }
        done.send([executor.executed()]);
    });
    role.on(permits, move |executor, permit| {
        event_too.send([Event::Read { slot: permit.index, count: permit.requests.len() as u64 }]);
        reply_too.send([executor.read(&permit)]);
    });
    role.on(digests, move |executor, ()| {
        let Checkpoint { slot, digest, .. } = executor.whole().write(None);
        answer.send([Event::Digest { slot, digest }]);
    });
    role.build();
    ExecutorStreams { replies, executed, cuts, events }
}

/// Owns the replicated state.
pub struct Executor {
    me: ReplicaId,
    /// How often this replica has started. The lines of an earlier life are gone, and their names
    /// may belong to others.
    incarnation: u64,
    limits: SessionLimits,
    state: ReplicatedState,
    pace: Pace,
    /// That of the slot executed last.
    weight: usize,
    replayed: Vec<(Slot, usize)>,
    /// Whether nothing of the state is in a checkpoint in parts.
    is_first: bool,
    application: Box<dyn StateMachine>,
    /// Replies that nobody here waits for.
    unheard: Vec<u8>,
    refused: Refused,
}

/// When checkpoints fall due: at the same slots on all replicas.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// Slots, and bytes of batches, after which one is due while the state is small.
    every: (u64, usize),
    /// After how many times as many one is due.
    stretch: u64,
    /// The same since the last one.
    since: (u64, usize),
}

impl Pace {
    fn new(every: (u64, usize)) -> Self {
        Self { every, stretch: 1, since: (0, 0) }
    }

    /// A checkpoint of a state of so many bytes is cut. What leads to the next one has half as many
    /// bytes: so to save all of the state costs twice as much as to keep that, and a start, which
    /// may have two such to execute again, not much more than to take over the state.
    fn begin(&mut self, state_bytes: u64) {
        self.stretch = (state_bytes / 2 / self.every.1.max(1) as u64).max(1);
        self.since = (0, 0);
    }

    fn count(&mut self, weight: usize) {
        self.since.0 += 1;
        self.since.1 += weight;
    }

    fn is_due(&self) -> bool {
        let (slots, bytes) = self.since;
        slots / self.stretch >= self.every.0 || bytes as u64 / self.stretch >= self.every.1 as u64
    }
}

impl Executor {
    /// Bytes of replies after which those to further requests of a batch that lines have asked are
    /// not kept: a few kilobytes of requests can ask for gigabytes.
    const REPLIES_BYTES_MAX: usize = 128 << 20;
    /// Bytes of results that all sessions together keep for clients that may ask again; the same on
    /// all replicas.
    const RESULTS_BYTES_MAX: usize = 256 << 20;

    /// An executor that has executed nothing, in the first incarnation of its replica.
    pub fn new(application: Box<dyn StateMachine>, config: &Config) -> Self {
        Self {
            me: config.me,
            incarnation: 1,
            pace: Pace::new((config.checkpoint_every, config.checkpoint_bytes)),
            weight: 0,
            replayed: Vec::new(),
            is_first: true,
            limits: SessionLimits {
                window: config.client_window,
                sessions: config.sessions_max,
                bytes: Self::RESULTS_BYTES_MAX,
            },
            state: ReplicatedState::new(config.n),
            application,
            unheard: Vec::new(),
            refused: Refused::default(),
        }
    }

    /// This is another incarnation of its replica.
    pub fn begin(&mut self, incarnation: u64) {
        self.incarnation = incarnation;
    }

    /// Goes on from a checkpoint.
    ///
    /// # Errors
    /// Where the checkpoint cannot be read, is damaged, or is not of a cluster of this size. The
    /// state is of no use then.
    pub fn restore(&mut self, checkpoint: &Checkpoint) -> Result<(), Damaged> {
        let restored =
            ReplicatedState::restore(checkpoint, self.application.as_mut(), self.state.n())?;
        assert!(restored.next >= self.state.next, "a checkpoint takes nothing back");
        self.state = restored;
        self.is_first = checkpoint.parts().is_none();
        self.pace.begin(self.application.bytes());
        self.weight = 0;
        Ok(())
    }

    /// Puts the state back to what it was before anything was executed, though a checkpoint may have
    /// been taken over by half.
    ///
    /// # Errors
    /// Where the application refuses the state it began with.
    pub fn start_over(&mut self, beginning: &Cut) -> Result<(), Damaged> {
        let beginning = beginning.write(None);
        let n = self.state.n();
        self.state = ReplicatedState::restore(&beginning, self.application.as_mut(), n)?;
        Ok(())
    }

    /// Executes a slot again of which the journal knows what was decided, at a start: who waited for
    /// an answer has gone. Returns the checkpoint that is due then, which makes those before it
    /// superfluous.
    pub fn replay(&mut self, slot: Slot, value: &Value) -> Option<Cut> {
        self.on_value(slot, value);
        let (next, before) = (self.state.next, self.replayed.pop_if(|_| self.pace.since.0 > 1));
        self.replayed.push((next, before.map_or(0, |(_, weight)| weight) + self.weight));
        self.take_due().map(|_| self.cut())
    }

    /// What was executed at the start, by the slot up to which and its weight: what lies between
    /// two checkpoints, and what has come since.
    pub fn replayed(&self) -> &[(Slot, usize)] {
        &self.replayed
    }

    /// How far execution has come.
    pub fn executed(&self) -> Executed {
        let sources = self.state.sources.as_slice().into();
        let (next, weight, stretch) = (self.state.next, self.weight, self.pace.stretch);
        let time_ms = self.application.reads_change_by_time().then_some(self.state.time_ms);
        Executed { next, sources, weight, stretch, time_ms }
    }

    fn holding(&self) -> Holding {
        let wait = Wait::for_role("release");
        let (slot, refused) = (Some(self.state.next), self.refused);
        let bytes = self.state.sessions.bytes() as u64;
        Holding { slot, bytes, wait, refused, ..Holding::nothing("executor") }
    }

    /// Applies the batch of a slot, unless there is none or its turn is not now; answers replies,
    /// and how many requests it had applied before.
    fn on_value(&mut self, slot: Slot, value: &Value) -> Option<(Replies, u64)> {
        assert_eq!(slot, self.state.next, "slots are released in order and once");
        self.state.next = slot.next();
        self.weight = weight(value);
        self.pace.count(self.weight);
        let batch = value.as_ref().filter(|batch| self.is_next_of_its_source(batch))?;
        Some(self.apply(slot, batch))
    }

    fn is_next_of_its_source(&mut self, batch: &Batch) -> bool {
        let id = batch.id;
        let Some(done) = self.state.sources.get_mut(id.source.0 as usize) else { return false };
        let first_of_later = id.incarnation > done.incarnation && id.number == 1;
        let next = id.incarnation == done.incarnation && id.number == done.number + 1;
        if first_of_later || next {
            *done = Progress { incarnation: id.incarnation, number: id.number };
        } else if (id.incarnation, id.number) <= (done.incarnation, done.number) {
            self.refused.add(Refusal::Late);
        } else {
            self.refused.add(Refusal::OutOfOrder);
        }
        first_of_later || next
    }

    fn apply(&mut self, slot: Slot, batch: &Batch) -> (Replies, u64) {
        let ReplicatedState { time_ms, sessions, .. } = &mut self.state;
        *time_ms = batch.time_ms.max(*time_ms);
        let at = At { slot, time_ms: *time_ms };
        let mut replies = Replies::default();
        let (mut duplicates, mut kept) = (0, 0);
        // Only the source's own replica has the client on its line.
        let answers = batch.id.source == self.me;
        let answers_lines = answers && batch.id.incarnation == self.incarnation;
        for request in batch.requests.iter() {
            if request.client.line().is_some() {
                let application = &mut self.application;
                let mut apply = |reply: &mut Vec<u8>| {
                    application.apply(at, request.command, reply);
                    reply.len()
                };
                let (client, number) = (request.client, request.number);
                if answers_lines && kept < Self::REPLIES_BYTES_MAX {
                    replies.push_done(client, number, |reply| kept = apply(reply));
                    continue;
                }
                self.unheard.clear();
                apply(&mut self.unheard);
                if answers_lines {
                    replies.push(Reply { client, number, answer: Answer::Forgotten });
                }
                continue;
            }
            let executed = sessions.execute(slot, request, self.limits, |reply| {
                self.application.apply(at, request.command, reply);
            });
            duplicates += u64::from(executed.duplicate);
            if answers {
                let answer = executed.answer;
                replies.push(Reply { client: request.client, number: request.number, answer });
            }
        }
        (replies, duplicates)
    }

    /// Answers reads, and nothing else that is among them.
    fn read(&self, Permit { index, requests }: &Permit) -> Replies {
        let ReplicatedState { next, time_ms, .. } = self.state;
        assert!(next >= *index, "M6: a read is answered from a state that holds what it must see");
        let at = At { slot: next, time_ms };
        let mut replies = Replies::default();
        let mut kept = 0;
        for request in requests.iter() {
            let (client, number) = (request.client, request.number);
            if kept >= Self::REPLIES_BYTES_MAX {
                replies.push(Reply { client, number, answer: Answer::Forgotten });
                continue;
            }
            replies.push_if(client, number, |reply| {
                let is_read = self.application.read(at, request.command, reply);
                kept = reply.len();
                is_read
            });
        }
        replies
    }

    /// Whether a checkpoint is due, once.
    fn take_due(&mut self) -> Option<Event> {
        self.pace.is_due().then(|| {
            self.pace.begin(self.application.bytes());
            self.paced()
        })
    }

    fn paced(&self) -> Event {
        Event::Paced { slot: self.state.next, stretch: self.pace.stretch }
    }

    /// What of the replicated state has changed since the last cut.
    pub fn cut(&mut self) -> Cut {
        let changed = self.state.take_changed(self.application.as_mut());
        if std::mem::take(&mut self.is_first) {
            return self.whole();
        }
        self.state.freeze(&*self.application, changed)
    }

    /// All of the replicated state.
    pub fn whole(&self) -> Cut {
        let parts = ReplicatedState::parts(&*self.application);
        self.state.freeze(&*self.application, PartSet::all(parts))
    }
}

#[cfg(test)]
mod tests;
