//! Mutants of what is known of the past: marks of what is decided, renewals, what is needed for
//! them, and whether a disk has one.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use taraflow::dataflows::tara::invariants::subject;
use taraflow::dataflows::tara::{Commit, Message, dataflow};
use taraflow::disk::{Disk, Durable, Identity, Store};
use taraflow::engine::ordering::messages::{Promise, Proposal};
use taraflow::engine::ordering::runs::{each, runs};
use taraflow::hosts::simulation::FaultyDisk;
use taraflow::model::error::Error;
use taraflow::model::types::{Slot, To, View};
use timely::dataflow::operators::Concat;

use super::rewriting::{Heard, redrawn, rewrite, saying, writing};
use crate::spoken::Subject;

/// TA-12: what the journal says to be decided includes a slot that is not executed.
pub fn a_mark_is_one_slot_too_high() -> Subject {
    writing(|entry| match entry {
        Durable::Decided { from, to } => vec![Durable::Decided { from, to: to.next() }],
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

/// TA-12: what was accepted is accepted in a later view, and that is not written down.
pub fn a_renewal_is_not_written() -> Subject {
    writing(|entry| match entry {
        Durable::Slot(_, Promise::Renewed { .. }) => Vec::new(),
        _ => vec![entry],
    })
}

/// T3: a replica that starts takes all that it has accepted for decided.
pub fn a_start_executes_what_was_only_accepted() -> Subject {
    redrawn(|inputs, config| {
        let mut outputs = dataflow(inputs, config);
        let mut accepted = Slot(0);
        outputs.durable = rewrite(outputs.durable, move |entry| match entry {
            Durable::Slot(slot, promise) => {
                accepted = slot.next().max(accepted);
                vec![Durable::Slot(slot, promise)]
            }
            Durable::Decided { from, to } => {
                vec![Durable::Decided { from, to: accepted.max(to) }]
            }
            entry => vec![entry],
        });
        outputs
    })
}

/// T2: a leader names another view than the last in which a slot was accepted.
pub fn a_renewal_names_an_earlier_view() -> Subject {
    saying(|_config| {
        |mut message| {
            if let Message::Renew(renewal) = &mut message {
                for run in &mut renewal.slots {
                    run.view = View(run.view.0.saturating_sub(1));
                }
            }
            vec![message]
        }
    })
}

/// T2: a committer accepts again what it has, in whatever view that was proposed.
pub fn a_renewal_is_met_with_the_value_of_another_view() -> Subject {
    redrawn(|mut inputs, config| {
        let accepted: Rc<RefCell<BTreeMap<Slot, View>>> = Rc::default();
        let known = Rc::clone(&accepted);
        inputs.messages = rewrite(inputs.messages, move |(from, mut message): Heard| {
            if let Message::Renew(renewal) = &mut message {
                let known = known.borrow();
                let own = |(slot, view)| (slot, known.get(&slot).copied().unwrap_or(view));
                renewal.slots = runs(each(&renewal.slots).map(own));
            }
            vec![(from, message)]
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

/// T3: a committer votes for what a renewal names, though it has not got it.
pub fn a_renewal_is_voted_for_without_its_value() -> Subject {
    redrawn(|inputs, config| {
        let entered = Rc::new(Cell::new(View(0)));
        let votes = rewrite(inputs.messages.clone(), move |(_, message): Heard| {
            let Message::Renew(renewal) = message else { return Vec::new() };
            entered.set(entered.get().max(renewal.view));
            let vote = |(slot, _)| Message::Commit(Commit { view: renewal.view, slot });
            let slots = each(&renewal.slots).filter(|_| entered.get() == renewal.view);
            slots.map(|slot| (To::All, vote(slot))).collect()
        });
        let mut outputs = dataflow(inputs, config);
        outputs.messages = outputs.messages.concat(votes);
        outputs
    })
}

/// TA-9: nobody asks for the values it lacks.
pub fn what_is_lacked_is_never_asked_for() -> Subject {
    saying(|_config| {
        |message| match message {
            Message::Need(_) => Vec::new(),
            _ => vec![message],
        }
    })
}

/// TA-9: values are asked for, and not given.
pub fn what_is_needed_is_never_given() -> Subject {
    saying(|_config| {
        |message| match message {
            Message::Supply(_) => Vec::new(),
            _ => vec![message],
        }
    })
}

/// 0.4: a damaged disk is taken for one of a replica that never ran.
pub fn a_damaged_disk_is_begun_anew() -> Subject {
    let disk = |mut disk: FaultyDisk, owner: Identity| -> Box<dyn Disk> {
        let opened = Store::open::<Promise>(Box::new(disk.clone()), owner);
        if matches!(opened, Err(Error::Damaged { .. } | Error::Empty { .. })) {
            let files = disk.list().unwrap_or_default();
            let made = files.iter().try_for_each(|file| disk.remove(file));
            // A disk that fails meanwhile is found to be failing by whoever opens it next.
            let _ = made.map(|()| Store::create(&mut disk, owner));
        }
        Box::new(disk)
    };
    Subject { disk, ..subject() }
}
