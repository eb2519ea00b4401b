//! Links that lose, repeat, reorder and flap.

use crate::spoken::{Spoken, each_protocol};

use super::{MS, SECOND, end, run, settings, world};

/// a fifth of the messages lost, a fifth twice, all out of order, and a partition that comes
/// and goes.
#[test]
fn all_is_answered_after_loss_repetition_reordering_and_a_flapping_partition() {
    fn play<M: Spoken>() {
        for (seed, n) in [(0, 3), (1, 3), (2, 5), (3, 5), (4, 7)] {
            let mut settings = settings(n, 6 * SECOND, 1_500);
            settings.network.loss = 200_000;
            settings.network.duplication = 200_000;
            settings.network.jitter_us = 30 * MS;
            let mut world = world::<M>(seed, settings);
            for flap in 0..20 {
                let border = 1 + flap % (n as u16 - 1);
                let until = world.now() + 150 * MS;
                world.links().cut(until, |from, to| (from.0 < border) != (to.0 < border));
                run(&mut world, 250 * MS);
            }

            let stats = end(world, &format!("seed {seed}"));

            assert!(stats.lost > 400 && stats.duplicated > 100, "seed {seed}: {stats:?}");
        }
    }
    each_protocol!(play);
}

/// Every replica at once, again and again.
#[test]
fn a_storm_of_restarts_ends_with_everything_answered() {
    fn play<M: Spoken>() {
        for (seed, n) in [(0, 3), (1, 3), (2, 5)] {
            let mut settings = settings(n, 9 * SECOND, 1_500);
            settings.disks.torn = 500_000;
            let mut world = world::<M>(seed, settings);
            for _ in 0..20 {
                run(&mut world, 400 * MS);
                for replica in super::replicas(n) {
                    world.crash(replica);
                    world.restart(replica);
                }
            }

            let stats = end(world, &format!("seed {seed}"));

            assert_eq!(stats.crashes, 20 * n as u64, "seed {seed}");
        }
    }
    each_protocol!(play);
}
