//! The admin port's answers about a replica, and what `taraflow status` makes of them.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::process::Output;
use std::time::{Duration, Instant};

use crate::answers::{self, body, code};
use crate::support::http::{answer, get};
use crate::support::{Cluster, init, taraflow, wait_until};

fn status(cluster: &Cluster, more: &[&str]) -> Output {
    taraflow().args(["status", "--dir"]).arg(cluster.directory()).args(more).output().unwrap()
}

#[test]
fn a_killed_replica_is_shown_and_the_others_serve_on() {
    // In memory, so that nobody starts it again.
    let cluster = Cluster::start(3, &["--memory"]);
    wait_until("the cluster is healthy", || cluster.overview()["verdict"] == "healthy");
    let leader = cluster.overview()["replicas"][0]["status"]["leader"].as_u64().unwrap();
    let survivor = usize::from(leader == 0);

    cluster.kill(leader as usize);
    wait_until("a write goes through without the leader", || cluster.serves(survivor));
    wait_until("the others see that it is gone", || {
        let link =
            &cluster.overview()["replicas"][survivor]["status"]["links"][leader as usize / 2];
        link["peer"] == leader && link["up"] == false
    });

    let away = format!("degraded: replica {leader} does not take part: ");
    let mut table = status(&cluster, &[]);
    // Until another leads it is down, and for a second others have heard the lost one lately.
    wait_until("another leads, and the lost one is missed", || {
        table = status(&cluster, &[]);
        table.status.code() == Some(5) && String::from_utf8_lossy(&table.stdout).contains(&away)
    });
    let text = String::from_utf8(table.stdout).unwrap();
    assert_eq!(table.status.code(), Some(5), "{text}");
    assert_eq!(String::from_utf8(table.stderr).unwrap(), "", "the verdict is told once");
    assert!(text.contains("not seen"), "{text}");
    assert!(text.contains("once stopped, it cannot rejoin"), "{text}");
    assert!(text.ends_with("2 of 3 replicas work; none of them may fail\n"), "{text}");
    wait_until("another leads by its own word", || {
        let now = &cluster.overview()["replicas"][survivor]["status"];
        now["leader"] != leader && now["view"].as_u64() > Some(0)
    });
}

#[test]
fn a_replica_that_does_not_answer_does_not_count_as_working_from_the_first_question_on() {
    let cluster = Cluster::start(3, &[]);
    wait_until("the cluster is healthy", || cluster.overview()["verdict"] == "healthy");

    cluster.pause(2);
    let said = status(&cluster, &[]);

    let text = String::from_utf8(said.stdout).unwrap();
    assert_eq!(said.status.code(), Some(5), "{text}");
    assert!(text.contains("2 of 3 replicas work"), "{text}");
    assert!(text.contains("its port is open, and nothing answers"), "{text}");
}

#[test]
fn replicas_that_hang_are_not_waited_for_and_exit_codes_say_how_many_are_left() {
    let cluster = Cluster::start(3, &[]);
    let code = |more: &[&str]| status(&cluster, more).status.code();
    wait_until("the cluster is healthy", || cluster.overview()["verdict"] == "healthy");

    cluster.pause(0);
    cluster.pause(1);
    wait_until("the last one misses the others", || {
        code(&["--timeout", "0.3"]) == Some(4) && get(cluster.admin(2), "/readyz").contains("503")
    });
    let ready = body(&get(cluster.admin(2), "/readyz"));
    assert_eq!(ready["reasons"][0]["code"], "no_quorum");
    assert_eq!(answers::code(&get(cluster.admin(2), "/livez")), "200");
    cluster.pause(2);
    assert_eq!(code(&["--timeout", "0.3"]), Some(3));

    for replica in 0..3 {
        cluster.resume(replica);
    }
    wait_until("the cluster is healthy again", || cluster.overview()["verdict"] == "healthy");
    assert_eq!(code(&[]), Some(0));
}

#[test]
fn what_holds_memory_is_told_by_a_replica_that_nobody_watches_too() {
    let cluster = Cluster::start(3, &["--set", "observe=off"]);
    wait_until("it serves", || cluster.serves(0));
    // Decided slots are kept for those who are behind.
    wait_until("what roles hold is told", || {
        cluster.serves(0);
        cluster.status(0)["memory"]["recent_bytes"].as_u64() > Some(0)
    });
    let status = cluster.status(0);
    let memory = &status["memory"];
    assert!(memory["state_bytes"].is_u64() && memory["state_bytes_max"].is_null(), "{memory}");
    wait_until("the system has been asked", || {
        cluster.status(0)["memory"]["resident_bytes"].as_u64() > Some(1 << 20)
    });
    assert!(status["disk"]["saving"].is_null(), "{status}");
    let scraped = get(cluster.admin(0), "/metrics");
    for name in ["state_bytes", "state_limit_bytes", "copied_bytes", "recent_bytes", "saving_parts"]
    {
        assert!(scraped.contains(&format!("\ntaraflow_{name}{{")), "{name}: {scraped}");
    }
}

#[test]
fn a_replica_that_has_returned_says_how_often_it_has_started() {
    let cluster = Cluster::start(3, &[]);
    let starts = || {
        let status = cluster.status(1);
        (
            status["starts"].as_u64(),
            status["executed"] == cluster.overview()["replicas"][0]["status"]["executed"],
        )
    };
    wait_until("the second start", || starts().0.is_some());
    let before = starts().0.unwrap();

    cluster.kill(1);

    wait_until("it is back where the others are", || starts() == (Some(before + 1), true));
}

#[test]
fn who_leads_is_known_from_the_first_start_on_and_after_a_return() {
    let cluster = Cluster::start(3, &[]);
    let see = |index: usize| cluster.status(index);
    wait_until("the first leader says so", || see(0)["role"] == "leader");
    cluster.kill(0);
    wait_until("another leads", || cluster.serves(2) && see(1)["role"] == "leader");

    cluster.kill(2);

    wait_until("it is back, in the view of the others", || {
        see(2)["starts"] == 2 && see(2)["view"] == see(1)["view"] && see(2)["leader"] == 1
    });
}

#[test]
fn the_admin_port_answers_only_what_may_be_asked() {
    let cluster = Cluster::start(3, &[]);
    let address = cluster.admin(0);
    let ask = |head: &str| answer(address, &format!("{head}\r\n\r\n"));
    let with = |header: &str| ask(&format!("GET /v1/status HTTP/1.1\r\n{header}"));

    let own = with(&format!("Host: {address}"));
    assert_eq!(code(&own), "200");
    assert_eq!(body(&own)["version"], 1);
    assert!(own.contains("application/json"), "{own}");
    assert_eq!(code(&with("Host: localhost:1\r\nOrigin: http://localhost:1")), "200");
    for stranger in [
        "Host: example.org",
        "Host: localhost.example.org:7200",
        "X-Nothing: 1",
        "Host: localhost\r\nHost: example.org",
        "Host: localhost\r\nOrigin: http://example.org",
        "Host: localhost\r\nOrigin: null",
        "Host: localhost\r\nSec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: no-cors",
    ] {
        assert!(["400", "403"].contains(&code(&with(stranger))), "{stranger}");
    }
    let absolute = ask("GET http://example.org/v1 HTTP/1.1\r\nHost: localhost");
    assert_eq!(code(&absolute), "403");

    let post = ask("POST /v1/status HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0");
    assert_eq!(code(&post), "405");
    assert!(post.to_ascii_lowercase().contains("allow: get"), "{post}");
    assert_eq!(code(&with("Host: localhost\r\nContent-Length: 1\r\n\r\nx")), "400");
    assert_eq!(code(&with("Host: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0")), "400");
    let long = format!("Host: localhost\r\nX-Long: {}", "x".repeat(64 << 10));
    assert!(["431", ""].contains(&code(&with(&long))));
    let many = format!("Host: localhost{}", "\r\nX-Many: 1".repeat(100));
    assert_eq!(code(&with(&many)), "431");
    assert_eq!(code(&get(address, "/nothing")), "404");

    let index = body(&get(address, "/v1"));
    for entry in index["paths"].as_array().unwrap() {
        let path = entry["path"].as_str().unwrap();
        assert_eq!(code(&get(address, path)), "200", "{path}");
    }
}

#[test]
fn those_who_ask_slowly_or_in_crowds_do_not_keep_others_from_asking() {
    let cluster = Cluster::start(3, &[]);
    let address = cluster.admin(0);
    let start = Instant::now();

    let crowd: Vec<TcpStream> = (0..200)
        .map(|_| {
            let mut socket = TcpStream::connect(address).unwrap();
            socket.write_all(b"GET /v1/status HTTP/1.1\r\nHost: lo").unwrap();
            socket
        })
        .collect();
    let slow = answer(address, "GET /v1/status HTTP/1.1\r\n");

    assert!(start.elapsed() > Duration::from_secs(4), "{slow}");
    assert!(cluster.serves(0));
    drop(crowd);
    assert_eq!(code(&get(address, "/livez")), "200");
}

#[test]
fn a_taken_admin_port_is_said_before_the_disk_is_opened() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("cluster");
    init(&dir, &[]);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let node = dir.join("replica-0/node.toml");
    std::fs::remove_dir_all(dir.join("replica-0/data")).unwrap();

    let mut command = taraflow();
    command.args(["node", "--config"]).arg(node);
    for (name, value) in [("links", "127.0.0.1:0"), ("clients", "127.0.0.1:0")] {
        command.args(["--set", &format!("listen.{name}={value}")]);
    }
    let output = command.args(["--set", &format!("listen.admin={address}")]).output().unwrap();

    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains(&format!("cannot listen on {address}")), "{said}");
    assert_eq!(output.status.code(), Some(1));
}
