//! Clients that do not fit the cluster they dial: they are told so at once, and the log is not
//! filled.

use std::os::unix::fs::PermissionsExt;
use std::process::Output;
use std::time::{Duration, Instant};

use crate::support::http::get;
use crate::support::{Cluster, init, taraflow, wait_until};

/// What a client says that may wait for half a minute, once it is found to have ended with code 2
/// long before.
fn refused(arguments: &[&str]) -> String {
    let begun = Instant::now();
    let Output { status, stderr, .. } = taraflow().arg("kv").args(arguments).output().unwrap();
    let said = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(2), "{said}");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}: {said}", begun.elapsed());
    said
}

fn addresses(cluster: &Cluster) -> String {
    (0..3).map(|index| cluster.links(index).to_string()).collect::<Vec<_>>().join(",")
}

#[test]
fn a_plain_client_is_told_that_the_port_wants_tls() {
    let cluster = Cluster::start(3, &[]);

    let said = refused(&["--addr", &addresses(&cluster), "get", "key"]);

    assert!(said.contains("this cluster's links use TLS"), "{said}");
    assert!(said.contains("--dir"), "{said}");
    for index in 0..3 {
        let log = cluster.log(index);
        let lines = log.lines().filter(|line| line.contains("connection closed")).count();
        assert!(lines <= 3, "{log}");
    }
    assert!((0..3).any(|index| cluster.log(index).contains("this end uses TLS")));
}

#[test]
fn a_client_with_keys_is_told_that_the_links_are_plain() {
    let plain = Cluster::start(3, &["--plain"]);
    let keys = tempfile::tempdir().unwrap();
    let home = keys.path().join("cluster");
    init(&home, &[]);
    let file = |name: &str| home.join(name).display().to_string();
    let (ca, cert, key) = (file("ca.pem"), file("client.pem"), file("client-key.pem"));
    let keys = ["--ca", &ca, "--cert", &cert, "--key", &key];

    let said = refused(&[&["--addr", &addresses(&plain)], &keys[..], &["get", "key"]].concat());

    assert!(said.contains("this end uses TLS, and the other does not"), "{said}");
    let log = plain.log(0) + &plain.log(1) + &plain.log(2);
    assert!(log.contains("this end does not use TLS, and the other does"), "{log}");

    let cert = home.join("replica-0/cert.pem").display().to_string();
    let key = home.join("replica-0/key.pem").display().to_string();
    let keys = ["--ca", &ca, "--cert", &cert, "--key", &key];
    let said = refused(&[&["--addr", &addresses(&plain)], &keys[..], &["get", "key"]].concat());
    assert!(said.contains("is not a client's"), "{said}");
}

#[test]
fn a_client_of_another_cluster_is_told_so() {
    let cluster = Cluster::start(3, &[]);
    let other = tempfile::tempdir().unwrap();
    let home = other.path().join("cluster");
    init(&home, &[]);
    let file = |name: &str| home.join(name).display().to_string();
    let (ca, cert, key) = (file("ca.pem"), file("client.pem"), file("client-key.pem"));

    let addresses = addresses(&cluster);
    let keys = ["--addr", &addresses, "--ca", &ca, "--cert", &cert, "--key", &key];
    let said = refused(&[&keys[..], &["get", "key"]].concat());

    assert!(said.contains("certificates of the two ends are of different clusters"), "{said}");
}

#[test]
fn an_admin_port_with_a_token_answers_only_who_shows_it() {
    let home = tempfile::tempdir().unwrap();
    let token = home.path().join("token");
    std::fs::write(&token, "0123456789abcdef\n").unwrap();
    std::fs::set_permissions(&token, PermissionsExt::from_mode(0o600)).unwrap();
    let setting = format!("admin.token_file={}", token.display());
    let cluster = Cluster::start(3, &["--set", &setting]);
    let status = |more: &[&str]| {
        let mut command = taraflow();
        command.args(["status", "--dir"]).arg(cluster.directory()).args(more).output().unwrap()
    };

    assert!(get(cluster.admin(0), "/metrics").starts_with("HTTP/1.1 401"));
    let refused = status(&[]);
    let said = String::from_utf8([refused.stdout, refused.stderr].concat()).unwrap();
    assert!(!refused.status.success() && said.contains("token"), "{said}");
    let shown = ["--token-file", token.to_str().unwrap()];
    wait_until("status shows a healthy cluster", || status(&shown).status.success());
    std::fs::copy(&token, cluster.directory().join("admin.token")).unwrap();
    assert!(status(&[]).status.success());
}
