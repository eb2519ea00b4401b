//! The window: slots and bytes ahead of the stable checkpoint, and what they leave on the disks.

use taraflow::dataflows::tara::Message;
use taraflow::disk::{Disk, MemoryDisk};
use taraflow::model::batch::Value;
use taraflow::model::config::Config;

use super::trio::{Sent, Trio, around, small};

fn is_report(sent: &Sent) -> bool {
    matches!(sent.message, Message::Report(_))
}

fn value(message: &Message) -> Option<(u64, Value)> {
    match message {
        Message::Propose(proposal) => Some((proposal.slot.0, proposal.value.clone())),
        _ => None,
    }
}

#[test]
fn nothing_is_proposed_beyond_the_window_and_all_is_once_a_checkpoint_is_stable() {
    let window = small().window as usize;
    for asked in around(window) {
        let mut trio = Trio::start(small(), 16);
        trio.deliver_if(|sent| !is_report(sent));
        trio.submit(0, asked);
        trio.pass(5_000);

        let furthest = trio.sent_of(value).into_iter().map(|(_, (slot, _))| slot).max();
        assert_eq!(furthest, Some(asked.min(window) as u64 - 1), "{asked} asked");
        assert_eq!(trio.executed(0).len(), asked.min(window));

        trio.deliver_if(|_| true);
        for index in 0..3 {
            trio.until_executed(index, asked, &format!("{asked} asked"));
        }
    }
}

/// Batches of which sixteen weigh as much as the window takes.
fn heavy() -> (Config, usize) {
    let config = Config {
        batch_bytes_max: 16 << 10,
        command_bytes_max: 16 << 10,
        checkpoint_every: 1 << 10,
        window: 1 << 11,
        ..small()
    };
    let bytes = config.window_bytes / 16;
    (config, bytes)
}

#[test]
fn no_more_bytes_are_proposed_than_the_window_takes_and_all_are_once_a_checkpoint_is_stable() {
    // Patience is short: one leader follows the other, and none may go further than the one before.
    let (config, bytes) = heavy();
    for asked in around(16) {
        let mut trio = Trio::start(config.clone(), bytes);
        trio.deliver_if(|sent| !is_report(sent));
        trio.submit(0, asked);
        trio.pass(5_000);

        assert_eq!(trio.executed(0).len(), asked.min(16), "{asked} asked");

        trio.deliver_if(|_| true);
        for index in 0..3 {
            trio.until_executed(index, asked, &format!("{asked} asked"));
        }
    }
}

/// The bytes of a disk's journal.
fn journal(disk: &MemoryDisk) -> usize {
    let names = disk.list().unwrap();
    let segments = names.iter().filter(|name| name.starts_with("journal-"));
    segments.map(|name| disk.read(name).unwrap().len()).sum()
}

#[test]
fn a_journal_is_no_longer_than_its_window_whatever_was_written_and_a_start_adds_what_was_in_flight()
{
    let (config, bytes) = heavy();
    for asked in around(16) {
        let mut trio = Trio::start(config.clone(), bytes);
        trio.submit(0, asked);
        for index in 0..3 {
            trio.until_executed(index, asked, &format!("{asked} asked"));
        }
        trio.pass(1_000);

        let before: Vec<_> = trio.disks.iter().map(journal).collect();
        let most = config.window_bytes + config.checkpoint_bytes + 2 * bytes;
        assert!(before.iter().all(|bytes| *bytes < most), "{before:?} of {most}, {asked} asked");

        (0..3).for_each(|index| trio.kill(index));
        (0..3).for_each(|index| trio.revive(index));
        for index in 0..3 {
            trio.until_executed(index, asked, &format!("started again, {asked} asked"));
        }
        let after: Vec<_> = trio.disks.iter().map(journal).collect();
        // What was in flight may be learned from another replica, for nothing has said that it is
        // decided.
        let new = 1_024 + config.batches_in_flight * (bytes + 1_024);
        let grown = before.iter().zip(&after).all(|(before, after)| *after < before + new);
        assert!(grown, "{before:?} became {after:?}, {asked} asked");
    }
}
