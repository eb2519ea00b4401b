//! Clusters that are connected only in part, where the usual leader is of no use and someone else
//! would be.

use taraflow::model::types::ReplicaId;

use crate::spoken::{Spoken, each_with_leaders};

use super::{MS, Micros, SECOND, World, end, front, run, settings, world};

const SEEDS: u64 = 3;
/// Ten times the patience with a leader.
const PATIENCE: Micros = 10 * 300 * MS;
/// How long things must be quiet afterwards: a third of the minute in which three leaders are
/// allowed.
const QUIET: Micros = 20 * SECOND;

/// Cuts all links for which `is_linked` does not hold, either way.
fn leave_only<M: Spoken>(world: &mut World<M>, is_linked: fn(u16, u16) -> bool) {
    let until = world.now() + 600 * SECOND;
    world.links().cut(until, |from, to| !is_linked(from.0.min(to.0), from.0.max(to.0)));
}

/// The cluster decides something within ten patiences, and then changes its leader once at the
/// most.
fn goes_on<M: Spoken>(mut world: World<M>, n: usize, case: &str) {
    run(&mut world, 100 * MS);
    let before = front(&world, n);
    run(&mut world, PATIENCE);
    let after = front(&world, n);
    assert!(after > before, "{case}: nothing was decided after slot {before}");

    let led = world.stats().counts.view_changes;
    run(&mut world, QUIET);

    let changes = world.stats().counts.view_changes - led;
    assert!(changes <= 1, "{case}: {changes} leaders in {} s", QUIET / SECOND);
    assert!(front(&world, n) > after, "{case}: it has come to a halt");
    end(world, case);
}

fn calm<M: Spoken>(seed: u64, n: usize) -> World<M> {
    let mut settings = settings(n, 25 * SECOND, 4_000);
    settings.clients = 2;
    settings.pipeline = 1;
    let mut world = world(seed, settings);
    run(&mut world, 200 * MS);
    world
}

/// Quorum loss: everyone is linked to replica 3 only, and replica 0 leads.
#[test]
fn five_replicas_with_links_to_one_only_are_led_by_it() {
    fn play<M: Spoken>() {
        for seed in 0..SEEDS {
            let mut world = calm::<M>(seed, 5);
            leave_only(&mut world, |low, high| low == 3 || high == 3);
            goes_on(world, 5, &format!("seed {seed}"));
        }
    }
    each_with_leaders!(play);
}

/// Constrained: as before, and replica 3 has missed what was decided.
#[test]
fn the_only_replica_with_links_may_be_behind() {
    fn play<M: Spoken>() {
        for seed in 0..SEEDS {
            let mut world = calm::<M>(seed, 5);
            let behind = ReplicaId(3);
            let until = world.now() + SECOND;
            world.links().cut(until, |from, to| from == behind || to == behind);
            run(&mut world, SECOND);
            assert!(world.executed(behind) < front(&world, 5), "seed {seed}: it is not behind");
            leave_only(&mut world, |low, high| low == 3 || high == 3);
            goes_on(world, 5, &format!("seed {seed}"));
        }
    }
    each_with_leaders!(play);
}

/// Bridge: 1, 2 and 3 are linked to each other, the leader to 3 only, and 4 to nobody.
#[test]
fn a_leader_with_a_link_to_one_replica_is_replaced_for_good() {
    fn play<M: Spoken>() {
        for seed in 0..SEEDS {
            let mut world = calm::<M>(seed, 5);
            leave_only(&mut world, |low, high| (low >= 1 && high <= 3) || (low == 0 && high == 3));
            goes_on(world, 5, &format!("seed {seed}"));
        }
    }
    each_with_leaders!(play);
}

/// Chain: 0 and 1 reach each other through 2 only.
#[test]
fn three_replicas_in_a_chain_are_led_from_its_middle() {
    fn play<M: Spoken>() {
        for seed in 0..SEEDS {
            let mut world = calm::<M>(seed, 3);
            leave_only(&mut world, |_, high| high == 2);
            goes_on(world, 3, &format!("seed {seed}"));
        }
    }
    each_with_leaders!(play);
}
