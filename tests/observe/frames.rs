//! Frames of embedded clusters, against what was done to them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use taraflow::dataflows::tara;
use taraflow::hosts::embedded::{Cluster, EmbeddedSettings};
use taraflow::kv::resp::write_command;
use taraflow::kv::service::KeyValue;
use taraflow::model::types::ReplicaId;
use taraflow::observe::frame::{Frame, Hold, Level, Operator};
use taraflow::observe::graph::EdgeKind;

use crate::support::{PATIENCE, wait_for, wait_until};

fn operator<'a>(frame: &'a Frame, name: &str) -> &'a Operator {
    frame.operators.iter().find(|operator| operator.name == name).unwrap()
}

/// The frames of all replicas, once each has executed `slots` slots and says so.
fn frames(cluster: &Cluster, requests: u64) -> Vec<Arc<Frame>> {
    let replicas = || (0..cluster.replicas() as u16).map(ReplicaId);
    wait_for("all replicas show what was executed", || {
        replicas().for_each(|replica| cluster.look(replica));
        let frames: Vec<_> = replicas().filter_map(|replica| cluster.frame(replica)).collect();
        let all = frames.iter().filter(|frame| frame.status.requests == requests).count();
        (all == cluster.replicas()).then_some(frames).ok_or_else(|| format!("{all} do"))
    })
}

fn served(requests: u64, outstanding: u64) -> (Cluster, Vec<Arc<Frame>>) {
    served_at(Level::Basic, requests, outstanding)
}

fn served_at(level: Level, requests: u64, outstanding: u64) -> (Cluster, Vec<Arc<Frame>>) {
    let mut settings = EmbeddedSettings::new(3);
    settings.observe = level;
    settings.config.client_window = outstanding;
    let cluster = Cluster::start(settings, tara::PROTOCOL, KeyValue::default).unwrap();
    let mut client = cluster.client();
    let mut command = Vec::new();
    write_command([&b"INCR"[..], b"counter"].into_iter(), &mut command);
    let mut done = 0;
    let mut sent = 0;
    while done < requests {
        while sent < requests && client.room() > 0 && (client.open() as u64) < outstanding {
            client.submit(&command).unwrap();
            sent += 1;
        }
        client.receive(PATIENCE, |_, _| done += 1);
    }
    // The client's session is a request of its own.
    let frames = frames(&cluster, requests + 1);
    (cluster, frames)
}

#[test]
fn records_sent_are_records_seen() {
    let (_cluster, frames) = served(1_000, 64);
    for frame in &frames {
        let mut given: BTreeMap<&str, u64> = BTreeMap::new();
        for channel in frame.channels.iter().filter(|channel| channel.kind != EdgeKind::Link) {
            *given.entry(&channel.to).or_default() += channel.sent;
            assert_eq!(channel.queued, 0, "nothing waits between two turns: {channel:?}");
        }
        for (to, given) in given {
            assert_eq!(operator(frame, to).records_in, given, "{to}");
        }
    }
}

#[test]
fn each_slot_passes_every_role_of_every_replica_once() {
    let (_cluster, frames) = served(300, 1);
    let slots = frames[0].status.executed.0;
    for frame in &frames {
        assert_eq!(frame.status.executed.0, slots);
        let ordered = frame.channels.iter().find(|c| (&*c.from, &*c.to) == ("release", "executor"));
        assert_eq!(ordered.unwrap().sent, slots);
        assert_eq!(operator(frame, "executor").frontier.unwrap().0, slots);
        let accepted = frame.channels.iter().find(|c| {
            (&*c.from, &*c.to) == ("committer", "learner") && c.kind == EdgeKind::Forward
        });
        assert_eq!(accepted.unwrap().sent, slots);
        assert_eq!(frame.lost, 0);
    }
}

#[test]
fn timely_s_own_log_shows_its_operators_and_who_holds_each_frontier() {
    let (_cluster, frames) = served_at(Level::Full, 300, 1);
    let slots = frames[0].status.executed.0;
    for frame in &frames {
        let inputs = frame.operators.iter().flat_map(|operator| &operator.inputs);
        let streams = frame.channels.iter().filter(|channel| channel.kind != EdgeKind::Link);
        assert!(inputs.clone().count() > streams.count(), "timely's own are among them");
        assert!(inputs.clone().all(|input| input.queued == 0), "nothing waits between two turns");
        let mut inputs = operator(frame, "executor").inputs.iter();
        let ordered = inputs.find(|input| input.from == ["release"]).unwrap();
        let [held] = &ordered.held.as_ref().unwrap()[..] else { panic!("{ordered:?}") };
        assert_eq!((&*held.time, &*held.by), (&*slots.to_string(), "release"));
        assert_eq!((held.what, held.count), (Hold::Capability, 1));
        for role in ["proposer", "committer", "learner"] {
            let held =
                operator(frame, role).inputs.iter().flat_map(|input| input.held.as_ref().unwrap());
            assert!(held.clone().all(|held| held.time == "0"), "where time stands still: {role}");
        }
        let own = frame.operators.iter().filter(|operator| operator.kind.is_none());
        assert!(own.clone().any(|operator| operator.runs > slots && operator.busy_us > 0));
        let records = |sum: u64, operator: &Operator| sum + operator.records_in;
        assert!(own.fold(0, records) >= slots, "records pass timely's own operators");
        let whole = operator(frame, "replica");
        assert!(whole.address.is_empty() && whole.progress >= slots, "{whole:?}");
    }
}

#[test]
fn the_observer_s_own_dataflows_are_shown_where_they_are_asked_for() {
    // To timely number 0 of a scope is what is outside it.
    let outside = |operator: &&Operator| operator.address.first() == Some(&0);
    let (_cluster, frames) = served_at(Level::Full, 100, 16);
    assert!(frames.iter().all(|frame| !frame.operators.iter().any(|known| outside(&known))));

    let (_cluster, frames) = served_at(Level::All, 100, 16);
    for frame in &frames {
        let own: Vec<_> = frame.operators.iter().filter(outside).collect();
        for dataflow in ["views", "waits"] {
            let whole = own.iter().find(|operator| operator.name.starts_with(dataflow)).unwrap();
            assert!(whole.runs > 0, "{whole:?}");
        }
        let counts = own.iter().find(|operator| operator.name.starts_with("Count"));
        assert!(counts.is_some_and(|counts| counts.records_in > 0), "{own:?}");
        let names: BTreeSet<_> = frame.operators.iter().map(|operator| &operator.name).collect();
        assert_eq!(names.len(), frame.operators.len());
        let role = operator(frame, "learner");
        assert!(!outside(&role) && role.runs > 0);
    }
}

#[test]
fn a_replica_that_is_not_watched_still_shows_how_it_stands() {
    let (cluster, frames) = served_at(Level::Off, 100, 16);
    for frame in &frames {
        assert_eq!((frame.level, frame.operators.len()), (Level::Off, 0));
        assert!(frame.status.executed.0 > 0);
    }
    wait_until("nothing is wrong", || cluster.scene().findings.is_empty());
}

#[test]
fn the_life_of_a_slot_is_remembered_by_every_replica() {
    let (cluster, frames) = served(100, 1);
    let leader = frames[0].status.leader.unwrap();
    for replica in (0..3).map(ReplicaId) {
        let past = cluster.shown(replica).past().unwrap();
        let lives = past.last(usize::MAX);
        assert_eq!(lives.len() as u64, frames[0].status.executed.0);
        for life in &lives {
            let batch = life.batch.as_ref().unwrap();
            assert_eq!(batch.requests, 1);
            assert_eq!(life.packed_at.is_some(), batch.id.source == replica);
            let (proposed, executed) = (life.proposed_at.unwrap(), life.executed_at.unwrap());
            assert!(life.packed_at.is_none_or(|packed| packed <= proposed || replica != leader));
            assert!(proposed <= executed, "{life:?}");
            let quorum = life.votes.iter().filter(|(_, at)| *at <= executed).count();
            assert!(quorum >= 2, "f + 1 votes came before it was executed: {life:?}");
        }
        let last = lives.last().unwrap();
        let run = &last.batch.as_ref().unwrap().runs[0];
        assert_eq!(past.of_request(run.client, run.last).as_slice(), std::slice::from_ref(last));
    }
}

#[test]
fn a_replica_that_has_ended_is_found_to_be_away_and_two_are_no_quorum() {
    let (mut cluster, _frames) = served(10, 1);
    wait_until("nothing is wrong", || cluster.scene().findings.is_empty());

    cluster.kill(ReplicaId(2));
    // Once the others have not heard it for a second.
    let found = |cluster: &Cluster, text: &str| {
        let findings = cluster.scene().findings;
        let worst = findings.first().filter(|worst| worst.text == text).cloned();
        worst.ok_or_else(|| format!("{findings:#?}"))
    };
    wait_for("it is away", || found(&cluster, "replica 2 does not take part: it has ended"));

    cluster.kill(ReplicaId(1));
    let text = "no quorum: 1 of 3 replicas are there, and 2 are needed";
    let finding = wait_for("there is no quorum", || found(&cluster, text));
    assert_eq!(finding.because[0], "missing: replicas 1 and 2");

    cluster.restart(ReplicaId(1)).unwrap();
    cluster.restart(ReplicaId(2)).unwrap();
    wait_until("nothing is wrong any more", || cluster.scene().findings.is_empty());
}
