//! Failures of replicas that are processes, of their disks and of the links between them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use taraflow::kv::resp::RespReply;

use super::diagnosis::Doctor;
use super::machines::Raised;
use crate::support::nodes::Nodes;
use crate::support::proxy::Condition;
use crate::support::redis::RedisConnection;
use crate::support::shim::Shim;

/// Three replicas of which nothing is wrong.
fn start() -> (Nodes, Doctor) {
    let nodes = Nodes::start_all(true, 64);
    let doctor = Doctor::of(&nodes.directory());
    doctor.until_well();
    (nodes, doctor)
}

/// Changes the links of which `chosen` holds, by the replicas they lead from and to.
fn set_links(nodes: &Nodes, condition: Condition, chosen: impl Fn(usize, usize) -> bool) {
    for proxy in nodes.proxies().iter().filter(|proxy| chosen(proxy.from, proxy.to)) {
        proxy.set(condition);
    }
}

/// Lets a client write values of so many bytes through replica `index` while `work` is done.
fn under_load(nodes: &Nodes, index: usize, bytes: usize, work: impl FnOnce()) {
    let (over, address) = (AtomicBool::new(false), nodes.clients(index));
    thread::scope(|scope| {
        let _over = Raised(&over);
        scope.spawn(|| {
            let (mut redis, value) = (RedisConnection::to(address), "x".repeat(bytes));
            while !over.load(Ordering::Relaxed) {
                let _ = redis.ask(&["SET", "load", &value]);
                thread::sleep(Duration::from_millis(1));
            }
        });
        work();
    });
}

#[test]
fn a_disk_that_has_become_slow_is_told_from_one_that_is_full_and_found_no_longer_once_it_is_not() {
    let Some(shim) = Shim::build() else { return };
    let (mut nodes, doctor) = start();
    nodes.kill(1);
    shim.start(&mut nodes, 1, None);
    nodes.all_serve();
    doctor.until_well();

    under_load(&nodes, 0, 10, || {
        shim.slow(1, true);
        let said = doctor.until(5, &["the disk of replica 1 is slow: "]);
        assert!(!said.contains("full"), "{said}");
        shim.slow(1, false);
        shim.fill(1, true);
        doctor.until(5, &["replica 1 waits for its disk, which is full"]);
        shim.fill(1, false);
        doctor.until_well();
    });
}

#[test]
fn a_peer_that_takes_nothing_is_named_while_the_queue_for_it_fills() {
    let (nodes, doctor) = start();

    under_load(&nodes, 0, 1 << 19, || {
        set_links(&nodes, Condition::Stuck, |from, to| (from, to) == (0, 2));
        doctor.until(5, &["the link from replica 0 to replica 2 is nearly full: "]);
        let said = doctor.until(5, &["the link from replica 0 to replica 2 is down"]);
        assert!(said.contains("last fault: the peer has taken no byte for 3 s"), "{said}");
    });
    set_links(&nodes, Condition::Sound, |_, _| true);
    doctor.until_well();
}

#[test]
fn a_leader_that_hangs_is_named_before_and_after_another_leads() {
    let (nodes, doctor) = start();

    under_load(&nodes, 1, 10, || {
        nodes.signal(0, Signal::STOP);
        doctor.until(5, &["replica 0 does not take part: ", "stopped, hung or overloaded"]);
    });
    nodes.signal(0, Signal::CONT);
    doctor.until_well();
}

#[test]
fn without_a_quorum_those_who_are_missing_are_named() {
    let (mut nodes, doctor) = start();

    nodes.kill(0);
    nodes.kill(2);

    let said = doctor.until(4, &["no quorum: 1 of 3 replicas are there, and 2 are needed"]);
    assert!(said.contains("missing: replicas 0 and 2"), "{said}");
    assert!(said.contains("replica 2: 127.0.0.1:") && said.contains("refused"), "{said}");
    let finding = &doctor.findings()[0];
    assert_eq!((&finding["code"], &finding["severity"]), (&"no_quorum".into(), &"down".into()));
}

#[test]
fn of_two_replicas_left_the_one_whose_votes_are_lost_is_named_with_its_link() {
    let (mut nodes, doctor) = start();
    nodes.kill(2);

    set_links(&nodes, Condition::Cut, |from, to| (from, to) == (1, 0));

    under_load(&nodes, 0, 10, || {
        let deaf =
            "replica 0 receives nothing from replica 1: the link from there is down (last fault: ";
        let said = doctor.until(4, &[deaf]);
        assert!(said.contains("replica 2 does not take part"), "{said}");
    });
}

#[test]
fn a_replica_that_hears_nobody_is_told_from_one_that_nobody_hears() {
    let (nodes, doctor) = start();

    under_load(&nodes, 0, 10, || {
        set_links(&nodes, Condition::Cut, |_, to| to == 2);
        let deaf = "replica 2 receives nothing from replica 0: the link from there is down";
        doctor.until(5, &["replica 2 is cut off, and ", "behind: it hears 0 of the 2 other", deaf]);

        set_links(&nodes, Condition::Sound, |_, to| to == 2);
        set_links(&nodes, Condition::Cut, |from, _| from == 2);
        let words =
            ["replica 2 is ", "slots behind, and has not moved for ", "they do not receive"];
        let said = doctor.until(5, &words);
        assert!(said.contains("catch_up waits for decided slots of replicas 0 and 1"), "{said}");
    });
    set_links(&nodes, Condition::Sound, |_, _| true);
    doctor.until_well();
}

#[test]
fn a_state_near_its_limit_and_above_it_is_found_and_no_longer_once_keys_are_deleted() {
    let mut nodes = Nodes::make(true, 64);
    for index in 0..3 {
        let path = nodes.home(index).join("cluster.toml");
        let settings = std::fs::read_to_string(&path).unwrap();
        let limited = settings.replace("memory_max = 0", "memory_max = 1048576");
        assert_ne!(settings, limited);
        std::fs::write(path, limited).unwrap();
        nodes.start(index);
    }
    nodes.all_serve();
    let doctor = Doctor::of(&nodes.directory());
    doctor.until_well();
    let mut redis = RedisConnection::to(nodes.clients(0));
    let mut set = |key: &str, bytes: usize| redis.ask(&["SET", key, &"x".repeat(bytes)]);
    let ok = Some(RespReply::Simple(b"OK".to_vec()));

    assert_eq!(set("most", 980_000), ok);
    doctor
        .until(5, &["the state of replicas 0, 1 and 2 takes", "% of limits.memory_max (1.0 MiB)"]);

    assert_eq!(set("more", 100_000), ok);
    doctor.until(5, &["more than limits.memory_max allows (1.0 MiB)", "writes are refused"]);
    let refused = set("other", 1);
    assert!(
        matches!(&refused, Some(RespReply::Error(why)) if why.starts_with(b"OOM")),
        "{refused:?}"
    );

    assert_eq!(redis.ask(&["DEL", "most"]), Some(RespReply::Integer(1)));
    doctor.until_well();
}
