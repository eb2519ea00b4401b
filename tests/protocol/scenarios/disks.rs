//! Crashes at the worst moment, disks that fail, and replicas that were away for too long.

use taraflow::hosts::simulation::Act;
use taraflow::model::types::ReplicaId;

use crate::spoken::{Spoken, each_protocol};

use super::{MS, SECOND, end, run, settings, world};

/// the replica dies within the first dozen things it asks of its disk, so between an append
/// and its sync as well.
#[test]
fn a_replica_killed_between_write_and_sync_breaks_no_word() {
    fn play<M: Spoken>() {
        for victim in [0, 1].map(ReplicaId) {
            for operations in 0..12 {
                let mut settings = settings(3, 3 * SECOND, 1_000);
                settings.disks.torn = 500_000;
                let mut world = world::<M>(operations, settings);
                run(&mut world, 150 * MS);
                world.disk(victim).die_after(operations);

                let case = format!("{victim} dies after {operations} operations");
                let stats = end(world, &case);

                assert_eq!(stats.crashes, 1, "{case}");
            }
        }
    }
    each_protocol!(play);
}

/// T1, PX-5: what it proposed in its first life must not leave before its disk knows of that life, or
/// it leads the same view again, or has the same ballots.
#[test]
fn a_replica_killed_before_its_first_sync_has_said_nothing() {
    fn play<M: Spoken>() {
        for seed in 0..20 {
            let mut settings = settings(3, 3 * SECOND, 300);
            settings.disks.sync_us = 60 * MS;
            let mut world = world::<M>(seed, settings);
            run(&mut world, 50 * MS);
            world.crash(ReplicaId(0));
            world.restart(ReplicaId(0));

            end(world, &format!("seed {seed}"));
        }
    }
    each_protocol!(play);
}

/// its disk holds promises that nobody has heard.
#[test]
fn a_replica_killed_between_sync_and_send_breaks_no_word() {
    fn play<M: Spoken>() {
        for seed in 0..12 {
            let victim = ReplicaId((seed % 3) as u16);
            let mut world = world::<M>(seed, settings(3, 3 * SECOND, 1_000));
            run(&mut world, 100 * MS + seed * 7 * MS);
            world.lose(move |from, _, _| from == victim);
            run(&mut world, 2 * MS);
            world.crash(victim);
            world.lose_nothing();
            run(&mut world, 500 * MS);
            world.restart(victim);

            end(world, &format!("seed {seed}"));
        }
    }
    each_protocol!(play);
}

/// X-4 and bug (d): what it misses is in nobody's journal any more; it takes a checkpoint from
/// another.
#[test]
fn a_replica_away_past_the_horizon_takes_over_a_checkpoint() {
    fn play<M: Spoken>() {
        for (seed, n) in [(0, 3), (1, 3), (2, 5)] {
            let away = ReplicaId(n as u16 - 1);
            let mut world = world::<M>(seed, settings(n, 4 * SECOND, 3_000));
            run(&mut world, 60 * MS);
            world.crash(away);
            run(&mut world, SECOND);
            let stats = world.stats();
            assert!(stats.counts.stable > 0, "seed {seed}: no checkpoint was stable");
            world.restart(away);

            let stats = end(world, &format!("seed {seed}"));

            assert!(stats.counts.checkpoints_installed > 0, "seed {seed}: {stats:?}");
        }
    }
    each_protocol!(play);
}

/// Bug (d): replica 0, which leads if somebody does, and the replica behind are the only ones up,
/// and replica 0 has no journal of it.
#[test]
fn a_checkpoint_comes_from_whoever_has_it() {
    fn play<M: Spoken>() {
        for seed in 0..3 {
            let (away, gone) = (ReplicaId(2), ReplicaId(1));
            let mut world = world::<M>(seed, settings(3, 5 * SECOND, 3_000));
            run(&mut world, 60 * MS);
            world.crash(away);
            run(&mut world, SECOND);
            world.crash(gone);
            let behind = world.executed(ReplicaId(0));
            world.restart(away);
            run(&mut world, 2 * SECOND);

            assert!(world.executed(away) >= behind, "seed {seed}: it has not caught up");
            assert!(world.stats().counts.checkpoints_installed > 0, "seed {seed}");
            end(world, &format!("seed {seed}"));
        }
    }
    each_protocol!(play);
}

/// Each of the ways in which a disk can fail, without any other fault.
#[test]
fn every_fault_of_a_disk_alone_is_survived() {
    fn play<M: Spoken>() {
        for act in
            [Act::SlowDisk, Act::FullDisk, Act::FailSync, Act::DieInside, Act::Rot, Act::Harm]
        {
            for (seed, n) in [(0, 3), (1, 3), (2, 5)] {
                let mut settings = settings(n, 4 * SECOND, 2_000);
                settings.disks.torn = 500_000;
                settings.nemesis_every_us = 200 * MS;
                settings.acts = vec![(act, 1)];

                let case = format!("{act:?}, seed {seed}");
                let stats = end(world::<M>(seed, settings), &case);

                let happened = match act {
                    Act::FullDisk => stats.disk_full,
                    Act::FailSync | Act::DieInside => stats.disk_failures,
                    Act::Rot => stats.crashes,
                    Act::Harm => stats.harmed,
                    _ => stats.acts,
                };
                assert!(happened > 0, "{case}: {stats:?}");
            }
        }
    }
    each_protocol!(play);
}
