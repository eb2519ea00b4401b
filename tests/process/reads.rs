//! Reads beside the log, of clusters of every protocol.

use taraflow::dataflows;
use taraflow::kv::resp::RespReply;

use crate::support::redis::RedisConnection;
use crate::support::{Cluster, wait_until};

fn bulk(text: &str) -> Option<RespReply> {
    Some(RespReply::Bulk(Some(text.as_bytes().to_vec())))
}

/// The slot that a replica executes next.
fn executed(connection: &mut RedisConnection) -> i64 {
    match connection.ask(&["TARAFLOW", "READS"]) {
        Some(RespReply::Array(Some(told))) => match told[..] {
            [_, RespReply::Integer(slot)] => slot,
            _ => panic!("{told:?}"),
        },
        other => panic!("{other:?}"),
    }
}

#[test]
fn reads_see_what_was_written_elsewhere_and_take_no_slot() {
    for protocol in dataflows::names() {
        let cluster = Cluster::start(3, &["--protocol", protocol]);
        let mut lines: Vec<_> =
            (0..3).map(|at| RedisConnection::to(cluster.clients(at)).patient()).collect();
        for round in 0..50 {
            let value = round.to_string();
            lines[round % 3].ask(&["SET", "k", &value]);
            for line in &mut lines {
                assert_eq!(line.ask(&["GET", "k"]), bulk(&value), "{protocol}");
            }
        }

        let before = executed(&mut lines[0]);
        for _ in 0..200 {
            lines[0].ask(&["GET", "k"]);
        }
        assert_eq!(executed(&mut lines[0]), before, "{protocol}: a read has taken a slot");
        wait_until("its status counts them", || {
            cluster.status(0)["reads"].as_u64().is_some_and(|reads| reads >= 200)
        });
    }
}

#[test]
fn a_replica_that_hears_nobody_answers_stale_reads_only() {
    for protocol in dataflows::names() {
        let cluster = Cluster::start(3, &["--protocol", protocol]);
        let mut line = RedisConnection::to(cluster.clients(0)).patient();
        line.ask(&["SET", "k", "v"]);
        cluster.pause(1);
        cluster.pause(2);

        line.ask(&["TARAFLOW", "READS", "STALE"]);
        assert_eq!(line.ask(&["GET", "k"]), bulk("v"), "{protocol}");
        line.ask(&["TARAFLOW", "READS", "LINEARIZABLE"]);
        assert_eq!(line.ask(&["GET", "k"]), None, "{protocol}: nobody knows");

        cluster.resume(1);
        wait_until("it is answered again", || line.ask(&["GET", "k"]) == bulk("v"));
        cluster.resume(2);
    }
}
