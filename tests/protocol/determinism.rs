//! Determinism: a seed is the same run in every process and in every build.

use std::cell::RefCell;
use std::process::Command;

use taraflow::hosts::simulation::{World, WorldSettings};
use taraflow::model::quorum::Tolerance;

use crate::spoken::{Spoken, each_protocol, whole};

const SEEDS: std::ops::Range<u64> = 0..8;
const LINE: &str = "fingerprints:";

/// Those of all protocols.
fn fingerprints() -> Vec<u64> {
    thread_local! {
        static FOUND: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
    }
    fn run<M: Spoken>() {
        let run = |seed| {
            World::run(&whole::<M>(), seed, WorldSettings::swarm(seed, Tolerance::Crash), false)
        };
        let found = SEEDS.map(|seed| run(seed).fingerprint);
        FOUND.with_borrow_mut(|all| all.extend(found));
    }
    each_protocol!(run);
    FOUND.take()
}

/// What a command that prints fingerprints has printed.
fn printed_by(command: &mut Command) -> String {
    let arguments =
        ["--exact", "determinism::fingerprints_are_printed", "--ignored", "--nocapture"];
    let output = command.args(arguments).output().expect("the command starts");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find_map(|line| Some(line.split_once(LINE)?.1.trim().to_owned()));
    let errors = String::from_utf8_lossy(&output.stderr);
    line.unwrap_or_else(|| panic!("no fingerprints in:\n{text}\n{errors}"))
}

#[test]
fn a_recorded_run_is_the_same_run() {
    fn record<M: Spoken>() {
        for seed in 0..10 {
            let settings = WorldSettings::swarm(seed, Tolerance::Crash);
            let (recorded, text) = World::record(&whole::<M>(), seed, settings.clone());
            let unseen = World::run(&whole::<M>(), seed, settings.clone(), false);
            let case = format!("{}, seed {seed}", M::PROTOCOL.name);
            assert_eq!(recorded.fingerprint, unseen.fingerprint, "{case}");
            assert!(text.lines().count() > 3, "{case} has frames");
            let (_, again) = World::record(&whole::<M>(), seed, settings);
            assert!(text == again, "{case} is recorded as it was before, byte for byte");
        }
    }
    each_protocol!(record);
}

#[test]
fn a_seed_is_the_same_run_twice_and_another_seed_another() {
    let first = fingerprints();

    let second = fingerprints();

    assert_eq!(first, second, "seeds {SEEDS:?}");
    for (run, fingerprint) in first.iter().enumerate() {
        let same = first.iter().filter(|other| *other == fingerprint).count();
        assert_eq!(same, 1, "run {run} is the same as another");
    }
}

#[test]
fn a_seed_is_the_same_run_in_another_process() {
    let here = format!("{:?}", fingerprints());

    let there = printed_by(&mut Command::new(std::env::current_exe().expect("it is running")));

    assert_eq!(here, there, "seeds {SEEDS:?}");
}

#[test]
#[ignore = "builds both profiles; `cargo test --test protocol -- --ignored debug_and_release`"]
fn debug_and_release_are_the_same_run() {
    let cargo = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO"));
        command.current_dir(env!("CARGO_MANIFEST_DIR"));
        printed_by(command.args(["test", "--test", "protocol"]).args(arguments).arg("--"))
    };

    let debug = cargo(&[]);
    let release = cargo(&["--release"]);

    assert_eq!(debug, release, "seeds {SEEDS:?}");
}

#[test]
#[ignore = "prints for the tests above"]
fn fingerprints_are_printed() {
    println!("{LINE} {:?}", fingerprints());
}
