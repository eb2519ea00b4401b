//! Leaders that die with their work half done.

use taraflow::dataflows::tara::Message;
use taraflow::engine::ordering::messages::Proposal;
use taraflow::model::types::ReplicaId;

use super::{MS, SECOND, end, front, run, settings, world};

const LEADER: ReplicaId = ReplicaId(0);

/// TA-a and bug (a): the slot was accepted by the leader that dies and by one other committer.
#[test]
fn a_slot_accepted_by_one_committer_is_proposed_again_and_all_pass_it() {
    for seed in 0..5 {
        let mut world = world::<Message>(seed, settings(5, 6 * SECOND, 3_000));
        run(&mut world, 100 * MS);
        world.lose(|from, to, message| {
            from == LEADER && to != ReplicaId(1) && matches!(message, Message::Propose(_))
        });
        run(&mut world, 40 * MS);
        let stuck = front(&world, 5);
        world.crash(LEADER);
        world.lose_nothing();

        run(&mut world, 3 * SECOND);

        let case = format!("seed {seed}");
        for replica in (1..5).map(ReplicaId) {
            assert!(world.executed(replica) > stuck, "{case}: {replica} is stuck at {stuck}");
        }
        let stats = end(world, &case);
        assert!(stats.counts.recovered > 0, "{case}: nothing was proposed again");
    }
}

/// Bug (c): nobody but the leader that dies had accepted the slot, and all had accepted later ones.
#[test]
fn a_hole_is_filled_with_a_noop_that_executes_everywhere() {
    for seed in 0..5 {
        let mut world = world::<Message>(seed, settings(5, 6 * SECOND, 3_000));
        run(&mut world, 100 * MS);
        let mut hole = None;
        world.lose(move |_, _, message| match message {
            Message::Propose(proposal) => proposal.slot == *hole.get_or_insert(proposal.slot),
            _ => false,
        });
        run(&mut world, 30 * MS);
        let stuck = front(&world, 5);
        world.crash(LEADER);
        world.lose_nothing();

        run(&mut world, 3 * SECOND);

        let case = format!("seed {seed}");
        for replica in (1..5).map(ReplicaId) {
            assert!(world.executed(replica) > stuck, "{case}: {replica} is stuck at {stuck}");
        }
        // The old leader comes back with another value for the slot on its disk.
        world.restart(LEADER);
        let stats = end(world, &case);
        assert!(stats.counts.noops > 0, "{case}: no hole was filled");
        assert!(stats.counts.recovered > 1, "{case}: nothing above the hole was proposed again");
    }
}

/// The hole is where the first batch of a replica's new life was; the batches after it are
/// accepted, and must not be applied before it.
#[test]
fn a_life_is_applied_from_its_first_batch_on() {
    for seed in 0..5 {
        let mut settings = settings(5, 6 * SECOND, 3_000);
        (settings.clients, settings.lines) = (15, 5);
        settings.config.batch_requests_max = 1;
        let mut world = world::<Message>(seed, settings);
        run(&mut world, 100 * MS);
        for replica in [3, 4].map(ReplicaId) {
            world.crash(replica);
            world.restart(replica);
        }
        world.lose(|_, _, message| match message {
            Message::Propose(Proposal { value: Some(batch), .. }) => {
                batch.id.incarnation == 2 && batch.id.number == 1
            }
            _ => false,
        });
        run(&mut world, 250 * MS);
        world.crash(LEADER);
        world.lose_nothing();

        let case = format!("seed {seed}");
        let stats = end(world, &case);

        assert!(stats.counts.noops > 0, "{case}: no hole was filled");
        assert!(stats.counts.recovered > 0, "{case}: nothing above the hole was proposed again");
    }
}

/// TA-d and bug (e), for views: a replica without which there is no quorum hears no wish for a
/// view.
#[test]
fn wishes_for_a_view_that_one_replica_missed_reach_it_later() {
    for seed in 0..5 {
        let deaf = ReplicaId(2);
        let mut world = world::<Message>(seed, settings(3, 8 * SECOND, 3_000));
        world.lose(move |_, to, message| to == deaf && matches!(message, Message::View(_)));
        run(&mut world, 100 * MS);
        world.crash(LEADER);
        run(&mut world, 3 * SECOND);
        let stuck = front(&world, 3);
        run(&mut world, SECOND);
        let case = format!("seed {seed}");
        assert_eq!(front(&world, 3), stuck, "{case}: two replicas of three went on without it");

        world.lose_nothing();
        run(&mut world, SECOND);

        assert!(front(&world, 3) > stuck, "{case}: the wish was not said again");
        end(world, &case);
    }
}

/// requests are with the replica that led when it was cut off, are sent to others, executed
/// there, and then once more for the replica that comes back; twice over.
#[test]
fn a_request_sent_again_across_two_view_changes_has_one_reply() {
    for seed in 0..5 {
        let mut world = world::<Message>(seed, settings(3, 9 * SECOND, 4_000));
        for leader in [0, 1].map(ReplicaId) {
            run(&mut world, 150 * MS);
            let until = world.now() + 2 * SECOND;
            world.links().cut(until, |from, to| from == leader || to == leader);
            run(&mut world, 3 * SECOND);
        }

        let stats = end(world, &format!("seed {seed}"));

        assert!(stats.counts.view_changes >= 2, "seed {seed}: {stats:?}");
        assert!(stats.counts.duplicates > 0, "seed {seed}: nothing was sent again: {stats:?}");
    }
}
