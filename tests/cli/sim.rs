//! `taraflow sim` as a user runs it.

use std::process::Output;

use taraflow::dataflows;

use crate::support::taraflow;

fn sim(arguments: &[&str]) -> Output {
    taraflow().arg("sim").args(arguments).output().unwrap()
}

#[test]
fn two_hundred_worlds_break_no_rule_and_leave_nothing_untried() {
    for protocol in dataflows::names() {
        let output = sim(&["--protocol", protocol, "--seeds", "0..200", "-o", "json"]);

        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{errors}");
        let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let marks = dataflows::find(protocol).unwrap().marks();
        let common = ["seeds", "messages", "crashes", "checkpoints_installed", "violations"];
        for field in common.iter().chain(marks) {
            assert!(summary[field].is_u64(), "{field} of {summary}");
        }
        assert_eq!(summary["seeds"], 200);
        assert_eq!(summary["violations"], 0);
        assert_eq!(summary["not_covered"].as_array().unwrap().len(), 0, "{summary}");
    }
}

#[test]
fn a_command_line_that_makes_no_sense_is_refused_with_code_2() {
    for arguments in [
        &["--seeds", "5..5"][..],
        &["--seeds", "many"],
        &["--protocol", "raft"],
        &["--sedes", "1"],
        &["--jobs", "x"],
        &["--jobs", "0"],
        &["--jobs", "-1"],
    ] {
        let output = sim(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.starts_with("taraflow: "), "{arguments:?}: {said}");
        assert!(!said.contains("unexpected argument '-1"), "{arguments:?}: {said}");
    }
}

#[test]
fn the_first_line_says_whether_rules_were_broken_and_in_how_many_worlds() {
    let output = sim(&["--seeds", "3..5"]);

    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().next(), Some("no rule broken in 2 worlds of tara"));
}

#[test]
fn a_recorded_world_is_read_by_inspect_and_doctor_and_is_a_page() {
    let home = tempfile::tempdir().unwrap();
    let (trace, page) = (home.path().join("trace"), home.path().join("page.html"));
    let run = |args: &[&str]| {
        let output = taraflow().args(args).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout) + &text(&output.stderr))
    };
    let (file, html) = (trace.to_str().unwrap(), page.to_str().unwrap());
    let recorded = run(&["sim", "--seeds", "7", "--record", file, "--page", html]);
    assert_eq!(recorded.0, Some(0), "{}", recorded.1);

    let (code, text) = run(&["inspect", "--trace", file, "--once"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("committer") && text.contains("learner"), "{text}");
    let (code, text) = run(&["doctor", "--trace", file]);
    assert!(matches!(code, Some(0 | 4 | 5)), "{text}");
    assert!(std::fs::read_to_string(&page).unwrap().contains("taraflow_trace"));
    let recording = std::fs::read_to_string(&trace).unwrap();
    let faults: Vec<_> = recording.lines().filter(|line| line.starts_with("{\"fault\":")).collect();
    assert!(faults.iter().any(|line| line.contains("crashes")), "{faults:#?}");
    assert!(faults.last().is_some_and(|line| line.contains("all is healed")), "{faults:#?}");

    let (code, text) = run(&["sim", "--seeds", "0..2", "--record", file]);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("need a single seed"), "{text}");
}
