//! `taraflow sim` as a user runs it.
#![allow(clippy::unwrap_used)]

use std::process::{Command, Output};

fn sim(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_taraflow")).arg("sim").args(arguments).output().unwrap()
}

#[test]
fn two_hundred_worlds_break_no_rule_and_leave_nothing_untried() {
    let output = sim(&["--protocol", "tara", "--seeds", "0..200", "-o", "json"]);

    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{errors}");
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let fields =
        ["seeds", "messages", "crashes", "view_changes", "checkpoints_installed", "violations"];
    for field in fields {
        assert!(summary[field].is_u64(), "{field} of {summary}");
    }
    assert_eq!(summary["seeds"], 200);
    assert_eq!(summary["violations"], 0);
    assert_eq!(summary["not_covered"].as_array().unwrap().len(), 0, "{summary}");
}

#[test]
fn a_command_line_that_makes_no_sense_is_refused_with_code_2() {
    for arguments in [
        &["--seeds", "5..5"][..],
        &["--seeds", "many"],
        &["--protocol", "raft"],
        &["--sedes", "1"],
        &["--jobs", "x"],
    ] {
        let output = sim(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(!output.stderr.is_empty(), "{arguments:?}");
    }
}
