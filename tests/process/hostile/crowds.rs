//! Connections that are too many, too slow, or too greedy.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use taraflow::links::client_messages::{ClientRequest, ServerReply};
use taraflow::model::batch::{Answer, Packer, Request};
use taraflow::model::types::ClientId;

use super::caller::{Caller, Health};
use crate::support::machine;
use crate::support::{Cluster, wait_until};

/// Lets this process have as many connections as the system allows.
fn allow_crowds() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
}

/// The slowest but one in a hundred of the times an honest client waits.
fn p99(cluster: &Cluster) -> Duration {
    let mut socket = TcpStream::connect(cluster.clients(0)).unwrap();
    socket.set_nodelay(true).unwrap();
    let mut reader = BufReader::new(socket.try_clone().unwrap());
    let mut times: Vec<Duration> = (0..500)
        .map(|_| {
            let start = Instant::now();
            socket.write_all(b"SET k v\r\n").unwrap();
            let mut line = String::new();
            reader.read_line(&mut line).unwrap();
            assert_eq!(line, "+OK\r\n");
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[times.len() * 99 / 100]
}

#[test]
fn a_crowd_that_says_nothing_or_says_it_slowly_holds_up_nobody() {
    let _alone = machine::alone();
    allow_crowds();
    let cluster = Cluster::start(3, &["--plain"]);
    let health = Health::of(&cluster);
    let alone = p99(&cluster);
    let before = health.memory(0);

    let mut crowd: Vec<Caller> = Vec::new();
    for address in [cluster.links(0), cluster.clients(0)] {
        crowd.extend((0..1000).map(|_| Caller::dial(address)));
    }
    let mut slow: Vec<Caller> = Vec::new();
    slow.extend((0..100).map(|_| Caller::client(cluster.links(0))));
    slow.extend((0..100).map(|_| Caller::dial(cluster.clients(0))));
    for byte in b"*3\r\n$3" {
        for caller in &mut slow {
            caller.throw(&[*byte]);
        }
    }
    let among_them = p99(&cluster);

    // Twice as much is the aim; a busy machine may take its time.
    eprintln!("p99 alone {alone:?}, among a crowd {among_them:?}");
    assert!(among_them < 2 * alone + Duration::from_millis(20), "{alone:?} {among_them:?}");
    // A guest and its buffers are a few KiB.
    let grown = health.memory(0).saturating_sub(before);
    assert!(grown < 2200 * 32 / 1024, "{grown} MiB");
    health.is_unharmed(&cluster);
}

#[test]
fn a_thousand_bad_connections_are_a_few_lines_in_the_log() {
    let cluster = Cluster::start(3, &["--plain"]);
    let health = Health::of(&cluster);

    for _ in 0..1000 {
        Caller::dial(cluster.links(0)).throw(&[255; 16]);
        Caller::dial(cluster.clients(0)).throw(b"*1\r\nnonsense\r\n");
    }

    wait_until("the rest is summed up", || cluster.log(0).contains("more connections closed"));
    let log = cluster.log(0);
    let lines = log.lines().filter(|line| line.contains("connection closed")).count();
    assert!(lines < 60, "{lines} lines");
    health.is_unharmed(&cluster);
}

#[test]
fn a_redis_client_that_reads_no_replies_costs_neither_memory_nor_time() {
    let cluster = Cluster::start(3, &["--plain"]);
    let health = Health::of(&cluster);
    let value = "x".repeat(60_000);
    assert_eq!(cluster.ask(0, &format!("SET k {value}")).unwrap(), "+OK");
    let before = health.memory(0);

    let mut greedy = Caller::dial(cluster.clients(0));
    let asked = b"GET k\r\n".repeat(1000);
    let until = Instant::now() + Duration::from_secs(10);
    while greedy.throw(&asked) && Instant::now() < until {}
    // What it has asked before it was held up is done first.
    wait_until("it costs no time", || health.load(0, Duration::from_secs(1)) < 0.3);

    // What may wait to be read, and what was asked before it was full.
    let grown = health.memory(0).saturating_sub(before);
    assert!(grown < 200, "{grown} MiB");
    health.is_unharmed(&cluster);
}

#[test]
fn a_native_client_that_reads_no_replies_costs_neither_memory_nor_time() {
    let cluster = Cluster::start(3, &["--plain"]);
    let health = Health::of(&cluster);
    let value = "x".repeat(60_000);
    assert_eq!(cluster.ask(0, &format!("SET k {value}")).unwrap(), "+OK");
    let mut greedy = Caller::client(cluster.links(0));
    let session = open_session(&mut greedy);
    let before = health.memory(0);

    let until = Instant::now() + Duration::from_secs(5);
    let mut number = 0;
    loop {
        let mut packer = Packer::default();
        for _ in 0..32 {
            number += 1;
            let command = b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n";
            packer.push(Request { client: session, number, acknowledged: number - 1, command });
        }
        if !greedy.say(&ClientRequest::Requests(packer.finish())) || Instant::now() > until {
            break;
        }
    }
    // What it has asked before it was held up is done first.
    wait_until("it costs no time", || health.load(0, Duration::from_secs(1)) < 0.3);

    let grown = health.memory(0).saturating_sub(before);
    assert!(grown < 200, "{grown} MiB");
    greedy.is_hung_up_on();
    health.is_unharmed(&cluster);
}

fn open_session(caller: &mut Caller) -> ClientId {
    let mut packer = Packer::default();
    packer.push(Request { client: ClientId(77), number: 0, acknowledged: 0, command: b"" });
    assert!(caller.say(&ClientRequest::Requests(packer.finish())));
    let payload = caller.hear().unwrap();
    let ServerReply::Replies(replies) = postcard::from_bytes(&payload).unwrap();
    match replies.iter().next().map(|reply| reply.answer) {
        Some(Answer::Opened(session)) => session,
        other => panic!("no session: {other:?}"),
    }
}

#[test]
fn clients_that_wait_for_a_quorum_cost_no_time() {
    let cluster = Cluster::start(3, &["--plain", "--memory"]);
    let mut waiting: Vec<TcpStream> =
        (0..20).map(|_| TcpStream::connect(cluster.clients(0)).unwrap()).collect();
    let health = Health::of(&cluster);
    let idle = health.load(0, Duration::from_secs(2));
    cluster.pause(1);
    cluster.pause(2);

    for socket in &mut waiting {
        socket.set_nonblocking(true).unwrap();
        let command =
            [b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$60000\r\n", &[b'x'; 60_000][..], b"\r\n"].concat();
        while socket.write_all(&command).is_ok() {}
    }
    let load = health.load(0, Duration::from_secs(2));

    cluster.resume(1);
    cluster.resume(2);
    assert!(idle < 0.1, "takes {idle:.2} of a core while idle");
    assert!(load < 0.2, "takes {load:.2} of a core while it can do nothing");
    for socket in &mut waiting {
        let _ = socket.read(&mut [0; 1000]);
    }
    health.is_unharmed(&cluster);
}
