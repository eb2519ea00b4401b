//! The messages that a slot costs when nothing fails, counted.
//!
//! The roles of a replica share a machine and only the leader is forwarded to, so of the paper's
//! `(F + 1) + (2F + 1) + (2F + 1)^2 + (2F + 1)` messages a slot, with `n = 2F + 1`, there cross a
//! link: one REQUEST at most, `n - 1` PROPOSE, `n (n - 1)` COMMIT, and no REPLY. Each replica's
//! COMMIT to itself goes out and comes back as well, because it waits for the disk.

use std::cell::RefCell;
use std::collections::BTreeMap;

use taraflow::dataflows::tara::{Message, PROTOCOL};
use taraflow::hosts::simulation::{World, WorldSettings};
use taraflow::model::events::Event;
use taraflow::model::types::ReplicaId;

use crate::onlooker::{Onlooker, watched};

#[derive(Clone, Debug, Default)]
struct Counts {
    /// Messages of a kind that cross a link.
    crossing: BTreeMap<&'static str, u64>,
    /// Messages of a kind from a replica to itself.
    home: BTreeMap<&'static str, u64>,
    /// Slots that replica 0 has executed, and those of them that came from other replicas' clients.
    slots: u64,
    foreign: u64,
}

thread_local! {
    static COUNTS: RefCell<Counts> = RefCell::default();
}

impl Onlooker for Counts {
    fn on_sent(from: ReplicaId, to: impl Iterator<Item = ReplicaId>, message: &Message) {
        let kind = (PROTOCOL.kind)(message);
        COUNTS.with_borrow_mut(|counts| {
            for peer in to {
                let side = if peer == from { &mut counts.home } else { &mut counts.crossing };
                *side.entry(kind).or_default() += 1;
            }
        });
    }

    fn on_event(me: ReplicaId, event: &Event) {
        if let (ReplicaId(0), Event::Executed { value, .. }) = (me, event) {
            COUNTS.with_borrow_mut(|counts| {
                counts.slots += 1;
                let source = value.as_ref().map(|batch| batch.id.source);
                counts.foreign += u64::from(source.is_some_and(|source| source != me));
            });
        }
    }
}

fn counted(n: usize, seed: u64) -> Counts {
    COUNTS.take();
    let outcome = World::run(&watched::<Counts>(), seed, WorldSettings::calm(n), false);
    assert_eq!(outcome.violation, None, "{n} replicas, seed {seed}");
    COUNTS.take()
}

#[test]
fn a_slot_costs_what_the_figure_says_and_not_a_message_more() {
    for (n, seed) in [(3, 0), (3, 1), (5, 2), (5, 3), (7, 4), (7, 5)] {
        let counts = counted(n, seed);

        let case = format!("{n} replicas, seed {seed}: {counts:?}");
        let (slots, n) = (counts.slots, n as u64);
        assert!(slots > 100, "{case}");
        let crossing = |kind| counts.crossing.get(kind).copied().unwrap_or_default();
        let home = |kind| counts.home.get(kind).copied().unwrap_or_default();
        assert_eq!(crossing("Propose"), slots * (n - 1), "{case}");
        assert_eq!(home("Propose"), 0, "{case}");
        assert_eq!(crossing("Commit"), slots * n * (n - 1), "{case}");
        assert_eq!(home("Commit"), slots * n, "{case}");
        // One for each batch of a replica that does not lead.
        assert_eq!(crossing("Forward"), counts.foreign, "{case}");
        assert_eq!(home("Forward"), 0, "{case}");
        assert_eq!(crossing("Record") + home("Record"), 0, "{case}");
    }
}
