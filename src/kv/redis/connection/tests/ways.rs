//! Tests of the ways that commands take: through the log, or to the state.

use super::*;
use crate::model::reads::Freshness;

/// A line, and what it has handed on.
struct Line {
    line: RedisConnection,
    taken: Vec<(Way, u64)>,
}

impl Line {
    fn new() -> Self {
        Self { line: RedisConnection::new(7, Arc::default()), taken: Vec::new() }
    }

    /// Sends commands; returns the ways they have taken.
    fn send(&mut self, commands: &str) -> Vec<Way> {
        let server = ServerInfo { executed: Slot(42), ..ServerInfo::default() };
        let before = self.taken.len();
        self.line.on_bytes(commands.as_bytes(), &server, &mut |way, number, _| {
            self.taken.push((way, number));
        });
        self.taken[before..].iter().map(|(way, _)| *way).collect()
    }

    fn answer_all(&mut self) {
        for (_, number) in self.taken.clone() {
            self.line.on_reply(number, b"$1\r\nv\r\n");
        }
    }

    fn heard(&mut self) -> String {
        let heard = String::from_utf8(self.line.output().to_vec()).unwrap();
        self.line.sent(heard.len());
        heard.replace("\r\n", " ").trim_end().to_owned()
    }
}

const LATEST: Way = Way::State(Freshness::Latest);

#[test]
fn a_read_is_answered_from_the_state_and_a_write_by_the_log() {
    let mut line = Line::new();
    assert_eq!(line.send("GET k\r\n"), [LATEST]);
    line.answer_all();
    assert_eq!(line.send("SET k v\r\n"), [Way::Log]);
    line.answer_all();
    for command in ["TIME\r\n", "RANDOMKEY\r\n", "SRANDMEMBER s\r\n"] {
        assert_eq!(line.send(command), [Way::Log], "{command}: it is of its slot");
        line.answer_all();
    }
}

#[test]
fn a_read_behind_an_open_write_goes_with_it() {
    let mut line = Line::new();
    assert_eq!(line.send("SET k v\r\nGET k\r\n"), [Way::Log, Way::Log]);
    assert_eq!(line.send("GET k\r\n"), [Way::Log]);
    line.answer_all();
    assert_eq!(line.send("GET k\r\n"), [LATEST]);
}

#[test]
fn a_write_waits_for_the_reads_before_it() {
    for write in ["SET k w\r\n", "WATCH k\r\n", "MULTI\r\nSET k w\r\nEXEC\r\n"] {
        let mut line = Line::new();
        let sent = format!("GET k\r\nGET k\r\n{write}");
        assert_eq!(line.send(&sent), [LATEST, LATEST], "{write}");
        assert!(line.line.is_full() && !line.line.is_ready());
        line.line.on_reply(1, b"$1\r\nv\r\n");
        assert!(!line.line.is_ready());
        line.line.on_reply(2, b"$1\r\nv\r\n");
        assert!(line.line.is_ready());
        assert_eq!(line.send(""), [Way::Log], "{write}");
    }
}

#[test]
fn a_client_chooses_how_recent_its_reads_are() {
    for (chosen, way) in [
        ("LOG", Way::Log),
        ("linearizable", LATEST),
        ("SEQUENTIAL", Way::State(Freshness::Executed(Slot(0)))),
        ("sequential 7", Way::State(Freshness::Executed(Slot(7)))),
        ("STALE", Way::State(Freshness::Executed(Slot(0)))),
    ] {
        let mut line = Line::new();
        line.send(&format!("TARAFLOW READS {chosen}\r\nTARAFLOW READS\r\n"));
        let level = chosen.split(' ').next().unwrap().to_lowercase();
        assert_eq!(line.heard(), format!("+OK *2 ${} {level} :42", level.len()));
        assert_eq!(line.send("GET k\r\n"), [way]);
        line.answer_all();
        line.heard();
        line.send("RESET\r\nTARAFLOW READS\r\n");
        assert_eq!(line.heard(), "+RESET *2 $12 linearizable :42");
    }
}

#[test]
fn what_is_told_of_the_slot_is_not_less_than_what_was_seen_before() {
    let mut line = Line::new();
    line.send("SET k v\r\nTARAFLOW READS\r\n");
    assert_eq!(line.heard(), "");
    line.line.on_reply(1, b"+OK\r\n");
    assert!(line.line.is_ready());
    line.send("");
    assert_eq!(line.heard(), "+OK *2 $12 linearizable :42");

    line.send("MULTI\r\nTARAFLOW READS\r\nEXEC\r\n");
    let refused = "+OK -ERR TARAFLOW inside MULTI is not allowed";
    assert!(line.heard().starts_with(refused));
}

#[test]
fn a_level_that_there_is_not_is_refused_and_changes_nothing() {
    let mut line = Line::new();
    for (command, error) in [
        (
            "TARAFLOW READS fresh",
            "-ERR the levels of reads are log, linearizable, sequential and stale",
        ),
        ("TARAFLOW READS stale 7", "-ERR only sequential reads are given a slot"),
        (
            "TARAFLOW READS sequential -1",
            "-ERR the slot is a number from 0 on, as TARAFLOW READS has told it",
        ),
        (
            "TARAFLOW READS sequential 1 2",
            "-ERR wrong number of arguments for 'taraflow|reads' command",
        ),
        ("TARAFLOW WRITES", "-ERR unknown subcommand 'WRITES'. Try TARAFLOW HELP."),
    ] {
        line.send(&format!("{command}\r\n"));
        assert_eq!(line.heard(), error);
    }
    assert_eq!(line.send("GET k\r\n"), [LATEST]);
}
