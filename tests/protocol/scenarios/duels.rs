//! Proposers that meet: each of three replicas has clients of its own and proposes for them, and
//! nobody leads.

use std::cell::RefCell;
use std::collections::BTreeMap;

use taraflow::dataflows::paxos::Message;
use taraflow::hosts::simulation::WorldSettings;
use taraflow::model::events::Event;
use taraflow::model::types::ReplicaId;

use super::{MS, SECOND, World, end, front, run, settings, world};
use crate::onlooker::{Onlooker, watched};

/// How many batches of each replica replica 0 has executed.
#[derive(Default)]
struct Turns(BTreeMap<ReplicaId, u64>);

thread_local! {
    static TURNS: RefCell<Turns> = RefCell::default();
}

impl Onlooker<Message> for Turns {
    fn on_sent(_from: ReplicaId, _to: impl Iterator<Item = ReplicaId>, _message: &Message) {}

    fn on_event(me: ReplicaId, event: &Event) {
        if let (ReplicaId(0), Event::Executed { value: Some(batch), .. }) = (me, event) {
            TURNS.with_borrow_mut(|turns| *turns.0.entry(batch.id.source).or_default() += 1);
        }
    }
}

/// Three replicas with a client each that always has something to ask.
fn duel(operations: u64) -> WorldSettings {
    let mut settings = settings(3, 20 * SECOND, operations);
    settings.clients = 3;
    settings
}

#[test]
fn proposers_that_meet_at_every_slot_have_their_turns() {
    for seed in 0..5 {
        TURNS.take();
        let mut world =
            World::<Message>::new(&watched::<Message, Turns>(), seed, duel(60_000), true);
        run(&mut world, 5 * SECOND);

        let turns = TURNS.take().0;
        let slots: u64 = turns.values().sum();
        let case = format!("seed {seed}: {turns:?}");
        assert_eq!(turns.len(), 3, "{case}");
        // A client that once waited for long asks another replica from then on.
        assert!(turns.values().all(|own| own * 100 >= slots), "{case}");
    }
}

/// Who meets others must not have less done than who is alone by as much as they are in its way: two
/// thirds at least.
#[test]
fn duels_cost_the_cluster_a_third_at_most() {
    for seed in 0..5 {
        let mut alone = world::<Message>(seed, WorldSettings { clients: 1, ..duel(60_000) });
        run(&mut alone, 5 * SECOND);
        let mut duel = world::<Message>(seed, duel(60_000));
        run(&mut duel, 5 * SECOND);

        let (alone, duel) = (front(&alone, 3).0, front(&duel, 3).0);
        assert!(duel * 3 >= alone * 2, "seed {seed}: {duel} slots instead of {alone}");
    }
}

/// A proposer goes away with a slot that it alone has claimed; the others take it after a while, and
/// are held up no longer than that.
#[test]
fn a_proposer_that_vanishes_in_a_duel_is_waited_for_only_once() {
    for seed in 0..5 {
        let mut world = world::<Message>(seed, duel(9_000));
        run(&mut world, 500 * MS);
        world.crash(ReplicaId(2));
        run(&mut world, SECOND);
        let then = front(&world, 3);
        run(&mut world, SECOND);

        let slots = front(&world, 3).0 - then.0;
        assert!(slots > 100, "seed {seed}: {slots} slots in a second");
        world.restart(ReplicaId(2));
        end(world, &format!("seed {seed}"));
    }
}

/// It asks for the slot that it has claimed again and again, as long as it lives.
#[test]
fn a_proposer_that_hears_nothing_holds_up_no_other() {
    for seed in 0..20 {
        let mut settings = duel(1_500);
        settings.network.delay_us = 40 * MS;
        let mut world = world::<Message>(seed, settings);
        run(&mut world, 2 * SECOND);
        let until = world.now() + 15 * SECOND;
        world.links().cut(until, |_, to| to == ReplicaId(2));
        run(&mut world, 6 * SECOND);
        let then = front(&world, 2);
        run(&mut world, 6 * SECOND);

        let slots = front(&world, 2).0 - then.0;
        assert!(slots > 10, "seed {seed}: {slots} slots in six seconds");
    }
}
