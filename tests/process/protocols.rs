//! What a cluster of any protocol does for its users, as processes: for each of the list.

use serde_json::Value;

use taraflow::dataflows;

use crate::support::{Cluster, taraflow, told, wait_until};

/// Writes so many keys through a replica, one after the other.
fn write(cluster: &Cluster, through: usize, keys: std::ops::Range<usize>) {
    for key in keys {
        let command = format!("SET key:{key} {key}");
        assert_eq!(cluster.ask(through, &command).unwrap(), "+OK", "{command}");
    }
}

fn all_serve(cluster: &Cluster) {
    for index in 0..cluster.replicas() {
        wait_until(&format!("replica {index} serves"), || cluster.serves(index));
    }
}

/// The keys that were written, and the one by which a replica is asked whether it serves.
fn all_have(cluster: &Cluster, keys: usize) {
    for index in 0..cluster.replicas() {
        wait_until(&format!("replica {index} has all"), || cluster.keys(index) == keys + 1);
    }
}

/// What a command says of a cluster, and that all is well with it.
fn command(cluster: &Cluster, words: &[&str]) -> String {
    let mut command = taraflow();
    let output = command.args(words).arg("--dir").arg(cluster.directory()).output().unwrap();
    let (code, out, said) = told(output);
    assert_eq!(code, Some(0), "{words:?}: {out}{said}");
    out
}

fn is_well(cluster: &Cluster) {
    wait_until("nothing is wrong", || {
        let mut doctor = taraflow();
        let doctor = doctor.args(["doctor", "--dir"]).arg(cluster.directory());
        doctor.output().unwrap().status.success()
    });
}

#[test]
fn a_cluster_keeps_what_it_has_answered_through_kills_ends_and_starts() {
    for protocol in dataflows::names() {
        let mut cluster = Cluster::start(3, &["--protocol", protocol]);
        for index in 0..3 {
            write(&cluster, index, 40 * index..40 * (index + 1));
        }
        all_have(&cluster, 120);
        is_well(&cluster);

        for victim in 0..3 {
            cluster.kill(victim);
            let through = (victim + 1) % 3;
            wait_until("the others serve", || cluster.serves(through));
            write(&cluster, through, 120 + 20 * victim..140 + 20 * victim);
            wait_until("it is back", || cluster.serves(victim));
        }
        all_have(&cluster, 180);

        cluster.kill_all();
        cluster.start_again();
        all_serve(&cluster);
        all_have(&cluster, 180);

        cluster.end();
        cluster.start_again();
        all_serve(&cluster);
        write(&cluster, 2, 180..200);
        all_have(&cluster, 200);
        assert_eq!(cluster.ask(1, "GET key:7").unwrap(), "$1");
        is_well(&cluster);
    }
}

#[test]
fn every_command_knows_the_protocol_of_a_cluster() {
    for protocol in dataflows::names() {
        let cluster = Cluster::start(3, &["--protocol", protocol]);
        write(&cluster, 0, 0..20);
        is_well(&cluster);

        let status: Value =
            serde_json::from_str(&command(&cluster, &["status", "-o", "json"])).unwrap();
        for replica in status["replicas"].as_array().unwrap() {
            assert_eq!(replica["status"]["protocol"], protocol, "{replica}");
        }
        let inspected = command(&cluster, &["inspect", "--once"]);
        let graph = dataflows::graph(protocol).unwrap();
        for role in graph.roles().operators {
            assert!(
                inspected.contains(&role.name),
                "{protocol}: {} is not in\\n{inspected}",
                role.name
            );
        }
    }
}
