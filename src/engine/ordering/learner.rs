//! Learner: counts votes, and finds the slots for which a quorum has accepted the same proposal.
//!
//! In Tara it is the first half of the paper's executor (TA-5).

use std::collections::BTreeMap;
use std::ops::Range;

use crate::engine::operators::executor::Executed;
use crate::engine::role::{Role, Stream};
use crate::model::batch::Value;
use crate::model::config::Config;
use crate::model::events::{Event, Holding, Wait};
use crate::model::quorum::Votes;
use crate::model::refused::{Refusal, Refused};
use crate::model::types::{ReplicaId, Slot, View};

/// "In this ballot I have accepted for this slot what was proposed."
///
/// It need not name the value: in one ballot one value is proposed for a slot (T1).
pub trait SlotVote: Clone + 'static {
    /// What the protocol calls an attempt at a slot.
    type Ballot: AnyBallot;

    /// The slot.
    fn slot(&self) -> Slot;

    /// The ballot.
    fn ballot(&self) -> Self::Ballot;
}

/// An attempt at a slot, later than those below it; the default is none.
pub trait AnyBallot: Copy + Ord + Default + 'static {
    /// Who proposes in it, in a cluster of `n`.
    fn proposer(self, n: usize) -> ReplicaId;
}

impl AnyBallot for View {
    fn proposer(self, n: usize) -> ReplicaId {
        self.leader(n)
    }
}

/// Finds the slots for which a quorum has accepted the same proposal: by the `votes` of all, and by
/// what this replica's own acceptor has `accepted`, which has the values.
pub fn learner<'s, V: SlotVote>(
    accepted: Stream<'s, (V, Value)>,
    votes: Stream<'s, (ReplicaId, V)>,
    executed: Stream<'s, Executed>,
    looks: Stream<'s, ()>,
    learner: Learner<V>,
) -> (Stream<'s, (Slot, Value)>, Stream<'s, Event>) {
    let mut role = Role::new("learner", votes.scope(), learner);
    let (decide, decided) = role.output();
    let (event, events) = role.output();
    let decide_too = decide.clone();
    role.on_look(looks, event, Learner::holding);
    role.on(executed, |learner, executed| learner.on_executed(executed.next));
    role.on(accepted, move |learner, (vote, value)| decide.send(learner.on_accepted(&vote, value)));
    role.on(votes, move |learner, (from, vote)| decide_too.send(learner.on_vote(from, &vote)));
    role.build();
    (decided, events)
}

/// Owns the votes received for slots not yet executed here.
#[derive(Clone, Debug)]
pub struct Learner<V: SlotVote> {
    n: usize,
    quorum: usize,
    window: u64,
    /// This replica, where votes go to the proposer of their ballot alone.
    counts_own: Option<ReplicaId>,
    executed: Slot,
    slots: BTreeMap<Slot, Tally<V::Ballot>>,
    refused: Refused,
}

/// Votes of one ballot for one slot; those of earlier ballots are forgotten (TA-8), those of later
/// ones start anew.
#[derive(Clone, Debug, Default)]
struct Tally<B> {
    ballot: B,
    votes: Votes,
    value: Option<Value>,
    decided: bool,
}

impl<V: SlotVote> Learner<V> {
    /// A learner that has received nothing.
    pub fn new(executed: Slot, config: &Config) -> Self {
        let (n, quorum, window) = (config.n, config.quorum(), config.window);
        let (slots, refused) = (BTreeMap::new(), Refused::default());
        Self { n, quorum, window, counts_own: None, executed, slots, refused }
    }

    /// One that is sent the votes of its own ballots alone, and is told of what is chosen in those
    /// of others.
    pub fn of_own_ballots(executed: Slot, config: &Config) -> Self {
        Self { counts_own: Some(config.me), ..Self::new(executed, config) }
    }

    /// A learner holds the votes for what is not executed, and cannot decide the first slot that is
    /// undecided: votes are missing, or what they are for.
    pub fn holding(&self) -> Holding {
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
                let proposer = tally.ballot.proposer(self.n);
                match self.counts_own {
                    Some(me) if me != proposer => Wait::for_word("commit index", vec![proposer]),
                    _ => Wait::for_word("vote", tally.votes.missing(self.n)),
                }
            }
            Some(tally) => Wait::Proposal(tally.ballot.proposer(self.n)),
            // Later slots have votes: this one's proposal has not come.
            None => {
                let ballot = self.slots.values().map(|tally| tally.ballot).max();
                ballot.map_or(Wait::Nothing, |ballot| Wait::Proposal(ballot.proposer(self.n)))
            }
        };
        Holding { slot: Some(slot), held, wait, ..nothing }
    }

    /// This replica's acceptor has accepted.
    pub fn on_accepted(&mut self, vote: &V, value: Value) -> Option<(Slot, Value)> {
        self.tally(vote)?.value = Some(value);
        self.decide(vote.slot())
    }

    /// An acceptor has.
    pub fn on_vote(&mut self, from: ReplicaId, vote: &V) -> Option<(Slot, Value)> {
        self.tally(vote)?.votes.add(from);
        self.decide(vote.slot())
    }

    /// In `ballot` a quorum has accepted for each of these slots, as its proposer has counted. Decides
    /// those for which this replica has accepted in that very ballot: what it has of another may be
    /// something that was never chosen.
    pub fn on_chosen(&mut self, ballot: V::Ballot, slots: Range<Slot>) -> Vec<(Slot, Value)> {
        if slots.is_empty() {
            return Vec::new();
        }
        let same = self.slots.range_mut(slots).filter(|(_, tally)| tally.ballot == ballot);
        same.filter_map(|(slot, tally)| tally.settle(*slot)).collect()
    }

    /// All slots below `next` are executed here.
    pub fn on_executed(&mut self, next: Slot) {
        assert!(next >= self.executed, "execution went back from {} to {next}", self.executed);
        self.executed = next;
        self.slots = self.slots.split_off(&next);
    }

    fn tally(&mut self, vote: &V) -> Option<&mut Tally<V::Ballot>> {
        let (slot, ballot) = (vote.slot(), vote.ballot());
        if !self.refused.admits(slot, self.executed, self.window) {
            return None;
        }
        let tally = self.slots.entry(slot).or_default();
        if ballot > tally.ballot {
            *tally = Tally { ballot, ..Tally::default() };
        }
        if ballot < tally.ballot {
            self.refused.add(Refusal::StaleView);
        } else if tally.decided {
            self.refused.add(Refusal::Late);
        }
        (ballot == tally.ballot && !tally.decided).then_some(tally)
    }

    fn decide(&mut self, slot: Slot) -> Option<(Slot, Value)> {
        let tally = self.slots.get_mut(&slot)?;
        if tally.votes.count() < self.quorum {
            return None;
        }
        tally.settle(slot)
    }
}

impl<B> Tally<B> {
    /// Decides the slot, if what was accepted is here.
    fn settle(&mut self, slot: Slot) -> Option<(Slot, Value)> {
        let value = self.value.take()?;
        assert!(!self.decided, "T3: slot {slot} is decided once");
        self.decided = true;
        Some((slot, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone)]
    struct Vote(u64, u64);

    impl SlotVote for Vote {
        type Ballot = View;

        fn slot(&self) -> Slot {
            Slot(self.0)
        }

        fn ballot(&self) -> View {
            View(self.1)
        }
    }

    #[test]
    fn what_a_learner_passes_over_is_counted_by_the_reason() {
        let config = Config::new(ReplicaId(0), 3);
        let mut learner = Learner::<Vote>::new(Slot(5), &config);
        let mut vote = |from, view, slot| {
            learner.on_vote(ReplicaId(from), &Vote(slot, view));
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
        let mut learner = Learner::<Vote>::new(Slot(4), &Config::new(ReplicaId(0), 3));
        let mut votes = Votes::default();
        (0..2).for_each(|replica| assert!(votes.add(ReplicaId(replica))));
        let tally = Tally { votes, value: Some(None), decided: true, ..Tally::default() };
        learner.slots.insert(Slot(4), tally);
        learner.decide(Slot(4));
    }

    #[test]
    #[should_panic(expected = "execution went back from 4 to 3")]
    fn execution_does_not_go_back() {
        Learner::<Vote>::new(Slot(4), &Config::new(ReplicaId(0), 3)).on_executed(Slot(3));
    }
}
