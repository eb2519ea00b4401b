//! Accounts for a new leader, and the values it asks for.

use taraflow::dataflows::tara::Message;
use taraflow::model::batch::weight;
use taraflow::model::config::Config;
use taraflow::model::types::View;

use super::trio::{Sent, Trio, around, small};

fn is_vote(sent: &Sent) -> bool {
    matches!(sent.message, Message::Commit(_))
}

/// Slots from the first to behind the last that an account speaks of, with its view.
fn account(message: &Message) -> Option<(View, u64)> {
    match message {
        Message::Record(record) => {
            Some((record.view, record.accepted.iter().map(|run| run.count).sum()))
        }
        _ => None,
    }
}

/// How many values are supplied at once, and the bytes of all but the last of them.
fn supplied(message: &Message) -> Option<(usize, usize)> {
    match message {
        Message::Supply(supply) => {
            let (_, but_last) = supply.proposals.split_last()?;
            let bytes = but_last.iter().map(|proposal| weight(&proposal.value)).sum();
            Some((supply.proposals.len(), bytes))
        }
        _ => None,
    }
}

#[test]
fn an_account_of_up_to_a_window_is_one_message_and_what_it_names_is_executed() {
    let window = small().window as usize;
    for asked in around(window) {
        let config = Config { batches_in_flight: 4 * window, ..small() };
        let mut trio = Trio::start(config, 16);
        // Nothing is decided, and all is accepted.
        trio.deliver_if(|sent| !is_vote(sent));
        trio.submit(0, asked);
        trio.kill(0);
        let accepted = asked.min(window);

        trio.deliver_if(|_| true);
        for index in [1, 2] {
            trio.until_executed(index, accepted, &format!("{asked} asked"));
        }

        let accounts = trio.sent_of(account);
        assert!(!accounts.is_empty());
        for (_, (view, slots)) in accounts {
            assert_eq!(slots, accepted as u64, "in view {view}, {asked} asked");
        }
    }
}

#[test]
fn values_come_to_a_new_leader_a_chunk_at_a_time() {
    for bytes in around(small().chunk_bytes) {
        let mut trio = Trio::start(many_in_flight(), VALUE_BYTES);
        // What is proposed reaches only a replica that does not lead next, and its votes nobody.
        trio.deliver_if(|sent| match &sent.message {
            Message::Propose(_) => sent.to == 2,
            Message::Commit(_) => false,
            _ => true,
        });
        supplies_are_chunks(&mut trio, bytes);
    }
}

#[test]
fn values_come_to_a_committer_that_lacks_them_a_chunk_at_a_time() {
    for bytes in around(small().chunk_bytes) {
        let mut trio = Trio::start(many_in_flight(), VALUE_BYTES);
        trio.deliver_if(|sent| match &sent.message {
            Message::Propose(_) => sent.to == 1,
            Message::Commit(_) => false,
            _ => true,
        });
        supplies_are_chunks(&mut trio, bytes);
    }
}

const VALUE_BYTES: usize = 256;

fn many_in_flight() -> Config {
    Config { batches_in_flight: 64, ..small() }
}

/// Ends the leader with values of so many bytes accepted by one of the others only.
fn supplies_are_chunks(trio: &mut Trio, bytes: usize) {
    let (count, chunk) = (bytes / VALUE_BYTES, small().chunk_bytes);
    trio.submit(0, count);
    trio.kill(0);
    trio.deliver_if(|_| true);
    for index in [1, 2] {
        trio.until_executed(index, count, &format!("{bytes} bytes"));
    }

    let supplies = trio.sent_of(supplied);
    let values: usize = supplies.iter().map(|(_, (values, _))| values).sum();
    assert_eq!(values, count, "each value once, {bytes} bytes");
    assert!(supplies.iter().all(|(_, (_, but_last))| *but_last < chunk), "{bytes} bytes");
    let least = bytes.div_ceil(chunk + VALUE_BYTES);
    assert!((least..=2 * least).contains(&supplies.len()), "{} for {bytes}", supplies.len());
    assert!(trio.sent_of(account).iter().all(|(_, (view, _))| *view > View(0)));
}
