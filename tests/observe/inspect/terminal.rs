//! The view that stays, in a real terminal.

use std::process::Command;

use serde_json::json;

use super::stub::{self, Stub};
use crate::support::{Cluster, wait_until};

/// A terminal of 80 columns and 24 lines that belongs to this test, and ends with it.
struct Terminal {
    socket: String,
}

impl Terminal {
    /// Starts a command in it, and then says how it ended.
    fn start(test: &str, command: &str) -> Self {
        let terminal = Self { socket: format!("taraflow-{test}-{}", std::process::id()) };
        let command = format!("{command}; echo \"ended with $?\"; sleep 60");
        terminal.tmux(&["new-session", "-d", "-x", "80", "-y", "24", &command]);
        terminal
    }

    fn tmux(&self, words: &[&str]) -> String {
        let mut command = Command::new("tmux");
        command.args(["-L", &self.socket, "-f", "/dev/null"]).args(words);
        let output = command.env_remove("TMUX").output().expect("tmux runs");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{words:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn press(&self, key: &str) {
        self.tmux(&["send-keys", key]);
    }

    fn screen(&self) -> String {
        self.tmux(&["capture-pane", "-p"])
    }

    /// Waits until the screen holds all of this.
    fn shows(&self, texts: &[&str]) {
        wait_until(&format!("the screen shows {texts:?}"), || {
            let screen = self.screen();
            texts.iter().all(|text| screen.contains(text))
        });
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the screen:\n{}", self.screen());
        }
        let mut command = Command::new("tmux");
        let _ = command.args(["-L", &self.socket, "kill-server"]).output();
    }
}

fn taraflow(words: &str) -> String {
    format!("{} {words}", env!("CARGO_BIN_EXE_taraflow"))
}

#[test]
#[ignore = "needs tmux"]
fn keys_change_what_is_on_the_screen_and_quitting_restores_it() {
    let stub = Stub::default();
    stub.set_with("/v1/scene", |count| stub::scene(count, &json!([])));
    let address = stub.start();
    let terminal = Terminal::start("keys", &taraflow(&format!("inspect --addr {address}")));

    terminal.shows(&["nothing is wrong: 3 replicas", "1 leader", "2 follower", "? help"]);
    terminal.press("2");
    terminal.shows(&["of replica 0", "executor", "25.0"]);
    terminal.press("Right");
    terminal.shows(&["of replica 1"]);
    terminal.press("5");
    terminal.shows(&["enters view 1"]);
    terminal.press("?");
    terminal.shows(&["sort by the next column"]);
    terminal.press("x");
    terminal.tmux(&["resize-window", "-x", "120", "-y", "40"]);
    terminal.press("1");
    terminal.shows(&["slots/s"]);

    terminal.press("q");
    terminal.shows(&["ended with 0"]);
    assert!(!terminal.screen().contains("? help"), "{}", terminal.screen());
}

#[test]
#[ignore = "needs tmux"]
fn a_replica_that_is_killed_while_one_watches_stays_on_the_screen() {
    // In memory, so that nobody starts it again.
    let cluster = Cluster::start(3, &["--memory"]);
    let directory = cluster.directory();
    let command = taraflow(&format!("inspect --watch --dir {}", directory.display()));
    let terminal = Terminal::start("killed", &command);
    terminal.shows(&[
        "nothing is wrong: 3 replicas, replica 0 leads view 0",
        "2 follower",
        "ready",
    ]);
    terminal.press("4");
    terminal.shows(&["of replica 0", "votes of"]);

    cluster.kill(2);

    terminal.shows(&["degraded: "]);
    terminal.press("1");
    terminal.shows(&["2 follower", " s silent", "Connection refused"]);
    terminal.press("5");
    terminal.shows(&["time (UTC)"]);
    terminal.press("q");
    terminal.shows(&["ended with 0"]);
}

#[test]
#[ignore = "needs tmux"]
fn a_view_ends_when_its_terminal_goes_away() {
    let stub = Stub::default();
    stub.set_with("/v1/scene", |count| stub::scene(count, &json!([])));
    let address = stub.start();
    let terminal = Terminal::start("gone", &taraflow(&format!("inspect --addr {address}")));
    terminal.shows(&["nothing is wrong"]);
    let shell = terminal.tmux(&["list-panes", "-F", "#{pane_pid}"]);
    let shell = shell.trim();
    let children = std::fs::read_to_string(format!("/proc/{shell}/task/{shell}/children")).unwrap();
    let view = children.split_whitespace().next().unwrap().to_owned();
    assert!(std::fs::exists(format!("/proc/{view}")).unwrap());

    drop(terminal);

    wait_until("the view has ended", || !std::fs::exists(format!("/proc/{view}")).unwrap());
}

#[test]
#[ignore = "needs tmux"]
fn control_c_and_a_signal_restore_the_screen_too() {
    let stub = Stub::default();
    stub.set_with("/v1/scene", |count| stub::scene(count, &json!([])));
    let address = stub.start();
    let command = taraflow(&format!("inspect --watch --addr {address}"));

    let terminal = Terminal::start("control-c", &command);
    terminal.shows(&["nothing is wrong: 3 replicas, replica 1 leads view 1, slot 2000"]);
    terminal.press("C-c");
    terminal.shows(&["ended with 0"]);

    let terminal = Terminal::start("signal", &format!("timeout --foreground 2 {command}"));
    terminal.shows(&["nothing is wrong"]);
    terminal.shows(&["ended with 124"]);
    assert!(!terminal.screen().contains("? help"), "{}", terminal.screen());
}
