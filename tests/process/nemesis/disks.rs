//! Disks that fail or fill up under a replica, and what it has promised on them.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use taraflow::kv::resp::RespReply;

use crate::support::nodes::{Nodes, REPLICAS};
use crate::support::redis::RedisConnection;
use crate::support::shim::Shim;
use crate::support::wait_until;

/// How soon a replica must be of use again once its disk has room.
const RESUMES_WITHIN: Duration = Duration::from_secs(10);

/// Counts up by one; says what the counter holds then, if that is known.
fn increment(redis: &mut RedisConnection) -> Option<i64> {
    match redis.ask(&["INCR", "counter"])? {
        RespReply::Integer(count) => Some(count),
        other => panic!("INCR was answered {other:?}"),
    }
}

/// Has the `count`-th sync of a replica fail while only it and one other are there, so that each
/// answer depends on it; then leaves it alone with the third, which has seen nothing of that.
fn a_sync_fails(nodes: &mut Nodes, shim: &Shim, count: u64) {
    let victim = count as usize % REPLICAS;
    let (witness, third) = ((victim + 1) % REPLICAS, (victim + 2) % REPLICAS);
    nodes.kill(third);
    nodes.kill(victim);
    shim.start(nodes, victim, Some(count));

    let (mut answered, mut asked) = (0, 0);
    let mut both = [victim, witness].map(|index| RedisConnection::to(nodes.clients(index)));
    wait_until(&format!("sync {count} fails"), || {
        for redis in &mut both {
            asked += i64::from(redis.is_connected());
            answered = increment(redis).unwrap_or(answered).max(answered);
        }
        nodes.has_ended(victim).is_some()
    });
    let status = nodes.wait(victim);
    assert_eq!(status.code(), Some(8), "sync {count}");
    nodes.kill(witness);
    nodes.start(victim);
    nodes.start(third);
    nodes.all_serve();

    let mut redis = RedisConnection::to(nodes.clients(third)).patient();
    let total = increment(&mut redis).unwrap();
    assert!(total > answered, "sync {count}: {answered} was answered, and it is {total}");
    eprintln!("sync {count}: {asked} asked, {answered} answered, then {total}");
    nodes.start(witness);
    nodes.all_serve();
}

#[test]
fn a_failed_sync_ends_a_replica_before_it_answers_anything_that_depends_on_it() {
    let Some(shim) = Shim::build() else { return };
    let mut nodes = Nodes::start_all(true, 16);
    for count in [1, 2, 9, 23, 50] {
        a_sync_fails(&mut nodes, &shim, count);
    }
    assert!((0..REPLICAS).any(|index| nodes.log(index).contains("cannot sync journal-")));
}

#[test]
#[ignore = "two minutes: every one of the first fifty syncs"]
fn none_of_the_first_fifty_syncs_may_fail_unnoticed() {
    let Some(shim) = Shim::build() else { return };
    let mut nodes = Nodes::start_all(true, 16);
    for count in 1..=50 {
        a_sync_fails(&mut nodes, &shim, count);
    }
}

/// Counts while replica 0 waits for room and after; `fill` and `make_room` are done to its disk.
fn a_disk_is_full_for_a_while(nodes: &mut Nodes, fill: impl FnOnce(), make_room: impl FnOnce()) {
    let mut own = RedisConnection::to(nodes.clients(0));
    let mut other = RedisConnection::to(nodes.clients(1)).patient();
    let before = increment(&mut own).unwrap();
    fill();
    wait_until("it is fenced", || {
        let _ = own.ask(&["SET", "ballast", &"x".repeat(1 << 16)]);
        nodes.status(0)["fenced"] == true
    });
    let mut late = RedisConnection::to(nodes.clients(0)).patient();
    assert!(late.ask(&["PING"]).is_some(), "that needs no log");
    assert!(late.ask(&["GET", "ballast"]).is_some(), "nor does what only reads");
    let asked = Instant::now();
    assert_eq!(late.ask(&["SET", "late", "1"]), None);
    assert!(asked.elapsed() < Duration::from_secs(10), "it is told that no answer came");

    let answers: Vec<i64> = (0..100).map(|_| increment(&mut other).unwrap()).collect();
    assert!(answers.windows(2).all(|two| two[1] == two[0] + 1) && answers[0] == before + 1);
    assert!(nodes.has_ended(0).is_none());
    make_room();
    let start = Instant::now();
    nodes.all_agree();
    wait_until("it serves again", || increment(&mut own).is_some());

    let resumed = start.elapsed();
    eprintln!("of use again {resumed:?} after there was room");
    assert!(resumed < RESUMES_WITHIN, "{resumed:?}");
    assert!(increment(&mut own).unwrap() >= before + 102);
}

#[test]
fn a_replica_whose_disk_is_full_holds_up_nobody_and_goes_on_when_there_is_room() {
    let Some(shim) = Shim::build() else { return };
    let mut nodes = Nodes::start_all(true, 16);
    nodes.kill(0);
    shim.start(&mut nodes, 0, None);
    nodes.all_serve();

    a_disk_is_full_for_a_while(&mut nodes, || shim.fill(0, true), || shim.fill(0, false));
}

#[test]
#[ignore = "mounts a file system of 8 MiB, which only root may"]
fn a_replica_on_a_small_file_system_goes_on_when_there_is_room() {
    let mut nodes = Nodes::start_all(true, 16);
    let mount = Mount::of(8, nodes.directory().join("small"));
    nodes.kill(0);
    fs::create_dir(mount.0.join("data")).unwrap();
    for entry in fs::read_dir(nodes.data(0)).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, mount.0.join("data").join(path.file_name().unwrap())).unwrap();
    }
    let mut command = nodes.command(0);
    command.arg("--data").arg(mount.0.join("data"));
    nodes.run(0, command);
    nodes.all_serve();

    let ballast = mount.0.join("ballast");
    a_disk_is_full_for_a_while(
        &mut nodes,
        || drop(fs::write(&ballast, vec![1; 8 << 20]).unwrap_err()),
        || fs::remove_file(&ballast).unwrap(),
    );
    nodes.kill(0);
}

/// A file system in memory, as long as this lives.
struct Mount(PathBuf);

impl Mount {
    fn of(mib: u64, path: PathBuf) -> Self {
        fs::create_dir(&path).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={mib}m"), "tmpfs"]).arg(&path);
        assert!(mount.status().unwrap().success(), "only root may mount");
        Self(path)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Lazily: if the test has failed, a replica still has files there.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
