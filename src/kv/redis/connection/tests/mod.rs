//! Tests of one connection: the replies to its client, and the commands handed to the log.

use super::*;
use crate::kv::service::KeyValue;
use crate::model::app::{At, StateMachine};
use crate::model::types::Slot;

mod bounds;
mod connections;
mod transactions;
mod ways;

/// A line, and a log that answers only when it is told to.
struct Client {
    line: RedisConnection,
    service: KeyValue,
    ordered: Vec<(u64, Vec<u8>)>,
}

impl Client {
    fn new(settings: RedisSettings) -> Self {
        let line = RedisConnection::new(7, Arc::new(settings));
        Self { line, service: KeyValue::default(), ordered: Vec::new() }
    }

    fn send(&mut self, bytes: &str) {
        let ordered = &mut self.ordered;
        let server = ServerInfo {
            replicas: 3,
            quorum: 2,
            port: 6379,
            state_bytes: 77,
            memory_max: 1 << 20,
            ..ServerInfo::default()
        };
        self.line.on_bytes(bytes.as_bytes(), &server, &mut |_, number, command| {
            ordered.push((number, command.to_vec()));
        });
    }

    /// Lets the log answer all that it was asked, and what was held up for that go on.
    fn settle(&mut self) {
        while !self.ordered.is_empty() || self.line.is_ready() {
            for (number, command) in std::mem::take(&mut self.ordered) {
                let mut reply = Vec::new();
                self.service.apply(At { slot: Slot(number), time_ms: 0 }, &command, &mut reply);
                self.line.on_reply(number, &reply);
            }
            self.send("");
        }
    }

    /// What was said since the last time, with spaces for line ends.
    fn heard(&mut self) -> String {
        let heard = String::from_utf8(self.line.output().to_vec()).unwrap();
        self.line.sent(heard.len());
        heard.replace("\r\n", " ").trim_end().to_owned()
    }

    fn ask(&mut self, line: &str) -> String {
        self.send(line);
        self.send("\r\n");
        self.settle();
        self.heard()
    }
}

fn client() -> Client {
    Client::new(RedisSettings::default())
}

/// Sends lines one after the other and compares the replies.
fn check(client: &mut Client, script: &[(&str, &str)]) {
    for (line, expected) in script {
        assert_eq!(client.ask(line), *expected, "{line}");
    }
}

#[test]
fn a_reply_waits_for_those_before_it() {
    let mut client = client();
    client.send("SET k v\r\nPING\r\nGET k\r\nECHO hi\r\n");
    assert_eq!((client.heard().as_str(), client.line.oldest_open()), ("", Some(1)));

    client.line.on_reply(1, b"+OK\r\n");
    assert_eq!((client.heard().as_str(), client.line.oldest_open()), ("+OK +PONG", Some(2)));

    client.line.on_reply(2, b"$1\r\nv\r\n");
    assert_eq!((client.heard().as_str(), client.line.oldest_open()), ("$1 v $2 hi", None));
}

#[test]
fn an_array_is_ordered_as_the_bytes_that_arrived() {
    let mut client = client();

    client.send("*2\r\n$3\r\ngEt\r\n$1\r\nk\r\ngEt 'k'\r\n");

    assert_eq!(client.ordered[0], (1, b"*2\r\n$3\r\ngEt\r\n$1\r\nk\r\n".to_vec()));
    assert_eq!(client.ordered[1].1, client.ordered[0].1);
}

#[test]
fn line_ends_that_redis_does_not_look_at_are_put_right_for_the_log() {
    let mut client = client();

    client.send("*2\r\n$3\r\nGETXX$1\rXkYY*1\r\n$4\r\nPING\r\n");

    assert_eq!(client.ordered, [(1, b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n".to_vec())]);
    client.settle();
    assert_eq!(client.heard(), "$-1 +PONG");
}

#[test]
fn a_gap_in_the_replies_is_an_unknown_outcome() {
    let mut client = client();
    client.send("INCR a\r\nINCR b\r\nPING\r\nINCR c\r\n");

    client.line.on_reply(3, b":1\r\n");
    client.line.on_reply(2, b":9\r\n");

    let lost = "-UNKNOWN the reply to this command was lost; it may have been executed or not";
    assert_eq!(client.heard(), format!("{lost} {lost} +PONG :1"));
}

#[test]
fn a_late_reply_is_passed_over() {
    let mut client = client();
    client.send("INCR a\r\nINCR b\r\n");

    client.line.expire(1);
    client.line.on_reply(1, b":1\r\n");
    client.line.on_reply(2, b":2\r\n");

    let late = "-UNKNOWN no reply came in time; this command may have been executed, or will be";
    assert_eq!(client.heard(), format!("{late} :2"));
    client.line.expire(9);
    client.line.on_reply(3, b":3\r\n");
    assert_eq!(client.heard(), "");
}

#[test]
fn a_client_that_does_not_wait_is_held_up() {
    let settings = RedisSettings { in_flight_max: 2, ..RedisSettings::default() };
    let mut client = Client::new(settings);

    client.send("INCR a\r\nINCR a\r\nINCR a\r\nINCR a\r\nINCR a\r\n");
    assert_eq!(client.ordered.len(), 2);
    assert!(client.line.is_full() && !client.line.is_ready());

    client.settle();
    assert_eq!(client.heard(), ":1 :2 :3 :4 :5");
    assert!(!client.line.is_full());
}

#[test]
fn a_client_that_does_not_read_is_held_up() {
    let settings = RedisSettings { output_bytes_max: 1000, ..RedisSettings::default() };
    let mut client = Client::new(settings);

    client.send(&"COMMAND\r\n".repeat(1000));

    assert!(client.line.is_full() && client.line.output().len() < 100_000);
    let mut replies = 0;
    while !client.line.output().is_empty() {
        replies += usize::from(client.heard().starts_with('*'));
        client.settle();
    }
    assert_eq!(replies, 1000);
}

#[test]
fn nothing_is_served_before_the_password() {
    let settings = RedisSettings { password: Some(b"secret".to_vec()), ..RedisSettings::default() };
    let mut client = Client::new(settings.clone());
    check(
        &mut client,
        &[
            ("GET k", "-NOAUTH Authentication required."),
            ("PING", "-NOAUTH Authentication required."),
            ("AUTH wrong", "-WRONGPASS invalid username-password pair or user is disabled."),
            ("AUTH other secret", "-WRONGPASS invalid username-password pair or user is disabled."),
            ("AUTH default secret", "+OK"),
            ("GET k", "$-1"),
            ("RESET", "+RESET"),
            ("GET k", "-NOAUTH Authentication required."),
            ("AUTH secret", "+OK"),
            ("PING", "+PONG"),
        ],
    );
    for (bytes, said) in [
        ("*11\r\n", "-ERR Protocol error: unauthenticated multibulk length"),
        ("*1\r\n$16385\r\n", "-ERR Protocol error: unauthenticated bulk length"),
        ("*x\r\n", "-ERR Protocol error: invalid multibulk length"),
    ] {
        let mut client = Client::new(settings.clone());
        client.send(bytes);
        assert_eq!((client.heard().as_str(), client.line.is_closing()), (said, true));
    }
}

#[test]
fn hello_chooses_the_version_and_may_carry_the_password() {
    let settings = RedisSettings { password: Some(b"p".to_vec()), ..RedisSettings::default() };
    let mut client = Client::new(settings);
    assert!(client.ask("HELLO 3").starts_with("-NOAUTH HELLO must be called"));
    assert!(client.ask("HELLO 3 AUTH default x").starts_with("-WRONGPASS"));
    assert_eq!(client.ask("HELLO 4"), "-NOPROTO unsupported protocol version");

    let said = client.ask("HELLO 3 AUTH default p SETNAME me");

    assert!(said.starts_with("%7 $6 server $5 redis $7 version"), "{said}");
    assert!(said.contains("$5 proto :3 $2 id :7"), "{said}");
    check(
        &mut client,
        &[
            ("CLIENT GETNAME", "$2 me"),
            ("GET k", "_"),
            ("HSET h f v", ":1"),
            ("HGETALL h", "%1 $1 f $1 v"),
            ("SADD s m", ":1"),
            ("SMEMBERS s", "~1 $1 m"),
            ("CONFIG GET save", "%1 $4 save $0"),
        ],
    );
    assert!(client.ask("HELLO 2").starts_with("*14 "));
    check(&mut client, &[("HGETALL h", "*2 $1 f $1 v"), ("GET k", "$-1")]);
}

#[test]
fn a_version_chosen_does_not_change_earlier_replies() {
    let mut client = client();

    client.send("GET k\r\nHELLO 3\r\nGET k\r\n");
    client.settle();

    let heard = client.heard();
    assert!(heard.starts_with("$-1 %7 ") && heard.ends_with(" _"), "{heard}");
}

#[test]
fn quit_ends_the_connection_behind_its_reply() {
    let mut client = client();
    client.send("INCR a\r\nQUIT\r\nINCR a\r\n");
    assert!(!client.line.is_closing() && client.line.is_full());

    client.settle();

    assert_eq!((client.heard().as_str(), client.line.is_closing()), (":1 +OK", true));
}

#[test]
fn bytes_that_are_no_command_end_the_connection_behind_earlier_replies() {
    let mut client = client();

    client.send("INCR a\r\n*1\r\n:1\r\nPING\r\n");
    client.settle();

    assert_eq!(client.heard(), ":1 -ERR Protocol error: expected '$', got ':'");
    assert!(client.line.is_closing());
}

#[test]
fn an_http_request_ends_the_connection_before_any_of_its_body_is_executed() {
    let body = "\r\n\r\nSET k stolen\r\n";
    for request in [
        "POST / HTTP/1.1\r\nContent-Type: text/plain".to_owned(),
        "pOsT / HTTP/1.1\r\nContent-Type: text/plain".to_owned(),
        "GET / HTTP/1.1\r\nhost: localhost:7000".to_owned(),
        "PUT / HTTP/1.1\nHOST: localhost:7000".to_owned(),
        "*1\r\n$4\r\npost".to_owned(),
        "MULTI\r\nPOST / HTTP/1.1".to_owned(),
        "\"POST\" / x y".to_owned(),
    ] {
        for password in [None, Some(b"secret".to_vec())] {
            let mut client = Client::new(RedisSettings { password, ..RedisSettings::default() });
            client.send(&format!("{request}{body}"));
            client.send("SET k stolen\r\n");

            assert!(client.ordered.is_empty(), "{request}");
            assert_eq!(client.line.offence(), Some(Offence::Http), "{request}");
            assert!(client.line.is_closing() && client.line.is_full());
        }
    }
}

#[test]
fn what_was_asked_before_an_http_request_is_answered() {
    let mut client = client();

    client.send("INCR a\r\nPOST / HTTP/1.1\r\nINCR a\r\n");
    assert!(!client.line.is_closing());
    client.settle();

    assert_eq!((client.heard().as_str(), client.line.is_closing()), (":1", true));
}

#[test]
fn commands_that_nobody_has_are_named_as_in_redis() {
    check(
        &mut client(),
        &[
            ("NONE a b", "-ERR unknown command 'NONE', with args beginning with: 'a' 'b'"),
            ("SUBSCRIBE a", "-ERR unknown command 'SUBSCRIBE', with args beginning with: 'a'"),
            ("TRANSACTION 0", "-ERR unknown command 'TRANSACTION', with args beginning with: '0'"),
            ("VERSIONS k", "-ERR unknown command 'VERSIONS', with args beginning with: 'k'"),
            ("GET", "-ERR wrong number of arguments for 'get' command"),
            ("SELECT", "-ERR wrong number of arguments for 'select' command"),
            ("CLIENT NONE", "-ERR unknown subcommand 'NONE'. Try CLIENT HELP."),
            ("CLIENT ID x", "-ERR wrong number of arguments for 'client|id' command"),
        ],
    );
}

#[test]
fn small_talk_is_answered_without_the_log() {
    let mut client = client();
    check(
        &mut client,
        &[
            ("PING", "+PONG"),
            ("ping hi", "$2 hi"),
            ("PING a b", "-ERR wrong number of arguments for 'ping' command"),
            ("SELECT 0", "+OK"),
            ("SELECT 1", "-ERR DB index is out of range"),
            ("SELECT x", "-ERR value is not an integer or out of range"),
            ("WAIT 1 0", ":1"),
            ("WAIT 1 -1", "-ERR timeout is negative"),
            ("CLIENT ID", ":7"),
            ("CLIENT GETNAME", "$-1"),
            (
                "CLIENT SETNAME 'a b'",
                "-ERR Client names cannot contain spaces, newlines or special characters.",
            ),
            ("CLIENT SETINFO lib-name x", "+OK"),
            ("CLIENT NO-EVICT on", "+OK"),
            ("CONFIG GET save", "*2 $4 save $0"),
            ("CONFIG GET DATA* por?", "*4 $9 databases $1 1 $4 port $4 6379"),
            ("CONFIG RESETSTAT", "+OK"),
            (
                "COMMAND INFO get none",
                concat!(
                    "*2 *10 $3 get :2 *2 +readonly +fast :1 :1 :1 *3 +@read +@string +@fast *0 ",
                    "*1 *6 $5 flags *2 +RO +access ",
                    "$12 begin_search *4 $4 type $5 index $4 spec *2 $5 index :1 ",
                    "$9 find_keys *4 $4 type $5 range $4 spec ",
                    "*6 $7 lastkey :0 $7 keystep :1 $5 limit :0 *0 *-1"
                ),
            ),
            ("SLOWLOG GET 10", "*0"),
            ("SLOWLOG LEN", ":0"),
            ("LATENCY LATEST", "*0"),
            ("LATENCY RESET", ":0"),
            ("CLIENT GETREDIR", ":-1"),
            ("CLIENT TRACKINGINFO", "*6 $5 flags *1 $3 off $8 redirect :-1 $8 prefixes *0"),
            ("CLIENT UNBLOCK 9", ":0"),
            ("COMMAND GETKEYS mset a 1 b 2", "*2 $1 a $1 b"),
            ("", ""),
        ],
    );
    assert!(client.ask("INFO server").contains("# Server redis_version:7"));
    assert!(client.ask("INFO").contains("# Replication role:master"));
    let memory = client.ask("INFO memory");
    assert!(memory.contains("used_memory_dataset:77 maxmemory:1048576 maxmemory_human:1.00M"));
    assert_eq!(client.ask("CONFIG GET maxmemory"), "*2 $9 maxmemory $7 1048576");
    assert!(client.line.oldest_open().is_none());
}

#[test]
fn a_long_command_in_small_parts_is_looked_at_when_it_is_whole() {
    let mut client = client();
    let value = "x".repeat(1 << 20);
    let whole = format!("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n${}\r\n{value}\r\n", value.len());

    for part in whole.as_bytes().chunks(1000) {
        client.send(std::str::from_utf8(part).unwrap());
    }

    assert_eq!(client.ordered[0].1, whole.as_bytes());
    assert!(client.line.input.tail().capacity() <= IDLE_BYTES_MAX);
}
