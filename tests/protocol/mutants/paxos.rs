//! Mutants of Paxos: of what acceptors say and keep, of what proposers make of it, and of how votes
//! are counted.

use std::collections::BTreeMap;

use taraflow::dataflows::paxos::{
    Accept, Accepted, AcceptorRecord, Ballot, Message, Prepare, Promised, dataflow,
};
use taraflow::disk::Durable;
use taraflow::model::types::{Slot, To};
use timely::dataflow::operators::Concat;

use super::rewriting::{
    self, counting_in_later_ballots, counting_twice, hearing, hearing_its_own_at_once,
    leaving_early, redrawn, remembering, rewrite, saying, taking_again_for_anothers, writing,
    writing_late,
};

type Subject = crate::spoken::Subject<Message>;
type Heard = rewriting::Heard<Message>;

/// PX-b: a ballot is promised, and not written down.
pub fn a_promise_is_not_written() -> Subject {
    writing(|entry| match entry {
        Durable::Slot(_, AcceptorRecord::Promised(_)) => Vec::new(),
        _ => vec![entry],
    })
}

/// PX-b: a value is accepted, and not written down.
pub fn an_acceptance_is_not_written() -> Subject {
    writing(|entry| match entry {
        Durable::Slot(_, AcceptorRecord::Accepted { .. }) => Vec::new(),
        _ => vec![entry],
    })
}

/// 0.4: what was fetched is executed, and not written down.
pub fn what_was_fetched_is_not_written() -> Subject {
    writing(|entry| match entry {
        Durable::Slot(_, AcceptorRecord::Learned(_)) => Vec::new(),
        _ => vec![entry],
    })
}

/// 0.4: what the journal says to be decided includes a slot that is not executed.
pub fn a_mark_is_one_slot_too_high() -> Subject {
    writing(|entry| match entry {
        Durable::Decided { from, to } => vec![Durable::Decided { from, to: to.next() }],
        _ => vec![entry],
    })
}

/// PX-b: an acceptor that has forgotten everything promises and accepts again.
pub fn an_acceptor_without_memory_goes_on() -> Subject {
    remembering(|recovered| recovered.slots.clear())
}

/// PX-b: an acceptor forgets what it said last.
pub fn an_acceptor_forgets_its_last_word() -> Subject {
    remembering(|recovered| {
        recovered.slots.pop();
    })
}

/// PX-5: ballots do not name the life of their proposer: it has the same again after a restart.
pub fn a_ballot_names_no_life() -> Subject {
    redrawn(|mut inputs, config| {
        let (me, life) = (config.me, inputs.recovered.incarnation);
        inputs.messages = rewrite(inputs.messages, move |(from, mut message): Heard| {
            if let Message::Promise(Promised { ballot, .. }) = &mut message {
                ballot.life = if ballot.proposer == me { life } else { ballot.life };
            }
            vec![(from, message)]
        });
        let mut outputs = dataflow(inputs, config);
        outputs.messages = rewrite(outputs.messages, |(to, mut message): (To, Message)| {
            if let Message::Prepare(Prepare { ballot, .. })
            | Message::Accept(Accept { ballot, .. }) = &mut message
            {
                ballot.life = 1;
            }
            vec![(to, message)]
        });
        outputs
    })
}

/// 0.4: a promise leaves like a proposal, whatever is on the disk.
pub fn a_promise_does_not_wait_for_the_disk() -> Subject {
    leaving_early(|message| {
        matches!(message, Message::Prepare(_) | Message::Accept(_) | Message::Promise(_))
    })
}

/// 0.4: a vote leaves like a proposal, whatever is on the disk.
pub fn a_vote_does_not_wait_for_the_disk() -> Subject {
    leaving_early(|message| {
        matches!(message, Message::Prepare(_) | Message::Accept(_) | Message::Accepted(_))
    })
}

/// PX-4: a replica counts its own vote before the acceptance is on its disk.
pub fn a_vote_to_oneself_does_not_wait_for_the_disk() -> Subject {
    hearing_its_own_at_once(|message| matches!(message, Message::Accepted(_)))
}

/// 0.4: messages leave before what they promise is on disk.
pub fn a_replica_speaks_before_it_writes() -> Subject {
    writing_late()
}

/// The highest ballot that an acceptor has heard of for each slot.
#[derive(Default)]
struct Highest(BTreeMap<Slot, Ballot>);

impl Highest {
    /// Hears of a ballot; says whether it is below the highest.
    fn outbids(&mut self, slot: Slot, ballot: Ballot) -> bool {
        let highest = self.0.entry(slot).or_default();
        *highest = ballot.max(*highest);
        ballot < *highest
    }
}

/// PX-3: what comes in a ballot below the one that was promised is voted for.
pub fn what_is_outbid_is_accepted() -> Subject {
    redrawn(|mut inputs, config| {
        let mut highest = Highest::default();
        let votes = rewrite(inputs.messages.clone(), move |(_, message): Heard| match message {
            Message::Prepare(Prepare { slot, ballot }) => {
                highest.outbids(slot, ballot);
                Vec::new()
            }
            Message::Accept(Accept { slot, ballot, .. }) if highest.outbids(slot, ballot) => {
                vec![(To::All, Message::Accepted(Accepted { slot, ballot }))]
            }
            _ => Vec::new(),
        });
        inputs.messages = rewrite(inputs.messages, |heard: Heard| vec![heard]);
        let mut outputs = dataflow(inputs, config);
        outputs.messages = outputs.messages.concat(votes);
        outputs
    })
}

/// PX-3: to accept in a ballot is no promise: one below it is promised afterwards.
pub fn an_acceptance_is_no_promise() -> Subject {
    redrawn(|inputs, config| {
        let mut accepted = Highest::default();
        let promises = rewrite(inputs.messages.clone(), move |(_, message): Heard| match message {
            Message::Accept(Accept { slot, ballot, .. }) => {
                accepted.outbids(slot, ballot);
                Vec::new()
            }
            Message::Prepare(Prepare { slot, ballot })
                if accepted.0.get(&slot).is_some_and(|highest| ballot < *highest) =>
            {
                let promise = Promised { slot, ballot, accepted: None };
                vec![(To::One(ballot.proposer), Message::Promise(promise))]
            }
            _ => Vec::new(),
        });
        let mut outputs = dataflow(inputs, config);
        outputs.messages = outputs.messages.concat(promises);
        outputs
    })
}

/// PX-1: a promise does not tell of what was accepted.
pub fn a_promise_hides_what_was_accepted() -> Subject {
    saying(|_config| {
        |mut message| {
            if let Message::Promise(promise) = &mut message {
                promise.accepted = None;
            }
            vec![message]
        }
    })
}

/// PX-2: a proposer proposes its own value, whatever it is told of.
pub fn a_proposer_takes_its_own_value() -> Subject {
    hearing(|_config| {
        |from, mut message| {
            if let Message::Promise(promise) = &mut message {
                promise.accepted = None;
            }
            vec![(from, message)]
        }
    })
}

/// PX-2: a proposer takes what was accepted in the lowest ballot.
pub fn a_proposer_takes_the_value_of_the_lowest_ballot() -> Subject {
    hearing(|_config| {
        |from, mut message| {
            if let Message::Promise(Promised { accepted: Some((ballot, _)), .. }) = &mut message {
                ballot.round = u64::MAX - ballot.round;
            }
            vec![(from, message)]
        }
    })
}

/// PX-2: with each promise counting for two, half the quorum is enough to propose.
pub fn half_the_promises_are_enough() -> Subject {
    counting_twice(|message| matches!(message, Message::Promise(_)))
}

/// PX-2: a promise that comes again is taken for another's.
pub fn a_repeated_promise_counts_again() -> Subject {
    taking_again_for_anothers(|message| match message {
        Message::Promise(Promised { slot, ballot, .. }) => Some((*slot, *ballot)),
        _ => None,
    })
}

/// PX-4: with each vote counting for two, half the quorum decides.
pub fn half_a_quorum_decides() -> Subject {
    counting_twice(|message| matches!(message, Message::Accepted(_)))
}

/// PX-4: a vote that comes again is taken for another's.
pub fn a_repeated_vote_counts_again() -> Subject {
    taking_again_for_anothers(|message| match message {
        Message::Accepted(Accepted { slot, ballot }) => Some((*slot, *ballot)),
        _ => None,
    })
}

/// PX-4: a vote counts in every later ballot as well.
pub fn votes_of_different_ballots_add_up() -> Subject {
    counting_in_later_ballots(
        |message| match message {
            Message::Accepted(Accepted { slot, ballot }) => Some((*slot, *ballot, true)),
            Message::Accept(Accept { slot, ballot, .. }) => Some((*slot, *ballot, false)),
            _ => None,
        },
        |slot, ballot| Message::Accepted(Accepted { slot, ballot }),
    )
}

/// Duels: who is outbid is not told.
pub fn nobody_is_told_that_it_is_outbid() -> Subject {
    saying(|_config| {
        |message| match message {
            Message::Reject(_) => Vec::new(),
            _ => vec![message],
        }
    })
}
