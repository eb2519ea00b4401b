//! `taraflow inspect`, `doctor` and `trace`, as a terminal shows them and scripts see them.

mod live;
mod stub;
mod terminal;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use crate::support::{taraflow, told};
use serde_json::{Value, json};
use stub::Stub;

/// What a command that asks at `address` says, where, and with which exit code.
fn ask(words: &[&str], address: SocketAddr) -> (Option<i32>, String, String) {
    told(taraflow().args(words).args(["--addr", &address.to_string()]).output().unwrap())
}

/// An address where whoever asks is told `bytes`, and then nothing more.
fn answering(bytes: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.unwrap();
            let _ = socket.read(&mut [0; 1024]);
            let _ = socket.write_all(bytes);
            std::thread::spawn(move || {
                // Until the other end goes.
                let _ = socket.read_to_end(&mut Vec::new());
            });
        }
    });
    address
}

#[test]
fn a_doctor_s_exit_code_is_that_of_the_worst_it_finds() {
    let stub = Stub::default();
    let address = stub.start();
    let codes = [("degraded", 5), ("down", 4), ("fatal", 7)];

    for (severity, code) in codes {
        stub.set("/v1/scene", stub::scene(1, &stub::finding(severity)));
        let (ended, said, _) = ask(&["doctor"], address);
        assert_eq!(ended, Some(code), "{severity}");
        assert!(
            said.contains("replica 2 is 40 slots behind\n  because it does not hear"),
            "{said}"
        );
    }
    stub.set("/v1/scene", stub::scene(1, &json!([])));
    let healthy = "healthy: nothing is wrong: 3 replicas, replica 1 leads view 1, slot 2000\n";
    assert_eq!(ask(&["doctor"], address), (Some(0), healthy.to_owned(), String::new()));
    assert_eq!(ask(&["doctor", "-o", "json"], address).1, "[]\n");
}

#[test]
fn what_answers_slowly_strangely_or_not_at_all_is_told_apart() {
    let said = |address| {
        let start = Instant::now();
        let (code, out, said) = ask(&["inspect", "--timeout", "0.3"], address);
        assert_eq!((code, &*out), (Some(3), ""), "{said}");
        assert!(start.elapsed() < Duration::from_secs(10), "{said}");
        said
    };
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();

    assert!(said(nobody).contains("refused"));
    assert!(said(answering(b"")).contains("nothing answers within 300ms"));
    assert!(said(answering(b"HTTP/1.1 200 OK\r\n\r\n{")).contains("nothing answers within 300ms"));
    let redis = Stub::default();
    redis.set("/v1/scene", json!({"version": 9}));
    assert!(
        said(redis.start())
            .contains("what answers there is not a replica's admin port of this version")
    );
    assert!(said(Stub::default().start()).contains("nothing is here"));
}

#[test]
fn of_a_scene_only_what_is_asked_for_is_told() {
    let stub = Stub::default();
    stub.set("/v1/scene", stub::scene(1, &json!([])));
    let address = stub.start();

    let (code, all, _) = ask(&["inspect"], address);
    assert_eq!((code, all.matches("its operators").count()), (Some(0), 3), "{all}");
    let (_, one, _) = ask(&["inspect", "--replica", "2"], address);
    assert!(one.contains("replica 2: its operators") && !one.contains("replica 0: its"), "{one}");
    let (code, _, said) = ask(&["inspect", "--replica", "7"], address);
    assert_eq!((code, &*said), (Some(2), "taraflow: there is no replica 7: the cluster has 3\n"));
    let (code, _, said) = ask(&["inspect", "--operator", "exeutor"], address);
    assert_eq!(code, Some(2));
    assert!(said.contains("no operator `exeutor`; did you mean `executor`?"), "{said}");
    let (_, json, _) = ask(&["inspect", "--operator", "executor", "-o", "json"], address);
    let scene: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(scene["replicas"][2]["frame"]["operators"].as_array().unwrap().len(), 1);
}

#[test]
fn a_request_that_nobody_remembers_is_told_with_what_they_do() {
    let stub = Stub::default();
    stub.set("/v1/status", stub::status(0));
    stub.set(
        "/v1/slots",
        json!({"version": 2, "replica": 0, "lost": 0, "oldest": 500, "slots": []}),
    );
    let address = stub.start();

    let (code, _, said) = ask(&["trace", "5:17"], address);

    assert_eq!(code, Some(1));
    let expected = "taraflow: no replica that answers remembers request 17 of session 5: replica 0 \
                    remembers slots from 500 on\n";
    assert_eq!(said, expected);
    assert_eq!(ask(&["trace", "first"], address).0, Some(2));
}

#[test]
fn a_recorded_run_is_shown_at_any_moment() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("run.ndjson");
    let mut lines = vec![json!({"taraflow_trace": 1, "protocol": "tara", "n": 3, "seed": 42})];
    lines.extend((1..=8).flat_map(|number| (0..3).map(move |it| stub::frame(it, number))));
    lines.push(json!({"end": true, "frames": 24}));
    let lines: Vec<_> = lines.iter().map(Value::to_string).collect();
    let whole = lines.join("\n") + "\n";
    let look = |text: &str, words: &[&str]| {
        std::fs::write(&path, text).unwrap();
        told(taraflow().args(words).arg("--recording").arg(&path).output().unwrap())
    };
    let number = |words: &[&str]| {
        let (_, json, _) = look(&whole, words);
        let scene: Value = serde_json::from_str(&json).unwrap();
        scene["replicas"][1]["frame"]["number"].as_u64()
    };

    assert_eq!(number(&["inspect", "-o", "json"]), Some(8));
    assert_eq!(number(&["inspect", "-o", "json", "--at", "0.6"]), Some(3));
    assert_eq!(look(&whole, &["doctor"]).0, Some(0));
    let (code, out, said) = look(&whole[..whole.len() / 2], &["inspect"]);
    assert_eq!((code, out.is_empty()), (Some(0), false));
    assert!(said.contains("run.ndjson was cut after 1"), "{said}");
    let mut torn = lines;
    torn[5].truncate(40);
    let (code, _, said) = look(&(torn.join("\n") + "\n"), &["doctor"]);
    assert_eq!(code, Some(7));
    assert!(said.contains("run.ndjson is damaged in line 6"), "{said}");
    assert_eq!(look("", &["doctor"]).0, Some(2));
}
