//! Learner: the first half of the paper's executor, which counts COMMITs (TA-5).

use std::collections::BTreeMap;

use crate::batch::Value;
use crate::config::Config;
use crate::operators::executor::Executed;
use crate::quorum::Votes;
use crate::role::{Role, Stream};
use crate::types::{ReplicaId, Slot, View};

use super::messages::{Commit, Proposal};

/// Finds the slots for which `f + 1` committers have accepted the same proposal.
pub fn learner<'s>(
    accepted: Stream<'s, Proposal>,
    commits: Stream<'s, (ReplicaId, Commit)>,
    executed: Stream<'s, Executed>,
    learner: Learner,
) -> Stream<'s, (Slot, Value)> {
    let mut role = Role::new("learner", commits.scope(), learner);
    let (decide, decided) = role.output();
    let decide_too = decide.clone();
    role.on(executed, |learner, executed| learner.on_executed(executed.next));
    role.on(accepted, move |learner, proposal| decide.send(learner.on_accepted(proposal)));
    role.on(commits, move |learner, (from, commit)| {
        decide_too.send(learner.on_commit(from, commit));
    });
    role.build();
    decided
}

/// Owns the votes heard for slots not yet executed here.
#[derive(Clone, Debug)]
pub struct Learner {
    quorum: usize,
    window: u64,
    executed: Slot,
    slots: BTreeMap<Slot, Tally>,
}

/// Votes of one view for one slot; those of earlier views are forgotten (TA-8), those of later ones
/// start anew.
#[derive(Clone, Debug, Default)]
struct Tally {
    view: View,
    votes: Votes,
    value: Option<Value>,
    decided: bool,
}

impl Learner {
    /// A learner that has heard nothing.
    #[must_use]
    pub fn new(executed: Slot, config: &Config) -> Self {
        Self { quorum: config.f() + 1, window: config.window, executed, slots: BTreeMap::new() }
    }

    fn on_accepted(&mut self, proposal: Proposal) -> Option<(Slot, Value)> {
        let Proposal { view, slot, value } = proposal;
        self.tally(slot, view)?.value = Some(value);
        self.decide(slot)
    }

    fn on_commit(&mut self, from: ReplicaId, commit: Commit) -> Option<(Slot, Value)> {
        self.tally(commit.slot, commit.view)?.votes.add(from);
        self.decide(commit.slot)
    }

    fn on_executed(&mut self, next: Slot) {
        self.executed = next;
        self.slots = self.slots.split_off(&next);
    }

    fn tally(&mut self, slot: Slot, view: View) -> Option<&mut Tally> {
        if slot < self.executed || slot.0 >= self.executed.0 + self.window {
            return None;
        }
        let tally = self.slots.entry(slot).or_default();
        if view > tally.view {
            *tally = Tally { view, ..Tally::default() };
        }
        (view == tally.view && !tally.decided).then_some(tally)
    }

    fn decide(&mut self, slot: Slot) -> Option<(Slot, Value)> {
        let tally = self.slots.get_mut(&slot)?;
        if tally.votes.count() < self.quorum {
            return None;
        }
        let value = tally.value.take()?;
        tally.decided = true;
        Some((slot, value))
    }
}
