//! A cluster in one process, whose replicas are killed, paused and restarted.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use taraflow::client::RequestOutcome;
use taraflow::dataflows::tara;
use taraflow::hosts::embedded::{Client, Cluster, EmbeddedSettings, Status, Storage};
use taraflow::kv::resp::write_command;
use taraflow::kv::service::KeyValue;
use taraflow::model::checkpoint::Digest;
use taraflow::model::error::Error;
use taraflow::model::types::{ReplicaId, Slot};

use crate::support::{PATIENCE, wait_until};

fn settings(n: usize) -> EmbeddedSettings {
    let mut settings = EmbeddedSettings::new(n);
    settings.config.checkpoint_every = 20;
    settings.config.window = 80;
    settings.deadline = PATIENCE;
    settings
}

fn started(settings: EmbeddedSettings) -> Cluster {
    Cluster::start(settings, tara::PROTOCOL, KeyValue::default).unwrap()
}

fn command(words: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_command(words.iter().map(|word| word.as_bytes()), &mut bytes);
    bytes
}

fn replicas(cluster: &Cluster) -> impl Iterator<Item = ReplicaId> + use<> {
    (0..cluster.replicas() as u16).map(ReplicaId)
}

/// The digests of all replicas, once all have executed the same slots.
fn digests(cluster: &Cluster) -> BTreeMap<ReplicaId, (Slot, Digest)> {
    let mut found = BTreeMap::new();
    wait_until("all replicas executed the same slots", || {
        replicas(cluster).for_each(|replica| cluster.look(replica));
        let digest = |replica| Some((replica, cluster.status(replica).digest?));
        found = replicas(cluster).filter_map(digest).collect();
        let mut slots = found.values().map(|(slot, _)| *slot);
        let first = slots.next();
        found.len() == cluster.replicas() && slots.all(|slot| Some(slot) == first)
    });
    found
}

fn assert_equal(digests: &BTreeMap<ReplicaId, (Slot, Digest)>) {
    let first = digests.values().next();
    assert!(digests.values().all(|digest| Some(digest) == first), "{digests:?}");
}

/// Increments `keys` counters in turn, `count` times in all, with up to `outstanding` open, and
/// calls `at` before each request. Asserts that each number is answered once.
fn increment(
    client: &mut Client,
    count: usize,
    outstanding: usize,
    keys: usize,
    mut at: impl FnMut(usize),
) {
    let mut answered = vec![false; count + 1];
    let mut first = None;
    let mut done = 0;
    let mut asked = 0;
    let end = Instant::now() + PATIENCE;
    while done < count {
        while asked < count && client.open() < outstanding && client.room() > 0 {
            at(asked);
            let key = format!("counter:{}", asked % keys);
            let number = client.submit(&command(&["INCR", &key])).unwrap();
            first.get_or_insert(number);
            asked += 1;
        }
        let first = first.unwrap();
        client.receive(Duration::from_millis(100), |number, outcome| {
            assert!(matches!(outcome, RequestOutcome::Done([b':', ..])), "{number}: {outcome:?}");
            let seen = &mut answered[(number - first) as usize];
            assert!(!std::mem::replace(seen, true), "request {number} is answered twice");
            done += 1;
        });
        assert!(Instant::now() < end, "{done} of {count} requests answered");
    }
}

fn assert_counted(client: &mut Client, count: usize, keys: usize) {
    for key in 0..keys {
        let reply = client.call(&command(&["GET", &format!("counter:{key}")])).unwrap();
        let times = (count - key).div_ceil(keys).to_string();
        let expected = format!("${}\r\n{times}\r\n", times.len());
        assert_eq!(String::from_utf8(reply).unwrap(), expected, "counter {key}");
    }
}

fn status_of(cluster: &Cluster, replica: u16) -> Status {
    cluster.status(ReplicaId(replica))
}

#[test]
fn a_call_is_answered_by_the_application() {
    let cluster = started(settings(3));
    let mut client = cluster.client();
    assert_eq!(client.call(&command(&["SET", "k", "v"])).unwrap(), b"+OK\r\n");
    assert_eq!(client.call(&command(&["GET", "k"])).unwrap(), b"$1\r\nv\r\n");
}

#[test]
fn submitted_requests_are_answered_each_under_its_number() {
    let cluster = started(settings(3));
    let mut client = cluster.client();
    let numbers: Vec<u64> =
        (0..10).map(|_| client.submit(&command(&["INCR", "n"])).unwrap()).collect();
    let mut answers: Vec<_> = std::iter::from_fn(|| client.next()).collect();
    answers.sort_by_key(|(number, _)| *number);
    for (at, (number, result)) in answers.into_iter().enumerate() {
        assert_eq!(number, numbers[at]);
        assert_eq!(result.unwrap(), format!(":{}\r\n", at + 1).into_bytes());
    }
}

#[test]
fn every_request_is_answered_once_and_counted_once_when_the_leader_is_killed() {
    let mut cluster = started(settings(3));
    let mut client = cluster.client();
    let count = 20_000;
    increment(&mut client, count, 48, 7, |asked| {
        if asked == count / 2 {
            let leader = cluster.leader().unwrap();
            cluster.kill(leader);
        }
    });
    assert_counted(&mut client, count, 7);
    assert!(replicas(&cluster).any(|replica| cluster.status(replica).view.0 > 0));
}

#[test]
fn a_client_whose_own_replica_is_killed_goes_on_at_another() {
    let mut cluster = started(settings(3));
    let mut client = cluster.client();
    client.call(&command(&["PING"])).unwrap();
    let before = client.target();
    cluster.kill(before);
    increment(&mut client, 500, 16, 1, |_| {});
    assert_ne!(client.target(), before);
    assert_counted(&mut client, 500, 1);
}

#[test]
fn a_killed_replica_that_is_restarted_catches_up_to_the_same_digest() {
    let mut cluster = started(settings(3));
    let mut client = cluster.client();
    let count = 20_000;
    increment(&mut client, count, 48, 50, |asked| match asked {
        6_000 => cluster.kill(ReplicaId(0)),
        14_000 => cluster.restart(ReplicaId(0)).unwrap(),
        _ => {}
    });
    let digests = digests(&cluster);
    assert_equal(&digests);
    assert_eq!(status_of(&cluster, 0).lives, 2);
    assert_counted(&mut client, count, 50);
}

#[test]
fn each_of_three_replicas_may_be_killed_and_restarted_in_turn() {
    let mut cluster = started(settings(3));
    let mut client = cluster.client();
    for replica in [0, 1, 2, 0].map(ReplicaId) {
        cluster.kill(replica);
        increment(&mut client, 200, 16, 1, |_| {});
        cluster.restart(replica).unwrap();
        assert_equal(&digests(&cluster));
    }
    assert_counted(&mut client, 800, 1);
}

#[test]
fn two_of_three_replicas_killed_is_an_error_that_says_unknown_and_no_hang() {
    let mut settings = settings(3);
    settings.deadline = Duration::from_millis(700);
    let mut cluster = started(settings);
    let mut client = cluster.client();
    client.call(&command(&["SET", "k", "v"])).unwrap();
    cluster.kill(ReplicaId(0));
    cluster.kill(ReplicaId(1));
    let error = client.call(&command(&["SET", "k", "w"])).unwrap_err();
    assert!(matches!(error, Error::Unknown { .. }), "{error}");
    assert!(matches!(cluster.client().call(b"x"), Err(Error::NoSession { .. })));

    // It was not lost: with a majority it takes effect.
    cluster.restart(ReplicaId(1)).unwrap();
    wait_until("the cluster serves again", || client.call(&command(&["PING"])).is_ok());
    assert_eq!(client.call(&command(&["GET", "k"])).unwrap(), b"$1\r\nw\r\n");
}

#[test]
fn five_replicas_go_on_without_two() {
    let mut cluster = started(settings(5));
    let mut client = cluster.client();
    let count = 6_000;
    increment(&mut client, count, 48, 3, |asked| match asked {
        2_000 => cluster.kill(ReplicaId(0)),
        3_000 => cluster.kill(ReplicaId(1)),
        5_000 => {
            cluster.restart(ReplicaId(0)).unwrap();
            cluster.restart(ReplicaId(1)).unwrap();
        }
        _ => {}
    });
    assert_equal(&digests(&cluster));
    assert_counted(&mut client, count, 3);
}

#[test]
fn a_paused_follower_holds_up_nobody_and_its_links_stay_bounded() {
    let mut settings = settings(3);
    settings.link_bytes_max = 32 << 10;
    let cluster = started(settings);
    let mut client = cluster.client();
    client.call(&command(&["PING"])).unwrap();
    let paused = replicas(&cluster)
        .find(|replica| Some(*replica) != cluster.leader() && *replica != client.target())
        .unwrap();
    cluster.pause(paused, PATIENCE);
    let count = 20_000;
    increment(&mut client, count, 48, 3, |_| {});
    assert!(cluster.dropped(paused) > 0, "the link to replica {paused} was never full");
    assert_counted(&mut client, count, 3);
}

#[test]
fn a_follower_that_was_paused_catches_up() {
    let mut settings = settings(3);
    settings.link_bytes_max = 32 << 10;
    let cluster = started(settings);
    let mut client = cluster.client();
    client.call(&command(&["PING"])).unwrap();
    cluster.pause(ReplicaId(2), Duration::from_millis(300));
    increment(&mut client, 20_000, 48, 3, |_| {});
    assert_equal(&digests(&cluster));
}

#[test]
fn a_replica_without_a_disk_is_not_restarted() {
    let mut settings = settings(3);
    settings.storage = Storage::None;
    let mut cluster = started(settings);
    cluster.kill(ReplicaId(1));
    assert!(matches!(cluster.restart(ReplicaId(1)), Err(Error::NoDisk { .. })));
}

#[test]
fn a_cluster_on_a_directory_goes_on_where_it_was() {
    let home = tempfile::tempdir().unwrap();
    let directory = home.path().join("cluster");
    let on_directory =
        |n| EmbeddedSettings { storage: Storage::Directory(directory.clone()), ..settings(n) };
    let mut cluster = started(on_directory(3));
    let mut client = cluster.client();
    increment(&mut client, 300, 16, 3, |at| {
        if at == 100 {
            cluster.kill(cluster.leader().unwrap());
        }
    });

    replicas(&cluster).for_each(|replica| cluster.kill(replica));
    replicas(&cluster).for_each(|replica| cluster.restart(replica).unwrap());
    assert_counted(&mut client, 300, 3);
    drop(cluster);
    let cluster = started(on_directory(3));
    assert_counted(&mut cluster.client(), 300, 3);
    assert_equal(&digests(&cluster));

    let again = Cluster::start(on_directory(3), tara::PROTOCOL, KeyValue::default);
    assert!(matches!(again.err(), Some(Error::Locked { .. })), "two clusters on a directory");
    drop(cluster);
    let larger = Cluster::start(on_directory(5), tara::PROTOCOL, KeyValue::default);
    assert!(matches!(larger.err(), Some(Error::Invalid(_))), "the directory is that of three");
}

#[test]
fn many_clients_are_each_answered() {
    let cluster = started(settings(3));
    let mut clients: Vec<Client> = (0..40).map(|_| cluster.client()).collect();
    for client in &mut clients {
        for _ in 0..5 {
            client.submit(&command(&["INCR", "n"])).unwrap();
        }
        client.flush();
    }
    let mut values = Vec::new();
    for client in &mut clients {
        while let Some((_, result)) = client.next() {
            values.push(result.unwrap());
        }
    }
    values.sort_by_key(|value| (value.len(), value.clone()));
    let expected: Vec<_> = (1..=200).map(|n| format!(":{n}\r\n").into_bytes()).collect();
    assert_eq!(values, expected);
}
