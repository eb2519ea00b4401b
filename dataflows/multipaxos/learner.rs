//! Learner: at the leader counts votes, elsewhere goes by the leader's commit index (MP-3, MP-4).

use crate::engine::operators::executor::Executed;
use crate::engine::ordering::learner::Learner;
use crate::engine::role::{Role, Stream};
use crate::model::batch::Value;
use crate::model::config::Config;
use crate::model::events::Event;
use crate::model::types::{ReplicaId, Slot};

use super::messages::{Accepted, Chosen};

/// The streams a learner reads.
pub struct LearnerInputs<'s> {
    /// What this replica's own acceptor has accepted, with the values.
    pub accepted: Stream<'s, (Accepted, Value)>,
    /// Votes in this replica's own ballots.
    pub votes: Stream<'s, (ReplicaId, Accepted)>,
    /// What is chosen in the ballots of others.
    pub chosen: Stream<'s, Chosen>,
    /// What has been executed here.
    pub executed: Stream<'s, Executed>,
}

/// The streams a learner writes.
pub struct LearnerStreams<'s> {
    /// What is decided, to be executed.
    pub decided: Stream<'s, (Slot, Value)>,
    /// What a quorum has voted for in a ballot of this replica.
    pub counted: Stream<'s, Accepted>,
    /// What happened.
    pub events: Stream<'s, Event>,
}

/// Finds the slots that are decided.
pub fn learner<'s>(
    inputs: LearnerInputs<'s>,
    looks: Stream<'s, ()>,
    learner: IndexLearner,
) -> LearnerStreams<'s> {
    let mut role = Role::new("learner", inputs.votes.scope(), learner);
    let (decide, decided) = role.output();
    let (count, counted) = role.output();
    let (event, events) = role.output();
    let by_index = decide.clone();
    let by_votes = move |vote, found: Option<(Slot, Value)>| {
        count.send(found.is_some().then_some(vote));
        decide.send(found);
    };
    let (on_accepted, told) = (by_votes.clone(), by_index.clone());
    role.on_look(looks, event, |learner| learner.votes.holding());
    role.on(inputs.executed, |learner, executed| learner.votes.on_executed(executed.next));
    role.on(inputs.accepted, move |learner, (vote, value)| {
        on_accepted(vote, learner.votes.on_accepted(&vote, value));
        told.send(learner.on_accepted(vote));
    });
    role.on(inputs.votes, move |learner, (from, vote)| {
        by_votes(vote, learner.votes.on_vote(from, &vote));
    });
    role.on(inputs.chosen, move |learner, chosen| by_index.send(learner.on_chosen(chosen)));
    role.build();
    LearnerStreams { decided, counted, events }
}

/// Owns the votes of this replica's ballots, and how far which ballot says the log to be chosen.
#[derive(Clone, Debug)]
pub struct IndexLearner {
    votes: Learner<Accepted>,
    /// The commit index of the latest ballot of which one was heard, and the furthest.
    index: Chosen,
}

impl IndexLearner {
    /// A learner that has received nothing.
    pub fn new(executed: Slot, config: &Config) -> Self {
        Self { votes: Learner::of_own_ballots(executed, config), index: Chosen::default() }
    }

    /// What is accepted may be known to be chosen.
    fn on_accepted(&mut self, Accepted { ballot, slot }: Accepted) -> Vec<(Slot, Value)> {
        if ballot != self.index.ballot || !self.index.slots().contains(&slot) {
            return Vec::new();
        }
        self.votes.on_chosen(ballot, slot..slot.next())
    }

    /// One that comes late says something that is true, and that the one before it may not have.
    fn on_chosen(&mut self, chosen: Chosen) -> Vec<(Slot, Value)> {
        if (chosen.ballot, chosen.upto) > (self.index.ballot, self.index.upto) {
            self.index = chosen;
        }
        self.votes.on_chosen(chosen.ballot, chosen.slots())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::types::View;

    fn learner() -> IndexLearner {
        IndexLearner::new(Slot(0), &Config::new(ReplicaId(1), 3))
    }

    fn accepted(ballot: u64, slot: u64) -> Accepted {
        Accepted { ballot: View(ballot), slot: Slot(slot) }
    }

    fn chosen(ballot: u64, from: u64, upto: u64) -> Chosen {
        Chosen { ballot: View(ballot), from: Slot(from), upto: Slot(upto) }
    }

    fn accepts(learner: &mut IndexLearner, vote: Accepted) -> Vec<u64> {
        assert_eq!(learner.votes.on_accepted(&vote, None), None);
        slots(&learner.on_accepted(vote))
    }

    fn slots(decided: &[(Slot, Value)]) -> Vec<u64> {
        decided.iter().map(|(slot, _)| slot.0).collect()
    }

    #[test]
    fn an_index_decides_what_was_accepted_in_its_own_ballot_and_nothing_else() {
        let mut learner = learner();
        for vote in [accepted(0, 0), accepted(3, 1), accepted(3, 2), accepted(3, 3)] {
            assert_eq!(accepts(&mut learner, vote), [0; 0]);
        }
        assert_eq!(slots(&learner.on_chosen(chosen(3, 0, 3))), [1, 2]);
        assert_eq!(learner.on_chosen(chosen(2, 0, 4)), [], "of an earlier ballot");
        assert_eq!(slots(&learner.on_chosen(chosen(0, 0, 4))), [0], "late, and true");
    }

    #[test]
    fn what_is_accepted_after_it_is_known_to_be_chosen_is_decided_at_once() {
        let mut learner = learner();
        learner.on_chosen(chosen(3, 1, 3));
        learner.on_chosen(chosen(3, 1, 2));
        let decides = |vote| accepts(&mut learner, vote);
        let of = [accepted(3, 0), accepted(3, 2), accepted(4, 1), accepted(3, 3)].map(decides);
        assert_eq!(of, [vec![], vec![2], vec![], vec![]]);
    }
}
