//! What takes minutes: memory under a long load, and a return after millions of requests.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test fails by panicking, and waits for processes"
)]

mod cluster;

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use cluster::{Cluster, wait_until};
use taraflow::config::Config;
use taraflow::types::ReplicaId;

/// Requests of a client that wait for their answers together.
const PIPELINE: u64 = 256;
const KEYS: u64 = 100_000;
const MIB: usize = 1 << 20;

/// Clients that write as fast as they are answered.
#[derive(Default)]
struct Load {
    ended: AtomicBool,
    answered: AtomicU64,
}

impl Load {
    /// Writes through one connection until the load ends.
    fn write(&self, address: SocketAddr, mut number: u64) {
        let mut socket = TcpStream::connect(address).unwrap();
        let mut answers = BufReader::new(socket.try_clone().unwrap());
        let (mut commands, mut answer) = (Vec::new(), String::new());
        while !self.ended.load(Ordering::Relaxed) {
            commands.clear();
            for _ in 0..PIPELINE {
                number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let key = (number >> 33) % KEYS;
                writeln!(commands, "SET key:{key:012} 0123456789abcdef\r").unwrap();
            }
            socket.write_all(&commands).unwrap();
            for _ in 0..PIPELINE {
                answer.clear();
                answers.read_line(&mut answer).unwrap();
                assert_eq!(answer, "+OK\r\n");
            }
            self.answered.fetch_add(PIPELINE, Ordering::Relaxed);
        }
    }

    /// Lets four clients write through the first two replicas while `meanwhile` runs.
    fn run(cluster: &Cluster, meanwhile: impl FnOnce(&Self)) -> u64 {
        let load = Self::default();
        std::thread::scope(|scope| {
            for client in 0..4 {
                let (load, address) = (&load, cluster.clients(client % 2));
                scope.spawn(move || load.write(address, client as u64));
            }
            meanwhile(&load);
            load.ended.store(true, Ordering::Relaxed);
        });
        load.answered.into_inner()
    }
}

/// The memory of a replica, in bytes.
fn memory(cluster: &Cluster, index: usize) -> usize {
    let path = format!("/proc/{}/status", cluster.pid(index).unwrap().as_raw_nonzero());
    let status = fs::read_to_string(path).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
}

#[test]
#[ignore = "takes ten minutes; `cargo test --test endurance -- --ignored --nocapture memory`"]
fn memory_stays_below_the_limits_while_a_follower_is_stopped() {
    let seconds =
        std::env::var("TARAFLOW_ENDURANCE_SECONDS").map_or(600, |text| text.parse().unwrap());
    let cluster = Cluster::start(3, &[]);
    let config = Config::new(ReplicaId(0), 3);
    // Batches above the stable checkpoint, what waits for two peers, what clients wait with, the table of
    // 100,000 keys and two checkpoints of it; and 64 MiB.
    let state = 3 * KEYS as usize * 150;
    let most = config.window_bytes + 2 * 32 * MIB + config.gather_bytes_max + state + 64 * MIB;

    let mut highest = 0;
    cluster.pause(2);
    let answered = Load::run(&cluster, |_| {
        let until = Instant::now() + Duration::from_secs(seconds);
        while Instant::now() < until {
            std::thread::sleep(Duration::from_millis(500));
            highest = highest.max(memory(&cluster, 0)).max(memory(&cluster, 1));
        }
    });
    cluster.resume(2);
    let begun = Instant::now();
    wait_until("the follower serves", || cluster.serves(2));

    println!(
        "{answered} requests, {} MiB at most, of {}; the follower served {:?} after it went on",
        highest / MIB,
        most / MIB,
        begun.elapsed()
    );
    assert!(highest < most, "{highest} bytes, and {most} are allowed");
    for index in 0..3 {
        assert!(memory(&cluster, index) < most, "replica {index}");
    }
}

#[test]
#[ignore = "takes a minute; `cargo test --test endurance -- --ignored --nocapture return`"]
fn a_return_after_ten_million_requests_takes_no_longer_than_after_one() {
    let cluster = Cluster::start(3, &[]);
    let mut took = Vec::new();
    let mut total = 0;
    for goal in [1_000_000, 9_000_000] {
        total += Load::run(&cluster, |load| {
            while load.answered.load(Ordering::Relaxed) < goal {
                std::thread::sleep(Duration::from_millis(100));
            }
        });
        let before = cluster.pid(1);
        let begun = Instant::now();
        cluster.kill(1);
        wait_until("replica 1 serves again", || {
            cluster.pid(1).is_some_and(|pid| Some(pid) != before) && cluster.serves(1)
        });
        took.push(begun.elapsed());
        println!("with {total} requests behind it, replica 1 serves after {:?}", begun.elapsed());
    }
    // What is read is a checkpoint and what came after it, however long ago the rest was.
    assert!(took[1] < 3 * took[0] + Duration::from_secs(2), "{took:?}");
}
