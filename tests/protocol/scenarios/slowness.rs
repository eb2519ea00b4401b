//! Replicas that are slow, or stand still, and never fail.

use taraflow::hosts::simulation::Act;
use taraflow::model::types::ReplicaId;

use crate::spoken::{Spoken, each_protocol, each_with_leaders};

use super::{SECOND, end, run, settings, world};

/// Operations answered in two seconds with one replica `times` as slow as the others.
fn answered<M: Spoken>(seed: u64, slow: ReplicaId, times: u64) -> usize {
    let mut settings = settings(3, 10 * SECOND, 100_000);
    // On replicas 0 and 1.
    settings.clients = 2;
    let mut world = world::<M>(seed, settings);
    world.slow_down(slow, times);
    run(&mut world, 2 * SECOND);
    world.answered()
}

///
#[test]
fn a_follower_a_hundred_times_slower_costs_the_others_a_fifth_at_most() {
    fn play<M: Spoken>() {
        for seed in 0..5 {
            let usual = answered::<M>(seed, ReplicaId(2), 1);

            let slowed = answered::<M>(seed, ReplicaId(2), 100);

            assert!(
                slowed * 10 >= usual * 8,
                "seed {seed}: {slowed} operations instead of {usual}"
            );
        }
    }
    each_protocol!(play);
}

/// A slow leader is nobody's suspect while it keeps going, and ten times is bearable: about a tenth
/// is lost. A hundred times costs three fifths.
#[test]
fn a_leader_ten_times_slower_costs_half_at_most() {
    fn play<M: Spoken>() {
        for seed in 0..5 {
            let usual = answered::<M>(seed, ReplicaId(0), 1);

            let slowed = answered::<M>(seed, ReplicaId(0), 10);

            assert!(
                slowed * 10 >= usual * 5,
                "seed {seed}: {slowed} operations instead of {usual}"
            );
        }
    }
    each_with_leaders!(play);
}

/// A follower stands still for ten minutes: what waits for it is bounded, the others' disks do not
/// grow, and it goes on from a checkpoint of theirs.
#[test]
fn a_follower_that_pauses_for_ten_minutes_fills_no_memory_and_no_disk() {
    fn play<M: Spoken>() {
        let mut settings = settings(3, 601 * SECOND, 20_000);
        settings.config.gossip_every_ms = 200;
        let paused = ReplicaId(2);
        let mut world = world::<M>(0, settings);
        world.act(Act::Pause, paused, 600 * SECOND);
        let (mut disk_bytes_max, mut waiting_max) = (0, 0);
        for _ in 0..600 {
            run(&mut world, SECOND);
            waiting_max = waiting_max.max(world.waiting(paused));
            for replica in [0, 1].map(ReplicaId) {
                disk_bytes_max = disk_bytes_max.max(world.disk(replica).bytes());
            }
        }

        let stats = end(world, "a paused follower");
        assert!(waiting_max <= 4096, "{waiting_max} messages wait");
        assert!(disk_bytes_max < 1 << 20, "{disk_bytes_max} bytes on a disk");
        assert!(stats.counts.checkpoints_installed > 0, "{stats:?}");
    }
    each_protocol!(play);
}
