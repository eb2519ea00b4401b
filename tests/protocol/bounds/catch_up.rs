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
    let count = bytes / VALUE_BYTES;
    let mut trio = Trio::start(config, VALUE_BYTES);
    trio.kill(2);
    trio.submit(0, count);
    for index in [0, 1] {
        trio.until_executed(index, count, &format!("{bytes} bytes"));
    }
    trio.pass(500);
    trio.forget_sent();
    trio.revive(2);
    trio.until_executed(2, count, &format!("{bytes} bytes"));
    trio
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
