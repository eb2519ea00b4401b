//! Every file a replica has, harmed in every way, under a cluster of processes: the replica serves
//! with all that was acknowledged, or it alone refuses to start, in words that help, and all
//! commands agree.
//!
//! Not tried, since nothing can notice it: an older copy of all of a replica's data at once.

mod files;
mod lives;

use std::path::Path;

use crate::support::nodes::REPLICAS;
use crate::support::{taraflow, told, wait_for};
use files::Case;
use lives::Lives;
use serde_json::Value;

/// How a replica that was harmed has started.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Serves,
    Refuses(Option<i32>),
}

#[test]
fn before_the_first_checkpoint_a_harmed_file_loses_nothing_and_stops_no_other() {
    every_file_and_harm(4096);
}

#[test]
fn after_checkpoints_a_harmed_file_loses_nothing_and_stops_no_other() {
    every_file_and_harm(64);
}

fn every_file_and_harm(checkpoint_every: u64) {
    let mut lives = Lives::lead(checkpoint_every);
    let leader = lives.next_leader();
    for who in [leader, (leader + 1) % REPLICAS] {
        lives.restore_all();
        lives.start_others(who);
        let cases = lives.cases(who);
        assert!(cases.len() > 50, "{cases:?}");
        for case in cases {
            case.apply();
            match start(&mut lives, who, &case) {
                // It has voted since: its files of before would be those of one that has forgotten.
                Outcome::Serves => {
                    lives.restore_all();
                    lives.start_others(who);
                }
                Outcome::Refuses(_) => lives.restore(who),
            }
        }
        lives.start(who);
        lives.all_serve_everything("after all harms");
    }
}

/// Starts the replica that was harmed; the others run. What commands say must fit what happens.
fn start(lives: &mut Lives, who: usize, case: &Case) -> Outcome {
    let node = lives.home(who).join("node.toml");
    let (checked, verified) =
        (tell(&["config", "check", "--config"], &node), tell(&["log", "verify"], &lives.data(who)));
    let outcome = lives.outcome_of_start(who);
    println!("{case}: {outcome:?}");
    match outcome {
        Outcome::Serves => {
            assert_eq!(checked, (Some(0), "ok\n".to_owned()), "{case}");
            assert_eq!(verified.0, Some(0), "{case}: {}", verified.1);
            lives.all_serve_everything(&case.to_string());
            doctor_ends_with(0, lives, &format!("nothing is wrong: {case}"));
        }
        Outcome::Refuses(code) => {
            let log = lives.log(who);
            let last: Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
            let why = last["message"].as_str().unwrap();
            println!("    {}", why.trim_end().replace('\n', "\n    "));
            assert!(case.is_refused_with(code), "{case}: {code:?}: {log}");
            assert!(case.names_what_is_wrong(why), "{case}: {why}");
            assert_eq!(checked.0, code, "{case}: {}", checked.1);
            if case.is_data() {
                assert_eq!(verified.0, Some(7), "{case}: {}", verified.1);
                // Whose data it is, is guessed by who only looks; so another file may be wrong to
                // him.
                assert!(case.names_what_is_wrong(&checked.1), "{case}: {}", checked.1);
            } else {
                assert_eq!(checked.1, format!("taraflow: {why}\n"), "{case}");
            }
            for index in (0..REPLICAS).filter(|index| *index != who) {
                lives.serves_everything(index, &case.to_string());
            }
            // What the others show of themselves may be a moment old.
            doctor_ends_with(5, lives, &format!("one replica is away: {case}"));
            let (_, said) = doctor(lives);
            assert!(said.contains(&format!("replica {who} does not take part")), "{case}: {said}");
            let last = why.lines().last().unwrap_or_default();
            assert!(said.contains(last), "{case}: {said}");
            let (code, said) = tell(&["status", "--dir"], &lives.directory());
            assert_eq!(code, Some(5), "{case}: {said}");
            assert!(said.contains("2 of 3 replicas work"), "{case}: {said}");
        }
    }
    outcome
}

/// Waits until the doctor ends with this code.
fn doctor_ends_with(code: i32, lives: &Lives, what: &str) {
    wait_for(what, || match doctor(lives) {
        (Some(found), _) if found == code => Ok(()),
        (_, said) => Err(said),
    });
}

fn doctor(lives: &Lives) -> (Option<i32>, String) {
    tell(&["doctor", "--timeout", "1", "--dir"], &lives.directory())
}

/// What a command says of a place, and its exit code.
fn tell(words: &[&str], place: &Path) -> (Option<i32>, String) {
    let (code, out, said) = told(taraflow().args(words).arg(place).output().unwrap());
    (code, out + &said)
}
