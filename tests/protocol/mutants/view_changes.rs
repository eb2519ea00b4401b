//! Mutants of the view change.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;

use taraflow::dataflows::tara::{Message, ViewRequest, dataflow};
use taraflow::engine::ordering::messages::Record;
use taraflow::engine::ordering::runs::{self, Run};
use taraflow::model::events::Event;
use taraflow::model::types::{Millis, ReplicaId, Slot, To, View};
use timely::dataflow::operators::Concat;

use super::rewriting::{counting_twice, hearing, redrawn, rewrite, saying};
use crate::spoken::Subject;

/// T7: a replica enters a view for which one controller asks.
pub fn one_controller_is_enough_for_a_view() -> Subject {
    hearing(|config| {
        let n = config.n as u16;
        move |from, message| match message {
            Message::View(_) => (0..n).map(|peer| (ReplicaId(peer), message.clone())).collect(),
            _ => vec![(from, message)],
        }
    })
}

/// TA-6: nobody asks for another view.
pub fn a_leader_is_never_suspected() -> Subject {
    saying(|_config| {
        |message| match message {
            Message::View(ViewRequest { entered, .. }) => {
                vec![Message::View(ViewRequest { entered, wanted: entered })]
            }
            _ => vec![message],
        }
    })
}

/// TA-b, TA-9: a record of an older view counts as one of the new view.
pub fn a_record_of_an_older_view_is_counted() -> Subject {
    hearing(|_config| {
        let mut view = View(0);
        let mut known: BTreeMap<ReplicaId, Record> = BTreeMap::new();
        move |from, message| {
            let Message::Record(record) = message else { return vec![(from, message)] };
            view = view.max(record.view);
            if known.get(&from).is_none_or(|older| older.view <= record.view) {
                known.insert(from, record);
            }
            let as_new = |(from, record): (&ReplicaId, &Record)| {
                (*from, Message::Record(Record { view, ..record.clone() }))
            };
            known.iter().map(as_new).collect()
        }
    })
}

/// TA-9: a record counts for two, so that `f` are enough, or fewer.
pub fn half_the_records_are_enough() -> Subject {
    counting_twice(|message| matches!(message, Message::Record(_)))
}

/// Has each record that arrives changed.
fn reading_records(change: fn(&mut Record)) -> Subject {
    hearing(move |_config| {
        move |from, mut message| {
            if let Message::Record(record) = &mut message {
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

/// T4: a record leaves out the last slot that was accepted.
pub fn a_record_leaves_out_the_last_slot() -> Subject {
    saying(|_config| {
        |mut message| {
            if let Message::Record(record) = &mut message {
                leave_out_the_last(record);
            }
            vec![message]
        }
    })
}

/// TA-9: the new leader overlooks the last slot of each record.
pub fn a_leader_overlooks_the_last_slot_of_a_record() -> Subject {
    reading_records(leave_out_the_last)
}

/// TA-9: of two proposals for a slot the one of the lower view is proposed again: a record is heard
/// without the slots that another, heard before, has accepted in a lower view.
pub fn the_lowest_view_wins() -> Subject {
    hearing(|_config| {
        let mut of = View(0);
        let mut lowest: BTreeMap<Slot, View> = BTreeMap::new();
        move |from, mut message| {
            if let Message::Record(record) = &mut message {
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

/// TA-9: the new leader starts at the first slot, though the records start where execution stands.
pub fn what_is_executed_is_proposed_again() -> Subject {
    reading_records(|record| record.decided = Slot(0))
}

/// TA-9: the new leader starts above all that was accepted, and proposes none of it again.
pub fn nothing_accepted_is_proposed_again() -> Subject {
    reading_records(|record| {
        let end = record.accepted.last().map_or(Slot(0), |last| last.end());
        record.decided = record.decided.max(end);
        record.accepted.clear();
    })
}

/// 0.2: a wish for a view is said once, however often it is lost.
pub fn a_wish_for_a_view_is_said_once() -> Subject {
    saying(|_config| {
        let mut said = None;
        move |message| match message {
            Message::View(request) if said.replace(request) == Some(request) => Vec::new(),
            _ => vec![message],
        }
    })
}

/// TA-6: whoever sees nothing executed for as long as the first leader would be given asks for the
/// next view, however many there have been.
pub fn patience_never_doubles() -> Subject {
    redrawn(|inputs, config| {
        let moved = Rc::new(Cell::new((0, View(0))));
        let (moves, patience) = (Rc::clone(&moved), config.suspect_after_ms);
        let now = Rc::new(Cell::new(0));
        let clock = Rc::clone(&now);
        let wishes = rewrite(inputs.pulse.clock.clone(), move |time: Millis| {
            clock.set(time);
            let (since, entered) = moved.get();
            if time.saturating_sub(since) < patience {
                return Vec::new();
            }
            let wish = ViewRequest { entered, wanted: entered.next() };
            vec![(To::All, Message::View(wish))]
        });
        let mut outputs = dataflow(inputs, config);
        outputs.messages = outputs.messages.concat(wishes);
        outputs.events = rewrite(outputs.events, move |event| {
            match event {
                Event::Started { view, .. } | Event::EnteredView { view, .. } => {
                    moves.set((now.get(), view));
                }
                Event::Executed { .. } => moves.set((now.get(), moves.get().1)),
                _ => {}
            }
            vec![event]
        });
        outputs
    })
}
