//! Invariants of Paxos' messages and disks in every run.
//!
//! - **PX-a** In a ballot one value is proposed for a slot, by the proposer and in the life that the
//!   ballot names.
//! - **PX-b** An acceptor promises and accepts nothing below what it has promised, and its disk has
//!   all of that when it starts again.
//! - **PX-c** A promise tells of the highest ballot in which its sender has accepted, and of what.
//! - **PX-d** What is executed was accepted by a quorum in one ballot.
//! - **PX-e** What is proposed is anchored: a quorum has promised the ballot, and it is what those
//!   have accepted in the highest ballot of which they tell, if they tell of any.
//! - **PX-f** From the moment at which a quorum has it on the disk what is chosen stands, and all
//!   later ballots propose it, though nobody may know of it yet.

use std::collections::BTreeMap;

use crate::disk::Recovered;
use crate::engine::ordering::horizon::{Horizon, check_told};
use crate::engine::protocol::Oracle;
use crate::hosts::simulation::Subject;
use crate::model::batch::{Value, weight};
use crate::model::config::Config;
use crate::model::events::Event;
use crate::model::quorum::Votes;
use crate::model::types::{ReplicaId, Slot, To};

use super::{Accept, Accepted, AcceptorRecord, Ballot, Message, Prepare, Promised};

/// Paxos, to be simulated with the key-value service.
pub fn subject() -> Subject<Message, AcceptorRecord> {
    Subject::of(super::PROTOCOL)
}

/// The invariants of a cluster with these settings.
pub(super) fn oracle(config: &Config) -> Box<dyn Oracle<Message, AcceptorRecord>> {
    Box::new(Invariants::new(config))
}

/// All that replicas have sent, and what follows from it.
struct Invariants {
    quorum: usize,
    horizon: Horizon,
    slots: BTreeMap<Slot, Life>,
    /// The life of each replica, if it has started.
    lives: Vec<u64>,
    /// What each replica has said of each slot in all its lives.
    said: Vec<BTreeMap<Slot, Word>>,
    /// Ballots that were rejected for a higher one.
    outbid: u64,
    /// Ballots in which the value of another was proposed.
    adopted: u64,
}

/// All that was said about a slot.
#[derive(Default)]
struct Life {
    ballots: BTreeMap<Ballot, Attempt>,
    /// The first ballot in which a quorum has accepted.
    chosen: Option<Ballot>,
}

/// All that was said in a ballot.
#[derive(Default)]
struct Attempt {
    /// Who has promised it, and the highest ballot in which each had accepted.
    promised: BTreeMap<ReplicaId, Option<Ballot>>,
    proposed: Option<Value>,
    accepted: Votes,
}

/// What one replica has said of a slot.
#[derive(Clone, Copy, Default)]
struct Word {
    promised: Ballot,
    accepted: Option<Ballot>,
}

impl Life {
    fn value(&self, ballot: Ballot) -> Option<&Value> {
        self.ballots.get(&ballot)?.proposed.as_ref()
    }

    /// PX-e: by the promises of some quorum the value is what its ballot may propose.
    ///
    /// Those that tell of nothing above a ballot are a quorum with that ballot as the highest: so
    /// only the highest of each number of promises counts.
    fn is_anchored(&self, ballot: Ballot, value: &Value, quorum: usize) -> bool {
        let Some(attempt) = self.ballots.get(&ballot) else { return false };
        let mut told: Vec<Option<Ballot>> = attempt.promised.values().copied().collect();
        told.sort();
        told.iter().skip(quorum - 1).any(|highest| match highest {
            None => true,
            Some(highest) => self.value(*highest) == Some(value),
        })
    }

    /// PX-f: whatever is proposed in a ballot above that in which it was chosen is the same.
    fn check_chosen(&self, slot: Slot) -> Result<(), String> {
        let Some((chosen, value)) = self.chosen() else { return Ok(()) };
        let later = self.ballots.range(chosen..);
        let mut others = later.filter_map(|(ballot, own)| Some((ballot, own.proposed.as_ref()?)));
        match others.find(|(_, other)| *other != value) {
            None => Ok(()),
            Some((ballot, other)) => Err(format!(
                "PX-f: slot {slot} was decided in {chosen:?} as {value:?}, and {ballot:?} proposes \
                 {other:?}"
            )),
        }
    }

    fn chosen(&self) -> Option<(Ballot, &Value)> {
        let ballot = self.chosen?;
        Some((ballot, self.value(ballot)?))
    }
}

impl Invariants {
    fn new(config: &Config) -> Self {
        Self {
            quorum: config.quorum(),
            horizon: Horizon::new(config),
            slots: BTreeMap::new(),
            lives: vec![0; config.n],
            said: vec![BTreeMap::new(); config.n],
            outbid: 0,
            adopted: 0,
        }
    }

    fn chosen(&self, slot: Slot) -> Option<&Value> {
        self.slots.get(&slot)?.chosen().map(|(_, value)| value)
    }

    /// PX-a: a proposer tries in ballots of its own, and of its present life.
    fn check_ballot(&self, from: ReplicaId, ballot: Ballot) -> Result<(), String> {
        let life = self.lives[from.0 as usize];
        if ballot.proposer == from && ballot.life == life {
            return Ok(());
        }
        Err(format!("PX-a: {from} proposes in {ballot:?}, in its life {life}"))
    }

    fn on_prepare(&self, from: ReplicaId, Prepare { slot, ballot }: Prepare) -> Result<(), String> {
        self.check_ballot(from, ballot)?;
        self.horizon.check_slot(from, slot)
    }

    fn on_promise(&mut self, from: ReplicaId, promise: &Promised) -> Result<(), String> {
        let Promised { slot, ballot, accepted } = promise;
        let word = self.said[from.0 as usize].entry(*slot).or_default();
        if *ballot < word.promised {
            let promised = word.promised;
            return Err(format!(
                "PX-b: {from} promises {ballot:?} for {slot}, and has promised {promised:?}"
            ));
        }
        word.promised = *ballot;
        let told = accepted.as_ref().map(|(accepted, _)| *accepted);
        // It may have accepted since in the very ballot.
        if told < word.accepted.filter(|accepted| accepted < ballot) {
            return Err(format!(
                "PX-c: {from} tells of {told:?} for {slot}, and has accepted in {:?}",
                word.accepted
            ));
        }
        let life = self.slots.entry(*slot).or_default();
        if let Some((accepted, value)) = accepted {
            let said = life.value(*accepted);
            if said != Some(value) {
                return Err(format!(
                    "PX-c: {from} tells of {value:?} in {accepted:?} for {slot}, proposed was \
                     {said:?}"
                ));
            }
        }
        // One that is said again tells of the same, or of what was accepted in the ballot itself.
        life.ballots.entry(*ballot).or_default().promised.entry(from).or_insert(told);
        Ok(())
    }

    fn on_accept(&mut self, from: ReplicaId, accept: &Accept) -> Result<(), String> {
        let Accept { slot, ballot, value } = accept;
        self.check_ballot(from, *ballot)?;
        // All that is before it is executed where it is proposed.
        let ahead = self.slots.range(self.horizon.weighed_from(from).min(*slot)..*slot);
        let ahead = ahead.filter_map(|(_, life)| life.chosen());
        let bytes = ahead.map(|(_, value)| weight(value)).sum();
        self.horizon.check_bytes(from, *slot, bytes)?;
        let life = self.slots.entry(*slot).or_default();
        if !life.is_anchored(*ballot, value, self.quorum) {
            let promised = life.ballots.get(ballot).map(|own| &own.promised);
            return Err(format!(
                "PX-e: {from} proposes {value:?} for {slot} in {ballot:?}, promised was {promised:?}"
            ));
        }
        let attempt = life.ballots.entry(*ballot).or_default();
        let is_anothers = value.as_ref().is_some_and(|batch| batch.id.source != from);
        self.adopted += u64::from(attempt.proposed.is_none() && is_anothers);
        let first = attempt.proposed.get_or_insert_with(|| value.clone());
        if first != value {
            return Err(format!(
                "PX-a: {from} proposes {value:?} for {slot} in {ballot:?}, after {first:?}"
            ));
        }
        life.check_chosen(*slot)
    }

    fn on_accepted(&mut self, from: ReplicaId, vote: Accepted) -> Result<(), String> {
        let Accepted { slot, ballot } = vote;
        let word = self.said[from.0 as usize].entry(slot).or_default();
        word.promised = word.promised.max(ballot);
        word.accepted = word.accepted.max(Some(ballot));
        let life = self.slots.entry(slot).or_default();
        // What it has promised in the same turn it says first, and tells there of what it accepted.
        let mut later = life.ballots.range(ballot..).skip_while(|(later, _)| **later == ballot);
        let is_hidden = |attempt: &Attempt| {
            attempt.promised.get(&from).is_some_and(|told| *told < Some(ballot))
        };
        if let Some((promised, _)) = later.find(|(_, attempt)| is_hidden(attempt)) {
            return Err(format!(
                "PX-b: {from} accepts in {ballot:?} for {slot}, and has promised {promised:?}"
            ));
        }
        let attempt = life.ballots.entry(ballot).or_default();
        attempt.accepted.add(from);
        if attempt.accepted.count() >= self.quorum {
            life.chosen.get_or_insert(ballot);
            return life.check_chosen(slot);
        }
        Ok(())
    }

    /// PX-b: what a replica has said is on its disk.
    fn check_kept(
        &self,
        me: ReplicaId,
        recovered: &Recovered<AcceptorRecord>,
    ) -> Result<(), String> {
        let mut kept: BTreeMap<Slot, Word> = BTreeMap::new();
        for (slot, record) in &recovered.slots {
            let word = kept.entry(*slot).or_default();
            match record {
                AcceptorRecord::Promised(ballot) => word.promised = word.promised.max(*ballot),
                AcceptorRecord::Accepted { ballot, value } => {
                    word.promised = word.promised.max(*ballot);
                    word.accepted = word.accepted.max(Some(*ballot));
                    let said = self.slots.get(slot).and_then(|life| life.value(*ballot));
                    if said != Some(value) {
                        return Err(format!(
                            "PX-b: {me} remembers {value:?} for {slot} in {ballot:?}, proposed was \
                             {said:?}"
                        ));
                    }
                }
                AcceptorRecord::Learned(value) => {
                    let chosen = self.chosen(*slot);
                    if chosen != Some(value) {
                        return Err(format!(
                            "PX-d: {me} has learned {value:?} for {slot}, chosen is {chosen:?}"
                        ));
                    }
                }
            }
        }
        let mut said = self.said[me.0 as usize].range(recovered.decided..);
        let lost = said.find(|(slot, word)| {
            let kept = kept.get(slot).copied().unwrap_or_default();
            kept.promised < word.promised || kept.accepted < word.accepted
        });
        match lost {
            None => Ok(()),
            Some((slot, word)) => Err(format!(
                "PX-b: {me} has promised {:?} for slot {slot}, accepted in {:?}, and forgotten it",
                word.promised, word.accepted
            )),
        }
    }
}

impl Oracle<Message, AcceptorRecord> for Invariants {
    fn on_start(
        &mut self,
        me: ReplicaId,
        recovered: &Recovered<AcceptorRecord>,
        rotten: bool,
    ) -> Result<(), String> {
        self.lives[me.0 as usize] = recovered.incarnation;
        self.horizon.on_start(me, recovered, rotten)?;
        check_told(me, recovered, |slot| self.chosen(slot))?;
        self.check_kept(me, recovered)
    }

    fn on_sent(&mut self, from: ReplicaId, _to: To, message: &Message) -> Result<(), String> {
        match message {
            Message::Prepare(prepare) => self.on_prepare(from, *prepare),
            Message::Promise(promise) => self.on_promise(from, promise),
            Message::Accept(accept) => self.on_accept(from, accept),
            Message::Accepted(vote) => self.on_accepted(from, *vote),
            Message::Report(report) => {
                self.horizon.on_report(from, *report);
                Ok(())
            }
            Message::Reject(_) => {
                self.outbid += 1;
                Ok(())
            }
            Message::Ask(_) | Message::Index(_) | Message::CatchUp(_) => Ok(()),
        }
    }

    fn on_event(&mut self, me: ReplicaId, event: &Event) -> Result<(), String> {
        self.horizon.on_event(me, event)?;
        match event {
            Event::Executed { slot, value, .. } => {
                let chosen = self.chosen(*slot);
                if chosen == Some(value) {
                    return Ok(());
                }
                Err(format!("PX-d: {me} executes {value:?} at {slot}, chosen is {chosen:?}"))
            }
            _ => Ok(()),
        }
    }

    fn marks(&self) -> BTreeMap<&'static str, u64> {
        BTreeMap::from([("outbid", self.outbid), ("adopted", self.adopted)])
    }
}
