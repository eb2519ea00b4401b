//! Proposer: tries to have the batches of its own clients decided, one after the other (PX-2).

use std::collections::BTreeSet;

use crate::engine::operators::executor::{Executed, Progress};
use crate::engine::operators::lineup::Lineup;
use crate::engine::operators::patience::Patience;
use crate::engine::operators::requests::Forward;
use crate::engine::ordering::window::Window;
use crate::engine::role::{Pulse, Role, Stream};
use crate::model::batch::{Batch, Value};
use crate::model::config::Config;
use crate::model::events::{Event, Holding, Wait};
use crate::model::quorum::Votes;
use crate::model::refused::{Refusal, Refused};
use crate::model::types::{Millis, ReplicaId, Slot};

use super::ballot::Ballot;
use super::messages::{Accept, Prepare, Promised, Reject};

/// The streams a proposer reads.
pub struct ProposerInputs<'s> {
    /// The batches of this replica's clients.
    pub forwards: Stream<'s, Forward>,
    /// Answers to what it prepares.
    pub promises: Stream<'s, (ReplicaId, Promised)>,
    /// Ballots of its that others have outbid.
    pub rejects: Stream<'s, Reject>,
    /// Ballots that this replica's acceptor has promised, with their slots.
    pub claims: Stream<'s, (Slot, Ballot)>,
    /// What has been executed here.
    pub executed: Stream<'s, Executed>,
    /// Which slots are in a stable checkpoint.
    pub stable: Stream<'s, Slot>,
}

/// The streams a proposer writes.
pub struct SlotProposerStreams<'s> {
    /// Ballots that are to be promised, to every acceptor.
    pub prepares: Stream<'s, Prepare>,
    /// Values that are to be accepted, to every acceptor.
    pub accepts: Stream<'s, Accept>,
    /// What it holds, if it is asked.
    pub events: Stream<'s, Event>,
}

/// Proposes for slot after slot, each time in ballot after ballot until the slot is decided.
pub fn proposer<'s>(
    inputs: ProposerInputs<'s>,
    Pulse { clock, looks }: Pulse<'s>,
    proposer: SlotProposer,
) -> SlotProposerStreams<'s> {
    let mut role = Role::new("proposer", clock.scope(), proposer);
    let (prepare, prepares) = role.output();
    let (accept, accepts) = role.output();
    let (event, events) = role.output();
    let ask = move |asked: Option<Ask>| match asked {
        Some(Ask::Prepare(ballot)) => prepare.send([ballot]),
        Some(Ask::Accept(value)) => accept.send([value]),
        None => {}
    };
    let [executed, stable, forward, promise, reject, tick] = [(); 6].map(|()| ask.clone());
    role.on_look(looks, event, SlotProposer::holding);
    role.on(inputs.executed, move |proposer, done| executed(proposer.on_executed(&done)));
    role.on(inputs.stable, move |proposer, slot| stable(proposer.on_stable(slot)));
    role.on(inputs.forwards, move |proposer, batch| forward(proposer.on_forward(batch)));
    role.on(inputs.promises, move |proposer, (from, told)| {
        promise(proposer.on_promise(from, told));
    });
    role.on(inputs.claims, |proposer, (slot, ballot)| proposer.on_claim(slot, ballot));
    role.on(inputs.rejects, move |proposer, no| reject(proposer.on_reject(no)));
    role.on(clock, move |proposer, now| tick(proposer.on_tick(now)));
    role.build();
    SlotProposerStreams { prepares, accepts, events }
}

/// Owns the attempt at a slot.
///
/// It proposes for the first slot that is not executed, the `turn`, and for no other. So a slot is
/// never left out, and its batches are decided in order. But it prepares a later one where others
/// have claimed those before: it gives way to whoever its own acceptor has promised a slot, and to
/// whoever has outbid it there, and has its promises when its turn comes.
///
/// Proposers that claim a slot at the same time part by their ballots. That of a new attempt is above
/// all it has heard of, and higher by one for each time that it was outbid since a batch of its own
/// was last decided, so that none is outbid for ever. Where whoever it gave way to does not go on,
/// because messages are lost or a replica is gone, it tries for that slot again, after a time that
/// grows and differs from proposer to proposer.
#[derive(Clone, Debug)]
pub struct SlotProposer {
    me: ReplicaId,
    n: usize,
    quorum: usize,
    life: u64,
    retry_after_ms: Millis,
    /// The first slot that is not executed.
    turn: Slot,
    window: Window,
    lineup: Lineup,
    /// The batch that it wants to be decided next.
    batch: Option<Batch>,
    attempt: Option<Attempt>,
    /// The highest ballot it has heard of, for whatever slot.
    heard: Ballot,
    /// How often it was outbid since a batch of its own was last decided.
    outbid: u32,
    /// The slots from `turn` on for which it gives way.
    claimed: BTreeSet<Slot>,
    /// Until when it gives way for the first of them, and how often it has in vain.
    waits_until: Millis,
    waited: u32,
    /// How long it took lately until a quorum had promised, and the most that counts: what takes
    /// longer is an outage, and says nothing of how long others will need.
    took_ms: Millis,
    took_max_ms: Millis,
    patience: Patience,
    now: Millis,
    refused: Refused,
}

/// What is under way for a slot in a ballot.
#[derive(Clone, Debug)]
struct Attempt {
    slot: Slot,
    ballot: Ballot,
    begun_at: Millis,
    /// Who has promised it.
    promised: Votes,
    /// What those have accepted in the highest ballot of all.
    accepted: Option<(Ballot, Value)>,
    /// What it proposes, once it does.
    value: Option<Value>,
}

/// What it asks of acceptors.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Ask {
    Prepare(Prepare),
    Accept(Accept),
}

impl SlotProposer {
    /// How often the time for which it gives way is doubled.
    const DOUBLINGS_MAX: u32 = 6;

    /// The proposer of a replica in this life, which has executed all slots below `turn`.
    pub fn new(life: u64, turn: Slot, window: Window, config: &Config) -> Self {
        Self {
            me: config.me,
            n: config.n,
            quorum: config.quorum(),
            life,
            retry_after_ms: config.retry_after_ms,
            turn,
            window,
            lineup: Lineup::new(config),
            batch: None,
            attempt: None,
            heard: Ballot::default(),
            outbid: 0,
            claimed: BTreeSet::new(),
            waits_until: 0,
            waited: 0,
            took_ms: 0,
            took_max_ms: config.suspect_after_ms,
            patience: Patience::new(config),
            now: 0,
            refused: Refused::default(),
        }
    }

    /// A proposer holds the batches of its clients that are not decided.
    fn holding(&self) -> Holding {
        let waiting = self.lineup.len();
        let own = self.batch.as_ref().map_or(0, |batch| batch.requests.bytes());
        let held = (waiting + usize::from(self.batch.is_some())) as u64;
        let wait = match &self.attempt {
            _ if held == 0 => Wait::Nothing,
            _ if !self.window.admits(self.turn) => Wait::for_role("checkpointer"),
            Some(Attempt { value: Some(_), .. }) => Wait::for_role("learner"),
            Some(attempt) if attempt.slot == self.turn => {
                Wait::for_word("promise", attempt.promised.missing(self.n))
            }
            _ => Wait::Proposal(self.heard.proposer),
        };
        let (bytes, refused) = ((self.lineup.bytes() + own) as u64, self.refused);
        let slot = (held > 0).then_some(self.turn);
        Holding { slot, held, bytes, wait, refused, ..Holding::nothing("proposer") }
    }

    fn on_forward(&mut self, forward: Forward) -> Option<Ask> {
        if let Err(why) = self.lineup.add(forward) {
            self.refused.add(why);
        }
        self.go_on()
    }

    /// The slot is decided, so that the next one can be proposed for: with the same batch, if it was
    /// another's that was decided.
    fn on_executed(&mut self, executed: &Executed) -> Option<Ask> {
        self.window.on_executed(executed);
        self.turn = executed.next;
        self.claimed = self.claimed.split_off(&self.turn);
        self.waited = 0;
        self.waits_until = self.now + self.pause();
        self.patience.came(self.now);
        let done = executed.sources[self.me.0 as usize];
        let is_done = |batch: &mut Batch| {
            let id = batch.id;
            done >= Progress { incarnation: id.incarnation, number: id.number }
        };
        if self.batch.take_if(is_done).is_some() {
            self.outbid = 0;
        }
        self.attempt.take_if(|attempt| attempt.slot < self.turn);
        self.go_on()
    }

    fn on_stable(&mut self, stable: Slot) -> Option<Ask> {
        self.window.on_stable(stable);
        self.go_on()
    }

    fn on_promise(&mut self, from: ReplicaId, promise: Promised) -> Option<Ask> {
        let Promised { slot, ballot, accepted } = promise;
        let is_of = |own: &&mut Attempt| (own.slot, own.ballot) == (slot, ballot);
        let Some(attempt) = self.attempt.as_mut().filter(is_of).filter(|own| own.value.is_none())
        else {
            self.refused.add(Refusal::Late);
            return None;
        };
        if attempt.promised.add(from) && attempt.promised.count() == self.quorum {
            let took_ms = self.now.saturating_sub(attempt.begun_at);
            self.took_ms = took_ms.min(self.took_max_ms).max(self.took_ms / 4 * 3);
        }
        let highest = |own: &Option<(Ballot, Value)>| own.as_ref().map(|(ballot, _)| *ballot);
        if highest(&accepted) > highest(&attempt.accepted) {
            attempt.accepted = accepted;
        }
        self.go_on()
    }

    /// Gives way to who has a promise of this replica's acceptor, unless it has begun already.
    fn on_claim(&mut self, slot: Slot, ballot: Ballot) {
        if ballot.proposer != self.me {
            self.heard = ballot.max(self.heard);
            self.give_way(slot);
        }
    }

    /// Gives way to who has outbid it, and prepares another slot.
    fn on_reject(&mut self, reject: Reject) -> Option<Ask> {
        self.heard = reject.promised.max(self.heard);
        let is_outbid = |own: &mut Attempt| (own.slot, own.ballot) == (reject.slot, reject.ballot);
        let Some(Attempt { slot, .. }) = self.attempt.take_if(is_outbid) else {
            self.refused.add(Refusal::Late);
            return None;
        };
        self.outbid += 1;
        self.waited += u32::from(slot == self.turn);
        self.give_way(slot);
        self.go_on()
    }

    fn give_way(&mut self, slot: Slot) {
        if slot >= self.turn && slot <= self.furthest() {
            self.claimed.insert(slot);
        }
        if slot == self.turn {
            self.waits_until = self.now + self.pause();
        }
    }

    /// The last slot that it prepares: there is no use in one that is further ahead than there are
    /// others to give way to.
    fn furthest(&self) -> Slot {
        Slot(self.turn.0 + self.n as u64)
    }

    /// Does what can be done now: proposes what it has prepared, or prepares what it may propose
    /// later.
    fn go_on(&mut self) -> Option<Ask> {
        if self.batch.is_none() {
            self.batch = self.lineup.take();
        }
        if self.attempt.is_some() { self.propose() } else { self.prepare() }
    }

    /// Begins an attempt, if there is something to propose, at the first slot that nobody has
    /// claimed.
    fn prepare(&mut self) -> Option<Ask> {
        let is_free = |slot: &Slot| !self.claimed.contains(slot);
        let slot = (self.turn.0..=self.furthest().0).map(Slot).find(is_free)?;
        if self.batch.is_none() || !self.window.admits(slot) {
            return None;
        }
        let round = self.heard.round + 1 + u64::from(self.outbid);
        let ballot = Ballot { round, life: self.life, proposer: self.me };
        self.heard = ballot;
        let (begun_at, promised, accepted, value) = (self.now, Votes::default(), None, None);
        self.attempt = Some(Attempt { slot, ballot, begun_at, promised, accepted, value });
        self.patience.ask(self.now);
        Some(Ask::Prepare(Prepare { slot, ballot }))
    }

    /// With the promises of a quorum it proposes, in its turn, what was accepted in the highest
    /// ballot of which they tell; its own batch only if they tell of none (PX-2). If that was decided
    /// meanwhile, and no other has come, it is a noop: others give way to it there.
    fn propose(&mut self) -> Option<Ask> {
        let attempt = self.attempt.as_mut().filter(|attempt| attempt.slot == self.turn)?;
        let is_ready = attempt.promised.count() >= self.quorum && attempt.value.is_none();
        if !is_ready || !self.window.admits(self.turn) {
            return None;
        }
        let adopted = attempt.accepted.take().map(|(_, value)| value);
        let value = adopted.unwrap_or_else(|| self.batch.clone());
        attempt.value = Some(value.clone());
        self.patience.came(self.now);
        self.patience.ask(self.now);
        let (slot, ballot) = (attempt.slot, attempt.ballot);
        Some(Ask::Accept(Accept { slot, ballot, value }))
    }

    /// How long it gives way: twice as long as the other is likely to need for both rounds, and then
    /// up to twice as long again each time, another part of that than others.
    ///
    /// Chance has no part in it, or a seed would not be the same run again.
    fn pause(&self) -> Millis {
        let least = self.retry_after_ms.max(4 * self.took_ms);
        let most = least << self.waited.min(Self::DOUBLINGS_MAX);
        let parts = [u64::from(self.me.0), self.life, self.turn.0, u64::from(self.waited)];
        let mixed = parts.into_iter().fold(0, |sum: u64, part| {
            let sum = (sum ^ part).wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
            sum ^ sum >> 29
        });
        least + mixed % most.max(1)
    }

    /// Asks again for what has gone unanswered, and gives way no longer when it has for long enough.
    /// The acceptors' votes go to all, so that this repairs lost votes as well.
    fn on_tick(&mut self, now: Millis) -> Option<Ask> {
        self.now = now;
        if now >= self.waits_until && self.claimed.remove(&self.turn) {
            self.attempt.take_if(|attempt| attempt.slot > self.turn);
        }
        let Some(attempt) = &self.attempt else { return self.go_on() };
        let is_asking = attempt.value.is_some() || attempt.promised.count() < self.quorum;
        if !is_asking || !self.patience.is_over(now) {
            return None;
        }
        self.patience.ask(now);
        let (slot, ballot) = (attempt.slot, attempt.ballot);
        Some(match attempt.value.clone() {
            None => Ask::Prepare(Prepare { slot, ballot }),
            Some(value) => Ask::Accept(Accept { slot, ballot, value }),
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
