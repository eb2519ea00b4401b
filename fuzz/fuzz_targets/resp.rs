//! All that reads bytes from clients and files: no input may panic, and what is accepted must be
//! written again as it was read.

#![no_main]

use libfuzzer_sys::fuzz_target;
use taraflow::kv::service::KeyValue;
use taraflow::model::app::{At, StateMachine};
use taraflow::model::parts::PartSet;
use taraflow::kv::command_file::CommandReader;
use taraflow::kv::resp::{Arguments, RespLimits, Parsed, RespReply};
use taraflow::model::types::Slot;

fuzz_target!(|input: &[u8]| {
    let limits = RespLimits::default();
    let mut service = KeyValue::default();
    let mut reply = Vec::new();

    // A connection: one command behind the other, until the bytes are of no use.
    let mut arguments = Arguments::default();
    let (mut rest, mut slot) = (input, 0);
    while let Ok(Parsed::Complete { value, consumed }) = arguments.parse(rest, &limits) {
        let mut command = Vec::new();
        value.write(&mut command);
        if rest.starts_with(b"*") && !value.is_empty() {
            assert_eq!(command, &rest[..consumed]);
        }
        slot += 1;
        reply.clear();
        service.apply(At { slot: Slot(slot), time_ms: slot }, &command, &mut reply);
        let parsed = RespReply::parse(&reply, &limits);
        assert!(matches!(parsed, Ok(Parsed::Complete { consumed, .. }) if consumed == reply.len()));
        rest = &rest[consumed..];
    }

    let mut copy = KeyValue::default();
    copy.restore(&service.snapshot()).expect("a snapshot can be restored");
    assert!(copy == service);

    if copy.restore(input).is_ok() {
        // What an earlier version has written is written again in the present one.
        assert!(copy.snapshot() == input || input[0] < copy.snapshot()[0]);
    }
    // A part of a state, by the number that comes first.
    if let Some((number, bytes)) = input.split_first_chunk() {
        let part = usize::from(u16::from_le_bytes(*number));
        if copy.restore_part(part, bytes).is_ok() {
            let mut again = Vec::new();
            copy.freeze(&PartSet::all(copy.parts())).write(part, &mut again);
            assert_eq!(again, bytes);
        }
    }
    if let Ok(Parsed::Complete { value, consumed }) = RespReply::parse(input, &limits) {
        let mut bytes = Vec::new();
        value.write(&mut bytes);
        assert_eq!(bytes, &input[..consumed]);
    }
    assert!(CommandReader::new(input).count() <= input.len() + 1);
});
