//! Learner: the first half of the paper's executor, which counts COMMITs (TA-5).

use std::collections::BTreeMap;

use crate::engine::operators::executor::Executed;
use crate::engine::ordering::messages::Proposal;
use crate::engine::role::{Role, Stream};
use crate::model::batch::Value;
use crate::model::config::Config;
use crate::model::events::{Event, Holding, Wait};
use crate::model::quorum::Votes;
use crate::model::refused::{Refusal, Refused};
use crate::model::types::{ReplicaId, Slot, View};

use super::messages::Commit;

/// Finds the slots for which `f + 1` committers have accepted the same proposal.
pub fn learner<'s>(
    accepted: Stream<'s, Proposal>,
    commits: Stream<'s, (ReplicaId, Commit)>,
    executed: Stream<'s, Executed>,
    looks: Stream<'s, ()>,
    learner: Learner,
) -> (Stream<'s, (Slot, Value)>, Stream<'s, Event>) {
    let mut role = Role::new("learner", commits.scope(), learner);
    let (decide, decided) = role.output();
    let (event, events) = role.output();
    let decide_too = decide.clone();
    role.on_look(looks, event, Learner::holding);
    role.on(executed, |learner, executed| learner.on_executed(executed.next));
    role.on(accepted, move |learner, proposal| decide.send(learner.on_accepted(proposal)));
    role.on(commits, move |learner, (from, commit)| {
        decide_too.send(learner.on_commit(from, commit));
    });
    role.build();
    (decided, events)
}

/// Owns the votes received for slots not yet executed here.
#[derive(Clone, Debug)]
pub struct Learner {
    n: usize,
    quorum: usize,
    window: u64,
    executed: Slot,
    slots: BTreeMap<Slot, Tally>,
    refused: Refused,
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
    /// A learner that has received nothing.
    pub fn new(executed: Slot, config: &Config) -> Self {
        let (n, quorum, window) = (config.n, config.quorum(), config.window);
        let (slots, refused) = (BTreeMap::new(), Refused::default());
        Self { n, quorum, window, executed, slots, refused }
    }

    /// A learner holds the votes for what is not executed, and cannot decide the first slot that is
    /// undecided: votes are missing, or what they are for.
    fn holding(&self) -> Holding {
        let nothing = Holding { refused: self.refused, ..Holding::nothing("learner") };
        let decided = self.slots.iter().zip(self.executed.0..);
        let decided = decided.take_while(|((slot, tally), at)| slot.0 == *at && tally.decided);
        let slot = Slot(self.executed.0 + decided.count() as u64);
        let held = self.slots.values().filter(|tally| !tally.decided).count() as u64;
        if held == 0 {
            return nothing;
        }
        let wait = match self.slots.get(&slot) {
            Some(tally) if tally.value.is_some() => {
                Wait::for_word("vote", tally.votes.missing(self.n))
            }
            Some(tally) => Wait::Proposal(tally.view.leader(self.n)),
            // Later slots have votes: this one's proposal has not come.
            None => {
                let view = self.slots.values().map(|tally| tally.view).max();
                view.map_or(Wait::Nothing, |view| Wait::Proposal(view.leader(self.n)))
            }
        };
        Holding { slot: Some(slot), held, wait, ..nothing }
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
        assert!(next >= self.executed, "execution went back from {} to {next}", self.executed);
        self.executed = next;
        self.slots = self.slots.split_off(&next);
    }

    fn tally(&mut self, slot: Slot, view: View) -> Option<&mut Tally> {
        if !self.refused.admits(slot, self.executed, self.window) {
            return None;
        }
        let tally = self.slots.entry(slot).or_default();
        if view > tally.view {
            *tally = Tally { view, ..Tally::default() };
        }
        if view < tally.view {
            self.refused.add(Refusal::StaleView);
        } else if tally.decided {
            self.refused.add(Refusal::Late);
        }
        (view == tally.view && !tally.decided).then_some(tally)
    }

    fn decide(&mut self, slot: Slot) -> Option<(Slot, Value)> {
        let tally = self.slots.get_mut(&slot)?;
        if tally.votes.count() < self.quorum {
            return None;
        }
        let value = tally.value.take()?;
        assert!(!tally.decided, "T3: slot {slot} is decided once");
        tally.decided = true;
        Some((slot, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::refused::Refusal;

    #[test]
    fn what_a_learner_passes_over_is_counted_by_the_reason() {
        let config = Config::new(ReplicaId(0), 3);
        let mut learner = Learner::new(Slot(5), &config);
        let mut vote = |from, view, slot| {
            let commit = Commit { view: View(view), slot: Slot(slot) };
            learner.on_commit(ReplicaId(from), commit);
        };
        vote(0, 2, 5);
        vote(1, 1, 5);
        vote(1, 2, 4);
        vote(1, 2, 5 + config.window);

        let counts: Vec<_> = learner.holding().refused.counts().collect();

        let reasons = [Refusal::StaleView, Refusal::BeyondWindow, Refusal::Late];
        assert_eq!(counts, reasons.map(|why| (why, 1)));
    }

    #[test]
    #[should_panic(expected = "T3: slot 4 is decided once")]
    fn a_slot_that_is_decided_is_not_decided_again() {
        let mut learner = Learner::new(Slot(4), &Config::new(ReplicaId(0), 3));
        let mut votes = Votes::default();
        (0..2).for_each(|replica| assert!(votes.add(ReplicaId(replica))));
        let tally = Tally { votes, value: Some(None), decided: true, ..Tally::default() };
        learner.slots.insert(Slot(4), tally);
        learner.decide(Slot(4));
    }

    #[test]
    #[should_panic(expected = "execution went back from 4 to 3")]
    fn execution_does_not_go_back() {
        Learner::new(Slot(4), &Config::new(ReplicaId(0), 3)).on_executed(Slot(3));
    }
}
