//! Acceptor: promises, and accepts, slot by slot (PX-1, PX-3).

use std::collections::BTreeMap;

use crate::disk::{Durable, Recovered};
use crate::engine::operators::executor::Executed;
use crate::engine::operators::reader::{Ask, Index};
use crate::engine::ordering::decided::Decided;
use crate::engine::role::{Pulse, Role, Stream};
use crate::model::batch::{Value, weight};
use crate::model::config::Config;
use crate::model::events::{Event, Holding, Wait};
use crate::model::refused::{Refusal, Refused};
use crate::model::types::{ReplicaId, Slot, View};

use super::ballot::Ballot;
use super::messages::{Accept, Accepted, AcceptorRecord, Prepare, Promised, Reject};

/// The streams an acceptor reads.
pub struct AcceptorInputs<'s> {
    /// Ballots that are to be promised.
    pub prepares: Stream<'s, Prepare>,
    /// Values that are to be accepted.
    pub accepts: Stream<'s, Accept>,
    /// Readers that want to know how far it has accepted.
    pub asks: Stream<'s, (ReplicaId, Ask)>,
    /// Decided slots, from other replicas.
    pub fetched: Stream<'s, (Slot, Value)>,
    /// What has been executed here.
    pub executed: Stream<'s, Executed>,
}

/// The streams an acceptor writes.
pub struct AcceptorStreams<'s> {
    /// Promises, to who prepares.
    pub promises: Stream<'s, (ReplicaId, Promised)>,
    /// Votes, to every learner.
    pub votes: Stream<'s, Accepted>,
    /// What the votes are for, to this replica's learner.
    pub accepted: Stream<'s, (Accepted, Value)>,
    /// Ballots that come too late, to who proposes in them.
    pub rejects: Stream<'s, (ReplicaId, Reject)>,
    /// Ballots that are promised, with their slots, to this replica's proposer.
    pub claims: Stream<'s, (Slot, Ballot)>,
    /// How far it has accepted, to readers.
    pub indices: Stream<'s, (ReplicaId, Index)>,
    /// Slots decided without a vote here: by the word of another replica.
    pub fetched: Stream<'s, (Slot, Value)>,
    /// What must be on disk before promises and votes leave.
    pub durable: Stream<'s, Durable<AcceptorRecord>>,
    /// What happened.
    pub events: Stream<'s, Event>,
}

/// Promises ballots, and accepts what is proposed in them.
pub fn acceptor<'s>(
    inputs: AcceptorInputs<'s>,
    Pulse { clock, looks }: Pulse<'s>,
    acceptor: SlotAcceptor,
) -> AcceptorStreams<'s> {
    let mut role = Role::new("acceptor", clock.scope(), acceptor);
    let (promise, promises) = role.output();
    let (vote, votes) = role.output();
    let (accept, accepted) = role.output();
    let (reject, rejects) = role.output();
    let (claim, claims) = role.output();
    let (tell, indices) = role.output();
    let (release, fetched) = role.output();
    let (keep, durable) = role.output();
    let (event, events) = role.output();
    let (reject_too, first_event) = (reject.clone(), event.clone());
    let keep_record = move |acceptor: &mut SlotAcceptor, slot, record: Option<AcceptorRecord>| {
        if let Some(record) = record {
            keep.send(acceptor.decided.mark(acceptor.executed));
            keep.send([Durable::Slot(slot, record)]);
        }
    };
    let (keep_promise, keep_learned) = (keep_record.clone(), keep_record.clone());
    role.on_look(looks, event, SlotAcceptor::holding);
    role.on(inputs.executed, |acceptor, executed| acceptor.on_executed(&executed));
    role.on(inputs.fetched, move |acceptor, (slot, value)| {
        if let Some(record) = acceptor.on_fetched(slot, &value) {
            keep_learned(acceptor, slot, Some(record));
            release.send([(slot, value)]);
        }
    });
    role.on(inputs.prepares, move |acceptor, prepare| match acceptor.on_prepare(prepare) {
        Some(Ok((said, record))) => {
            // Who asks again hears nothing, and would be given way to for as long as that lasts.
            claim.send(record.is_some().then_some((said.slot, said.ballot)));
            keep_promise(acceptor, said.slot, record);
            promise.send([(said.ballot.proposer, said)]);
        }
        Some(Err(no)) => reject.send([(no.ballot.proposer, no)]),
        None => {}
    });
    role.on(inputs.accepts, move |acceptor, proposed| {
        let Accept { value, .. } = &proposed;
        match acceptor.on_accept(&proposed) {
            Some(Ok((said, record))) => {
                keep_record(acceptor, said.slot, record);
                vote.send([said]);
                accept.send([(said, value.clone())]);
            }
            Some(Err(no)) => reject_too.send([(no.ballot.proposer, no)]),
            None => {}
        }
    });
    role.on(inputs.asks, move |acceptor, (from, ask)| {
        tell.send([(from, ask.answered(acceptor.end()))]);
    });
    let mut starts = true;
    role.on(clock, move |_, _now| {
        // All propose: there are no views, and nobody leads.
        let started = std::mem::take(&mut starts);
        first_event.send(started.then_some(Event::Started { view: View(0), leader: None }));
    });
    role.build();
    AcceptorStreams {
        promises,
        votes,
        accepted,
        rejects,
        claims,
        indices,
        fetched,
        durable,
        events,
    }
}

/// Owns what was promised and accepted for each slot that is not executed.
///
/// The two must not part, or a proposer could be promised that nothing earlier will be accepted,
/// and miss what is.
#[derive(Clone, Debug)]
pub struct SlotAcceptor {
    window: u64,
    /// The slots from `executed` on of which it has said something.
    slots: BTreeMap<Slot, Word>,
    executed: Slot,
    decided: Decided,
    refused: Refused,
}

/// What an acceptor has said about a slot.
#[derive(Clone, Debug, Default)]
struct Word {
    /// It accepts nothing below this ballot.
    promised: Ballot,
    /// What it has accepted last, and in which ballot.
    accepted: Option<(Ballot, Value)>,
}

/// What an acceptor says to a proposer, with the record that must be on the disk before, unless it
/// is; or that it is too late.
type Answer<T> = Result<(T, Option<AcceptorRecord>), Reject>;

impl SlotAcceptor {
    /// An acceptor that goes on from what its disk held. It has forgotten nothing it ever sent.
    pub fn new(recovered: &Recovered<AcceptorRecord>, config: &Config) -> Self {
        let mut slots: BTreeMap<Slot, Word> = BTreeMap::new();
        for (slot, record) in &recovered.slots {
            let word = slots.entry(*slot).or_default();
            match record {
                AcceptorRecord::Promised(ballot) => word.promised = *ballot.max(&word.promised),
                AcceptorRecord::Accepted { ballot, value } => word.accept(*ballot, value.clone()),
                AcceptorRecord::Learned(_) => {}
            }
        }
        Self {
            window: config.window,
            slots,
            executed: recovered.decided,
            decided: Decided::new(recovered),
            refused: Refused::default(),
        }
    }

    /// An acceptor holds what it has accepted until that is executed.
    fn holding(&self) -> Holding {
        let accepted = || self.slots.iter().filter(|(_, word)| word.accepted.is_some());
        let slot = accepted().next().map(|(slot, _)| *slot);
        let values = accepted().filter_map(|(_, word)| word.accepted.as_ref());
        let bytes = values.map(|(_, value)| weight(value)).sum::<usize>() as u64;
        let wait = if slot.is_some() { Wait::for_role("learner") } else { Wait::Nothing };
        let (held, refused) = (accepted().count() as u64, self.refused);
        Holding { slot, held, bytes, wait, refused, ..Holding::nothing("acceptor") }
    }

    /// The first slot beyond all that it has accepted or seen executed, in this life or before.
    fn end(&self) -> Slot {
        let accepted = self.slots.iter().rev().find(|(_, word)| word.accepted.is_some());
        accepted.map_or(self.executed, |(slot, _)| slot.next())
    }

    /// Promises a ballot, unless it has promised a higher one. Says nothing of a slot that it does
    /// not keep, above all of one that is executed: `catch_up` has what was decided.
    fn on_prepare(&mut self, Prepare { slot, ballot }: Prepare) -> Option<Answer<Promised>> {
        let word = match self.word(slot, ballot)? {
            Ok(word) => word,
            Err(reject) => return Some(Err(reject)),
        };
        let is_new = ballot > word.promised;
        word.promised = ballot;
        let promise = Promised { slot, ballot, accepted: word.accepted.clone() };
        Some(Ok((promise, is_new.then_some(AcceptorRecord::Promised(ballot)))))
    }

    /// Accepts a value, unless it has promised a higher ballot. That is a promise as well.
    fn on_accept(&mut self, accept: &Accept) -> Option<Answer<Accepted>> {
        let Accept { slot, ballot, ref value } = *accept;
        let word = match self.word(slot, ballot)? {
            Ok(word) => word,
            Err(reject) => return Some(Err(reject)),
        };
        let vote = Accepted { slot, ballot };
        if word.accepted.as_ref().is_some_and(|(accepted, _)| *accepted == ballot) {
            return Some(Ok((vote, None)));
        }
        word.accept(ballot, value.clone());
        Some(Ok((vote, Some(AcceptorRecord::Accepted { ballot, value: value.clone() }))))
    }

    /// What was said about a slot, if that does not forbid the ballot; nothing about a slot of which
    /// nothing is kept.
    fn word(&mut self, slot: Slot, ballot: Ballot) -> Option<Result<&mut Word, Reject>> {
        if !self.refused.admits(slot, self.executed, self.window) {
            return None;
        }
        let word = self.slots.entry(slot).or_default();
        if ballot < word.promised {
            self.refused.add(Refusal::StaleView);
            return Some(Err(Reject { slot, ballot, promised: word.promised }));
        }
        Some(Ok(word))
    }

    /// Learns of a decided slot from another replica; nothing if it is known.
    fn on_fetched(&mut self, slot: Slot, value: &Value) -> Option<AcceptorRecord> {
        let is_new = slot >= self.executed && self.decided.learn(slot);
        is_new.then(|| AcceptorRecord::Learned(value.clone()))
    }

    /// What is executed here is decided, and nobody needs to hear of it from an acceptor.
    fn on_executed(&mut self, executed: &Executed) {
        let next = executed.next;
        assert!(next >= self.executed, "execution went back from {} to {next}", self.executed);
        let is_accepted =
            |slot| self.slots.get(&slot).is_some_and(|word: &Word| word.accepted.is_some());
        self.decided.on_executed(self.executed, executed, is_accepted);
        self.slots = self.slots.split_off(&next);
        self.executed = next;
    }
}

impl Word {
    fn accept(&mut self, ballot: Ballot, value: Value) {
        assert!(ballot >= self.promised, "PX-3: it accepts nothing below what it has promised");
        self.promised = ballot;
        self.accepted = Some((ballot, value));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
