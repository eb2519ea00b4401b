//! The messages that a slot costs when nothing fails, counted.
//!
//! Tara: the roles of a replica share a machine and only the leader is forwarded to, so of the paper's
//! `(F + 1) + (2F + 1) + (2F + 1)^2 + (2F + 1)` messages a slot, with `n = 2F + 1`, there cross a
//! link: one REQUEST at most, `n - 1` PROPOSE, `n (n - 1)` COMMIT, and no REPLY. Each replica's
//! COMMIT to itself goes out and comes back as well, because it waits for the disk.
//!
//! Paxos, with one replica that proposes: `n - 1` Prepare, Promise and Accept, and `n (n - 1)`
//! Accepted, for they go to all learners; and of each what a replica says to itself.
//!
//! Multi-Paxos: `n - 1` Accept and, but for the leader's own, `n - 1` Accepted, for they go to the
//! leader; what is chosen rides along, or leaves by itself with `n - 1` Chosen, once a turn at most.
//! No other message is of a slot.

use std::cell::RefCell;
use std::collections::BTreeMap;

use taraflow::dataflows::{multipaxos, paxos, tara};
use taraflow::hosts::simulation::{World, WorldSettings};
use taraflow::model::events::Event;
use taraflow::model::types::ReplicaId;

use crate::onlooker::{Onlooker, watched};
use crate::spoken::Spoken;

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

impl Counts {
    fn crossing(&self, kind: &str) -> u64 {
        self.crossing.get(kind).copied().unwrap_or_default()
    }

    fn home(&self, kind: &str) -> u64 {
        self.home.get(kind).copied().unwrap_or_default()
    }
}

impl<M: Spoken> Onlooker<M> for Counts {
    fn on_sent(from: ReplicaId, to: impl Iterator<Item = ReplicaId>, message: &M) {
        let kind = (M::PROTOCOL.kind)(message);
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

fn counted<M: Spoken>(n: usize, seed: u64, settings: WorldSettings) -> (Counts, String) {
    COUNTS.take();
    let outcome = World::run(&watched::<M, Counts>(), seed, settings, false);
    assert_eq!(outcome.violation, None, "{n} replicas, seed {seed}");
    let counts = COUNTS.take();
    let case = format!("{n} replicas, seed {seed}: {counts:?}");
    assert!(counts.slots > 100, "{case}");
    (counts, case)
}

const SIZES: [(usize, u64); 6] = [(3, 0), (3, 1), (5, 2), (5, 3), (7, 4), (7, 5)];

#[test]
fn a_slot_of_tara_costs_what_the_figure_says_and_not_a_message_more() {
    for (n, seed) in SIZES {
        let (counts, case) = counted::<tara::Message>(n, seed, WorldSettings::calm(n));

        let (slots, n) = (counts.slots, n as u64);
        assert_eq!(counts.crossing("Propose"), slots * (n - 1), "{case}");
        assert_eq!(counts.home("Propose"), 0, "{case}");
        assert_eq!(counts.crossing("Commit"), slots * n * (n - 1), "{case}");
        assert_eq!(counts.home("Commit"), slots * n, "{case}");
        // One for each batch of a replica that does not lead.
        assert_eq!(counts.crossing("Forward"), counts.foreign, "{case}");
        assert_eq!(counts.home("Forward"), 0, "{case}");
        assert_eq!(counts.crossing("Record") + counts.home("Record"), 0, "{case}");
    }
}

#[test]
fn a_slot_of_paxos_costs_what_the_textbook_says_and_not_a_message_more() {
    for (n, seed) in SIZES {
        let settings = WorldSettings { clients: 1, ..WorldSettings::calm(n) };
        let (counts, case) = counted::<paxos::Message>(n, seed, settings);

        let (slots, n) = (counts.slots, n as u64);
        for kind in ["Prepare", "Promise", "Accept"] {
            assert_eq!(counts.crossing(kind), slots * (n - 1), "{kind}, {case}");
            assert_eq!(counts.home(kind), slots, "{kind}, {case}");
        }
        assert_eq!(counts.crossing("Accepted"), slots * n * (n - 1), "{case}");
        assert_eq!(counts.home("Accepted"), slots * n, "{case}");
        assert_eq!(counts.crossing("Reject") + counts.home("Reject"), 0, "{case}");
    }
}

#[test]
fn a_slot_of_multi_paxos_costs_an_accept_and_a_vote_of_each_follower() {
    for (n, seed) in SIZES {
        let (counts, case) = counted::<multipaxos::Message>(n, seed, WorldSettings::calm(n));

        let (slots, n) = (counts.slots, n as u64);
        assert_eq!(counts.crossing("Accept"), slots * (n - 1), "{case}");
        assert_eq!(counts.home("Accept"), 0, "{case}");
        assert_eq!(counts.crossing("Accepted"), slots * (n - 1), "{case}");
        assert_eq!(counts.home("Accepted"), slots, "{case}");
        // One for each batch of a replica that does not lead.
        assert_eq!(counts.crossing("Forward"), counts.foreign, "{case}");
        let chosen = counts.crossing("Chosen");
        assert!(chosen > 0 && chosen <= slots * (n - 1) && chosen % (n - 1) == 0, "{case}");
        assert_eq!(counts.home("Chosen"), 0, "{case}");
        // Each of a leader's heartbeats is answered, by itself as well.
        let heartbeats = counts.crossing("Heartbeat") + counts.home("Heartbeat");
        assert_eq!(counts.crossing("Heartbeat"), counts.home("Heartbeat") * (n - 1), "{case}");
        let heard = counts.crossing("Heard") + counts.home("Heard");
        assert!(heard <= heartbeats && heard + n >= heartbeats, "{case}");
        let kinds = ["Renew", "PreVote", "PreVoted", "Prepare", "Promise", "Reject", "HandOver"];
        for kind in kinds.into_iter().chain(["Need", "Supply"]) {
            assert_eq!(counts.crossing(kind) + counts.home(kind), 0, "{kind}, {case}");
        }
    }
}
