//! A long load, and an end of all replicas under it. The tests that take minutes run only when
//! asked for.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::support::{Cluster, wait_until};
use crate::support::{machine, system};
use taraflow::model::config::Config;
use taraflow::model::types::ReplicaId;

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
    system::memory(cluster.pid(index).unwrap())
}

#[test]
#[ignore = "takes ten minutes; `cargo test --test process -- --ignored --nocapture endurance::memory`"]
fn memory_stays_below_the_limits_while_a_follower_is_stopped() {
    let _alone = machine::alone();
    let seconds =
        std::env::var("TARAFLOW_ENDURANCE_SECONDS").map_or(600, |text| text.parse().unwrap());
    let mut cluster = Cluster::start(3, &[]);
    let config = Config::new(ReplicaId(0), 3);
    // Batches above the stable checkpoint, what waits for two peers, what clients wait with, the
    // table of 100,000 keys and two checkpoints of it; and 64 MiB.
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

    let keys = cluster.keys(0);
    cluster.kill_all();
    let begun = Instant::now();
    cluster.start_again();
    wait_until("all serve again", || (0..3).all(|index| cluster.serves(index)));
    println!("after a kill of all, they serve again after {:?}", begun.elapsed());
    assert!((0..3).all(|index| cluster.keys(index) == keys), "{keys} before");
}

#[test]
#[ignore = "takes a minute; `cargo test --test process -- --ignored --nocapture endurance::return`"]
fn a_return_after_ten_million_requests_takes_no_longer_than_after_one() {
    let _alone = machine::alone();
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

/// So many keys, with values of so many bytes.
#[derive(Clone, Copy)]
struct Burst {
    keys: u64,
    bytes: usize,
}

impl Burst {
    /// The value of a key, which no other key has.
    fn value(self, key: u64) -> String {
        let name = format!("{key}.");
        let mut value = name.repeat(self.bytes.div_ceil(name.len()));
        value.truncate(self.bytes);
        value
    }

    /// Writes keys from `first` on through one connection, until it breaks. How many were
    /// acknowledged.
    fn write(self, address: SocketAddr, first: u64, acknowledged: &AtomicU64) -> u64 {
        let mut socket = TcpStream::connect(address).unwrap();
        // A batch, so that no regime waits for its clients.
        let pipeline = (MIB / self.bytes).min(PIPELINE as usize) as u64;
        let mut key = first;
        loop {
            let mut commands = Vec::new();
            for key in key..key + pipeline {
                let (name, value) = (format!("key:{key}"), self.value(key));
                let (name_bytes, bytes) = (name.len(), value.len());
                write!(commands, "*3\r\n$3\r\nSET\r\n${name_bytes}\r\n{name}\r\n").unwrap();
                write!(commands, "${bytes}\r\n{value}\r\n").unwrap();
            }
            if socket.write_all(&commands).is_err() {
                return key - first;
            }
            for _ in 0..pipeline {
                let mut answer = [0; 5];
                if socket.read_exact(&mut answer).is_err() {
                    return key - first;
                }
                assert_eq!(&answer, b"+OK\r\n");
                key += 1;
                acknowledged.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Kills all replicas once all keys are acknowledged, while clients write on, and starts them
    /// again.
    fn survives_a_kill_of_all(self) {
        const CLIENTS: u64 = 4;
        let mut cluster = Cluster::start(3, &[]);
        let acknowledged = AtomicU64::new(0);
        // Far enough from each other that no client writes another's keys.
        let first = |client: u64| client << 32;
        let counts: Vec<u64> = std::thread::scope(|scope| {
            let acknowledged = &acknowledged;
            let clients: Vec<_> = (0..CLIENTS)
                .map(|client| {
                    let address = cluster.clients(client as usize % 2);
                    scope.spawn(move || self.write(address, first(client), acknowledged))
                })
                .collect();
            while acknowledged.load(Ordering::Relaxed) < self.keys {
                assert!(!clients.iter().any(|client| client.is_finished()), "a client was cut off");
                std::thread::sleep(Duration::from_millis(10));
            }
            cluster.kill_all();
            clients.into_iter().map(|client| client.join().unwrap()).collect()
        });

        let begun = Instant::now();
        cluster.start_again();
        wait_until("a write is agreed on", || (0..3).any(|index| cluster.serves(index)));
        let first_write = begun.elapsed();
        wait_until("all replicas serve", || (0..3).all(|index| cluster.serves(index)));
        let (total, bytes) = (counts.iter().sum::<u64>(), self.bytes);
        println!(
            "with {total} values of {bytes} bytes acknowledged before all were killed, it serves \
             after {first_write:?}, and each replica does after {:?}",
            begun.elapsed()
        );

        for index in 0..3 {
            let there = cluster.keys(index) as u64;
            assert!(there >= total, "{there} keys at replica {index}, {total} acknowledged");
        }
        for (client, count) in (0..CLIENTS).zip(counts) {
            // Some of all, and the last ones: what was under way when all ended.
            let step = (count / 500).max(1) as usize;
            let keys = (0..count).step_by(step).chain(count.saturating_sub(100)..count);
            let keys: Vec<_> = keys.map(|number| first(client) + number).collect();
            let found = values(cluster.clients(client as usize % 3), &keys).unwrap();
            for (key, found) in keys.into_iter().zip(found) {
                assert!(found == self.value(key), "key:{key}: {found:.80}");
            }
        }
    }
}

/// The values of some keys.
fn values(address: SocketAddr, keys: &[u64]) -> io::Result<Vec<String>> {
    let mut socket = TcpStream::connect(address)?;
    let commands: String = keys.iter().map(|key| format!("GET key:{key}\r\n")).collect();
    socket.write_all(commands.as_bytes())?;
    let mut lines = BufReader::new(socket).lines();
    let mut line = || lines.next().unwrap_or_else(|| Err(io::ErrorKind::UnexpectedEof.into()));
    // A value is preceded by a line with its length.
    keys.iter().map(|_| line().and_then(|_| line())).collect()
}

#[test]
fn after_a_kill_of_all_the_cluster_serves_with_every_acknowledged_key_whatever_its_size() {
    let _alone = machine::alone();
    for (keys, bytes) in [(200_000, 32), (30_000, 1 << 10), (1_000, 64 << 10)] {
        Burst { keys, bytes }.survives_a_kill_of_all();
    }
}

#[test]
#[ignore = "takes minutes; `cargo test --test process -- --ignored --nocapture endurance::kill`"]
fn after_millions_of_requests_and_a_kill_of_all_the_cluster_serves_with_every_key() {
    let _alone = machine::alone();
    for (keys, bytes) in [(2_000_000, 32), (300_000, 1 << 10), (4_000, 64 << 10)] {
        Burst { keys, bytes }.survives_a_kill_of_all();
    }
}
