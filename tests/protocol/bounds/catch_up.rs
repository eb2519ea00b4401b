//! Transfers to a replica that was away.

use taraflow::dataflows::tara::Message;
use taraflow::engine::operators::catch_up::CatchUp;
use taraflow::model::batch::weight;
use taraflow::model::config::Config;

use super::trio::{Trio, around, small};

const VALUE_BYTES: usize = 256;

/// The bytes of all but the last of the values that are told to be decided.
fn decided(message: &Message) -> Option<usize> {
    match message {
        Message::CatchUp(CatchUp::Decided { values, .. }) => {
            let (_, but_last) = values.split_last()?;
            Some(but_last.iter().map(weight).sum())
        }
        _ => None,
    }
}

/// The bytes of pieces of a checkpoint.
fn pieces(message: &Message) -> Option<usize> {
    match message {
        Message::CatchUp(CatchUp::Pieces { pieces, .. }) => {
            Some(pieces.iter().map(|piece| piece.bytes.len()).sum())
        }
        _ => None,
    }
}

/// A replica comes back to two that have decided values of so many bytes.
fn away_for(config: Config, bytes: usize) -> Trio {
    let mut trio = Trio::start(config, VALUE_BYTES);
    away_from(&mut trio, 0, bytes);
    trio
}

/// The same, after so many values that it has as well.
fn away_from(trio: &mut Trio, before: usize, bytes: usize) {
    let count = before + bytes / VALUE_BYTES;
    trio.kill(2);
    trio.submit(0, bytes / VALUE_BYTES);
    for index in [0, 1] {
        trio.until_executed(index, count, &format!("{bytes} bytes"));
    }
    trio.pass(500);
    trio.forget_sent();
    trio.revive(2);
    trio.until_executed(2, count, &format!("{bytes} bytes"));
}

#[test]
fn decided_slots_are_fetched_a_chunk_at_a_time() {
    let chunk = small().chunk_bytes;
    for bytes in around(chunk) {
        let config = Config { checkpoint_every: 1 << 10, window: 1 << 11, ..small() };
        let trio = away_for(config, bytes);

        let told = trio.sent_of(decided);
        assert!(told.iter().all(|(_, but_last)| *but_last < chunk), "{bytes} bytes");
        assert!(told.len() >= bytes.div_ceil(chunk + VALUE_BYTES), "{} for {bytes}", told.len());
        assert!(trio.sent_of(pieces).is_empty(), "{bytes} bytes");
    }
}

#[test]
fn a_checkpoint_is_fetched_a_chunk_at_a_time() {
    let chunk = small().chunk_bytes;
    for bytes in around(chunk) {
        // The state is what was written, and all that is left of the slots.
        let config = Config { checkpoint_every: 4, window: 8, ..small() };
        let trio = away_for(config, bytes);

        let sent: Vec<_> = trio.sent_of(pieces).into_iter().map(|(_, bytes)| bytes).collect();
        assert!(sent.iter().all(|bytes| *bytes <= chunk), "{sent:?}");
        let fetched: usize = sent.iter().sum();
        assert!(fetched > bytes / 2 && sent.len() >= bytes / 2 / chunk, "{sent:?}");
    }
}

/// Of a large state checkpoints are far apart: what lies between them is not all kept in memory.
#[test]
fn decided_slots_that_are_not_in_memory_are_fetched_from_the_journal() {
    // Segments have 64 KiB, and after the first checkpoint the next is 128 KiB away.
    let config = Config {
        checkpoint_every: 1 << 10,
        window: 1 << 11,
        chunk_bytes: 1 << 10,
        checkpoint_bytes: 32 << 10,
        window_bytes: 128 << 10,
        ..small()
    };
    let mut trio = Trio::weighing(config, VALUE_BYTES, 1 << 17);
    let before = 100;
    trio.submit(0, before);
    trio.until_executed(2, before, "a checkpoint");
    trio.pass(10_000);
    away_from(&mut trio, before, 72 << 10);

    for index in [0, 1] {
        let held = trio.held(index, "catch_up");
        assert!(held < 64 << 10, "{held} bytes of what replica 2 lacked are in memory");
    }
    let told: usize = trio.sent_of(decided).into_iter().map(|(_, bytes)| bytes).sum();
    assert!(told > 64 << 10, "slots of {told} bytes were told");
    assert!(trio.sent_of(pieces).is_empty(), "there is no checkpoint that could help");
}
