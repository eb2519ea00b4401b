//! Properties of the key-value service, whatever the commands: replicas and restored copies agree,
//! and no bytes make it panic.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;

use taraflow::kv::resp::{Parsed, RespLimits, RespReply, write_command};
use taraflow::kv::service::{self, KeyValue, check};
use taraflow::model::app::{At, Frozen, StateMachine};
use taraflow::model::parts::PartSet;
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

/// A state that was frozen, the parts that it had then, and those of them not forgotten.
type Held = (Arc<dyn Frozen>, Vec<Vec<u8>>, PartSet);

/// The bytes of all parts.
fn parts(frozen: &dyn Frozen) -> Vec<Vec<u8>> {
    let bytes = |part| {
        let mut bytes = Vec::new();
        frozen.write(part, &mut bytes);
        bytes
    };
    (0..frozen.parts()).map(bytes).collect()
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
        prop_assert_eq!(copy.memory(), original.memory());
        prop_assert_eq!(run(&mut copy, &after), run(&mut original, &after));
        prop_assert_eq!(copy.snapshot(), original.snapshot());
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

proptest! {
    // Each of these looks at all parts time and again.
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..Default::default() })]

    #[test]
    fn parts_written_late_and_forgotten_in_any_order_are_those_that_were_frozen(
        rounds in vec((script(30), vec((any::<proptest::sample::Index>(), any::<bool>()), 0..8)), 1..6),
        follows_copies in any::<bool>(),
    ) {
        let mut service = KeyValue::default();
        let mut undisturbed = KeyValue::default();
        let mut frozen: Vec<Held> = Vec::new();
        for (script, asked) in &rounds {
            prop_assert_eq!(run(&mut service, script), run(&mut undisturbed, script));
            for (frozen, parts, left) in &mut frozen {
                let frozen = Arc::get_mut(frozen).expect("nobody else has it");
                let copied = std::iter::from_fn(|| frozen.next_copied()).collect::<Vec<_>>();
                let mut once = PartSet::none(parts.len());
                for part in &copied {
                    prop_assert!(left.contains(*part) && !once.contains(*part));
                    once.insert(*part);
                }
                let copied = copied.into_iter().filter(|_| follows_copies).map(|part| (part, true));
                let used: Vec<_> = (0..parts.len()).filter(|part| !parts[*part].is_empty()).collect();
                let asked = asked.iter().map(|(at, forgets)| (used[at.index(used.len())], *forgets));
                for (part, forgets) in copied.chain(asked) {
                    if left.contains(part) {
                        let mut bytes = Vec::new();
                        frozen.write(part, &mut bytes);
                        prop_assert!(bytes == parts[part]);
                    }
                    if forgets && left.remove(part) {
                        frozen.forget(part);
                    }
                }
            }
            let now = service.freeze(&PartSet::all(service.parts()));
            let (parts, all) = (parts(&*now), PartSet::all(service.parts()));
            frozen.push((now, parts, all));
        }
        for (frozen, parts, left) in &frozen {
            for part in left.iter() {
                let mut bytes = Vec::new();
                frozen.write(part, &mut bytes);
                prop_assert!(bytes == parts[part]);
            }
        }
        prop_assert!(service == undisturbed);
    }

    #[test]
    fn parts_that_differ_are_among_those_changed(scripts in vec(script(20), 1..5)) {
        let mut service = KeyValue::default();
        let mut before = parts(&*service.freeze(&PartSet::all(service.parts())));
        for script in &scripts {
            run(&mut service, script);
            let (changed, after) = (service.take_changed(), parts(&*service.freeze(&PartSet::all(service.parts()))));
            for part in 0..after.len() {
                prop_assert!(changed.contains(part) || before[part] == after[part]);
            }
            before = after;
        }
    }

    #[test]
    fn changed_parts_restored_in_any_order_over_an_earlier_or_another_state_give_the_state(
        earlier in script(40),
        meanwhile in script(40),
        other in script(40),
        seed in any::<usize>(),
    ) {
        let mut original = KeyValue::default();
        run(&mut original, &earlier);
        original.take_changed();
        let copy = original.clone();
        run(&mut original, &meanwhile);
        let changed = original.take_changed();
        let mut another = KeyValue::default();
        run(&mut another, &other);

        let whole = PartSet::all(original.parts());
        let now = parts(&*original.freeze(&whole));
        for (mut copy, restored) in [(copy, &changed), (another, &whole)] {
            // Those of any length are in an order that the seed gives.
            let order: Vec<_> = restored.iter().collect();
            let turn = seed % order.len().max(1);
            for part in order[turn..].iter().chain(&order[..turn]) {
                copy.restore_part(*part, &now[*part]).expect("what was written can be restored");
            }

            prop_assert!(copy == original);
            prop_assert_eq!(copy.memory(), original.memory());
            let told = copy.take_changed();
            prop_assert!(restored.iter().all(|part| told.contains(part)));
            let mut original = original.clone();
            prop_assert_eq!(run(&mut copy, &other), run(&mut original, &other));
            prop_assert!(copy.snapshot() == original.snapshot());
            prop_assert_eq!(copy.memory(), original.memory());
        }
    }
}
