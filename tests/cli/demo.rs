//! The demo as a user runs it: what it prints, what it leaves, and the exit codes.

use std::io::Write;
use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::Value;

use crate::support::taraflow;

fn demo(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = taraflow()
        .arg("demo")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A demo that refuses its arguments does not read.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn report(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn the_leader_is_killed_in_the_middle_and_nothing_is_lost() {
    let output = demo(&["--requests", "30000", "-o", "json"], b"");
    assert_eq!(code(&output), 0, "{}", said(&output));
    let report = report(&output);
    assert_eq!(report["answered"], 30_000);
    assert_eq!(report["ok"], true);
    let digests: Vec<_> =
        (0..3).map(|replica| report["replicas"][replica]["digest"].clone()).collect();
    assert!(digests[0].is_string() && digests.iter().all(|digest| *digest == digests[0]));
    for part in ["the leader of view 0, killed", "leads view", "is back at slot", "caught up"] {
        assert!(said(&output).contains(part), "{part:?} is not in {}", said(&output));
    }
}

#[test]
fn without_a_majority_it_says_who_is_missing_and_ends() {
    let output = demo(&["--requests", "5000", "--kill", "2"], b"");
    assert_eq!(code(&output), 4, "{}", said(&output));
    assert!(said(&output).contains("no quorum: 1 of 3 replicas live and 2 are needed"));
    assert!(said(&output).contains("missing: 0, 1"), "{}", said(&output));
}

#[test]
fn two_of_five_replicas_may_be_killed() {
    let output = demo(&["--replicas", "5", "--kill", "2", "--requests", "20000"], b"");
    assert_eq!(code(&output), 0, "{}", said(&output));
}

#[test]
fn commands_come_from_standard_input_and_counters_are_compared() {
    let mut input = b"# counters\n".to_vec();
    for at in 0..900 {
        writeln!(input, "INCR c:{}", at % 9).unwrap();
    }
    let output = demo(&["--input", "-", "-o", "json"], &input);
    assert_eq!(code(&output), 0, "{}", said(&output));
    assert_eq!(report(&output)["answered"], 900);
    assert_eq!(report(&output)["counters_checked"], 9);
}

#[test]
fn what_cannot_be_used_is_a_usage_error_with_its_place() {
    for (arguments, input, part) in [
        (&["--replicas", "0"][..], &b""[..], "0 replicas cannot be used"),
        (&["--replicas", "2"], b"", "2 replicas cannot be used"),
        (&["--replicas", "4"], b"", "4 replicas cannot be used"),
        (&["--frobnicate"], b"", "--frobnicate"),
        (&["--requests", "0"], b"", "must be a whole number, 1 or more"),
        (&["--seed", "-5"], b"", "must be a whole number, 0 or more"),
        (&["--replicas", "99999999999999999999"], b"", "is too large"),
        (&["--kill", "4"], b"", "there are only 3 replicas"),
        (&["--kill-leader-at", "half"], b"", "expected a percentage"),
        (&["--input", "/nowhere/at/all"], b"", "/nowhere/at/all"),
        (&["--input", "/"], b"", "cannot read /"),
        (&["--input", "-"], b"PING\nGOT k\n", "line 2: unknown command 'GOT'"),
        (&["--input", "-"], b"PING\n*1\r\nx4\r\n", "byte 9"),
        (&["--input", "-"], b"# nothing\n", "holds no command"),
    ] {
        let output = demo(arguments, input);
        assert_eq!(code(&output), 2, "{arguments:?}: {}", said(&output));
        assert!(said(&output).contains(part), "{part:?} is not in {}", said(&output));
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_directory_that_cannot_be_kept_in_is_refused_before_the_run() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("demo-taken");
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join("mine"), b"").unwrap();
    for directory in [directory.to_str().unwrap(), "/proc/nowhere"] {
        let output = demo(&["--keep", directory], b"");
        assert_eq!(code(&output), 1, "{}", said(&output));
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn journals_checkpoints_and_the_report_are_kept() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("demo-kept");
    let _ = std::fs::remove_dir_all(&directory);
    let output = demo(&["--requests", "3000", "--keep", directory.to_str().unwrap()], b"");
    assert_eq!(code(&output), 0, "{}", said(&output));
    let kept = std::fs::read(directory.join("report.json")).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&kept).unwrap()["answered"], 3000);
    for replica in 0..3 {
        let files = std::fs::read_dir(directory.join(format!("replica-{replica}"))).unwrap();
        let names: Vec<_> = files.map(|file| file.unwrap().file_name()).collect();
        assert!(names.iter().any(|name| name.to_string_lossy().starts_with("journal-")));
    }
}

#[test]
fn the_report_fits_a_terminal_of_eighty_columns() {
    let output = demo(&["--requests", "3000"], b"");

    let text = String::from_utf8(output.stdout).unwrap();
    let widest = text.lines().max_by_key(|line| line.chars().count()).unwrap();
    assert!(widest.chars().count() <= 80, "{widest}");
    assert!(text.contains("repeats"), "{text}");
}
