//! The Redis edge against Redis itself: the same commands, compared byte for byte, and Redis's own
//! clients against our edge.
//!
//! These need the programs of Redis 7.0 (`redis-server`, `redis-cli`, `redis-benchmark`), so they
//! run only when asked: `cargo test --test redis -- --ignored against`.

mod ours;
mod script;
mod theirs;

use std::process::Command;

use ours::{Ours, Service};
use theirs::{Theirs, sorted};

/// Whether a reply is that of Redis and a limit behind it.
fn names_our_limit(expected: &[u8], said: &[u8]) -> bool {
    let words = b"-ERR string exceeds maximum allowed size (proto-max-bulk-len)";
    expected.starts_with(words) && said.starts_with(words)
}

/// Runs one script on both and compares every reply; the first differences are told together, as
/// one often leads to others.
fn compare(seed: u64, lines: impl Iterator<Item = String>) -> usize {
    let (mut theirs, mut ours) = (Theirs::start(), Ours::new());
    let (mut compared, mut differences) = (0, String::new());
    for line in lines {
        let (expected, said) = (theirs.ask(&line), ours.ask(&line));
        let is_same = if script::is_unordered(&line) {
            sorted(&expected) == sorted(&said)
        } else {
            expected == said || names_our_limit(&expected, &said)
        };
        if !is_same && differences.lines().count() < 20 {
            let [expected, said] = [expected, said].map(|reply| reply.escape_ascii().to_string());
            differences += &format!("{compared}: {line}\n    Redis {expected}\n    we    {said}\n");
        }
        compared += 1;
    }
    assert!(differences.is_empty(), "seed {seed}:\n{differences}");
    compared
}

#[test]
#[ignore = "needs redis-server 7.0; `cargo test --test redis -- --ignored against`"]
fn every_reply_is_that_of_redis() {
    for seed in 0..12 {
        let greeting = if seed % 2 == 0 { "HELLO 2" } else { "HELLO 3" };
        let greeting = std::iter::once(greeting.to_owned());
        let compared = compare(seed, greeting.chain(script::random(seed, 4000)));
        assert_eq!(compared, 4001);
    }
}

#[test]
#[ignore = "needs redis-server 7.0; `cargo test --test redis -- --ignored against`"]
fn what_a_connection_says_of_itself_is_in_the_words_of_redis() {
    compare(0, script::CONNECTION.iter().map(|line| (*line).to_owned()));
}

#[test]
#[ignore = "needs redis-benchmark 7.0; `cargo test --test redis -- --ignored against`"]
fn redis_benchmark_runs_as_it_is() {
    let service = Service::start();
    for arguments in [&["-n", "3000"][..], &["-n", "20000", "-P", "16"], &["-n", "3000", "-3"]] {
        let output = Command::new("redis-benchmark")
            .args(["-p", &service.port.to_string(), "-q"])
            .args(arguments)
            .output()
            .expect("redis-benchmark is installed");
        let said = String::from_utf8_lossy(&output.stdout).replace('\r', "\n");
        let done = said.lines().filter(|line| line.contains("requests per second")).count();
        assert!(output.status.success() && !said.contains("rror"), "{said}");
        assert_eq!(done, 20, "{said}");
        said.lines().filter(|line| line.contains("per second")).for_each(|line| println!("{line}"));
    }
}

#[test]
#[ignore = "needs redis-cli 7.0; `cargo test --test redis -- --ignored against`"]
fn redis_cli_talks_to_us_in_both_versions() {
    let service = Service::start();
    let ask = |arguments: &[&str]| {
        let output = Command::new("redis-cli")
            .args(["-p", &service.port.to_string()])
            .args(arguments)
            .output()
            .expect("redis-cli is installed");
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };

    assert_eq!(ask(&["SET", "k", "a b"]), "OK\n");
    assert_eq!(ask(&["GET", "k"]), "a b\n");
    assert_eq!(ask(&["-3", "HSET", "h", "f", "v"]), "1\n");
    assert_eq!(ask(&["-3", "HGETALL", "h"]), "f v\n");
    assert!(ask(&["INFO"]).contains("role:master"));
    for number in 0..1000 {
        let key = format!("many:{number}");
        assert_eq!(ask(&["SET", &key, "x"]), "OK\n");
    }
    assert_eq!(ask(&["--scan", "--pattern", "many:*"]).lines().count(), 1000);
}
