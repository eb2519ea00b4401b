//! Recovery: what earlier views may have decided, from the records of `f + 1` committers (TA-9).
//!
//! Records name the view in which a slot was accepted and not the value; the values come
//! afterwards, a message at a time, from committers that have them, and first of all from this
//! replica's own.

use std::collections::BTreeMap;

use crate::engine::operators::patience::Patience;
use crate::engine::role::{Pulse, Role, Stream};
use crate::model::batch::{Value, weight};
use crate::model::config::Config;
use crate::model::events::{Event, Holding, Wait};
use crate::model::quorum::Votes;
use crate::model::refused::{Refusal, Refused};
use crate::model::types::{Millis, ReplicaId, Slot, View};

use super::messages::{Need, Record, Supply};
use super::runs::{self, runs};

/// Leadership of `view`, with what earlier views leave behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewView {
    /// The view now led by this replica.
    pub view: View,
    /// All slots below this one are decided, and kept by a replica that has executed them.
    pub base: Slot,
    /// What to propose again from `base` on.
    pub slots: Vec<Left>,
}

/// What earlier views leave behind for a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// The last view in which it was accepted; none where no committer accepted anything.
    pub accepted: Option<View>,
    /// What was accepted.
    pub value: Value,
}

/// The streams recovery writes.
pub struct RecoveryStreams<'s> {
    /// To this replica's proposer.
    pub new_views: Stream<'s, NewView>,
    /// To committers that have what is missing.
    pub needs: Stream<'s, (ReplicaId, Need)>,
    /// What happened.
    pub events: Stream<'s, Event>,
}

/// Gives this replica's proposer a view to lead, once `f + 1` committers have left the views before
/// it and all that they have accepted is here.
pub fn recovery<'s>(
    records: Stream<'s, (ReplicaId, Record)>,
    supplies: Stream<'s, Supply>,
    Pulse { clock, looks }: Pulse<'s>,
    recovery: Recovery,
) -> RecoveryStreams<'s> {
    let mut role = Role::new("recovery", clock.scope(), recovery);
    let (lead, new_views) = role.output();
    let (ask, needs) = role.output();
    let (event, events) = role.output();
    role.on_look(looks, event, Recovery::holding);
    let go_on = move |next: Next| match next {
        Next::Wait => {}
        Next::Ask(holder, need) => ask.send([(holder, need)]),
        Next::Lead(new) => lead.send([new]),
    };
    let (on_record, on_supply) = (go_on.clone(), go_on.clone());
    role.on(records, move |recovery, (from, record)| on_record(recovery.on_record(from, record)));
    role.on(supplies, move |recovery, supply| on_supply(recovery.on_supply(supply)));
    role.on(clock, move |recovery, now| go_on(recovery.on_tick(now)));
    role.build();
    RecoveryStreams { new_views, needs, events }
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
enum Next {
    Wait,
    Ask(ReplicaId, Need),
    Lead(NewView),
}

/// Owns the records of the view to come, and what is gathered for it.
#[derive(Clone, Debug)]
pub struct Recovery {
    me: ReplicaId,
    n: usize,
    quorum: usize,
    /// No view up to this one is led again: records of it are late, or of a life before a restart.
    past: View,
    view: View,
    records: BTreeMap<ReplicaId, Record>,
    /// The values that have come, with the views in which they were accepted.
    values: BTreeMap<Slot, (View, Value)>,
    /// Who was asked for values, and how often since any came.
    asked: Option<(ReplicaId, u32)>,
    patience: Patience,
    now: Millis,
    refused: Refused,
}

impl Recovery {
    /// After so many questions without an answer an acceptor's record does not count, until it
    /// sends it again: there may be others that can be gathered.
    const TRIES: u32 = 3;

    /// A recovery that waits for a view above `past`.
    pub fn new(past: View, config: &Config) -> Self {
        Self {
            me: config.me,
            n: config.n,
            quorum: config.quorum(),
            past,
            view: past,
            records: BTreeMap::new(),
            values: BTreeMap::new(),
            asked: None,
            patience: Patience::for_values(config),
            now: 0,
            refused: Refused::default(),
        }
    }

    fn holding(&self) -> Holding {
        let mut senders = Votes::default();
        for from in self.records.keys() {
            senders.add(*from);
        }
        let held = self.records.len() as u64;
        let wait = match self.asked {
            Some((holder, ..)) => Wait::to_lead("record", vec![holder]),
            None if held > 0 => Wait::to_lead("record", senders.missing(self.n)),
            None => Wait::Nothing,
        };
        let first = self.view.0;
        let bytes = self.values.values().map(|(_, value)| weight(value)).sum::<usize>() as u64;
        let refused = self.refused;
        Holding { held, bytes, first, wait, refused, ..Holding::nothing("recovery") }
    }

    fn on_record(&mut self, from: ReplicaId, record: Record) -> Next {
        let view = record.view;
        // A record counts for the view it is of and for no other: the committer may since have
        // accepted what the record does not show.
        if view <= self.past || view < self.view {
            self.refused.add(if view == self.past { Refusal::Late } else { Refusal::StaleView });
            return Next::Wait;
        }
        if view.leader(self.n) != self.me {
            self.refused.add(Refusal::NotLeader);
            return Next::Wait;
        }
        if view > self.view {
            self.view = view;
            self.records.clear();
            self.values.clear();
            self.asked = None;
            self.patience.begin(self.now);
        }
        if self.records.get(&from) == Some(&record) {
            return Next::Wait;
        }
        self.records.insert(from, record);
        self.go_on(0)
    }

    fn on_supply(&mut self, supply: Supply) -> Next {
        if self.asked.is_none() {
            return Next::Wait;
        }
        for proposal in supply.proposals {
            self.values.insert(proposal.slot, (proposal.view, proposal.value));
        }
        self.patience.came(self.now);
        self.go_on(0)
    }

    /// Asks again where no answer has come, and in the end goes on without whoever does not answer.
    fn on_tick(&mut self, now: Millis) -> Next {
        self.now = now;
        let Some((holder, tries)) = self.asked.filter(|_| self.patience.is_over(now)) else {
            return Next::Wait;
        };
        if tries >= Self::TRIES && holder != self.me {
            self.records.remove(&holder);
        }
        self.go_on(tries % Self::TRIES + 1)
    }

    /// Leads if nothing is missing, and asks for what is.
    fn go_on(&mut self, tries: u32) -> Next {
        self.asked = None;
        if self.records.len() < self.quorum {
            return Next::Wait;
        }
        let base = self.records.values().map(|record| record.decided).max().unwrap_or_default();
        let accepted = self.accepted(base);
        let is_here = |slot, view| self.values.get(&slot).is_some_and(|(own, _)| *own == view);
        let mut missing = accepted.iter().filter(|(slot, view)| !is_here(**slot, **view));
        let Some((&slot, &view)) = missing.next() else {
            return Next::Lead(self.lead(base, &accepted));
        };
        let holder = self.holder(slot, view);
        let has: BTreeMap<Slot, View> = runs::each(&self.records[&holder].accepted).collect();
        let rest = missing.filter(|(slot, view)| has.get(slot) == Some(view));
        let mut slots = runs([(slot, view)].into_iter().chain(rest.map(|(s, v)| (*s, *v))));
        slots.truncate(Need::RUNS_MAX);
        self.asked = Some((holder, tries));
        self.patience.ask(self.now);
        Next::Ask(holder, Need { slots })
    }

    /// For each slot from `base` on the highest view in which it was accepted.
    fn accepted(&self, base: Slot) -> BTreeMap<Slot, View> {
        let mut latest: BTreeMap<Slot, View> = BTreeMap::new();
        let all = self.records.values().flat_map(|record| runs::each(&record.accepted));
        for (slot, view) in all.filter(|(slot, _)| *slot >= base) {
            let known = latest.entry(slot).or_insert(view);
            *known = view.max(*known);
        }
        latest
    }

    /// Who has accepted a slot in a view: this replica, if it has.
    fn holder(&self, slot: Slot, view: View) -> ReplicaId {
        let has = |record: &Record| runs::each(&record.accepted).any(|own| own == (slot, view));
        let holders = self.records.iter().filter(|(_, record)| has(record)).map(|(from, _)| *from);
        holders.min_by_key(|from| (*from != self.me, *from)).unwrap_or(self.me)
    }

    fn lead(&mut self, base: Slot, accepted: &BTreeMap<Slot, View>) -> NewView {
        assert!(self.records.len() >= self.quorum, "TA-9: it leads with the records of a quorum");
        assert!(self.view > self.past, "TA-9: view {} is led once", self.view);
        assert_eq!(self.view.leader(self.n), self.me, "T1: each view has its leader");
        self.past = self.view;
        self.records.clear();
        let mut values = std::mem::take(&mut self.values);
        let end = accepted.keys().next_back().map_or(base, |last| last.next());
        let left = |slot| {
            let value = values.remove(&slot).and_then(|(_, value)| value);
            let accepted = accepted.get(&slot).copied();
            Left { accepted, value: value.filter(|_| accepted.is_some()) }
        };
        NewView { view: self.view, base, slots: (base.0..end.0).map(Slot).map(left).collect() }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::messages::Proposal;
    use super::super::runs::Run;
    use super::*;
    use crate::model::batch::{Batch, BatchId, Packer};

    fn recovery() -> Recovery {
        Recovery::new(View(0), &Config::new(ReplicaId(1), 3))
    }

    fn batch(number: u64) -> Value {
        let id = BatchId { source: ReplicaId(0), incarnation: 1, number };
        Some(Batch { id, time_ms: 0, requests: Packer::default().finish() })
    }

    fn record(view: u64, decided: u64, accepted: &[(u64, u64)]) -> Record {
        let accepted = accepted.iter().map(|(view, slot)| (Slot(*slot), View(*view)));
        Record { view: View(view), decided: Slot(decided), accepted: runs(accepted) }
    }

    fn supply(proposals: &[(u64, u64)]) -> Supply {
        let proposal = |(view, slot): &(u64, u64)| Proposal {
            view: View(*view),
            slot: Slot(*slot),
            value: batch(10 * view + slot),
        };
        Supply { proposals: proposals.iter().map(proposal).collect() }
    }

    fn need(first: u64, count: u64, view: u64) -> Need {
        Need { slots: vec![Run { first: Slot(first), count, view: View(view) }] }
    }

    fn left(view: u64, slot: u64) -> Left {
        Left { accepted: Some(View(view)), value: batch(10 * view + slot) }
    }

    fn new_view(next: Next) -> NewView {
        match next {
            Next::Lead(new) => new,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_proposal_of_the_highest_view_is_proposed_again_and_holes_are_filled() {
        let mut recovery = recovery();
        recovery.on_record(ReplicaId(0), record(4, 0, &[(0, 0), (3, 2)]));
        let next = recovery.on_record(ReplicaId(2), record(4, 0, &[(2, 0)]));
        assert_eq!(next, Next::Ask(ReplicaId(2), need(0, 1, 2)));
        let next = recovery.on_supply(supply(&[(2, 0)]));
        assert_eq!(next, Next::Ask(ReplicaId(0), need(2, 1, 3)));
        let new = new_view(recovery.on_supply(supply(&[(3, 2)])));
        let hole = Left { accepted: None, value: None };
        assert_eq!((new.base, new.slots), (Slot(0), vec![left(2, 0), hole, left(3, 2)]));
    }

    #[test]
    fn a_value_of_another_view_than_the_one_to_be_renewed_does_not_count() {
        let mut recovery = recovery();
        recovery.on_record(ReplicaId(0), record(4, 0, &[(3, 0)]));
        recovery.on_record(ReplicaId(2), record(4, 0, &[]));
        assert!(matches!(recovery.on_supply(supply(&[(2, 0)])), Next::Ask(..)));
        assert_eq!(new_view(recovery.on_supply(supply(&[(3, 0)]))).slots, [left(3, 0)]);
    }

    #[test]
    fn record_of_an_older_view_is_not_counted() {
        let mut recovery = recovery();
        recovery.on_record(ReplicaId(0), record(1, 0, &[(0, 0)]));
        recovery.on_record(ReplicaId(2), record(4, 0, &[]));
        assert_eq!(recovery.on_record(ReplicaId(0), record(1, 0, &[(0, 0)])), Next::Wait);
        new_view(recovery.on_record(ReplicaId(0), record(4, 0, &[])));
    }

    #[test]
    fn nothing_is_proposed_below_what_a_committer_knows_to_be_decided() {
        let mut recovery = recovery();
        recovery.on_record(ReplicaId(0), record(1, 0, &[(0, 0), (0, 5)]));
        let next = recovery.on_record(ReplicaId(2), record(1, 5, &[]));
        assert_eq!(next, Next::Ask(ReplicaId(0), need(5, 1, 0)));
        let new = new_view(recovery.on_supply(supply(&[(0, 5)])));
        assert_eq!((new.base, new.slots), (Slot(5), vec![left(0, 5)]));
    }

    #[test]
    fn who_does_not_answer_is_asked_again_and_then_done_without() {
        let mut recovery = recovery();
        recovery.on_record(ReplicaId(0), record(1, 0, &[(0, 0)]));
        recovery.on_record(ReplicaId(2), record(1, 0, &[]));
        let asked =
            (0..5_000).step_by(10).filter(|now| recovery.on_tick(*now) != Next::Wait).count();
        assert_eq!(asked, Recovery::TRIES as usize);
        new_view(recovery.on_record(ReplicaId(1), record(1, 0, &[])));
    }

    #[test]
    fn a_view_is_led_once() {
        let mut recovery = recovery();
        recovery.on_record(ReplicaId(0), record(1, 0, &[]));
        new_view(recovery.on_record(ReplicaId(2), record(1, 0, &[])));
        recovery.on_record(ReplicaId(1), record(1, 0, &[]));
        assert_eq!(recovery.on_record(ReplicaId(2), record(1, 0, &[])), Next::Wait);
    }

    #[test]
    #[should_panic(expected = "TA-9: it leads with the records of a quorum")]
    fn without_the_records_of_a_quorum_it_does_not_lead() {
        recovery().lead(Slot(0), &BTreeMap::new());
    }

    /// A recovery of replica 1 with the records of a quorum for `view`.
    fn ready(view: u64, past: u64) -> Recovery {
        let mut recovery = recovery();
        (recovery.view, recovery.past) = (View(view), View(past));
        for from in 0..2 {
            recovery.records.insert(ReplicaId(from), record(view, 0, &[]));
        }
        recovery
    }

    #[test]
    #[should_panic(expected = "TA-9: view 1 is led once")]
    fn a_view_is_not_led_again() {
        ready(1, 1).lead(Slot(0), &BTreeMap::new());
    }

    #[test]
    #[should_panic(expected = "T1: each view has its leader")]
    fn a_view_of_another_leader_is_not_led() {
        ready(2, 1).lead(Slot(0), &BTreeMap::new());
    }
}
