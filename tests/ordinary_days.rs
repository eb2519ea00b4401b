//! Much data, an end, a start, a damaged file: what happens to every cluster.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test fails by panicking, and waits for processes"
)]

mod cluster;

use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Instant;

use cluster::{Cluster, wait_until};

/// Writes `count` keys through replica 0, in pipelines, and reads all the answers.
fn burst(cluster: &Cluster, count: usize, value: &str) {
    let mut socket = TcpStream::connect(cluster.clients(0)).unwrap();
    socket.set_read_timeout(Some(cluster::PATIENCE)).unwrap();
    for keys in (0..count).collect::<Vec<_>>().chunks(1_000) {
        let mut commands = String::new();
        for key in keys {
            write!(commands, "SET k{key} {value}\r\n").unwrap();
        }
        socket.write_all(commands.as_bytes()).unwrap();
        let mut answers = vec![0; keys.len() * 5];
        socket.read_exact(&mut answers).unwrap();
        assert!(answers.chunks(5).all(|answer| answer == b"+OK\r\n"));
    }
}

/// More than fits a link at once, since the last checkpoint.
const BURST: usize = 300_000;

#[test]
fn a_burst_and_an_end_in_order_leave_a_cluster_that_serves_again_with_every_key() {
    let mut cluster = Cluster::start(3, &[]);
    burst(&cluster, BURST, &"x".repeat(100));
    cluster.end();
    cluster.start_again();
    wait_until("it serves again", || cluster.serves(1));
    assert_eq!(cluster.keys(1), BURST + 1);
}

#[test]
fn a_burst_and_a_kill_of_all_leave_a_cluster_that_serves_again_with_every_key() {
    for replicas in [3, 5] {
        let mut cluster = Cluster::start(replicas, &[]);
        burst(&cluster, BURST, &"x".repeat(100));
        cluster.kill_all();
        let start = Instant::now();
        cluster.start_again();
        wait_until("it serves again", || cluster.serves(1));
        println!("{replicas} replicas serve again after {:?}", start.elapsed());
        assert_eq!(cluster.keys(1), BURST + 1);
        wait_until("all do", || (0..replicas).all(|index| cluster.serves(index)));
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// The newest file whose name begins so.
fn newest(directory: &Path, prefix: &str) -> PathBuf {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let named = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with(prefix);
    entries.filter(named).max().unwrap()
}

type Harm = (&'static str, fn(&Path, &Path));

/// What is done to a file, given the same file of another replica.
const HARMS: [Harm; 5] = [
    ("gone", |file, _| fs::remove_file(file).unwrap()),
    ("empty", |file, _| fs::write(file, b"").unwrap()),
    ("cut in its head", |file, _| {
        let bytes = fs::read(file).unwrap();
        fs::write(file, &bytes[..10]).unwrap();
    }),
    ("noise at its beginning", |file, _| {
        let mut bytes = fs::read(file).unwrap();
        bytes.iter_mut().take(64 << 10).enumerate().for_each(|(i, byte)| *byte ^= 1 | i as u8);
        fs::write(file, bytes).unwrap();
    }),
    ("another replica's", |file, other| {
        fs::copy(other, file).unwrap();
    }),
];

#[test]
fn a_damaged_file_stops_its_replica_with_a_word_and_no_other() {
    let mut cluster = Cluster::start(3, &[]);
    burst(&cluster, 300, "v");
    cluster.end();
    let data = |index: usize| cluster.directory().join(format!("replica-{index}/data"));
    let (sound, others) = ([data(0), data(1)], data(2));
    let spare = cluster.directory().join("spare");
    for (index, data) in sound.into_iter().enumerate() {
        for prefix in ["journal-", "extent"] {
            for (what, harm) in HARMS {
                copy(&data, &spare);
                let (file, other) = (newest(&data, prefix), newest(&others, prefix));
                harm(&file, &other);
                let what = format!("{prefix} of replica {index}: {what}");

                cluster.start_again();
                wait_until(&format!("the others serve; {what}"), || cluster.serves(2));
                assert!(cluster.keys(2) >= 300, "{what}");
                wait_until(&format!("it has ended with 7; {what}"), || {
                    let ended = format!("replica {index} ended: exit code 7; not started again");
                    cluster.said().contains(&ended)
                });
                let log = cluster.log(index);
                let name = file.file_name().unwrap().to_str().unwrap();
                let told = log.lines().any(|line| {
                    let damaged = line.contains("is damaged") && line.contains(name);
                    damaged || line.contains("its disk holds no journal")
                });
                assert!(told, "{what}: {log}");
                cluster.end();
                cluster.forget_what_was_said();

                fs::remove_dir_all(&data).unwrap();
                fs::rename(&spare, &data).unwrap();
            }
        }
    }
    cluster.start_again();
    wait_until("all serve again", || (0..3).all(|index| cluster.serves(index)));
    assert!(cluster.keys(0) >= 300);
}
