//! Mutants of what is written down, and of what is made of it after a restart.

use taraflow::dataflows::tara::{Message, dataflow};
use taraflow::disk::Durable;
use taraflow::engine::role::{connect, inlet};

use super::rewriting::{leaving_early, redrawn, remembering, rewrite, writing, writing_late};
use crate::spoken::Subject;

/// 0.4: messages leave before what they promise is on disk.
pub fn a_replica_speaks_before_it_writes() -> Subject {
    writing_late()
}

/// TA-12: a vote leaves like a proposal, whatever is on the disk.
pub fn a_vote_does_not_wait_for_the_disk() -> Subject {
    leaving_early(|message| matches!(message, Message::Propose(_) | Message::Commit(_)))
}

/// TA-12: a view is entered, and not written down.
pub fn a_view_is_not_written() -> Subject {
    writing(|entry| match entry {
        Durable::Newest(_) => Vec::new(),
        _ => vec![entry],
    })
}

/// TA-12: a proposal is accepted, and not written down.
pub fn an_acceptance_is_not_written() -> Subject {
    writing(|entry| match entry {
        Durable::Slot(..) => Vec::new(),
        _ => vec![entry],
    })
}

/// TA-11: a checkpoint is reported, and not written down.
pub fn a_checkpoint_is_not_written() -> Subject {
    redrawn(|mut inputs, config| {
        let (back, saved) = inlet(inputs.graph, "not_saved");
        inputs.host.saved = saved;
        let mut outputs = dataflow(inputs, config);
        let cut = rewrite(outputs.durable.clone(), |entry| match entry {
            Durable::Checkpoint(cut) => vec![cut.write(None)],
            _ => Vec::new(),
        });
        connect(cut, back);
        outputs.durable = rewrite(outputs.durable, |entry| match entry {
            Durable::Checkpoint(_) => Vec::new(),
            _ => vec![entry],
        });
        outputs
    })
}

/// G8: the journal forgets a slot that no checkpoint covers.
pub fn the_journal_forgets_one_slot_too_many() -> Subject {
    writing(|entry| match entry {
        Durable::Forget(slot) => vec![Durable::Forget(slot.next())],
        _ => vec![entry],
    })
}

/// TA-11: the journal forgets as soon as there is a checkpoint, be it stable or not.
pub fn the_journal_forgets_before_the_checkpoint_is_stable() -> Subject {
    writing(|entry| match entry {
        Durable::Checkpoint(cut) => {
            let slot = cut.slot;
            vec![Durable::Checkpoint(cut), Durable::Forget(slot)]
        }
        _ => vec![entry],
    })
}

/// TA-c, TA-12: a committer that has forgotten everything votes again.
pub fn a_committer_without_memory_votes_again() -> Subject {
    remembering(|recovered| {
        recovered.newest = None;
        recovered.slots.clear();
    })
}

/// TA-12: a committer forgets the view it has entered, and remembers what it accepted.
pub fn a_committer_forgets_its_view() -> Subject {
    remembering(|recovered| recovered.newest = None)
}

/// TA-12: a committer forgets what it accepted last.
pub fn a_committer_forgets_its_last_vote() -> Subject {
    remembering(|recovered| {
        recovered.slots.pop();
    })
}

/// T1: a replica that restarts takes itself for new: it leads view 0 again and reuses its numbers.
pub fn a_restarted_replica_takes_itself_for_new() -> Subject {
    remembering(|recovered| recovered.incarnation = 1)
}
