//! Properties of the key-value service, whatever the commands: replicas and restored copies agree,
//! and no bytes make it panic.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;

use taraflow::kv::resp::{Parsed, RespLimits, RespReply, write_command};
use taraflow::kv::service::{self, KeyValue, check};
use taraflow::model::app::{At, StateMachine};
use taraflow::model::types::Slot;

/// Few keys and telling numbers, so that commands meet each other's traces.
const WORDS: &[&str] = &[
    "a",
    "b",
    "c",
    "d",
    "a",
    "b",
    "0",
    "1",
    "-1",
    "2",
    "5",
    "30",
    "1000",
    "-2",
    "100000",
    "",
    "9223372036854775807",
    "-9223372036854775808",
    "1.5",
    "x",
    "NX",
    "XX",
    "GET",
    "EX",
    "PX",
    "PXAT",
    "KEEPTTL",
    "REV",
    "LIMIT",
    "WITHSCORES",
    "BYSCORE",
    "(1",
    "-inf",
    "LEFT",
    "COUNT",
    "GT",
    "*",
    "[a-b]",
    "\0\u{ff}\r\n",
];

#[derive(Clone, Debug)]
struct Asked {
    at: At,
    command: Vec<u8>,
}

/// Commands with the right number of arguments more often than not, at times that mostly rise.
fn script(length: usize) -> impl Strategy<Value = Vec<Asked>> {
    let words = vec(proptest::sample::select(WORDS), 0..6);
    let names: Vec<_> =
        service::commands().map(|row| row.name).chain(["transaction", "fingerprint"]).collect();
    let asked = (proptest::sample::select(names), words, -20i64..60);
    vec(asked, 0..length).prop_map(|asked| {
        let mut time_ms: u64 = 0;
        (0..)
            .zip(asked)
            .map(|(slot, (name, words, step))| {
                time_ms = time_ms.saturating_add_signed(step);
                let words = words.iter().take(5).map(|word| word.as_bytes());
                let all: Vec<&[u8]> = std::iter::once(name.as_bytes()).chain(words).collect();
                let mut command = Vec::new();
                write_command(all.into_iter(), &mut command);
                Asked { at: At { slot: Slot(slot), time_ms }, command }
            })
            .collect()
    })
}

/// Applies the script and returns all replies, each checked to be one RESP value.
fn run(service: &mut KeyValue, script: &[Asked]) -> Vec<Vec<u8>> {
    let answer = |asked: &Asked| {
        let mut reply = Vec::new();
        service.apply(asked.at, &asked.command, &mut reply);
        let parsed = RespReply::parse(&reply, &RespLimits::default());
        let whole =
            matches!(&parsed, Ok(Parsed::Complete { consumed, .. }) if *consumed == reply.len());
        assert!(whole, "{} is answered with {parsed:?}", asked.command.escape_ascii());
        reply
    };
    script.iter().map(answer).collect()
}

/// FNV-1a, for comparing states as replicas do.
fn digest(service: &KeyValue) -> u64 {
    service.snapshot().iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_restored_copy_answers_as_the_original_ever_after(
        before in script(60),
        after in script(40),
    ) {
        let mut original = KeyValue::default();
        run(&mut original, &before);
        let mut copy = KeyValue::default();
        run(&mut copy, &after);

        copy.restore(&original.snapshot()).expect("a snapshot can be restored");

        prop_assert!(copy == original);
        prop_assert_eq!(digest(&copy), digest(&original));
        prop_assert_eq!(run(&mut copy, &after), run(&mut original, &after));
        prop_assert_eq!(copy.snapshot(), original.snapshot());
    }

    #[test]
    fn a_frozen_state_is_written_as_it_was_whatever_is_done_between_its_parts(
        before in script(60),
        meanwhile in script(60),
        forgets in any::<bool>(),
    ) {
        let mut service = KeyValue::default();
        run(&mut service, &before);
        let mut undisturbed = service.clone();
        let (snapshot, mut frozen) = (service.snapshot(), service.freeze());
        let frozen = Arc::get_mut(&mut frozen).expect("nobody else has it");

        let (mut written, mut replies) = (Vec::new(), Vec::new());
        for part in 0..frozen.parts() {
            frozen.write(part, &mut written);
            if forgets {
                frozen.forget(part);
            }
            let due = meanwhile.len() * (part + 1) / frozen.parts();
            replies.extend(run(&mut service, &meanwhile[replies.len()..due]));
        }

        prop_assert!(written == snapshot);
        prop_assert_eq!(replies, run(&mut undisturbed, &meanwhile));
        prop_assert!(service == undisturbed);
    }

    #[test]
    fn an_error_reply_means_that_nothing_changed(script in script(60)) {
        let mut service = KeyValue::default();
        for asked in &script {
            // The time moves whatever the command is.
            let ping = Asked { at: asked.at, command: b"*1\r\n$4\r\nPING\r\n".to_vec() };
            run(&mut service, &[ping]);
            let before = service.clone();
            let replies = run(&mut service, std::slice::from_ref(asked));
            if replies[0].starts_with(b"-") {
                prop_assert!(service == before, "{}", asked.command.escape_ascii());
            }
        }
    }

    #[test]
    fn a_read_outside_the_order_answers_as_one_inside(script in script(60)) {
        let mut service = KeyValue::default();
        for asked in &script {
            let before = service.clone();
            let mut outside = Vec::new();
            let reads = service.read(asked.at, &asked.command, &mut outside);
            prop_assert!(service == before);
            let replies = run(&mut service, std::slice::from_ref(asked));
            if reads {
                prop_assert_eq!(&outside, &replies[0]);
            } else {
                prop_assert!(outside.is_empty() && check(&asked.command).is_ok());
            }
        }
    }

    #[test]
    fn a_mutated_snapshot_is_refused_or_is_another_state(
        script in script(40),
        changes in vec((any::<proptest::sample::Index>(), any::<u8>()), 1..4),
        cut in proptest::option::weighted(0.2, any::<proptest::sample::Index>()),
    ) {
        let mut service = KeyValue::default();
        run(&mut service, &script);
        let mut snapshot = service.snapshot();
        let version = snapshot[0];
        for (at, byte) in changes {
            let at = at.index(snapshot.len());
            snapshot[at] = byte;
        }
        if let Some(cut) = cut {
            snapshot.truncate(cut.index(snapshot.len()));
        }

        let before = service.clone();
        match service.restore(&snapshot) {
            // What an earlier version has written is written again in the present one.
            Ok(()) => prop_assert!(service.snapshot() == snapshot || snapshot[0] < version),
            Err(damaged) => {
                prop_assert!(damaged.offset <= snapshot.len());
                prop_assert!(service == before);
            }
        }
    }

    #[test]
    fn any_bytes_get_one_reply(command in vec(any::<u8>(), 0..80), snapshot in vec(any::<u8>(), 0..80)) {
        let at = At { slot: Slot(u64::MAX), time_ms: u64::MAX };
        let mut service = KeyValue::default();

        run(&mut service, &[Asked { at, command }]);

        prop_assert!(service.restore(&snapshot).is_err());
    }
}
