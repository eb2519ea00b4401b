//! The journal over a disk that was cut, flipped, filled or swapped.
#![allow(clippy::unwrap_used)]

use taraflow::checkpoint::Checkpoint;
use taraflow::disk::{Disk, Durable, Identity, Memory, Recovered, Store};
use taraflow::error::Error;
use taraflow::simulation::FaultyDisk;
use taraflow::types::{ReplicaId, Slot};

const OWNER: Identity = Identity { cluster: 7, replica: ReplicaId(1) };

fn open(disk: &(impl Disk + Clone + 'static)) -> Result<(Store, Recovered<String>), Error> {
    Store::open(Box::new(disk.clone()), OWNER)
}

/// A disk that is a replica's before its first start.
fn made<D: Disk + Default>() -> D {
    let mut disk = D::default();
    Store::create(&mut disk, OWNER).unwrap();
    disk
}

fn record(slot: u64) -> Durable<String> {
    Durable::Slot(Slot(slot), format!("what was accepted for slot {slot}"))
}

/// Writes `groups` groups of three records, each group synced.
fn write(disk: &(impl Disk + Clone + 'static), groups: u64) {
    let (mut store, _) = open(disk).unwrap();
    for group in 0..groups {
        store.write((3 * group..3 * group + 3).map(record)).unwrap();
        store.sync().unwrap();
    }
}

fn slots(recovered: &Recovered<String>) -> Vec<u64> {
    recovered.slots.iter().map(|(slot, _)| slot.0).collect()
}

/// A copy of a disk in which one file has other bytes.
fn with(disk: &Memory, file: &str, bytes: &[u8]) -> Memory {
    let mut copy = Memory::default();
    for name in disk.list().unwrap() {
        let old = disk.read(&name).unwrap();
        copy.append(&name, if name == file { bytes } else { &old }).unwrap();
    }
    copy
}

fn only_segment(disk: &Memory) -> String {
    let names = disk.list().unwrap();
    assert_eq!(names.len(), 1, "{names:?}");
    names[0].clone()
}

#[test]
fn a_journal_cut_anywhere_gives_the_records_before_the_cut() {
    let disk = made::<Memory>();
    write(&disk, 20);
    let file = only_segment(&disk);
    let bytes = disk.read(&file).unwrap();
    let mut most = 0;
    for end in 0..bytes.len() {
        let cut = with(&disk, &file, &bytes[..end]);
        let (_, recovered) = open(&cut).unwrap_or_else(|e| panic!("cut at {end}: {e}"));
        let found = slots(&recovered);
        assert_eq!(found, (0..found.len() as u64).collect::<Vec<_>>(), "cut at {end}");
        assert!(found.len() >= most, "a later cut at {end} loses more");
        most = found.len();
    }
    assert_eq!(most, 59, "only the last record can be incomplete");
}

#[test]
fn a_bit_flipped_anywhere_is_refused_or_costs_the_last_group_only() {
    let disk = made::<Memory>();
    write(&disk, 12);
    let file = only_segment(&disk);
    let bytes = disk.read(&file).unwrap();
    let mut refused = 0;
    for bit in 0..8 * bytes.len() {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        match open(&with(&disk, &file, &flipped)) {
            Err(Error::Damaged { file: named, offset, .. }) => {
                assert_eq!(named, file);
                assert!(offset <= bit as u64 / 8, "bit {bit} is found before it");
                refused += 1;
            }
            Err(other) => panic!("bit {bit}: {other}"),
            Ok((_, recovered)) => {
                let found = slots(&recovered);
                assert!(found.len() >= 33, "bit {bit} in a synced group loses it unseen");
                assert_eq!(found, (0..found.len() as u64).collect::<Vec<_>>(), "bit {bit}");
            }
        }
    }
    assert!(refused > bytes.len() * 7, "{refused} of {} bits are refused", 8 * bytes.len());
}

#[test]
fn what_was_synced_survives_any_crash_and_each_start_is_counted() {
    for seed in 0..200 {
        let disk = made::<FaultyDisk>();
        let mut random = taraflow::simulation::Random::new(seed);
        let mut synced = 0;
        for life in 1..6 {
            let (mut store, recovered) = open(&disk).unwrap();
            let found = slots(&recovered);
            assert!(found.len() >= synced, "seed {seed}, life {life}: {found:?} of {synced}");
            assert_eq!(found, (0..found.len() as u64).collect::<Vec<_>>(), "seed {seed}");
            let first = found.len() as u64;
            store.write((first..first + 3).map(record)).unwrap();
            store.sync().unwrap();
            synced = found.len() + 3;
            assert_eq!(recovered.incarnation, life, "seed {seed}");
            store.write((first + 3..first + 6).map(record)).unwrap();
            disk.crash(&mut random, 500_000, life % 2 == 0);
        }
    }
}

#[test]
fn a_file_of_another_replica_does_not_read_as_ones_own() {
    let disk = made::<Memory>();
    write(&disk, 2);
    let other = Identity { replica: ReplicaId(2), ..OWNER };
    let refused = Store::open::<String>(Box::new(disk.clone()), other).err().unwrap();
    assert!(refused.to_string().contains("found a file of replica 1 of cluster 7"), "{refused}");
    assert!(open(&disk).is_ok(), "and it has been left alone");
}

#[test]
fn a_full_disk_loses_nothing_and_is_written_to_when_there_is_room() {
    let disk = made::<FaultyDisk>();
    let (mut store, _) = open(&disk).unwrap();
    disk.set_full(true);
    let full = store.write([record(0)]).unwrap_err();
    assert!(full.is_full() && store.is_blocked());
    assert!(store.write([record(1)]).unwrap_err().is_full());
    disk.set_full(false);
    store.append().unwrap();
    store.sync().unwrap();
    let (_, recovered) = open(&disk).unwrap();
    assert_eq!(slots(&recovered), [0, 1]);
}

#[test]
fn a_failed_sync_is_reported_and_not_tried_again() {
    let disk = made::<FaultyDisk>();
    let (mut store, _) = open(&disk).unwrap();
    store.write([record(0)]).unwrap();
    disk.fail_next_sync();
    assert!(matches!(store.sync(), Err(Error::Disk { doing: "sync", .. })));
}

#[test]
fn forgotten_slots_leave_the_disk_and_the_newest_record_stays() {
    let disk = made::<Memory>();
    let (mut store, _) = open(&disk).unwrap();
    store.write([Durable::Newest("view 3".to_owned()), record(0), record(1)]).unwrap();
    for slot in [2, 4, 6] {
        let state = vec![slot as u8; 100];
        let checkpoint = Durable::Checkpoint(Checkpoint::new(Slot(slot), state));
        store.write([checkpoint, record(slot), record(slot + 1)]).unwrap();
        store.sync().unwrap();
        store.write([Durable::<String>::Forget(Slot(slot))]).unwrap();
        store.sync().unwrap();
    }
    let names = disk.list().unwrap();
    assert_eq!(names.iter().filter(|name| name.starts_with("checkpoint")).count(), 2, "{names:?}");
    assert_eq!(names.iter().filter(|name| name.starts_with("journal")).count(), 1, "{names:?}");
    let (_, recovered) = open(&disk).unwrap();
    assert_eq!(recovered.newest.as_deref(), Some("view 3"));
    assert_eq!(recovered.checkpoint.as_ref().unwrap().slot, Slot(6));
    assert_eq!(slots(&recovered), [6, 7]);
}

#[test]
fn many_checkpoints_within_one_sync_leave_the_newest() {
    let disk = made::<Memory>();
    let (mut store, _) = open(&disk).unwrap();
    let checkpoint = |slot| Durable::<String>::Checkpoint(Checkpoint::new(Slot(slot), vec![1; 10]));
    store.write((1..6).map(checkpoint)).unwrap();
    store.sync().unwrap();
    let (_, recovered) = open(&disk).unwrap();
    assert_eq!(recovered.checkpoint.unwrap().slot, Slot(5));
}

#[test]
fn a_damaged_checkpoint_gives_way_to_the_one_before_it_unless_that_is_forgotten() {
    let build = |forget: bool| {
        let disk = made::<Memory>();
        let (mut store, _) = open(&disk).unwrap();
        for slot in [2, 4] {
            let state = vec![slot as u8; 100];
            store
                .write([Durable::Checkpoint(Checkpoint::new(Slot(slot), state)), record(slot)])
                .unwrap();
            store.sync().unwrap();
        }
        if forget {
            store.write([Durable::<String>::Forget(Slot(4))]).unwrap();
            store.sync().unwrap();
        }
        let file = "checkpoint-0000000000000004";
        let mut bytes = disk.read(file).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        with(&disk, file, &bytes)
    };
    let (_, recovered) = open(&build(false)).unwrap();
    assert_eq!(recovered.checkpoint.unwrap().slot, Slot(2));
    assert!(matches!(open(&build(true)), Err(Error::Damaged { .. })));
}
