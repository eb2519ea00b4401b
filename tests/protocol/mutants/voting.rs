//! Mutants of accepting and of counting votes.

use std::cell::Cell;
use std::rc::Rc;

use taraflow::dataflows::tara::{Commit, Message, dataflow};
use taraflow::engine::ordering::messages::Proposal;
use taraflow::model::events::Event;
use taraflow::model::types::{To, View};
use timely::dataflow::operators::Concat;

use super::rewriting::{
    Heard, counting_in_later_ballots, counting_twice, hearing, hearing_its_own_at_once, redrawn,
    rewrite, taking_again_for_anothers,
};
use crate::spoken::Subject;

/// T3: with each vote counting for two, half the quorum decides.
pub fn half_a_quorum_decides() -> Subject {
    counting_twice(|message| matches!(message, Message::Commit(_)))
}

/// T3: a vote that arrives again is taken for another's.
pub fn a_repeated_vote_counts_again() -> Subject {
    taking_again_for_anothers(|message| match message {
        Message::Commit(Commit { view, slot }) => Some((*view, *slot)),
        _ => None,
    })
}

/// T3: a vote counts in every later view as well.
pub fn votes_of_different_views_add_up() -> Subject {
    counting_in_later_ballots(
        |message| match message {
            Message::Commit(Commit { view, slot }) => Some((*slot, *view, true)),
            Message::Propose(Proposal { view, slot, .. }) => Some((*slot, *view, false)),
            _ => None,
        },
        |slot, view| Message::Commit(Commit { view, slot }),
    )
}

/// TA-12: a replica counts its own vote before the acceptance is on its disk.
pub fn a_vote_to_oneself_does_not_wait_for_the_disk() -> Subject {
    hearing_its_own_at_once(|message| matches!(message, Message::Commit(_)))
}

/// T4: a proposal of a view left behind is accepted as one of the present view.
pub fn a_committer_accepts_proposals_of_old_views() -> Subject {
    hearing(|config| {
        let (me, mut view) = (config.me, View(0));
        move |from, mut message| {
            match &mut message {
                Message::View(request) if from == me => view = view.max(request.entered),
                Message::Propose(proposal) => {
                    view = view.max(proposal.view);
                    proposal.view = view;
                }
                _ => {}
            }
            vec![(from, message)]
        }
    })
}

/// TA-b: what a later view's leader proposes is voted for without leaving the view before.
pub fn a_committer_votes_in_a_view_it_has_not_entered() -> Subject {
    redrawn(|mut inputs, config| {
        let entered = Rc::new(Cell::new(View(0)));
        let stands = Rc::clone(&entered);
        let is_later = move |message: &Message| match message {
            Message::Propose(Proposal { view, .. }) => *view > entered.get(),
            _ => false,
        };
        let votes = rewrite(inputs.messages.clone(), {
            let is_later = is_later.clone();
            move |(_, message): Heard| match &message {
                Message::Propose(Proposal { view, slot, .. }) if is_later(&message) => {
                    vec![(To::All, Message::Commit(Commit { view: *view, slot: *slot }))]
                }
                _ => Vec::new(),
            }
        });
        inputs.messages = rewrite(inputs.messages, move |(from, message): Heard| {
            if is_later(&message) { Vec::new() } else { vec![(from, message)] }
        });
        let mut outputs = dataflow(inputs, config);
        outputs.messages = outputs.messages.concat(votes);
        outputs.events = rewrite(outputs.events, move |event| {
            if let Event::Started { view, .. } | Event::EnteredView { view, .. } = event {
                stands.set(view);
            }
            vec![event]
        });
        outputs
    })
}
