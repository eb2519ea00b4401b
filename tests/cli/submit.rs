//! `taraflow submit` where it does not come to its end.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;

use crate::support::{Cluster, taraflow, wait_until};
use rustix::process::{Pid, Signal, kill_process};

#[test]
fn an_input_that_is_not_there_is_named_and_nobody_is_asked() {
    let output = taraflow().args(["submit", "no-such-file"]).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("cannot read no-such-file: No such file"), "{said}");
}

#[test]
fn a_malformed_line_says_how_many_commands_were_applied_and_how_to_go_on() {
    let cluster = Cluster::start(3, &["--plain"]);
    let file = cluster.directory().join("commands");
    fs::write(&file, "INCR a\nINCR a\nGOT a\nINCR a\n").unwrap();
    let submit = || {
        let mut command = taraflow();
        command.args(["submit", "--dir"]).arg(cluster.directory()).arg(&file).output().unwrap()
    };

    let output = submit();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("line 3: unknown command 'GOT'"), "{said}");
    assert!(said.contains("The 2 commands before it have been applied"), "{said}");
    assert!(said.contains("run the same command again"), "{said}");

    fs::write(&file, "INCR a\nINCR a\nGET a\nINCR a\n").unwrap();
    let output = submit();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert_eq!(output.stdout, b"2\n3\n");
}

#[test]
fn an_interrupted_run_says_that_the_same_command_finishes_exactly_once() {
    let cluster = Cluster::start(3, &["--plain"]);
    let file = cluster.directory().join("commands");
    fs::write(&file, "INCR a\n".repeat(3000)).unwrap();
    let submit = || {
        let mut command = taraflow();
        command.args(["submit", "--dir"]).arg(cluster.directory()).arg(&file);
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        command
    };

    let child = submit().spawn().unwrap();
    wait_until("some are applied", || {
        cluster.ask(0, "STRLEN a").is_ok_and(|length| length != ":0" && length != ":1")
    });
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();

    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(6), "{said}");
    assert!(said.contains("interrupted: ") && said.contains("have been answered"), "{said}");
    assert!(said.contains("each command is applied exactly once"), "{said}");

    let output = submit().output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(cluster.ask(0, "INCRBY a 0").unwrap(), ":3000");
}

#[test]
fn a_reply_comes_while_the_input_says_nothing_more() {
    let cluster = Cluster::start(3, &["--plain"]);
    let mut command = taraflow();
    command.args(["submit", "--dir"]).arg(cluster.directory()).arg("-");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut replies = BufReader::new(child.stdout.take().unwrap()).lines();
    for count in 1..=3 {
        writeln!(input, "INCR a").unwrap();
        assert_eq!(replies.next().unwrap().unwrap(), count.to_string());
    }

    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(6));
}
