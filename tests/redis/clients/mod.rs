//! Redis clients that know nothing of us, against a cluster of processes.
//!
//! They are not on every machine, so these run only when asked:
//! `cargo test --test redis -- --ignored clients`.

use std::process::{Command, Output};

use crate::support::Cluster;

fn run(program: &str, arguments: &[&str]) -> String {
    let Output { status, stdout, stderr } = Command::new(program).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned();
    assert!(status.success(), "{program} {arguments:?}: {status}\n{said}");
    said
}

fn ports(cluster: &Cluster) -> [String; 3] {
    std::array::from_fn(|index| cluster.clients(index).port().to_string())
}

#[test]
#[ignore = "needs python3 with the package redis 5 or later; `cargo test --test redis -- --ignored clients`"]
fn the_python_client_works_with_its_defaults() {
    let cluster = Cluster::start(3, &[]);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/redis/clients/redis_py.py");
    let [one, two, three] = ports(&cluster);

    run("python3", &[script, &one, &two, &three]);
}

#[test]
#[ignore = "needs redis-benchmark; `cargo test --test redis -- --ignored clients`"]
fn all_tests_of_redis_benchmark_end_without_an_error_against_every_replica() {
    let cluster = Cluster::start(3, &[]);
    for port in ports(&cluster) {
        let said = run("redis-benchmark", &["-p", &port, "-n", "2000", "--csv"]);

        assert!(!said.to_lowercase().contains("error"), "{said}");
        assert!(said.lines().count() > 15, "{said}");
    }
}

#[test]
#[ignore = "needs redis-cli; `cargo test --test redis -- --ignored clients`"]
fn what_redis_cli_pipes_in_through_one_replica_is_read_through_another() {
    let cluster = Cluster::start(3, &[]);
    let [one, _, three] = ports(&cluster);
    let sets: String = (0..5000).map(|number| format!("SET piped:{number} {number}\n")).collect();
    let file = cluster.directory().join("piped");
    std::fs::write(&file, sets).unwrap();

    let piped = format!("redis-cli -p {one} --pipe < {}", file.display());
    let said = run("sh", &["-c", &piped]);

    assert!(said.contains("errors: 0, replies: 5000"), "{said}");
    assert_eq!(run("redis-cli", &["-p", &three, "get", "piped:4999"]).trim(), "4999");
    assert_eq!(run("redis-cli", &["-p", &three, "dbsize"]).trim(), "5001");
}
