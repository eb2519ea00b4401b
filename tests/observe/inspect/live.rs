//! The commands against a cluster of processes.

use serde_json::Value;

use crate::support::{Cluster, taraflow, told, wait_until};

/// What a command says of the cluster, where, and with which exit code.
fn ask(cluster: &Cluster, words: &[&str]) -> (Option<i32>, String, String) {
    told(taraflow().args(words).arg("--dir").arg(cluster.directory()).output().unwrap())
}

fn json(cluster: &Cluster, words: &[&str]) -> Value {
    let (_, out, said) = ask(cluster, &[words, &["-o", "json"]].concat());
    serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}{said}"))
}

#[test]
fn a_doctor_tells_a_lost_replica_from_a_lost_quorum_and_from_nobody() {
    // In memory, so that nobody starts them again.
    let cluster = Cluster::start(3, &["--memory"]);
    let doctor = || ask(&cluster, &["doctor", "--timeout", "1"]);
    wait_until("nothing is wrong", || doctor().0 == Some(0));
    let (_, said, _) = doctor();
    assert!(
        said.starts_with("healthy: nothing is wrong: 3 replicas, replica 0 leads view 0"),
        "{said}"
    );

    cluster.kill(2);
    wait_until("a lost replica is found", || doctor().0 == Some(5));
    let (_, said, _) = doctor();
    assert!(said.contains("replica 2"), "{said}");
    let (code, shown, _) = ask(&cluster, &["inspect"]);
    assert_eq!(code, Some(0));
    assert!(shown.contains("\nreplica 2: 127.0.0.1:"), "{shown}");
    assert!(shown.contains("replica 1: its operators, the busiest first"), "{shown}");

    cluster.kill(1);
    wait_until("a lost quorum is found", || doctor().0 == Some(4));
    cluster.kill(0);
    wait_until("nobody is left to be asked", || doctor().0 == Some(3));
}

#[test]
fn a_request_is_traced_through_all_replicas_and_found_again_by_its_name() {
    let cluster = Cluster::start(3, &[]);
    let mut traced = serde_json::Value::Null;
    // The first requests find links that are not up yet, and reach some replicas by catch-up only.
    wait_until("a request has passed all stages on all replicas", || {
        assert!(cluster.serves(1));
        traced = json(&cluster, &["trace", "last"]);
        let stages = |stage: &str| {
            let steps = traced["steps"].as_array().into_iter().flatten();
            steps.filter(|step| step["stage"] == stage).count()
        };
        ["packed", "proposed", "arrived", "voted"].map(stages) == [1, 1, 2, 3]
            && ["decided", "executed"].map(stages) == [3, 3]
    });
    let source = traced["steps"][0]["replica"].as_u64().unwrap();
    let run = &traced["lives"][source.to_string()]["batch"]["runs"][0];
    let name = format!("{}:{}", run["client"], run["first"]);
    let again = json(&cluster, &["trace", &name]);
    assert_eq!(again["slot"], traced["slot"]);

    let (code, picture, _) = ask(&cluster, &["trace", &format!("slot:{}", traced["slot"])]);
    assert_eq!((code, picture.matches("\nexecuted ").count()), (Some(0), 3), "{picture}");
    let (code, _, _) = ask(&cluster, &["trace", "--slowest"]);
    assert_eq!(code, Some(0));
    let (code, _, said) = ask(&cluster, &["trace", "slot:4000000"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains(
            "remembers slot 4000000: the last slot that the replicas which answer have executed is "
        ),
        "{said}"
    );
}

#[test]
fn one_replica_s_port_is_enough_to_see_all_of_them() {
    let cluster = Cluster::start(3, &[]);
    let address = cluster.admin(1).to_string();
    let look = |words: &[&str]| {
        let mut command = taraflow();
        told(command.args(words).args(["--addr", &address]).env("COLUMNS", "200").output().unwrap())
    };

    wait_until("it has heard of the others", || {
        let scene: Value = serde_json::from_str(&look(&["inspect", "-o", "json"]).1).unwrap();
        let replicas = scene["replicas"].as_array().unwrap();
        replicas.len() == 3 && replicas.iter().all(|seen| seen["silence"].is_null())
    });
    let (code, shown, _) = look(&["inspect", "--operator", "executor"]);
    assert_eq!(code, Some(0));
    assert!(shown.contains("replica 0") && shown.contains("replica 2"), "{shown}");
}
