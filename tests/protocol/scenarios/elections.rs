//! Leaders of Multi-Paxos: those that are replaced, those that must not be, and what a new one must
//! not do.

use taraflow::dataflows::multipaxos::{Accept, Chosen, Heartbeat, Message};
use taraflow::hosts::simulation::{Act, WorldSettings};
use taraflow::model::types::{ReplicaId, Slot, View};

use super::{MS, SECOND, World, end, front, run, settings, world};
use crate::spoken::{Spoken, each_with_leaders};

const LEADER: ReplicaId = ReplicaId(0);

/// The view of all replicas, if they are in the same.
fn view<M: Spoken>(world: &World<M>, n: usize) -> Option<View> {
    let mut views = super::replicas(n).map(|replica| world.view(replica).unwrap_or_default());
    let first = views.next()?;
    views.all(|view| view == first).then_some(first)
}

fn few(seed: u64, n: usize, script_us: u64) -> World<Message> {
    let mut settings = settings(n, script_us, 4_000);
    (settings.clients, settings.pipeline) = (3, 1);
    let mut world = world::<Message>(seed, settings);
    run(&mut world, 300 * MS);
    world
}

/// Pre-vote: a replica that was away hears the leader again before anybody hears it.
#[test]
fn a_replica_that_comes_back_deposes_nobody() {
    for seed in 0..3 {
        let mut world = few(seed, 3, 12 * SECOND);
        let away = ReplicaId(2);
        for _ in 0..3 {
            let until = world.now() + 2 * SECOND;
            world.links().cut(until, |from, to| from == away || to == away);
            run(&mut world, 3 * SECOND);
        }
        assert_eq!(view(&world, 3), Some(View(0)), "seed {seed}");
        end(world, &format!("seed {seed}"));
    }
}

/// The same of one that goes on hearing some, and is heard by all: only the leader is out of its
/// reach, either way or in one.
#[test]
fn a_replica_that_alone_does_not_hear_the_leader_deposes_nobody() {
    for seed in 0..3 {
        let mut world = few(seed, 5, 12 * SECOND);
        let deaf = ReplicaId(2);
        let until = world.now() + 5 * SECOND;
        world.links().cut(until, |from, to| from == LEADER && to == deaf);
        run(&mut world, 6 * SECOND);
        let case = format!("seed {seed}");
        assert_eq!(view(&world, 5), Some(View(0)), "{case}");
        assert!(world.stats().counts.suspicions > 0, "{case}: it has missed nothing");
        end(world, &case);
    }
}

/// A leader that is heard and hears nobody would have all wait for ever.
#[test]
fn a_leader_that_hears_nobody_is_replaced() {
    fn play<M: Spoken>() {
        for seed in 0..3 {
            let mut world = world::<M>(seed, settings(3, 8 * SECOND, 20_000));
            run(&mut world, 300 * MS);
            let until = world.now() + 6 * SECOND;
            world.links().cut(until, |_, to| to == LEADER);
            run(&mut world, 3 * SECOND);
            let (case, before) = (format!("seed {seed}"), front(&world, 3));
            run(&mut world, SECOND);
            assert!(front(&world, 3) > before, "{case}: it still leads");
            end(world, &case);
        }
    }
    each_with_leaders!(play);
}

/// Heartbeats wait for the disk: a leader whose syncs do not end falls silent.
#[test]
fn a_leader_whose_disk_hangs_is_replaced() {
    for seed in 0..3 {
        let mut world = few(seed, 3, 8 * SECOND);
        let until = world.now() + 5 * SECOND;
        world.act(Act::SlowDisk, LEADER, until);
        run(&mut world, 2 * SECOND);
        let case = format!("seed {seed}");
        let led = world.view(ReplicaId(1)).unwrap_or_default();
        assert!(led > View(0) && led.leader(3) != LEADER, "{case}: view {led}");
        end(world, &case);
    }
}

/// Who is about to end says so, and nobody waits for its silence.
#[test]
fn a_leader_that_ends_hands_over_within_a_fraction_of_the_patience() {
    for seed in 0..3 {
        let mut world = few(seed, 3, 4 * SECOND);
        world.resign(LEADER);
        run(&mut world, 60 * MS);
        let (case, led) = (format!("seed {seed}"), view(&world, 3));
        assert!(led > Some(View(0)), "{case}: {led:?}");
        run(&mut world, 2 * SECOND);
        assert_eq!(view(&world, 3), led, "{case}");
        end(world, &case);
    }
}

/// MP-10: a leader that was cut off learns that its time is over, and leads no longer.
#[test]
fn a_leader_that_was_deposed_follows() {
    for seed in 0..3 {
        let mut world = few(seed, 3, 6 * SECOND);
        let until = world.now() + 2 * SECOND;
        world.links().cut(until, |from, to| from == LEADER || to == LEADER);
        run(&mut world, 2 * SECOND + 200 * MS);
        let led = view(&world, 3);
        assert!(led > Some(View(0)), "seed {seed}: {led:?}");
        end(world, &format!("seed {seed}"));
    }
}

/// MP-a: those who are left know what is chosen, and have executed it: the new leader hears of no
/// open slot, and begins behind the last.
#[test]
fn a_new_leader_does_not_use_a_slot_that_all_it_hears_of_have_executed() {
    for seed in 0..3 {
        let mut settings = settings(3, 6 * SECOND, 60);
        (settings.clients, settings.pipeline) = (2, 1);
        let mut world = world::<Message>(seed, settings);
        run(&mut world, SECOND);
        let case = format!("seed {seed}");
        let used = front(&world, 3);
        assert!(used > Slot(30) && world.executed(ReplicaId(2)) == used, "{case}: {used}");
        world.crash(LEADER);
        run(&mut world, 2 * SECOND);
        assert_eq!(world.view(ReplicaId(2)), Some(View(1)), "{case}");
        assert_eq!(front(&world, 3), used.next(), "{case}: a noop behind it");
        end(world, &case);
    }
}

/// MP-b: the new leader is behind the others' checkpoints. It fetches one, and proposes nothing that
/// it covers.
#[test]
fn a_new_leader_that_is_behind_a_checkpoint_fetches_it() {
    for seed in 0..3 {
        let mut settings = settings(5, 9 * SECOND, 20_000);
        settings.config.checkpoint_every = 16;
        settings.config.window = 64;
        let mut world = world::<Message>(seed, settings);
        run(&mut world, 200 * MS);
        let behind = ReplicaId(1);
        let until = world.now() + 2 * SECOND;
        world.links().cut(until, |from, to| from == behind || to == behind);
        run(&mut world, 2 * SECOND - 20 * MS);
        let case = format!("seed {seed}");
        assert!(world.executed(behind).0 + 128 < front(&world, 5).0, "{case}: it is not behind");
        world.crash(LEADER);
        let others_wait = move |from: ReplicaId, _: ReplicaId, message: &Message| {
            from != behind && matches!(message, Message::PreVote(_))
        };
        world.lose(others_wait);
        let before = front(&world, 5);
        run(&mut world, 3 * SECOND);
        assert_eq!(world.view(ReplicaId(2)), Some(View(1)), "{case}");
        assert!(front(&world, 5) > before, "{case}: it does not lead");
        assert!(world.stats().counts.checkpoints_installed > 0, "{case}");
        world.lose_nothing();
        end(world, &case);
    }
}

/// MP-c: the commit index of a new leader passes slots for which a follower has accepted something
/// of the old one's, and nothing of the new one's.
#[test]
fn an_index_does_not_decide_what_was_accepted_in_another_ballot() {
    for seed in 0..3 {
        let stale = ReplicaId(4);
        let mut world = few(seed, 5, 8 * SECOND);
        // What the old leader proposes last reaches one other.
        world.lose(move |from, to, message| {
            from == LEADER && to != stale && matches!(message, Message::Accept(_))
        });
        run(&mut world, 40 * MS);
        let case = format!("seed {seed}");
        let stuck = world.executed(stale);
        world.crash(LEADER);
        // The new one does not hear of that, and what it proposes does not get there. Its index does.
        world.lose(move |from, to, message| match message {
            Message::Promise(_) => from == stale,
            Message::Accept(_) | Message::Renew(_) | Message::CatchUp(_) => to == stale,
            _ => false,
        });
        run(&mut world, 2 * SECOND);
        assert!(front(&world, 5).0 > stuck.0 + 10, "{case}: nobody leads");
        assert!(world.view(stale) > Some(View(0)), "{case}: it does not hear the new leader");
        assert!(world.executed(stale).0 <= stuck.0 + 1, "{case}: it has executed what it had");
        world.lose_nothing();
        end(world, &case);
    }
}

/// MP-3: an index that is lost comes again with a heartbeat, though nothing more is proposed.
#[test]
fn an_index_that_was_lost_comes_with_a_heartbeat() {
    for seed in 0..3 {
        let mut settings = WorldSettings { operations: 20, ..settings(3, 4 * SECOND, 20) };
        settings.clients = 1;
        let mut world = world::<Message>(seed, settings);
        world.lose(|_, _, message| matches!(message, Message::Chosen(_) | Message::CatchUp(_)));
        run(&mut world, 3 * SECOND);
        let all: Vec<Slot> = super::replicas(3).map(|replica| world.executed(replica)).collect();
        assert!(all[0] > Slot(0) && all.iter().all(|own| *own == all[0]), "seed {seed}: {all:?}");
        world.lose_nothing();
        end(world, &format!("seed {seed}"));
    }
}

/// A follower whose index names a slot of which it has no entry fetches it.
#[test]
fn what_a_follower_never_accepted_it_fetches() {
    for seed in 0..3 {
        let deaf = ReplicaId(2);
        let mut world = few(seed, 3, 5 * SECOND);
        world.lose(move |_, to, message| {
            let is_accept = matches!(message, Message::Accept(Accept { .. }));
            to == deaf && is_accept
        });
        run(&mut world, 2 * SECOND);
        let (own, all) = (world.executed(deaf), front(&world, 3));
        assert!(own.0 + 500 > all.0 && own > Slot(50), "seed {seed}: {own} of {all}");
        world.lose_nothing();
        end(world, &format!("seed {seed}"));
    }
}

/// The index of a ballot is silent about what was decided before it.
#[test]
fn an_index_begins_where_its_ballot_does() {
    for seed in 0..3 {
        let mut world = few(seed, 3, 5 * SECOND);
        let before = front(&world, 3);
        world.lose(move |_, _, message| match message {
            Message::Chosen(chosen) | Message::Heartbeat(Heartbeat { chosen, .. }) => {
                let Chosen { ballot, from, .. } = *chosen;
                assert!(ballot == View(0) || from >= before, "{chosen:?} with {before} executed");
                false
            }
            _ => false,
        });
        world.crash(LEADER);
        run(&mut world, 2 * SECOND);
        assert!(front(&world, 3) > before, "seed {seed}: nobody leads");
        world.restart(LEADER);
        world.lose_nothing();
        end(world, &format!("seed {seed}"));
    }
}
