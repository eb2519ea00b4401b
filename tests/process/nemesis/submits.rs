//! `taraflow submit` among faults: each command once, replies in order.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use taraflow::kv::resp::RespReply;

use crate::support::nodes::Nodes;
use crate::support::redis::RedisConnection;
use crate::support::{taraflow, wait_until};

const COMMANDS: u64 = 60_000;

/// A run of `submit` with the same input and session each time; its replies are added to `replies`.
/// The input takes three seconds to come, so that no run is done before the test has killed anything.
fn submit(nodes: &Nodes, home: &Path) -> Child {
    let replies = home.join("replies");
    let replies = OpenOptions::new().create(true).append(true).open(replies).unwrap();
    let mut command: Command = taraflow();
    command.args(["submit", "-o", "json", "--dir"]).arg(nodes.directory());
    command.arg("--session").arg(session_file(home)).arg("-");
    command.stdin(Stdio::piped()).stdout(replies).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    thread::spawn(move || {
        for _ in 0..COMMANDS / 20 {
            // A run that was killed reads no further.
            if input.write_all("INCR submitted\n".repeat(20).as_bytes()).is_err() {
                return;
            }
            thread::sleep(Duration::from_millis(1));
        }
    });
    child
}

fn session_file(home: &Path) -> PathBuf {
    home.join("session")
}

/// Has `submit` add one to a counter time and again, until it is enough. All of it must have been
/// answered in the end, once; says how often that was.
pub fn count_until(enough: &AtomicBool, cluster: &Path) -> u64 {
    let home = tempfile::tempdir().unwrap();
    let replies = home.path().join("replies");
    let mut command: Command = taraflow();
    command.args(["submit", "--timeout", "60", "-o", "json", "--dir"]).arg(cluster).arg("-");
    command.stdin(Stdio::piped()).stdout(File::create(&replies).unwrap()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut count = 0;
    while !enough.load(Ordering::Relaxed) && writeln!(input, "INCR submitted").is_ok() {
        count += 1;
        thread::sleep(Duration::from_millis(1));
    }
    drop(input);
    let output = child.wait_with_output().unwrap();

    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    let replies = fs::read_to_string(replies).unwrap();
    let wanted: String = (1..=count).map(|n| format!("{{\"n\":{n},\"reply\":{n}}}\n")).collect();
    assert!(replies == wanted, "{replies}");
    count
}

/// How many replies have been printed when that was last written down.
fn printed(home: &Path) -> u64 {
    let text = fs::read_to_string(session_file(home)).unwrap_or_default();
    let session: Value = serde_json::from_str(&text).unwrap_or_default();
    session["printed"].as_u64().unwrap_or_default()
}

#[test]
fn commands_are_applied_once_though_leader_and_submit_are_killed() {
    let mut nodes = Nodes::start_all(false, 1000);
    let home = tempfile::tempdir().unwrap();

    let mut first = submit(&nodes, home.path());
    wait_until("some are answered", || printed(home.path()) > 0);
    nodes.kill(0);
    first.kill().unwrap();
    first.wait().unwrap();
    let at = printed(home.path());
    let second = submit(&nodes, home.path());
    wait_until("some more are answered", || printed(home.path()) > at);
    nodes.start(0);
    nodes.kill(1);
    let output = second.wait_with_output().unwrap();

    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    let total = RedisConnection::to(nodes.clients(2)).patient().ask(&["GET", "submitted"]);
    assert_eq!(total, Some(RespReply::Bulk(Some(COMMANDS.to_string().into_bytes()))), "{said}");
    replies_are_in_order(&fs::read_to_string(home.path().join("replies")).unwrap(), at);
}

/// The replies of a run that was killed, the last of which may be cut off, and of one that began
/// after `at` of them: each counts one further, or is said to have been told before.
fn replies_are_in_order(replies: &str, at: u64) {
    let second = format!("{{\"n\":{},", at + 1);
    let begin = replies.rfind(&second).unwrap();
    for (from, part) in [(1, &replies[..begin]), (at + 1, &replies[begin..])] {
        let mut next = from;
        for line in part.lines() {
            let Ok(line) = serde_json::from_str::<Value>(line) else { continue };
            assert_eq!(line["n"], next);
            assert!(line["reply"] == next || line["note"] == "applied before", "{line}");
            next += 1;
        }
        eprintln!("replies {from} to {}", next - 1);
    }
    assert!(replies.trim_end().ends_with(&format!("\"n\":{COMMANDS},\"reply\":{COMMANDS}}}")));
}
