//! Mutants of Multi-Paxos: of votes and of the commit index, of what acceptors keep, of what a new
//! leader makes of promises, and of elections.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use taraflow::dataflows::multipaxos::{
    Accept, Accepted, Chosen, Heartbeat, Message, PreVote, PreVoted, Prepare, dataflow,
};
use taraflow::disk::Durable;
use taraflow::engine::ordering::messages::{Promise, Proposal, Record};
use taraflow::engine::ordering::runs::{self, Run};
use taraflow::engine::role::{connect, inlet};
use taraflow::model::types::{ReplicaId, Slot, To, View};
use timely::dataflow::operators::Concat;

use super::rewriting::{
    self, counting_twice, hearing, hearing_its_own_at_once, leaving_early, redrawn, remembering,
    rewrite, saying, taking_again_for_anothers, writing, writing_late,
};

type Subject = crate::spoken::Subject<Message>;
type Heard = rewriting::Heard<Message>;

// Votes.

/// MP-3: with each vote counting for two, half the quorum decides.
pub fn half_a_quorum_decides() -> Subject {
    counting_twice(|message| matches!(message, Message::Accepted(_)))
}

/// MP-3: a vote that comes again is taken for another's.
pub fn a_repeated_vote_counts_again() -> Subject {
    taking_again_for_anothers(|message| match message {
        Message::Accepted(Accepted { ballot, slot }) => Some((*ballot, *slot)),
        _ => None,
    })
}

/// 0.4: a leader counts its own vote before the acceptance is on its disk.
pub fn a_vote_to_oneself_does_not_wait_for_the_disk() -> Subject {
    hearing_its_own_at_once(|message| matches!(message, Message::Accepted(_)))
}

/// 0.4: a vote leaves like a proposal, whatever is on the disk.
pub fn a_vote_does_not_wait_for_the_disk() -> Subject {
    leaving_early(|message| matches!(message, Message::Accept(_) | Message::Accepted(_)))
}

/// M3: what is proposed in a ballot below the promised one is voted for, where nothing was accepted
/// when that was promised: as if a promise were for the slots that its account names.
pub fn a_promise_is_for_some_slots_and_not_for_the_log() -> Subject {
    redrawn(|mut inputs, config| {
        let (n, mut promised, mut last) = (config.n, (View(0), Slot(0)), Slot(0));
        let votes = rewrite(inputs.messages.clone(), move |(_, message): Heard| match message {
            Message::Prepare(Prepare { ballot }) if ballot > promised.0 => {
                promised = (ballot, last);
                Vec::new()
            }
            Message::Accept(Accept { proposal: Proposal { view, slot, .. }, .. }) => {
                last = slot.max(last);
                let is_below = view < promised.0 && slot > promised.1;
                let vote = Message::Accepted(Accepted { ballot: view, slot });
                is_below.then_some((To::One(view.leader(n)), vote)).into_iter().collect()
            }
            _ => Vec::new(),
        });
        inputs.messages = rewrite(inputs.messages, |heard: Heard| vec![heard]);
        let mut outputs = dataflow(inputs, config);
        outputs.messages = outputs.messages.concat(votes);
        outputs
    })
}

/// M3: what is proposed in a ballot that was left is accepted as if it were of the present one.
pub fn an_acceptor_accepts_in_old_ballots() -> Subject {
    hearing(|_config| {
        let mut promised = View(0);
        move |from, mut message| {
            match &mut message {
                Message::Prepare(Prepare { ballot }) => promised = promised.max(*ballot),
                Message::Accept(Accept { proposal, .. }) => {
                    promised = promised.max(proposal.view);
                    proposal.view = promised;
                }
                _ => {}
            }
            vec![(from, message)]
        }
    })
}

// The commit index.

/// The commit index in a message, if there is one.
fn index(message: &mut Message) -> Option<&mut Chosen> {
    match message {
        Message::Accept(Accept { chosen, .. })
        | Message::Chosen(chosen)
        | Message::Heartbeat(Heartbeat { chosen, .. }) => Some(chosen),
        _ => None,
    }
}

/// MP-4: an index decides whatever was accepted in whatever ballot.
pub fn an_index_decides_what_was_accepted_in_another_ballot() -> Subject {
    redrawn(|mut inputs, config| {
        let accepted: Rc<RefCell<BTreeMap<Slot, View>>> = Rc::default();
        let known = Rc::clone(&accepted);
        inputs.messages = rewrite(inputs.messages, move |(from, mut message): Heard| {
            let known = known.borrow();
            let others: Vec<Heard> = index(&mut message)
                .filter(|chosen| chosen.from < chosen.upto)
                .map(|chosen| (chosen.ballot, known.range(chosen.slots())))
                .into_iter()
                .flat_map(|(of, slots)| slots.filter(move |(_, ballot)| **ballot < of))
                .map(|(slot, ballot)| Chosen { ballot: *ballot, from: *slot, upto: slot.next() })
                .map(|chosen| (from, Message::Chosen(chosen)))
                .collect();
            others.into_iter().chain([(from, message)]).collect()
        });
        let mut outputs = dataflow(inputs, config);
        outputs.durable = rewrite(outputs.durable, move |entry| {
            if let Durable::Slot(
                slot,
                Promise::Accepted(Proposal { view, .. }) | Promise::Renewed { view, .. },
            ) = &entry
            {
                accepted.borrow_mut().insert(*slot, *view);
            }
            vec![entry]
        });
        outputs
    })
}

/// M5: an index says one slot too many.
pub fn an_index_is_one_slot_too_high() -> Subject {
    saying(|_config| {
        |mut message| {
            if let Some(chosen) = index(&mut message) {
                chosen.upto = chosen.upto.next();
            }
            vec![message]
        }
    })
}

/// M5: what a new leader has executed it says to be chosen in its own ballot.
pub fn an_index_begins_before_its_ballot() -> Subject {
    saying(|_config| {
        |mut message| {
            if let Some(chosen) = index(&mut message) {
                chosen.from = Slot(chosen.from.0.saturating_sub(1));
            }
            vec![message]
        }
    })
}

/// MP-3: what is chosen is not told.
pub fn nobody_is_told_what_is_chosen() -> Subject {
    saying(|_config| {
        |mut message| match &mut message {
            Message::Chosen(_) => Vec::new(),
            Message::Accept(Accept { chosen, .. })
            | Message::Heartbeat(Heartbeat { chosen, .. }) => {
                chosen.upto = chosen.from;
                vec![message]
            }
            Message::CatchUp(_) => Vec::new(),
            _ => vec![message],
        }
    })
}

// What is kept.

/// 0.4: messages leave before what they promise is on disk.
pub fn a_replica_speaks_before_it_writes() -> Subject {
    writing_late()
}

/// 0.4: a ballot is promised, and not written down.
pub fn a_promise_is_not_written() -> Subject {
    writing(|entry| match entry {
        Durable::Newest(_) => Vec::new(),
        _ => vec![entry],
    })
}

/// 0.4: a proposal is accepted, and not written down.
pub fn an_acceptance_is_not_written() -> Subject {
    writing(|entry| match entry {
        Durable::Slot(..) => Vec::new(),
        _ => vec![entry],
    })
}

/// TA-12: what was accepted is accepted in a later ballot, and that is not written down.
pub fn a_renewal_is_not_written() -> Subject {
    writing(|entry| match entry {
        Durable::Slot(_, Promise::Renewed { .. }) => Vec::new(),
        _ => vec![entry],
    })
}

/// TA-12: what was fetched is executed, and not written down.
pub fn what_was_fetched_is_not_written() -> Subject {
    writing(|entry| match entry {
        Durable::Slot(_, Promise::Learned { .. }) => Vec::new(),
        _ => vec![entry],
    })
}

/// TA-12: what the journal says to be decided includes a slot that is not executed.
pub fn a_mark_is_one_slot_too_high() -> Subject {
    writing(|entry| match entry {
        Durable::Decided { from, to } => vec![Durable::Decided { from, to: to.next() }],
        _ => vec![entry],
    })
}

/// M3: an acceptor that has forgotten everything goes on.
pub fn an_acceptor_without_memory_goes_on() -> Subject {
    remembering(|recovered| {
        recovered.newest = None;
        recovered.slots.clear();
    })
}

/// M3: an acceptor forgets what it has promised, and remembers what it accepted.
pub fn an_acceptor_forgets_its_promise() -> Subject {
    remembering(|recovered| recovered.newest = None)
}

/// M3: an acceptor forgets what it accepted last.
pub fn an_acceptor_forgets_its_last_vote() -> Subject {
    remembering(|recovered| {
        recovered.slots.pop();
    })
}

/// M1: a replica that restarts takes itself for new: it leads the first ballot again.
pub fn a_restarted_replica_takes_itself_for_new() -> Subject {
    remembering(|recovered| recovered.incarnation = 1)
}

// What a new leader makes of promises.

/// MP-7: with each promise counting for two, half the quorum is enough to lead.
pub fn half_the_promises_are_enough() -> Subject {
    counting_twice(|message| matches!(message, Message::Promise(_)))
}

/// MP-7: a promise of an earlier ballot counts as one of the new ballot.
pub fn a_promise_of_an_earlier_ballot_is_counted() -> Subject {
    hearing(|_config| {
        let mut view = View(0);
        let mut known: BTreeMap<ReplicaId, Record> = BTreeMap::new();
        move |from, message| {
            let Message::Promise(record) = message else { return vec![(from, message)] };
            view = view.max(record.view);
            if known.get(&from).is_none_or(|older| older.view <= record.view) {
                known.insert(from, record);
            }
            let as_new = |(from, record): (&ReplicaId, &Record)| {
                (*from, Message::Promise(Record { view, ..record.clone() }))
            };
            known.iter().map(as_new).collect()
        }
    })
}

/// Has each promise that arrives changed.
fn reading_promises(change: fn(&mut Record)) -> Subject {
    hearing(move |_config| {
        move |from, mut message| {
            if let Message::Promise(record) = &mut message {
                change(record);
            }
            vec![(from, message)]
        }
    })
}

fn leave_out_the_last(record: &mut Record) {
    let last = record.accepted.pop().filter(|last| last.count > 1);
    record.accepted.extend(last.map(|last| Run { count: last.count - 1, ..last }));
}

/// MP-7: a promise leaves out the last slot that was accepted.
pub fn a_promise_leaves_out_the_last_slot() -> Subject {
    saying(|_config| {
        |mut message| {
            if let Message::Promise(record) = &mut message {
                leave_out_the_last(record);
            }
            vec![message]
        }
    })
}

/// MP-9: the new leader overlooks the last slot of each promise.
pub fn a_leader_overlooks_the_last_slot_of_a_promise() -> Subject {
    reading_promises(leave_out_the_last)
}

/// MP-9: of two values for a slot that of the lower ballot is proposed again: a promise is heard
/// without the slots that another, heard before, has accepted in a lower ballot.
pub fn the_lowest_ballot_wins() -> Subject {
    hearing(|_config| {
        let mut of = View(0);
        let mut lowest: BTreeMap<Slot, View> = BTreeMap::new();
        move |from, mut message| {
            if let Message::Promise(record) = &mut message {
                if of != record.view {
                    lowest.clear();
                    of = record.view;
                }
                let lowest = &mut lowest;
                let kept = runs::each(&record.accepted).filter(|(slot, view)| {
                    let known = lowest.entry(*slot).or_insert(*view);
                    *known = *view.min(known);
                    known == view
                });
                record.accepted = runs::runs(kept);
            }
            vec![(from, message)]
        }
    })
}

/// MP-a, MP-b, MP-8: the new leader begins at the first slot, though promises begin where execution
/// stands.
pub fn what_is_executed_is_proposed_again() -> Subject {
    reading_promises(|record| record.decided = Slot(0))
}

/// MP-9: the new leader begins above all that was accepted, and proposes none of it again.
pub fn nothing_accepted_is_proposed_again() -> Subject {
    reading_promises(|record| {
        let end = record.accepted.last().map_or(Slot(0), |last| last.end());
        record.decided = record.decided.max(end);
        record.accepted.clear();
    })
}

// Elections.

/// MP-6: nobody misses a leader.
pub fn a_leader_is_never_missed() -> Subject {
    saying(|_config| {
        |message| match message {
            Message::PreVote(_) => Vec::new(),
            _ => vec![message],
        }
    })
}

/// M6: who misses its leader asks nobody.
pub fn a_candidate_asks_nobody() -> Subject {
    redrawn(|mut inputs, config| {
        let n = config.n as u16;
        let (back, voted) = inlet(inputs.graph, "pre_voted");
        inputs.messages = inputs.messages.concat(voted);
        let outputs = dataflow(inputs, config);
        let votes = rewrite(outputs.messages.clone(), move |(_, message): (To, Message)| {
            let Message::PreVote(PreVote { ballot }) = message else { return Vec::new() };
            let vote = |from| (ReplicaId(from), Message::PreVoted(PreVoted { ballot }));
            (0..n).map(vote).collect()
        });
        connect(votes, back);
        outputs
    })
}
