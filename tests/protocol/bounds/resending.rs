//! Messages sent again when no answer comes.

use taraflow::dataflows::tara::Message;
use taraflow::model::config::Config;
use taraflow::model::types::Millis;

use super::trio::{Sent, Trio, around, small};

/// Nobody is suspected while a test looks on.
fn patient() -> Config {
    Config { suspect_after_ms: 2_000, batches_in_flight: 32, ..small() }
}

fn slot_proposed(message: &Message) -> Option<u64> {
    match message {
        Message::Propose(proposal) => Some(proposal.slot.0),
        _ => None,
    }
}

fn batch_forwarded(message: &Message) -> Option<u64> {
    match message {
        Message::Forward(forward) => Some(forward.batch.id.number),
        _ => None,
    }
}

/// What was said to replica `to`, and when, grouped by that.
fn groups(said: Vec<(Sent, u64)>, to: u16) -> Vec<(Millis, Vec<u64>)> {
    let mut groups: Vec<(Millis, Vec<u64>)> = Vec::new();
    for (sent, number) in said.into_iter().filter(|(sent, _)| sent.to == to) {
        match groups.last_mut() {
            Some((at, numbers)) if *at == sent.at => numbers.push(number),
            _ => groups.push((sent.at, vec![number])),
        }
    }
    groups
}

/// Each but the first, which may come at once after idle times, comes after twice the time of the
/// one before.
fn slow_down(groups: &[(Millis, Vec<u64>)], config: &Config) {
    let waits: Vec<_> = groups.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    assert!(waits.len() >= 4, "{waits:?}");
    for pair in waits[1..].windows(2) {
        let twice = (2 * pair[0]).min(config.suspect_after_ms);
        assert!(pair[1].abs_diff(twice) <= 2 * config.tick_ms, "{waits:?}");
    }
}

#[test]
fn eight_proposals_are_sent_again_at_a_time_the_lowest_slots_first_and_all_get_through() {
    for open in around(8) {
        let mut trio = Trio::start(patient(), 16);
        trio.deliver_if(|sent| slot_proposed(&sent.message).is_none());
        trio.submit(0, open);
        trio.pass(1_600);

        let groups = groups(trio.sent_of(slot_proposed), 1);
        let (first, again) = groups.split_first().unwrap();
        assert_eq!(first.1, (0..open as u64).collect::<Vec<_>>());
        for (_, slots) in again {
            assert_eq!(*slots, (0..open.min(8) as u64).collect::<Vec<_>>(), "{open} open");
        }
        slow_down(&groups, &patient());

        trio.deliver_if(|_| true);
        trio.until_executed(1, open, &format!("{open} open"));
    }
}

#[test]
fn proposals_sent_again_at_a_time_are_a_chunk_however_large_and_one_at_least() {
    let chunk = patient().chunk_bytes;
    for bytes in around(chunk) {
        let config = Config {
            batch_bytes_max: 4 * chunk,
            command_bytes_max: 4 * chunk,
            checkpoint_bytes: 1 << 20,
            window_bytes: 4 << 20,
            ..patient()
        };
        let mut trio = Trio::start(config, bytes);
        trio.deliver_if(|sent| slot_proposed(&sent.message).is_none());
        trio.submit(0, 6);
        trio.forget_sent();
        trio.pass(1_000);

        let said = trio.sent_of(slot_proposed);
        let weight = said[0].0.bytes();
        for (_, slots) in groups(said, 1) {
            assert_eq!(slots.len(), chunk.div_ceil(weight), "of {bytes} bytes");
        }
        trio.deliver_if(|_| true);
        trio.until_executed(1, 6, &format!("of {bytes} bytes"));
    }
}

#[test]
fn a_source_sends_again_what_is_in_flight_and_the_rest_follows_in_order() {
    let config = Config { batches_in_flight: 4, ..patient() };
    for asked in around(config.batches_in_flight) {
        let mut trio = Trio::start(config.clone(), 16);
        trio.deliver_if(|sent| batch_forwarded(&sent.message).is_none());
        trio.submit(1, asked);
        trio.pass(1_600);

        let groups = groups(trio.sent_of(batch_forwarded), 0);
        for (_, batches) in &groups {
            assert_eq!(batches.len(), asked.min(4), "{asked} asked");
        }
        slow_down(&groups, &config);

        trio.deliver_if(|_| true);
        trio.until_executed(1, asked, &format!("{asked} asked"));
        trio.until_executed(0, asked, &format!("{asked} asked"));
    }
}
