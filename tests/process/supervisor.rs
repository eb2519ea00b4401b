//! Replicas under `cluster up`: those that return, those that must not, and their logs.

use std::fs;
use std::thread::sleep;
use std::time::Duration;

use crate::support::{Cluster, taraflow, wait_until};
use rustix::process::{Signal, kill_process};

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

#[test]
fn a_replica_whose_directory_is_removed_ends_with_integrity_and_says_why() {
    let cluster = Cluster::start(3, &[]);
    let home = cluster.directory().join("replica-1");

    fs::remove_dir_all(home.join("data")).unwrap();

    wait_until("the supervisor says why it is not started again", || {
        cluster.said().contains("replica 1 ended: exit code 7; not started again")
    });
    let reason = "was removed or renamed while it ran";
    assert!(cluster.log(1).contains(reason), "{}", cluster.log(1));
    wait_until("it can be read in the replica's directory", || {
        fs::read_to_string(home.join("trouble")).is_ok_and(|text| text.contains(reason))
    });
    assert!(cluster.serves(0));
    let doctor = taraflow().args(["doctor", "--dir"]).arg(cluster.directory()).output().unwrap();
    let said = String::from_utf8(doctor.stdout).unwrap();
    for part in
        ["its supervisor says: it has ended (exit code 7)", reason, "put that very one back"]
    {
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn a_replica_whose_directory_is_missing_is_not_started_again_and_again() {
    let cluster = Cluster::start(3, &[]);
    let data = cluster.directory().join("replica-1/data");
    cluster.pause(1);
    fs::rename(&data, data.with_file_name("elsewhere")).unwrap();

    cluster.kill(1);

    wait_until("the supervisor says why it is not started again", || {
        cluster.said().contains("replica 1 ended: exit code 7; not started again")
    });
    assert!(cluster.said().contains("is not there"), "{}", cluster.said());
    assert!(cluster.serves(0));
}

#[test]
fn a_hangup_ends_no_replica() {
    let cluster = Cluster::start(3, &[]);
    let pid = cluster.pid(0).unwrap();

    kill_process(pid, Signal::HUP).unwrap();

    wait_until("it says so", || cluster.log(0).contains("SIGHUP is ignored"));
    sleep(Duration::from_millis(200));
    assert_eq!(cluster.pid(0), Some(pid));
    assert!(cluster.serves(0));
}

#[test]
fn lines_of_a_log_name_their_replica_and_the_settings_in_force() {
    let cluster = Cluster::start(3, &["--set", "limits.clients_max=77"]);

    let log = cluster.log(2);

    let lines: Vec<serde_json::Value> =
        log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().all(|line| line["replica"] == 2), "{log}");
    let settings = lines.iter().find(|line| line["message"] == "settings in force").unwrap();
    let settings = settings["settings"].as_str().unwrap();
    assert!(settings.contains("limits.clients_max=77"), "{settings}");
    assert!(settings.contains("limits.suspect_after_ms="), "{settings}");
}
