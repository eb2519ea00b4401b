//! Replicas that die and return, as processes.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test fails by panicking")]

mod cluster;

use cluster::{Cluster, wait_until};

#[test]
fn what_was_written_before_a_replica_was_killed_is_there_when_it_has_returned() {
    let cluster = Cluster::start(3, &[]);
    assert_eq!(cluster.ask(0, "SET greeting hello").unwrap(), "+OK");
    let before = cluster.pid(1);

    cluster.kill(1);
    wait_until("replica 1 serves again", || {
        cluster.pid(1).is_some_and(|pid| Some(pid) != before) && cluster.serves(1)
    });

    assert_eq!(cluster.ask(1, "STRLEN greeting").unwrap(), ":5");
}
