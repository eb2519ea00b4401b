//! Tests of rules for all commands, and the short notation in which tests are written.

use super::*;
use crate::kv::resp::{RespReply, write_command};
use crate::model::types::Slot;

/// A line in inline syntax as a RESP command.
pub(super) fn command(line: &str) -> Vec<u8> {
    let mut room = Arguments::default();
    let line = format!("{line}\n").into_bytes();
    let Ok(Parsed::Complete { value, .. }) = room.parse(&line, &RespLimits::default()) else {
        panic!("no command: {line:?}");
    };
    let mut bytes = Vec::new();
    value.write(&mut bytes);
    bytes
}

/// A reply in short: `+OK`, `-ERR ..`, `:1`, `$text`, `$-`, `[$a :1]`, `[-]`.
fn short(reply: &RespReply) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match reply {
        RespReply::Simple(said) => format!("+{}", text(said)),
        RespReply::Error(said) => format!("-{}", text(said)),
        RespReply::Integer(number) => format!(":{number}"),
        RespReply::Bulk(None) => "$-".into(),
        RespReply::Bulk(Some(bytes)) => format!("${}", text(bytes)),
        RespReply::Array(None) => "[-]".into(),
        RespReply::Array(Some(items)) => {
            format!("[{}]", items.iter().map(short).collect::<Vec<_>>().join(" "))
        }
    }
}

pub(super) fn ask(service: &mut KeyValue, at: At, command: &[u8]) -> String {
    let mut reply = Vec::new();
    service.apply(at, command, &mut reply);
    match RespReply::parse(&reply, &RespLimits::default()) {
        Ok(Parsed::Complete { value, consumed }) if consumed == reply.len() => short(&value),
        other => panic!("{} is no reply: {other:?}", reply.escape_ascii()),
    }
}

/// Runs commands on an empty service, in slots from 1 on, and compares the replies in short.
pub(super) fn check_replies(script: &[(&str, &str)]) {
    let timed: Vec<_> = script.iter().map(|(line, reply)| (0, *line, *reply)).collect();
    check_timed_replies(&timed);
}

/// As [`check_replies`], each command at its time in milliseconds. Whatever is done, the state
/// survives a snapshot, and a read answers the same outside the order.
pub(super) fn check_timed_replies(script: &[(u64, &str, &str)]) {
    let mut service = KeyValue::default();
    for (slot, (time_ms, line, expected)) in (1..).zip(script) {
        let (at, command) = (At { slot: Slot(slot), time_ms: *time_ms }, command(line));
        let mut outside = Vec::new();
        let reads = service.read(at, &command, &mut outside);

        let mut inside = Vec::new();
        service.clone().apply(at, &command, &mut inside);
        assert_eq!(ask(&mut service, at, &command), *expected, "{line} at {time_ms} ms");

        assert!(!reads || outside == inside, "{line} reads {}", outside.escape_ascii());
        let mut copy = KeyValue::default();
        copy.restore(&service.snapshot()).expect("a snapshot can be restored");
        assert!(copy == service, "after {line}");
    }
}

#[test]
fn unknown_commands_are_named_with_their_first_arguments() {
    let long = "x".repeat(200);
    check_replies(&[
        ("foo a b", "-ERR unknown command 'foo', with args beginning with: 'a' 'b' "),
        ("foo", "-ERR unknown command 'foo', with args beginning with: "),
        (
            r#"foo "a\r\nb" "c\x00d""#,
            "-ERR unknown command 'foo', with args beginning with: 'a  b' 'c' ",
        ),
        (
            &format!("{long} {long} b"),
            &format!(
                "-ERR unknown command '{}', with args beginning with: '{}' ",
                &long[..128],
                &long[..128]
            ),
        ),
    ]);
}

#[test]
fn wrong_arity_is_refused_with_the_name_in_small_letters() {
    check_replies(&[
        ("GET", "-ERR wrong number of arguments for 'get' command"),
        ("Get a b", "-ERR wrong number of arguments for 'get' command"),
        ("DEL", "-ERR wrong number of arguments for 'del' command"),
    ]);
}

#[test]
fn bytes_that_are_no_command_get_an_error() {
    let mut service = KeyValue::default();
    let at = At { slot: Slot(1), time_ms: 0 };

    for (bytes, said) in [
        (&b""[..], "-ERR Protocol error: expected exactly one command"),
        (b"PING\r\n", "-ERR Protocol error: expected exactly one command"),
        (b"*0\r\n", "-ERR Protocol error: expected exactly one command"),
        (b"*1\r\n$4\r\nPI", "-ERR Protocol error: expected exactly one command"),
        (b"*1\r\n$4\r\nPING\r\n+", "-ERR Protocol error: expected exactly one command"),
        (b"*1\r\n:4\r\n", "-ERR Protocol error: expected '$', got ':'"),
        (
            b"*2\r\n$4\r\nECHO\r\n$16777217\r\n",
            "-ERR Protocol error: invalid bulk length: an argument has at most 16777216 bytes",
        ),
    ] {
        assert_eq!(ask(&mut service, at, bytes), said, "{}", bytes.escape_ascii());
    }
}

#[test]
fn a_reply_too_long_changes_nothing() {
    let mut service = KeyValue::default();
    let at = At { slot: Slot(1), time_ms: 0 };
    let element = vec![b'x'; 7_000_000];
    for _ in 0..5 {
        let mut push = Vec::new();
        write_command([&b"RPUSH"[..], b"l", &element].into_iter(), &mut push);
        service.apply(at, &push, &mut Vec::new());
    }

    let said = ask(&mut service, at, &command("LPOP l 5"));

    assert!(said.starts_with("-ERR reply would exceed 33554432 bytes: ask for a part"), "{said}");
    assert_eq!(ask(&mut service, at, &command("LLEN l")), ":5");
}

#[test]
fn reads_outside_the_order_leave_the_clock_alone() {
    let mut service = KeyValue::default();
    service.apply(At { slot: Slot(1), time_ms: 0 }, &command("SET k v PX 10"), &mut Vec::new());
    let before = service.clone();
    let mut reply = Vec::new();

    assert!(service.read(At { slot: Slot(1), time_ms: 10 }, &command("GET k"), &mut reply));
    assert!(service.read(At { slot: Slot(1), time_ms: 10 }, &command("DBSIZE"), &mut reply));
    assert!(!service.read(At { slot: Slot(1), time_ms: 10 }, &command("DEL k"), &mut reply));

    assert_eq!(reply, b"$-1\r\n:0\r\n");
    assert!(service == before);
}

#[test]
fn snapshots_do_not_show_how_the_state_was_reached() {
    let run = |lines: &[&str]| {
        let mut service = KeyValue::default();
        for line in lines {
            service.apply(At { slot: Slot(1), time_ms: 50 }, &command(line), &mut Vec::new());
        }
        service.snapshot()
    };

    let straight = run(&["SET a 1", "SADD s x y", "SET b 2 PX 100"]);
    let roundabout = run(&[
        "SADD s y z x",
        "SET b 2",
        "PEXPIRE b 100",
        "SET gone 1 PX 5",
        "SREM s z",
        "SET a 2",
        "DECR a",
        "DEL gone",
    ]);

    assert_eq!(straight, roundabout);
}

#[test]
#[should_panic(expected = "get gives a reply")]
fn a_command_cannot_stay_without_a_reply() {
    let row = table::mute("get");
    let mut room = Arguments::default();
    let Ok(Parsed::Complete { value, .. }) = room.parse(b"GET k\n", &RespLimits::default()) else {
        panic!("the command is complete");
    };
    let call = Call { slot: 1, now_ms: 0, name: "get", arguments: value };
    run(&mut Store::default(), &row, &call, &mut Vec::new());
}

#[test]
fn commands_that_may_need_more_memory_are_refused_above_the_limit() {
    let full = "-OOM command not allowed when used memory > 'maxmemory'.";
    let mut service = KeyValue::default().with_memory_max(1000);
    let mut run =
        |time_ms, line: &str| ask(&mut service, At { slot: Slot(1), time_ms }, &command(line));
    let long = "x".repeat(1000);
    assert_eq!(run(0, "SET k v"), "+OK");
    assert_eq!(run(0, &format!("SET long {long}")), "+OK");

    for line in ["SET k w", "INCR n", "RPUSH l a", "HSET h f v", "SADD s m", "ZADD z 1 m"] {
        assert_eq!(run(0, line), full, "{line}");
    }
    for line in ["APPEND k w", "COPY k m", "SETRANGE k 0 w", "MSET k w", "SUNIONSTORE s t"] {
        assert_eq!(run(0, line), full, "{line}");
    }
    assert_eq!(
        run(0, "TRANSACTION 0 2 GET k 3 SET k w"),
        "-EXECABORT Transaction discarded because of: OOM command not allowed when used memory > \
         'maxmemory'."
    );
    assert_eq!(run(0, "TRANSACTION 0 2 GET k 3 EXPIRE k 5"), "[$v :1]");
    assert_eq!(run(0, "RENAME k j"), "+OK");
    assert_eq!(run(0, "SET"), "-ERR wrong number of arguments for 'set' command");
    assert_eq!(run(0, "PEXPIRE long 10"), ":1");
    assert_eq!(run(9, "SET k w"), full);
    // It expires.
    assert_eq!(run(10, "SET k w"), "+OK");
}

#[test]
fn a_limit_is_no_part_of_the_state() {
    let mut small = KeyValue::default().with_memory_max(1);
    let at = At { slot: Slot(1), time_ms: 0 };
    let mut large = KeyValue::default();
    for service in [&mut small, &mut large] {
        ask(service, at, &command("SET k v"));
    }

    assert_eq!(small.snapshot(), large.snapshot());
    small.restore(&large.snapshot()).unwrap();
    assert!(ask(&mut small, at, &command("SET k w")).starts_with("-OOM"));
}

#[test]
fn what_is_held_is_counted_and_nothing_when_nothing_is_left() {
    let mut service = KeyValue::default();
    let census = service.census().unwrap();
    let at = At { slot: Slot(1), time_ms: 0 };
    let mut said = Vec::new();
    for line in ["SET k v EX 9", "RPUSH l a b", "HSET h f v g w", "SADD s m", "ZADD z 1 a 2 b"] {
        ask(&mut service, at, &command(line));
        said.push(census.bytes.load(Ordering::Relaxed));
    }
    assert!(said.is_sorted_by(|one, next| one < next), "{said:?}");
    let each = ["k", "l", "h", "s", "z"]
        .map(|key| ask(&mut service, at, &command(&format!("MEMORY USAGE {key}"))));
    let sum: u64 = each.iter().map(|bytes| bytes[1..].parse::<u64>().unwrap()).sum();
    assert_eq!((service.memory(), said.last()), (sum, Some(&sum)));

    ask(&mut service, at, &command("DEL k l h s z"));

    assert_eq!((service.memory(), census.bytes.load(Ordering::Relaxed)), (0, 0));
}
