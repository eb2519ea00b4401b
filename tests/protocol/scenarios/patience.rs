//! Leaders that are suspected when they should be, and no more often.

use taraflow::dataflows::tara::Message;
use taraflow::model::types::{ReplicaId, View};

use super::{MS, SECOND, end, front, run, settings, world};

/// TA-6: every message takes longer than the patience a first leader is given.
#[test]
fn a_cluster_slower_than_its_patience_gives_a_leader_the_time_it_needs() {
    for seed in 0..5 {
        let mut settings = settings(3, 10 * SECOND, 60);
        settings.config.suspect_after_ms = 40;
        (settings.network.delay_us, settings.network.jitter_us) = (100 * MS, 5 * MS);

        let stats = end(world::<Message>(seed, settings), &format!("seed {seed}"));

        assert!(stats.counts.suspicions > 0, "seed {seed}: it is not slower than its patience");
    }
}

/// TA-6: a replica goes away and takes requests with it that no leader has heard of.
#[test]
fn for_requests_of_a_replica_that_is_gone_no_leader_is_suspected() {
    for seed in 0..5 {
        let gone = ReplicaId(2);
        let mut world = world::<Message>(seed, settings(3, 12 * SECOND, 2_000));
        world.lose(move |from, _, message| from == gone && matches!(message, Message::Forward(_)));
        run(&mut world, 200 * MS);
        world.crash(gone);
        world.lose_nothing();

        run(&mut world, 10 * SECOND);

        let suspicions = world.stats().counts.suspicions;
        assert_eq!(suspicions, 0, "seed {seed}");
        end(world, &format!("seed {seed}"));
    }
}

/// TA-10: each replica in turn has led, has proposed what the clients of one replica ask, and has
/// lost it to the noop of the leader after it. Whoever leads next must not take it for proposed.
#[test]
fn what_every_leader_has_proposed_in_vain_is_proposed_again() {
    for seed in 0..5 {
        let mut settings = settings(3, 12 * SECOND, 200);
        settings.clients = 2;
        let mut world = world::<Message>(seed, settings);
        world.lose(|from, _, message| match message {
            Message::Propose(proposal) => proposal.view < View(3) && proposal.value.is_some(),
            // The account of the leader before would show what it has proposed.
            Message::Record(record) => {
                record.view < View(4) && View(record.view.0.saturating_sub(1)).leader(3) == from
            }
            _ => false,
        });
        run(&mut world, 5 * SECOND);
        let case = format!("seed {seed}");
        assert!(
            world.view(ReplicaId(0)) >= Some(View(3)),
            "{case}: {:?}",
            world.view(ReplicaId(0))
        );
        assert!(world.answered() > 0, "{case}: {} slots, and nothing answered", front(&world, 3));
        world.lose_nothing();
        run(&mut world, 3 * SECOND);
        let led = world.view(ReplicaId(0));
        run(&mut world, 3 * SECOND);

        assert_eq!(world.view(ReplicaId(0)), led, "{case}: some still wait for what was lost");
        end(world, &case);
    }
}
