//! Mutants of reads that do not pass the log (M6).

use taraflow::dataflows::tara::Message;
use taraflow::engine::operators::catch_up::CatchUp;
use taraflow::engine::operators::reader::Index;
use taraflow::model::types::{ReplicaId, Slot};

use super::rewriting::{counting_twice, hearing, saying};
use crate::spoken::Subject;

/// M6: fewer acceptors than a quorum are enough.
pub fn half_the_indices_are_enough() -> Subject {
    counting_twice(|message| matches!(message, Message::Index(_)))
}

/// M6: a reader waits for no slot.
pub fn what_a_quorum_has_accepted_is_not_waited_for() -> Subject {
    hearing(|_config| {
        |from, message| match message {
            Message::Index(index) => vec![(from, Message::Index(Index { end: Slot(0), ..index }))],
            other => vec![(from, other)],
        }
    })
}

/// M6: an acceptor answers with what it has executed, as far as it has said so.
pub fn what_is_accepted_and_not_executed_is_left_out() -> Subject {
    saying(|_config| {
        let mut executed = Slot(0);
        move |message| match message {
            Message::Index(index) => {
                vec![Message::Index(Index { end: executed.min(index.end), ..index })]
            }
            other => {
                if let Message::CatchUp(CatchUp::Executed(slot)) = other {
                    executed = slot;
                }
                vec![other]
            }
        }
    })
}

/// M6: a question is answered by what was said before it.
pub fn answers_to_an_earlier_question_count() -> Subject {
    hearing(|config| {
        let (me, n) = (config.me, config.n as u16);
        let mut last: Option<Slot> = None;
        move |from, message| match message {
            Message::Ask(ask) if from == me => {
                let told = |end| {
                    let others = (0..n).map(ReplicaId);
                    others.map(move |other| (other, Message::Index(ask.answered(end))))
                };
                [(from, Message::Ask(ask))]
                    .into_iter()
                    .chain(last.into_iter().flat_map(told))
                    .collect()
            }
            Message::Index(index) => {
                last = Some(index.end.max(last.unwrap_or_default()));
                vec![(from, Message::Index(index))]
            }
            other => vec![(from, other)],
        }
    })
}
