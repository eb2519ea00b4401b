use super::*;
use crate::kv::service::KeyValue;
use crate::kv::service::tests::{ask, check_replies, check_timed_replies, command};
use crate::model::app::{At, StateMachine};
use crate::model::random::SplitMix64;
use crate::model::types::Slot;

const FENCED: &str = "-FENCED the lease is not held under this token";

#[test]
fn a_name_has_one_owner_until_the_agreed_time_is_up() {
    check_timed_replies(&[
        (100, "LEASE ACQUIRE job a 50", ":1"),
        (149, "LEASE ACQUIRE job b 50", "$-"),
        (149, "LEASE GET job", "[$a :1 :1]"),
        (150, "LEASE GET job", "$-"),
        (150, "LEASE ACQUIRE job b 50", ":2"),
        (150, "LEASE ACQUIRE other b 50", ":3"),
    ]);
}

#[test]
fn an_owner_that_asks_again_keeps_its_token_and_never_loses_time() {
    check_timed_replies(&[
        (0, "LEASE ACQUIRE job a 50", ":1"),
        (10, "LEASE ACQUIRE job a 10", ":1"),
        (10, "LEASE GET job", "[$a :1 :40]"),
        (10, "LEASE ACQUIRE job a 100", ":1"),
        (10, "LEASE RENEW job 1 20", ":1"),
        (10, "LEASE GET job", "[$a :1 :100]"),
        (20, "LEASE RENEW job 1 100", ":1"),
        (119, "LEASE GET job", "[$a :1 :1]"),
    ]);
}

#[test]
fn only_the_token_in_force_renews_and_releases() {
    check_timed_replies(&[
        (0, "LEASE ACQUIRE job a 50", ":1"),
        (50, "LEASE RENEW job 1 50", ":0"),
        (50, "LEASE RELEASE job 1", ":0"),
        (50, "LEASE ACQUIRE job a 50", ":2"),
        (50, "LEASE RENEW job 1 50", ":0"),
        (50, "LEASE RELEASE job 1", ":0"),
        (50, "LEASE RELEASE job 3", ":0"),
        (50, "LEASE RELEASE job -2", ":0"),
        (50, "LEASE RELEASE job 2", ":1"),
        (50, "LEASE GET job", "$-"),
        (50, "LEASE ACQUIRE job b 50", ":3"),
    ]);
}

#[test]
fn what_works_on_keys_sees_and_ends_no_lease() {
    check_replies(&[
        ("LEASE ACQUIRE job a 50", ":1"),
        ("EXISTS job", ":0"),
        ("DEL job", ":0"),
        ("KEYS *", "[]"),
        ("DBSIZE", ":0"),
        ("FLUSHALL", "+OK"),
        ("LEASE GET job", "[$a :1 :50]"),
        ("LEASE RELEASE job 1", ":1"),
        ("FLUSHALL", "+OK"),
        ("LEASE ACQUIRE job a 50", ":2"),
    ]);
}

#[test]
fn a_transaction_under_a_token_that_has_passed_does_nothing() {
    let aborted = "-EXECABORT Transaction discarded because of: \
                   FENCED the lease is not held under this token";
    let old = "TRANSACTION 0 3 SET k old 4 LEASE CHECK job 1";
    check_timed_replies(&[
        (0, "LEASE ACQUIRE job a 50", ":1"),
        (0, "LEASE CHECK job 1", "+OK"),
        (0, "TRANSACTION 0 4 LEASE CHECK job 1 3 SET k v", "[+OK +OK]"),
        (50, "LEASE CHECK job 1", FENCED),
        (50, old, aborted),
        (50, "LEASE ACQUIRE job b 50", ":2"),
        (50, old, aborted),
        (50, "TRANSACTION 0 3 SET k x 4 LEASE CHECK job x", aborted),
        (50, "GET k", "$v"),
        (50, "TRANSACTION 0 4 LEASE CHECK job 2 3 SET k new", "[+OK +OK]"),
    ]);
}

#[test]
fn what_is_out_of_bounds_is_refused_and_changes_nothing() {
    let long = "x".repeat(NAME_BYTES_MAX + 1);
    let bytes = "-ERR names and owners of leases have 1 to 256 bytes";
    let ttl = "-ERR invalid ttl in 'lease' command: 1 to 604800000 milliseconds";
    check_replies(&[
        (&format!("LEASE ACQUIRE {long} a 1"), bytes),
        (&format!("LEASE ACQUIRE job {long} 1"), bytes),
        ("LEASE ACQUIRE '' a 1", bytes),
        ("LEASE ACQUIRE job a 0", ttl),
        ("LEASE ACQUIRE job a -1", ttl),
        ("LEASE ACQUIRE job a 604800001", ttl),
        ("LEASE ACQUIRE job a x", "-ERR value is not an integer or out of range"),
        ("LEASE ACQUIRE job a", "-ERR wrong number of arguments for 'lease|acquire' command"),
        ("LEASE CHECK job x", "-ERR value is not an integer or out of range"),
        ("LEASE NONE", "-ERR unknown subcommand 'NONE'. Try LEASE HELP."),
        ("LEASE ACQUIRE job a 604800000", ":1"),
    ]);
}

#[test]
fn no_more_leases_are_held_than_fit_and_those_that_are_can_be_renewed() {
    let mut service = KeyValue::default();
    let at = At { slot: Slot(1), time_ms: 0 };
    let mut run = |line: &str| ask(&mut service, at, &command(line));
    for name in 0..LEASES_MAX {
        run(&format!("LEASE ACQUIRE {name} a 50"));
    }

    assert!(run("LEASE ACQUIRE more a 50").starts_with("-ERR 4096 leases are held"));
    assert_eq!(run("LEASE ACQUIRE 0 a 50"), ":1");
    assert_eq!(run("LEASE RELEASE 0 1"), ":1");
    assert_eq!(run("LEASE ACQUIRE more a 50"), ":4097");
}

#[test]
fn a_full_memory_refuses_new_leases_and_counts_those_held() {
    let mut service = KeyValue::default().with_memory_max(100);
    let at = At { slot: Slot(1), time_ms: 0 };
    let mut run = |line: &str| ask(&mut service, at, &command(line));

    assert_eq!(run("LEASE ACQUIRE job a 50"), ":1");
    assert!(run("LEASE ACQUIRE other a 50").starts_with("-OOM"));
    assert_eq!(run("LEASE RENEW job 1 70"), ":1");
    assert_eq!(run("LEASE RELEASE job 1"), ":1");
    assert_eq!(run("LEASE ACQUIRE other a 50"), ":2");
}

/// Whatever happens in whatever order, judged by what was answered alone.
#[test]
fn a_name_has_one_holder_at_a_time_and_tokens_grow_whatever_the_order() {
    for seed in 0..200 {
        let mut random = SplitMix64::new(seed);
        let mut draw = |below: u64| random.number() % below;
        let mut service = KeyValue::default();
        let (mut time_ms, mut last) = (0, 0);
        // By name: owner, token, and until when at least.
        let mut held: BTreeMap<u64, (u64, u64, u64)> = BTreeMap::new();
        for slot in 1..300 {
            time_ms += draw(30);
            let (name, owner, ttl) = (draw(3), draw(3), 1 + draw(60));
            let at = At { slot: Slot(slot), time_ms };
            let mut run = |line: String| ask(&mut service, at, &command(&line));
            held.retain(|_, (_, _, until_ms)| *until_ms > time_ms);
            match draw(6) {
                0..3 => {
                    let told = run(format!("LEASE ACQUIRE {name} {owner} {ttl}"));
                    let token = told.strip_prefix(':').map(|token| token.parse::<u64>().unwrap());
                    let before = held.get(&name).copied();
                    let until_ms = (time_ms + ttl).max(before.map_or(0, |before| before.2));
                    match (before, token) {
                        (Some((by, ..)), None) => assert_ne!(by, owner, "seed {seed}"),
                        (Some((by, old, _)), Some(token)) => {
                            assert_eq!((by, old), (owner, token), "seed {seed}");
                            held.insert(name, (owner, token, until_ms));
                        }
                        (None, Some(token)) => {
                            assert!(token > last, "seed {seed}");
                            last = token;
                            held.insert(name, (owner, token, until_ms));
                        }
                        (None, None) => panic!("seed {seed}: nobody holds {name}"),
                    }
                }
                3 => {
                    let token = 1 + draw(last + 1);
                    let is_held = held.get(&name).is_some_and(|held| held.1 == token);
                    let told = run(format!("LEASE RELEASE {name} {token}"));
                    assert_eq!(told, format!(":{}", u8::from(is_held)), "seed {seed}");
                    held.retain(|other, _| *other != name || !is_held);
                }
                4 => drop(run("FLUSHALL".into())),
                _ => {
                    let mut restored = KeyValue::default();
                    restored.restore(&service.snapshot()).unwrap();
                    assert!(restored == service, "seed {seed}");
                    service = restored;
                }
            }
        }
    }
}
