use std::sync::Arc;

use super::*;
use crate::engine::activity::Stuck;
use crate::model::events::Wait;
use crate::model::types::{Slot, View};
use crate::observe::frame::{Blame, Frame, RoleHolding};
use crate::observe::health;
use crate::observe::scene::{LastWords, Scene, Sighting};
use crate::observe::status::{DiskStatus, Link, ReplicaRole, ReplicaStatus};
use crate::observe::verdict::Verdict;

/// Three replicas that hear each other and follow replica 0, at slot 1,000,000.
fn scene() -> Vec<Sighting> {
    let link = |peer| Link {
        peer: ReplicaId(peer),
        up: true,
        connects: 1,
        sent: 0,
        sent_bytes: 0,
        dropped: 0,
        queued_bytes: 0,
        queued_bytes_max: 32 << 20,
        last_fault: None,
        heard_ms_ago: Some(10),
        peer_executed: Some(Slot(1_000_000)),
    };
    let sighting = |replica: u16| {
        let role = if replica == 0 { ReplicaRole::Leader } else { ReplicaRole::Follower };
        let links = (0..3).filter(|peer| *peer != replica).map(link).collect();
        let (replica, executed) = (ReplicaId(replica), Slot(1_000_000));
        let status = ReplicaStatus { replica, role, executed, links, ..ReplicaStatus::example() };
        let frame = Some(Arc::new(Frame::unwatched(status, 1, 0)));
        Sighting { replica, frame, ..Sighting::default() }
    };
    (0..3).map(sighting).collect()
}

fn change(scene: &mut [Sighting], replica: usize, change: impl FnOnce(&mut Frame)) {
    change(Arc::make_mut(scene[replica].frame.as_mut().unwrap()));
}

/// `by` has not heard `from` for five seconds.
fn deafen(scene: &mut [Sighting], by: usize, from: u16) {
    change(scene, by, |frame| {
        let mut links = frame.status.links.iter_mut();
        links.find(|link| link.peer.0 == from).unwrap().heard_ms_ago = Some(5_000);
    });
}

fn stick(sighting: &mut Sighting, checkpoint: bool) {
    let stuck = Stuck { operator: Some("executor".to_owned()), for_us: 3_200_000, checkpoint };
    sighting.silence = Some(stuck.to_string());
    sighting.stuck = Some(stuck);
}

fn judge(scene: Vec<Sighting>) -> (Verdict, Vec<Finding>) {
    let scene = Scene::of(scene, 0);
    (scene.verdict, scene.findings)
}

fn codes(findings: &[Finding]) -> Vec<Code> {
    findings.iter().map(|finding| finding.code).collect()
}

#[test]
fn a_cluster_that_follows_its_leader_and_waits_for_nothing_is_healthy_and_says_for_how_long_it_idles()
 {
    let mut replicas = scene();
    change(&mut replicas, 1, |frame| frame.status.executed_ms_ago = Some(600_000));

    let scene = Scene::of(replicas, 0);

    assert_eq!((scene.verdict, &scene.findings[..]), (Verdict::Healthy, &[][..]));
    let said = "healthy: nothing is wrong: 3 replicas, replica 0 leads view 0, slot 1000000, idle for 10 min";
    assert_eq!(scene.headline(), said);
}

#[test]
fn a_leader_that_too_few_hear_or_that_hears_too_few_is_none() {
    for (one, two) in [((1, 0), (2, 0)), ((0, 1), (0, 2)), ((0, 1), (2, 0))] {
        let mut scene = scene();
        deafen(&mut scene, one.0, one.1);
        assert_ne!(judge(scene.clone()).0, Verdict::Down, "one of two followers is enough");

        deafen(&mut scene, two.0, two.1);
        let (verdict, findings) = judge(scene);

        assert_eq!(verdict, Verdict::Down, "{findings:#?}");
        assert!(findings[0].text.contains("only 1 of 3 replicas take part"), "{findings:#?}");
        assert!(findings[0].because[0].contains("receives nothing from replica"), "{findings:#?}");
    }
}

/// Replica 0 is gone, and the others heard it so many milliseconds ago, by the latest that they
/// show.
fn without_leader(heard_ms_ago: u64) -> Vec<Sighting> {
    let mut scene = scene();
    for replica in [1, 2] {
        change(&mut scene, replica, |frame| {
            let link = frame.status.links.iter_mut().find(|link| link.peer == ReplicaId(0));
            let link = link.unwrap();
            (link.up, link.heard_ms_ago) = (false, Some(heard_ms_ago));
            frame.status.up_ms = 60_000;
        });
    }
    let silence = Some("connection refused".to_owned());
    scene[0] = Sighting { silence, ..Sighting::default() };
    scene
}

#[test]
fn a_replica_that_reads_its_disk_is_starting_and_the_others_may_still_have_heard_it() {
    let mut scene = scene();
    scene[2] = Sighting {
        replica: ReplicaId(2),
        silence: Some(health::STARTING.to_owned()),
        starting: true,
        ..Sighting::default()
    };

    let (verdict, findings) = judge(scene.clone());

    assert_eq!((verdict, codes(&findings)), (Verdict::Degraded, vec![Code::Away]));
    assert_eq!(findings[0].text, "replica 2 is starting: it reads its disk");

    for replica in [0, 1] {
        scene[replica] = Sighting { replica: ReplicaId(replica as u16), ..scene[2].clone() };
    }
    let (verdict, findings) = judge(scene);
    assert_eq!(verdict, Verdict::Down, "it can be asked, and nothing is answered");
    assert!(findings[0].text.starts_with("the cluster is starting: 0 of 3"), "{findings:#?}");
    assert!(findings[0].because[1].contains("replica 0: it is starting"), "{findings:#?}");
}

#[test]
fn replicas_that_have_just_started_may_not_have_heard_the_others_yet() {
    let mut scene = scene();
    for replica in [0, 2] {
        let silence = Some("nothing has been heard of it".to_owned());
        scene[replica] = Sighting { silence, ..Sighting::default() };
    }
    change(&mut scene, 1, |frame| {
        frame.status.up_ms = 300;
        frame.status.links.iter_mut().for_each(|link| link.heard_ms_ago = None);
    });

    let (verdict, findings) = judge(scene.clone());

    assert_eq!(verdict, Verdict::Degraded);
    let said = "the cluster is starting: 1 of 3 replicas are there, and 2 are needed";
    assert_eq!(findings[0].text, said);

    change(&mut scene, 1, |frame| frame.status.up_ms = 60_000);
    assert_eq!(judge(scene).0, Verdict::Down);
}

/// One that is quick and has room.
fn disk() -> DiskStatus {
    DiskStatus {
        syncs: 10,
        groups: 10,
        median_us: 200,
        p99_us: 400,
        mean_us: 200,
        max_us: 500,
        recent_syncs: 50,
        recent_median_us: 200,
        recent_p99_us: 400,
        syncing_us: 0,
        full: false,
        saving: None,
    }
}

#[test]
fn where_too_many_disks_are_full_that_is_what_is_wrong_and_not_what_follows() {
    let mut scene = scene();
    let fill = |scene: &mut [Sighting], replica| {
        change(scene, replica, |frame| {
            (frame.status.disk, frame.status.fenced) =
                (Some(DiskStatus { full: true, ..disk() }), true);
            frame.status.role = ReplicaRole::Follower;
        });
    };
    fill(&mut scene, 1);
    assert_eq!(judge(scene.clone()).0, Verdict::Degraded, "two of three are enough");

    fill(&mut scene, 0);
    let (verdict, findings) = judge(scene);

    assert_eq!(verdict, Verdict::Down);
    let said = "nothing is executed: the disks of replicas 0 and 1 are full: make room";
    assert_eq!(findings[0].text, said);
    assert!(findings[1..].iter().all(|it| it.code == Code::Fenced), "{findings:#?}");
}

#[test]
fn settings_that_differ_are_told_once() {
    let mut scene = scene();
    for (replica, other) in [(0, 2), (2, 0)] {
        let how = "suspect_after_ms is 500 on replica 2 and 300 on replica 0".to_owned();
        change(&mut scene, replica, |frame| {
            frame.status.differ.insert(ReplicaId(other), how);
        });
    }

    let (verdict, findings) = judge(scene);

    assert_eq!((verdict, codes(&findings)), (Verdict::Degraded, vec![Code::Differ]));
    assert!(findings[0].text.contains("suspect_after_ms is 500 on replica 2"), "{findings:#?}");
}

#[test]
fn one_that_stays_far_behind_where_nothing_is_executed_is_lagging() {
    let mut scene = scene();
    change(&mut scene, 2, |frame| frame.status.executed = Slot(1_000_000 - 947));
    for replica in [0, 1] {
        change(&mut scene, replica, |frame| {
            let mut links = frame.status.links.iter_mut();
            let link = links.find(|link| link.peer == ReplicaId(2)).unwrap();
            link.peer_executed = Some(Slot(1_000_000 - 947));
        });
    }

    let (verdict, findings) = judge(scene);

    assert_eq!((verdict, codes(&findings)), (Verdict::Degraded, vec![Code::Lagging]));
}

#[test]
fn a_leader_that_was_lost_a_moment_ago_is_being_replaced_and_the_cluster_is_not_down() {
    let (verdict, findings) = judge(without_leader(500));

    assert_eq!(verdict, Verdict::Degraded, "{findings:#?}");
    assert_eq!(findings[0].code, Code::NoLeader, "{findings:#?}");
    assert_eq!(findings[0].text, "the leader is changing: nobody has led for 500 ms");
    assert!(findings[0].because[0].contains("connection refused"), "{findings:#?}");

    let (verdict, findings) = judge(without_leader(5_000));
    assert_eq!(verdict, Verdict::Down);
    assert_eq!(findings[0].text, "nobody leads view 0, which replica 0 is to lead");
}

#[test]
fn what_was_executed_a_moment_ago_had_a_leader() {
    let mut scene = without_leader(5_000);
    change(&mut scene, 2, |frame| frame.status.executed_ms_ago = Some(400));

    assert_eq!(judge(scene.clone()).0, Verdict::Degraded);

    change(&mut scene, 2, |frame| frame.status.executed_ms_ago = Some(4_000));
    assert_eq!(judge(scene).0, Verdict::Down);
}

#[test]
fn a_candidate_has_as_long_as_the_leader_it_replaces() {
    let mut scene = without_leader(500);
    for replica in [1, 2] {
        change(&mut scene, replica, |frame| frame.status.view = View(1));
    }
    change(&mut scene, 1, |frame| frame.status.role = ReplicaRole::Candidate);
    assert_eq!(judge(scene.clone()).0, Verdict::Degraded);

    for replica in [1, 2] {
        change(&mut scene, replica, |frame| {
            let mut links = frame.status.links.iter_mut();
            links.find(|link| link.peer == ReplicaId(0)).unwrap().heard_ms_ago = Some(2_000);
        });
    }
    assert_eq!(judge(scene).0, Verdict::Down, "it does not get to lead");
}

#[test]
fn a_checkpoint_that_all_replicas_cut_is_a_pause_and_no_lost_quorum() {
    let mut scene = scene();
    scene.iter_mut().for_each(|sighting| stick(sighting, true));

    let (verdict, findings) = judge(scene.clone());

    assert_eq!(verdict, Verdict::Degraded, "{findings:#?}");
    assert_eq!(findings[0].text, "requests wait while replicas 0, 1 and 2 cut a checkpoint");
    assert!(findings.iter().all(|finding| !finding.text.contains("quorum")), "{findings:#?}");
    assert!(findings[1].text.starts_with("replica 0 has been cutting a checkpoint for 3.2 s"));

    scene[0].stuck.as_mut().unwrap().for_us = 60_000_000;
    assert_eq!(judge(scene).0, Verdict::Down, "a minute is no pause");
}

#[test]
fn a_leader_that_cuts_a_checkpoint_still_leads() {
    let mut scene = scene();
    stick(&mut scene[0], true);

    let (verdict, findings) = judge(scene);

    assert_eq!(
        (verdict, codes(&findings)),
        (Verdict::Degraded, vec![Code::Stuck]),
        "{findings:#?}"
    );
}

#[test]
fn an_application_that_hangs_on_too_many_replicas_stops_the_cluster() {
    let mut scene = scene();
    stick(&mut scene[1], false);
    assert_eq!(judge(scene.clone()).0, Verdict::Degraded);

    stick(&mut scene[2], false);
    let (verdict, findings) = judge(scene);

    assert_eq!(verdict, Verdict::Down);
    assert_eq!(findings[0].text, "nothing is executed: replicas 1 and 2 are stuck");
}

#[test]
fn frames_of_different_ages_are_no_lag() {
    let mut scene = scene();
    change(&mut scene, 0, |frame| {
        frame.status.executed = Slot(1_034_524);
        frame.slot_rate = 34_524.0;
        frame.status.links[0].peer_executed = Some(Slot(1_034_500));
    });
    scene[1].age_us = 1_000_000;
    change(&mut scene, 1, |frame| frame.slot_rate = 34_524.0);
    scene[2].age_us = 1_000_000;
    change(&mut scene, 2, |frame| frame.slot_rate = 34_524.0);

    assert_eq!(judge(scene).1, []);
}

#[test]
fn a_lag_that_does_not_grow_is_no_finding_and_hides_no_slow_disk() {
    let mut scene = scene();
    for replica in 0..3 {
        change(&mut scene, replica, |frame| frame.slot_rate = 576.0);
    }
    change(&mut scene, 2, |frame| {
        frame.status.executed = Slot(997_000);
        frame.status.disk =
            Some(DiskStatus { recent_median_us: 150_000, recent_p99_us: 200_000, ..disk() });
    });
    change(&mut scene, 0, |frame| frame.status.links[1].peer_executed = Some(Slot(997_000)));
    let (_, findings) = judge(scene.clone());
    assert_eq!(codes(&findings), [Code::SlowDisk], "{findings:#?}");

    change(&mut scene, 2, |frame| frame.slot_rate = 300.0);
    let (_, findings) = judge(scene);
    assert_eq!(codes(&findings), [Code::SlowDisk, Code::Lagging]);
    assert!(findings[1].text.contains("3000 slots behind, at 300 slots a second"), "{findings:#?}");
    assert!(findings[1].because[0].contains("the disk of replica 2 is slow"), "{findings:#?}");
}

#[test]
fn a_replica_without_a_port_for_clients_refuses_none() {
    let mut scene = scene();
    change(&mut scene, 1, |frame| {
        let clients = &mut frame.status.clients;
        (clients.redis, clients.native, clients.max) = (0, 0, 0);
    });
    assert_eq!(codes(&judge(scene).1), []);
}

#[test]
fn clients_that_are_refused_or_not_answered_are_told() {
    let mut scene = scene();
    change(&mut scene, 1, |frame| {
        let clients = &mut frame.status.clients;
        (clients.redis, clients.max, clients.refused_ms_ago) = (10, 10, Some(500));
        (clients.unknown, clients.unknown_ms_ago) = (42, Some(3_000));
    });

    let (verdict, findings) = judge(scene.clone());

    assert_eq!(verdict, Verdict::Degraded);
    assert_eq!(codes(&findings), [Code::Unanswered, Code::RefusesClients], "{findings:#?}");
    assert!(findings[0].text.contains("42 of their requests ended with UNKNOWN, the last 3 s ago"));
    assert_eq!(findings[1].text, "replica 1 refuses Redis clients: 10 are connected");

    change(&mut scene, 1, |frame| {
        let clients = &mut frame.status.clients;
        (clients.redis, clients.refused_ms_ago) = (3, Some(60_000));
        clients.unknown_ms_ago = Some(60_000);
    });
    assert_eq!(judge(scene).1, [], "what is over for a minute is over");
}

#[test]
fn requests_of_one_replica_that_wait_while_others_go_on_are_told_from_a_cluster_that_stands() {
    let mut scene = scene();
    change(&mut scene, 1, |frame| {
        frame.holdings.push(RoleHolding {
            role: "request_source".to_owned(),
            slot: None,
            held: 3,
            bytes: 0,
            wait: Wait::Proposal(ReplicaId(0)),
            waited_us: 5_000_000,
            refused: Default::default(),
        });
        frame.blame.push(Blame {
            operator: "learner".to_owned(),
            replica: None,
            slot: None,
            text: "learner waits for nothing".to_owned(),
        });
        frame.holdings.push(RoleHolding {
            role: "learner".to_owned(),
            slot: None,
            held: 0,
            bytes: 0,
            wait: Wait::Nothing,
            waited_us: 0,
            refused: Default::default(),
        });
    });
    let (verdict, findings) = judge(scene.clone());
    assert_eq!((verdict, codes(&findings)), (Verdict::Down, vec![Code::Stalled]));
    assert!(!findings[0].because.iter().any(|why| why.contains("for nothing")), "{findings:#?}");

    change(&mut scene, 2, |frame| frame.status.executed_ms_ago = Some(20));
    let (verdict, findings) = judge(scene);
    assert_eq!(verdict, Verdict::Degraded);
    assert!(findings[0].text.starts_with("requests of replica 1's clients wait"), "{findings:#?}");
}

#[test]
fn why_a_process_ended_is_told_by_its_log() {
    let mut scene = scene();
    for replica in [0, 1] {
        deafen(&mut scene, replica, 2);
    }
    scene[2] = Sighting {
        replica: ReplicaId(2),
        silence: Some("connection refused".to_owned()),
        last_words: LastWords {
            end: Some("its disk holds no journal".to_owned()),
            panic: Some(("a bug: panicked at src/x.rs:1:2".to_owned(), 7)),
            trouble: None,
        },
        ..Sighting::default()
    };

    let (verdict, findings) = judge(scene.clone());

    assert_eq!(verdict, Verdict::Degraded);
    assert_eq!(codes(&findings), [Code::Panicked, Code::Away], "{findings:#?}");
    assert_eq!(findings[0].text, "replica 2 panicked 7 s ago, and is not back");
    assert_eq!(findings[1].text, "replica 2 does not take part: connection refused");
    assert_eq!(findings[1].because, ["its log ends: its disk holds no journal"]);

    scene[2].last_words.trouble = Some("ends again and again; mend it".to_owned());
    let (_, findings) = judge(scene);
    assert_eq!(findings[1].because, ["its supervisor says: it ends again and again; mend it"]);
}

#[test]
fn who_has_ended_is_away_however_lately_it_was_heard_and_who_is_only_heard_is_told() {
    let mut scene = scene();
    (scene[2].silence, scene[2].ended) = (Some("it has ended".to_owned()), true);
    assert_eq!(codes(&judge(scene.clone()).1), [Code::Away]);

    scene[2].ended = false;
    let (verdict, findings) = judge(scene);
    assert_eq!((verdict, codes(&findings)), (Verdict::Degraded, vec![Code::Unseen]));
}
