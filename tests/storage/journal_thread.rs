//! A replica whose journal is on a thread of its own.

use std::time::Duration;

use crossbeam_channel::{Receiver, unbounded};
use serde::{Deserialize, Serialize};

use taraflow::disk::{Disk, Durable, Identity, ProtocolName, RecordKind, Recovered, Store};
use taraflow::engine::node::Node;
use taraflow::engine::protocol::JournalRecord;
use taraflow::engine::replica::{Inputs, Outputs, timeless_worker};
use taraflow::engine::role::Role;
use taraflow::hosts::simulation::FaultyDisk;
use taraflow::model::app::Nothing;
use taraflow::model::batch::Value;
use taraflow::model::checkpoint::Cut;
use taraflow::model::config::Config;
use taraflow::model::error::Error;
use taraflow::model::types::{ReplicaId, Slot, To};

const OWNER: Identity = Identity { cluster: 9, replica: ME, protocol: ProtocolName::of("tara") };
const ME: ReplicaId = ReplicaId(0);
/// Bytes of a checkpoint.
const CHECKPOINT: usize = 10_000;

/// A number that was written down.
#[derive(Clone, Serialize, Deserialize)]
struct Note(u64);

impl JournalRecord for Note {
    fn held(_records: &[Self]) -> Option<&Value> {
        None
    }

    fn kind(&self) -> RecordKind {
        RecordKind { name: "note", view: None }
    }
}

/// Repeats every number it hears, and writes the even ones down. Those from a thousand on rest on
/// the newest record only, which is written by those from two thousand on; those from three
/// thousand on are checkpoints.
fn echo<'s>(inputs: Inputs<'s, u64, Note>, _: &Config) -> Outputs<'s, u64, Note> {
    let mut role = Role::new("echo", inputs.messages.scope(), ());
    let (say, messages) = role.output();
    let (keep, durable) = role.output();
    let ((_, replies), (_, room), (_, events)) = (role.output(), role.output(), role.output());
    role.on(inputs.messages, move |(), (_, number): (ReplicaId, u64)| {
        if number >= 3000 {
            keep.send([Durable::Checkpoint(Cut::new(Slot(number), vec![1; CHECKPOINT]))]);
        } else if number >= 2000 {
            keep.send([Durable::Newest(Note(number))]);
        } else if number.is_multiple_of(2) {
            keep.send([Durable::Slot(Slot(number), Note(number))]);
        }
        say.send([(To::All, number)]);
    });
    role.build();
    Outputs {
        messages,
        replies,
        durable,
        early: |number| *number >= 1000,
        room,
        room_max: 1,
        read_room: None,
        events,
    }
}

/// A replica on a disk, and what wakes its host.
struct Host {
    node: Node<u64, Note>,
    woken: Receiver<()>,
}

impl Host {
    fn start(disk: &FaultyDisk) -> Self {
        let (wake, woken) = unbounded();
        let node = Node::start_with_journal(
            timeless_worker(),
            &Config::new(ME, 3),
            (Box::new(disk.clone()), OWNER),
            // A host that has gone needs no waking.
            Box::new(move || wake.send(()).unwrap_or_default()),
            Box::new(Nothing),
            echo,
        );
        Self { node: node.unwrap(), woken }
    }

    fn turn(&mut self, numbers: impl IntoIterator<Item = u64>) -> Result<(), Error> {
        self.node.replica().deliver(ME, numbers);
        self.node.turn()
    }

    fn said(&mut self) -> Vec<u64> {
        self.node.take_ready().messages.into_iter().map(|(_, number)| number).collect()
    }

    /// Gives the replica turns, as it is woken, until it has said so many numbers or has failed.
    fn until_said(&mut self, count: usize) -> Result<Vec<u64>, Error> {
        let mut said = self.said();
        while said.len() < count {
            self.woken.recv_timeout(Duration::from_secs(30)).unwrap();
            self.node.turn()?;
            said.append(&mut self.said());
        }
        Ok(said)
    }
}

fn made() -> FaultyDisk {
    let mut disk = FaultyDisk::default();
    Store::create(&mut disk, OWNER).unwrap();
    disk
}

fn found(disk: &FaultyDisk) -> Vec<u64> {
    let opened: Result<(_, Recovered<Note>), _> = Store::open(Box::new(disk.clone()), OWNER);
    opened.unwrap().1.slots.into_iter().map(|(slot, _)| slot.0).collect()
}

#[test]
fn what_is_said_leaves_in_order_when_it_is_durable() {
    let disk = made();
    let mut host = Host::start(&disk);
    for number in 0..200 {
        host.turn([number]).unwrap();
    }
    assert_eq!(host.until_said(200).unwrap(), (0..200).collect::<Vec<_>>());
    disk.crash(&mut taraflow::hosts::simulation::Random::new(1), 500_000, false);
    drop(host);
    assert_eq!(found(&disk), (0..200).step_by(2).collect::<Vec<_>>());
}

#[test]
fn a_turn_costs_one_sync_and_one_without_records_none() {
    let disk = made();
    let mut host = Host::start(&disk);
    host.turn([0]).unwrap();
    host.until_said(1).unwrap();
    let before = disk.counts();
    for number in 1..101 {
        host.turn([number]).unwrap();
        if number % 2 == 1 {
            assert_eq!(host.said(), [number], "nothing is to be waited for");
        } else {
            assert_eq!(host.until_said(1).unwrap(), [number]);
        }
    }
    let after = disk.counts();
    assert_eq!((after.syncs - before.syncs, after.appends - before.appends), (50, 50));
    assert_eq!(after.name_syncs, before.name_syncs, "no file was made or renamed");
    assert_eq!(
        host.node.meter().unwrap().sync_times().groups.count(),
        host.node.meter().unwrap().syncs()
    );
}

#[test]
fn turns_that_wait_for_the_disk_share_a_sync() {
    let disk = made();
    let mut host = Host::start(&disk);
    host.turn([0]).unwrap();
    host.until_said(1).unwrap();
    let before = disk.counts().syncs;
    disk.set_full(true);
    host.turn([2]).unwrap();
    while !host.node.is_fenced() {
        host.woken.recv_timeout(Duration::from_secs(30)).unwrap();
    }
    for number in 3..40 {
        host.turn([number]).unwrap();
    }
    assert!(host.said().is_empty(), "nothing leaves while the disk is full");
    disk.set_full(false);
    assert_eq!(host.until_said(38).unwrap(), (2..40).collect::<Vec<_>>());
    assert!(!host.node.is_fenced() && disk.counts().syncs - before <= 2);
}

#[test]
fn what_rests_on_the_newest_record_only_waits_for_no_other() {
    let disk = made();
    let mut host = Host::start(&disk);
    host.turn([0]).unwrap();
    host.until_said(1).unwrap();
    disk.set_full(true);
    host.turn([2, 1001]).unwrap();
    assert_eq!(host.said(), [1001]);
    host.turn([1002, 4]).unwrap();
    assert_eq!(host.said(), [1002]);
    host.turn([2000]).unwrap();
    host.turn([1003]).unwrap();
    assert!(host.said().is_empty(), "the newest record is not durable");

    disk.set_full(false);
    let mut said = host.until_said(4).unwrap();

    said.sort_unstable();
    assert_eq!(said, [2, 4, 1003, 2000]);
}

#[test]
fn a_sync_that_fails_stops_the_replica_before_it_says_anything_more() {
    for turns in 0..20 {
        let disk = made();
        let mut host = Host::start(&disk);
        for number in 0..turns {
            host.turn([2 * number]).unwrap();
            host.until_said(1).unwrap();
        }
        if turns == 0 {
            host.node.flush().unwrap();
        }
        disk.fail_next_sync();
        // The turn that finds the failure may be this one or a later one.
        let outcome = host.turn([2 * turns]).and_then(|()| host.until_said(1));
        assert!(matches!(outcome, Err(Error::Disk { doing: "sync", .. })), "{outcome:?}");
        assert!(host.said().is_empty(), "what is not durable has left");
        assert!(host.turn([1]).is_err() && host.node.flush().is_err() && host.said().is_empty());
    }
}

#[test]
fn a_flush_waits_for_the_last_sync_and_says_when_there_is_no_room() {
    let disk = made();
    let mut host = Host::start(&disk);
    host.turn(0..10).unwrap();
    host.node.flush().unwrap();
    assert_eq!(host.said(), (0..10).collect::<Vec<_>>());
    disk.set_full(true);
    host.turn([10]).unwrap();
    assert!(host.node.flush().is_err_and(|error| error.is_full()));
    assert!(host.said().is_empty());
    disk.set_full(false);
    assert_eq!(host.until_said(1).unwrap(), [10]);
}

#[test]
fn a_replica_that_is_dropped_leaves_what_it_has_handed_over() {
    let disk = made();
    let mut host = Host::start(&disk);
    for number in 0..50 {
        host.turn([2 * number]).unwrap();
    }
    drop(host);
    disk.crash(&mut taraflow::hosts::simulation::Random::new(2), 500_000, false);
    assert_eq!(found(&disk), (0..100).step_by(2).collect::<Vec<_>>());

    let mut host = Host::start(&disk);
    disk.set_full(true);
    host.turn([100]).unwrap();
    drop(host);
    assert_eq!(found(&disk).len(), 50, "and one that waits for room ends all the same");
    assert!(!disk.list().unwrap().is_empty());
}

#[test]
fn a_replica_drops_its_input_while_more_waits_for_a_full_disk_than_it_should_keep() {
    let disk = made();
    let mut host = Host::start(&disk);
    host.node.flush().unwrap();
    disk.set_full(true);
    let mut turns = 0;
    while !host.node.must_drop_input() {
        host.turn((0..20_000).map(|number| number % 500 * 2)).unwrap();
        turns += 1;
        assert!(turns < 1_000, "it hears whatever is said");
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(host.node.is_fenced() && turns > 10);

    disk.set_full(false);

    assert_eq!(host.until_said(turns * 20_000).unwrap().len(), turns * 20_000);
    assert!(!host.node.must_drop_input());
}

#[test]
fn nothing_leaves_before_it_is_durable_that_the_replica_has_started() {
    let disk = made();
    let settings = Config::new(ME, 3);
    let boxed: Box<dyn Disk> = Box::new(disk.clone());
    let mut node = Node::start(&settings, Some((boxed, OWNER)), Box::new(Nothing), echo).unwrap();
    node.replica().deliver(ME, [1, 1001]);
    node.turn().unwrap();
    assert!(node.take_ready().messages.is_empty(), "it would start for the first time again");

    node.sync(node.sync_wanted().unwrap()).unwrap();

    assert_eq!(node.take_ready().messages.len(), 2);
}

#[test]
fn records_that_fit_do_not_wait_for_a_checkpoint_that_does_not() {
    let disk = made();
    let mut host = Host::start(&disk);
    host.turn([0]).unwrap();
    host.until_said(1).unwrap();
    disk.set_capacity(Some(disk.bytes() + CHECKPOINT / 2));
    host.turn([3000]).unwrap();
    for number in 1..11 {
        host.turn([2 * number]).unwrap();
    }
    let said = host.until_said(11).unwrap();
    host.node.flush().unwrap();
    assert!(!host.node.is_fenced() && said.len() == 11);
    let refused = disk.counts().full;
    std::thread::sleep(Duration::from_millis(300));
    assert!(disk.counts().full - refused < 10, "it tries again and again");

    disk.set_capacity(None);

    let whole = || disk.list().unwrap().iter().any(|name| name.ends_with("0bb8"));
    while !whole() {
        host.woken.recv_timeout(Duration::from_secs(30)).unwrap();
    }
}
