//! Checkpoints taken over from others, at their edges.

use std::rc::Rc;

use taraflow::engine::operators::catch_up::CatchUp;
use taraflow::engine::role::Role;
use taraflow::hosts::simulation::Subject;
use taraflow::model::types::{ReplicaId, Slot};

use crate::spoken::{Spoken, each_protocol, whole};

use super::{MS, SECOND, World, end, front, run, settings, world};

/// A checkpoint is cut at every slot, so that the newest ends where the log does, and nothing comes
/// after it that could carry it along.
#[test]
fn a_checkpoint_at_the_very_end_of_the_log_is_taken_over_at_once() {
    fn play<M: Spoken>() {
        for seed in 0..5 {
            let away = ReplicaId(2);
            let mut settings = settings(3, 8 * SECOND, 200);
            (settings.config.checkpoint_every, settings.config.window) = (1, 4);
            settings.clients = 2;
            let mut world = world::<M>(seed, settings);
            run(&mut world, 60 * MS);
            world.crash(away);
            run(&mut world, 5 * SECOND);
            let case = format!("seed {seed}");
            assert_eq!(world.answered(), 200, "{case}: they are still at it");
            world.restart(away);

            run(&mut world, SECOND);

            assert_eq!(world.executed(away), front(&world, 3), "{case}");
            assert!(world.stats().counts.checkpoints_installed > 0, "{case}");
            end(world, &case);
        }
    }
    each_protocol!(play);
}

/// A bit of the first piece of a checkpoint flips under way, past the checks of the link.
#[test]
fn a_checkpoint_of_which_a_piece_is_damaged_is_refused_and_fetched_again() {
    fn play<M: Spoken>() {
        for seed in 0..5 {
            let damaging = Subject {
                dataflow: Rc::new(|mut inputs, config| {
                    let mut role = Role::new("damage", inputs.graph, 0_u64);
                    let (send, damaged) = role.output();
                    role.on(inputs.messages, move |pieces, (from, mut message)| {
                        if let Some(CatchUp::Pieces { pieces: all, .. }) = M::catch_up(&mut message)
                        {
                            *pieces += 1;
                            let piece = all.first_mut().filter(|_| *pieces == 1);
                            let byte = piece.and_then(|piece| {
                                let at = piece.bytes.len() / 2;
                                piece.bytes.get_mut(at)
                            });
                            byte.into_iter().for_each(|byte| *byte ^= 1);
                        }
                        send.send([(from, message)]);
                    });
                    role.build();
                    inputs.messages = damaged;
                    (M::PROTOCOL.dataflow)(inputs, config)
                }),
                ..whole::<M>()
            };
            let away = ReplicaId(2);
            let mut settings = settings(3, 4 * SECOND, 2_000);
            settings.config.chunk_bytes = 200;
            let mut world = World::<M>::new(&damaging, seed, settings, true);
            run(&mut world, 60 * MS);
            world.crash(away);
            run(&mut world, SECOND);
            world.restart(away);

            let stats = end(world, &format!("seed {seed}"));

            assert!(stats.counts.checkpoints_installed > 0, "seed {seed}: {stats:?}");
        }
    }
    each_protocol!(play);
}

/// TA-d and bug (e), for checkpoints: nobody hears of another's, so that none is stable.
#[test]
fn reports_that_were_missed_arrive_later() {
    fn play<M: Spoken>() {
        for seed in 0..5 {
            let settings = settings(3, 6 * SECOND, 3_000);
            let window = Slot(settings.config.window);
            let mut world = world::<M>(seed, settings);
            world.lose(|_, _, message| (M::PROTOCOL.kind)(message) == "Report");
            run(&mut world, 2 * SECOND);
            let case = format!("seed {seed}");
            assert_eq!(front(&world, 3), window, "{case}: a window is filled, and no more");

            world.lose_nothing();
            run(&mut world, 3 * SECOND);

            assert!(front(&world, 3) > window, "{case}: the reports were not said again");
            end(world, &case);
        }
    }
    each_protocol!(play);
}
