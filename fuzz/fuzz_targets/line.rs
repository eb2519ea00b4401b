//! A client's line: no input may panic, and how it is cut must not show in what the client receives.

#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use taraflow::kv::service::KeyValue;
use taraflow::model::app::{At, StateMachine};
use taraflow::kv::redis::{RedisConnection, RedisSettings, ServerInfo};
use taraflow::model::types::Slot;

/// Feeds the parts to a line whose log answers at once, and returns all that it answers.
fn run<'a>(parts: impl Iterator<Item = &'a [u8]>) -> Vec<u8> {
    let settings = RedisSettings { in_flight_max: 3, ..RedisSettings::default() };
    let mut line = RedisConnection::new(1, Arc::new(settings));
    let mut service = KeyValue::default();
    let mut answered = Vec::new();
    for mut part in parts {
        loop {
            let mut ordered = Vec::new();
            line.on_bytes(part, &ServerInfo::default(), &mut |_, number, command| {
                ordered.push((number, command.to_vec()));
            });
            for (number, command) in ordered {
                let mut reply = Vec::new();
                service.apply(At { slot: Slot(number), time_ms: 0 }, &command, &mut reply);
                line.on_reply(number, &reply);
            }
            answered.extend_from_slice(line.output());
            line.sent(line.output().len());
            part = &[];
            if !line.is_ready() {
                break;
            }
        }
        assert_eq!(line.oldest_open(), None);
    }
    answered
}

fuzz_target!(|input: &[u8]| {
    // The first byte is the length of the pieces.
    let Some((size, input)) = input.split_first() else { return };
    let whole = run(std::iter::once(input));
    assert_eq!(run(input.chunks(usize::from(*size).max(1))), whole);
});
