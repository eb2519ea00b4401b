//! Ordinary restarts: much data, an end, a start, a damaged file.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use crate::support::files::newest;
use crate::support::machine;
use crate::support::{Cluster, PATIENCE, taraflow, wait_until};

/// Writes `count` keys through replica 0, in pipelines, and reads all the answers.
fn burst(cluster: &Cluster, count: usize, value: &str) {
    let mut socket = TcpStream::connect(cluster.clients(0)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
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
    let _alone = machine::alone();
    let mut cluster = Cluster::start(3, &[]);
    burst(&cluster, BURST, &"x".repeat(100));
    cluster.end();
    cluster.start_again();
    wait_until("it serves again", || cluster.serves(1));
    assert_eq!(cluster.keys(1), BURST + 1);
}

#[test]
fn a_burst_and_a_kill_of_all_leave_a_cluster_that_serves_again_with_every_key() {
    let _alone = machine::alone();
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

#[test]
fn a_replica_that_cannot_start_is_named_with_the_reason_and_the_others_serve() {
    let mut cluster = Cluster::start(3, &[]);
    burst(&cluster, 300, "v");
    cluster.end();
    for index in [0, 1] {
        let home = cluster.directory().join(format!("replica-{index}"));
        let harms = [
            (newest(&home.join("data"), "journal-"), 7, "is damaged at byte"),
            (home.join("key.pem"), 2, "it holds no private key in PEM form"),
        ];
        for (file, code, why) in harms {
            let sound = fs::read(&file).unwrap();
            fs::write(&file, b"").unwrap();
            let (what, name) = (file.display().to_string(), file.file_name().unwrap());

            cluster.start_again();
            wait_until(&format!("the others serve; {what}"), || cluster.serves(2));
            assert!(cluster.keys(2) >= 300, "{what}");
            let ended = format!("replica {index} ended: exit code {code}; not started again");
            wait_until(&format!("it has ended; {what}"), || cluster.said().contains(&ended));
            let told = |text: &str| text.contains(why) && text.contains(name.to_str().unwrap());
            assert!(told(&cluster.log(index)), "{what}: {}", cluster.log(index));
            assert!(told(&cluster.said()), "{what}: {}", cluster.said());
            wait_until(&format!("a doctor says why; {what}"), || {
                let doctor = taraflow().args(["doctor", "--dir"]).arg(cluster.directory()).output();
                let doctor = doctor.unwrap();
                doctor.status.code() == Some(5) && told(&String::from_utf8_lossy(&doctor.stdout))
            });
            cluster.end();
            cluster.forget_what_was_said();
            fs::write(&file, sound).unwrap();
        }
    }
    cluster.start_again();
    wait_until("all serve again", || (0..3).all(|index| cluster.serves(index)));
    assert!(cluster.keys(0) >= 300);
}
