//! The journal over a disk that was cut, flipped, filled or swapped.

use taraflow::disk::{Disk, Durable, Identity, MemoryDisk, ProtocolName, Recovered, Store};
use taraflow::hosts::simulation::FaultyDisk;
use taraflow::model::checkpoint::Cut;
use taraflow::model::error::Error;
use taraflow::model::types::{ReplicaId, Slot};

const OWNER: Identity =
    Identity { cluster: 7, replica: ReplicaId(1), protocol: ProtocolName::of("tara") };

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

/// Lets a store finish what it is saving.
fn save(store: &mut Store) {
    while store.is_saving() {
        store.append().unwrap();
        store.sync().unwrap();
    }
}

fn slots(recovered: &Recovered<String>) -> Vec<u64> {
    recovered.slots.iter().map(|(slot, _)| slot.0).collect()
}

/// A copy of a disk in which one file has other bytes.
fn with(disk: &MemoryDisk, file: &str, bytes: &[u8]) -> MemoryDisk {
    let mut copy = MemoryDisk::default();
    for name in disk.list().unwrap() {
        let old = disk.read(&name).unwrap();
        copy.append(&name, if name == file { bytes } else { &old }).unwrap();
    }
    copy
}

/// The file that says how far a journal reaches.
const EXTENT: &str = "extent";

fn only_segment(disk: &MemoryDisk) -> String {
    let names = disk.list().unwrap();
    let segments: Vec<_> = names.iter().filter(|name| *name != EXTENT).collect();
    assert_eq!(segments.len(), 1, "{names:?}");
    segments[0].clone()
}

#[test]
fn a_journal_cut_anywhere_is_refused_for_what_was_synced() {
    let disk = made::<MemoryDisk>();
    write(&disk, 20);
    let file = only_segment(&disk);
    let bytes = disk.read(&file).unwrap();
    for end in 0..bytes.len() {
        for rest in [0, 100] {
            let mut left = bytes[..end].to_vec();
            left.resize(end + rest, 0);
            match open(&with(&disk, &file, &left)) {
                Err(Error::Damaged { file: named, .. }) => assert_eq!(named, file),
                Err(other) => panic!("cut at {end}: {other}"),
                Ok(_) => assert!(left.starts_with(&bytes), "cut at {end}"),
            }
        }
    }
}

#[test]
fn a_journal_that_is_cut_where_nothing_says_it_was_synced_gives_the_records_before_the_cut() {
    let disk = made::<MemoryDisk>();
    let never_noted = disk.read(EXTENT).unwrap();
    write(&disk, 20);
    let disk = with(&disk, EXTENT, &never_noted);
    let file = only_segment(&disk);
    let bytes = disk.read(&file).unwrap();
    let mut most = 0;
    for end in 0..bytes.len() {
        let cut = with(&disk, &file, &bytes[..end]);
        let (_, recovered) = match open(&cut) {
            // The header of the segment, and the record of the start behind it.
            Err(Error::Damaged { .. }) if most == 0 && end < 96 => continue,
            opened => opened.unwrap_or_else(|e| panic!("cut at {end}: {e}")),
        };
        let found = slots(&recovered);
        assert_eq!(found, (0..found.len() as u64).collect::<Vec<_>>(), "cut at {end}");
        assert!(found.len() >= most, "a later cut at {end} loses more");
        most = found.len();
    }
    assert_eq!(most, 59, "only the last record can be incomplete");
}

#[test]
fn a_bit_flipped_anywhere_in_what_was_synced_is_refused() {
    let disk = made::<MemoryDisk>();
    write(&disk, 12);
    let file = only_segment(&disk);
    let bytes = disk.read(&file).unwrap();
    for bit in 0..8 * bytes.len() {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        match open(&with(&disk, &file, &flipped)).map(|_| ()) {
            Err(Error::Damaged { file: named, offset, .. }) => {
                assert_eq!(named, file);
                assert!(offset <= bit as u64 / 8, "bit {bit} is found before it");
            }
            other => panic!("bit {bit}: {other:?}"),
        }
    }
}

#[test]
fn what_was_synced_survives_any_crash_and_each_start_is_counted() {
    for seed in 0..200 {
        let disk = made::<FaultyDisk>();
        let mut random = taraflow::hosts::simulation::Random::new(seed);
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
    let disk = made::<MemoryDisk>();
    write(&disk, 2);
    let other = Identity { replica: ReplicaId(2), ..OWNER };
    let refused = Store::open::<String>(Box::new(disk.clone()), other).err().unwrap();
    assert!(
        refused.to_string().contains("found a file of replica 1 of cluster 0000000000000007"),
        "{refused}"
    );
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
    let disk = made::<MemoryDisk>();
    let (mut store, _) = open(&disk).unwrap();
    store.write([Durable::Newest("view 3".to_owned()), record(0), record(1)]).unwrap();
    for slot in [2, 4, 6] {
        let state = vec![slot as u8; 100];
        let checkpoint = Durable::Checkpoint(Cut::new(Slot(slot), state));
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

fn saved(store: &Store) -> Slot {
    store.saved().map_or(Slot(0), |checkpoint| checkpoint.slot)
}

#[test]
fn many_checkpoints_within_one_sync_leave_the_newest() {
    let disk = made::<MemoryDisk>();
    let (mut store, _) = open(&disk).unwrap();
    let checkpoint = |slot| Durable::<String>::Checkpoint(Cut::new(Slot(slot), vec![1; 10]));
    store.write((1..6).map(checkpoint)).unwrap();
    save(&mut store);
    assert_eq!(saved(&store), Slot(5));
    let (_, recovered) = open(&disk).unwrap();
    assert_eq!(recovered.checkpoint.unwrap().slot, Slot(5));
}

#[test]
fn records_do_not_wait_for_a_checkpoint_that_is_on_its_way() {
    let disk = made::<MemoryDisk>();
    let (mut store, _) = open(&disk).unwrap();
    store.set_piece_bytes(100);
    let checkpoint = |slot| Durable::<String>::Checkpoint(Cut::new(Slot(slot), vec![1; 950]));
    store.write([record(0), checkpoint(1)]).unwrap();
    store.sync().unwrap();
    for slot in 1..11 {
        store.write([record(slot)]).unwrap();
        store.sync().unwrap();
        assert!(store.is_saving() && saved(&store) == Slot(0), "{slot} records");
        let copy = with(&disk, "no file", b"");
        let (_, recovered) = open(&copy).unwrap();
        assert_eq!(slots(&recovered), (0..=slot).collect::<Vec<_>>());
        assert_eq!(recovered.checkpoint, None);
    }
    store.write([checkpoint(2), checkpoint(3)]).unwrap();
    store.sync().unwrap();
    assert_eq!(saved(&store), Slot(1));
    save(&mut store);
    assert_eq!(saved(&store), Slot(3), "the second was never begun");
    assert_eq!(open(&disk).unwrap().1.checkpoint.unwrap().slot, Slot(3));
}

#[test]
fn a_damaged_checkpoint_gives_way_to_the_one_before_it_unless_that_is_forgotten() {
    let build = |forget: bool| {
        let disk = made::<MemoryDisk>();
        let (mut store, _) = open(&disk).unwrap();
        for slot in [2, 4] {
            let state = vec![slot as u8; 100];
            store.write([Durable::Checkpoint(Cut::new(Slot(slot), state)), record(slot)]).unwrap();
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

#[test]
fn a_disk_that_holds_nothing_is_not_taken_for_a_first_life() {
    assert!(matches!(open(&MemoryDisk::default()), Err(Error::Empty { .. })));
    let mut disk = made::<MemoryDisk>();
    assert_eq!(open(&disk).unwrap().1.incarnation, 1);
    let taken = Store::create(&mut disk, OWNER).unwrap_err();
    assert!(matches!(taken, Error::Taken { .. }), "{taken}");
    for name in disk.list().unwrap() {
        disk.remove(&name).unwrap();
    }
    assert!(matches!(open(&disk), Err(Error::Empty { .. })));
}

#[test]
fn a_disk_that_died_while_it_was_made_can_be_made_again() {
    for operations in 0..5 {
        let mut disk = FaultyDisk::default();
        disk.die_after(operations);
        assert!(Store::create(&mut disk, OWNER).is_err());
        disk.crash(&mut taraflow::hosts::simulation::Random::new(operations), 500_000, false);
        match Store::create(&mut disk, OWNER) {
            Ok(()) | Err(Error::Taken { .. }) => {}
            Err(other) => panic!("{operations} operations: {other}"),
        }
        assert_eq!(open(&disk).unwrap().1.incarnation, 1);
    }
}

#[test]
fn files_of_other_names_are_left_alone() {
    let mut disk = made::<MemoryDisk>();
    disk.append("notes.new", b"mine").unwrap();
    disk.append("journal-7", b"not a segment").unwrap();
    write(&disk, 2);
    assert_eq!(disk.read("notes.new").unwrap(), b"mine");
    assert_eq!(disk.read("journal-7").unwrap(), b"not a segment");
}

/// Records, two checkpoints, and what they allow to forget, in six turns.
fn turns() -> Vec<Vec<Durable<String>>> {
    let checkpoint = |slot| Durable::Checkpoint(Cut::new(Slot(slot), vec![slot as u8; 150]));
    vec![
        vec![Durable::Newest("view 1".to_owned()), record(0), record(1)],
        vec![record(2), checkpoint(2)],
        vec![record(3), Durable::Forget(Slot(2))],
        vec![record(4), record(5), checkpoint(4)],
        vec![Durable::Forget(Slot(4)), Durable::Newest("view 2".to_owned())],
        vec![record(6)],
    ]
}

fn assert_all_is_there(disk: &FaultyDisk, case: &str) {
    let (_, recovered) = open(disk).unwrap_or_else(|e| panic!("{case}: {e}"));
    assert_eq!(slots(&recovered), [4, 5, 6], "{case}");
    assert_eq!(recovered.checkpoint.unwrap().slot, Slot(4), "{case}");
    assert_eq!(recovered.newest.as_deref(), Some("view 2"), "{case}");
}

#[test]
fn a_disk_that_is_full_at_any_byte_is_written_to_again_and_loses_nothing() {
    let mut blocked = 0;
    for capacity in 0..2_000 {
        let case = format!("{capacity} bytes");
        let disk = made::<FaultyDisk>();
        let (mut store, _) = open(&disk).unwrap();
        disk.set_capacity(Some(capacity));
        for turn in turns() {
            let written = store.write(turn);
            if written.is_err() || store.is_starved() {
                assert_eq!(written.is_err(), store.is_blocked(), "{case}: {written:?}");
                assert!(written.is_ok() || written.is_err_and(|full| full.is_full()), "{case}");
                blocked += 1;
                let again = store.append();
                assert!(again.map_or_else(|still| still.is_full(), |()| store.is_starved()));
                disk.set_capacity(None);
                store.append().unwrap();
            }
            store.sync().unwrap();
        }
        assert_all_is_there(&disk, &case);
    }
    assert!(blocked > 900, "{blocked} times the disk was full");
}

#[test]
fn a_sync_that_fails_at_any_time_is_an_error_and_what_was_synced_before_stays() {
    let mut at = 0;
    loop {
        let disk = made::<FaultyDisk>();
        let (mut store, _) = open(&disk).unwrap();
        let (mut promised, mut failed) = (0, false);
        for turn in turns() {
            if disk.counts().syncs >= at && !failed {
                disk.fail_next_sync();
            }
            let outcome = store.write(turn).and_then(|()| store.sync());
            failed = outcome.is_err();
            if failed {
                break;
            }
            promised += 1;
        }
        if !failed {
            assert!(at > 6, "every sync has failed once");
            return assert_all_is_there(&disk, "no sync failed");
        }
        drop(store);
        disk.crash(&mut taraflow::hosts::simulation::Random::new(at), 500_000, false);
        let (_, recovered) = open(&disk).unwrap_or_else(|e| panic!("sync {at}: {e}"));
        let newest = slots(&recovered).last().map_or(0, |slot| slot + 1);
        let least = [0, 2, 3, 4, 6, 6][promised];
        let covered = recovered.checkpoint.map_or(0, |checkpoint| checkpoint.slot.0);
        assert!(newest.max(covered) >= least, "sync {at}: {newest} after {promised} turns");
        at += 1;
    }
}

#[test]
fn a_disk_with_room_for_two_checkpoints_is_enough_for_any_number() {
    let disk = made::<FaultyDisk>();
    let (mut store, _) = open(&disk).unwrap();
    disk.set_capacity(Some(2 * 10_000 + 2_000));
    for slot in 1..30 {
        let checkpoint = Cut::new(Slot(slot), vec![slot as u8; 10_000]);
        store.write([record(slot), Durable::Checkpoint(checkpoint)]).unwrap();
        store.sync().unwrap();
        store.write([Durable::<String>::Forget(Slot(slot))]).unwrap();
        store.sync().unwrap();
    }
    assert_eq!(open(&disk).unwrap().1.checkpoint.unwrap().slot, Slot(29));
}

#[test]
fn a_full_disk_frees_itself_of_records_it_may_forget() {
    let disk = made::<FaultyDisk>();
    let (mut store, _) = open(&disk).unwrap();
    store.write((0..100).map(record)).unwrap();
    let checkpoint = Cut::new(Slot(100), vec![1; 100]);
    store.write([Durable::<String>::Checkpoint(checkpoint)]).unwrap();
    store.sync().unwrap();
    disk.set_capacity(Some(disk.bytes() + 100));
    let turn = [record(100), Durable::Forget(Slot(100))].into_iter().chain((101..120).map(record));
    store.write(turn).unwrap();
    store.sync().unwrap();
    let (_, recovered) = open(&disk).unwrap();
    assert_eq!(slots(&recovered), (100..120).collect::<Vec<_>>());
}

#[test]
fn a_disk_that_is_full_after_it_was_told_what_to_forget_frees_itself() {
    let disk = made::<FaultyDisk>();
    let (mut store, _) = open(&disk).unwrap();
    store.write((0..100).map(record)).unwrap();
    let checkpoint = Cut::new(Slot(100), vec![1; 100]);
    store.write([Durable::<String>::Checkpoint(checkpoint)]).unwrap();
    store.sync().unwrap();
    disk.set_capacity(Some(disk.bytes() + 100));
    store.write([Durable::<String>::Forget(Slot(100))]).unwrap();
    store.write((100..120).map(record)).unwrap();
    store.sync().unwrap();
    assert_eq!(slots(&open(&disk).unwrap().1), (100..120).collect::<Vec<_>>());
}

#[test]
fn a_full_disk_keeps_the_segment_that_holds_the_newest_record() {
    let disk = made::<FaultyDisk>();
    let (mut store, _) = open(&disk).unwrap();
    let checkpoint = |slot, bytes| Durable::Checkpoint(Cut::new(Slot(slot), vec![1; bytes]));
    store.write([record(0), checkpoint(100, 100)]).unwrap();
    store.sync().unwrap();
    store.write([Durable::<String>::Forget(Slot(100))]).unwrap();
    store.write([Durable::Newest("view 2".to_owned())]).unwrap();
    disk.set_capacity(Some(disk.bytes() + 50));
    let full = store.write([checkpoint(200, 10_000), Durable::<String>::Forget(Slot(200))]);
    assert!(full.unwrap_err().is_full());
    drop(store);
    disk.set_capacity(None);
    let (_, recovered) = open(&disk).unwrap();
    assert_eq!(recovered.newest.as_deref(), Some("view 2"));
    assert_eq!((recovered.incarnation, recovered.checkpoint.unwrap().slot), (2, Slot(100)));
}

#[test]
fn no_segment_grows_for_ever() {
    let disk = made::<MemoryDisk>();
    let text = "x".repeat(1 << 20);
    let (mut store, _) = open(&disk).unwrap();
    for slot in 0..150 {
        store.write([Durable::Slot(Slot(slot), text.clone())]).unwrap();
        store.sync().unwrap();
    }
    let sizes = |disk: &MemoryDisk| {
        let names = disk.list().unwrap().into_iter().filter(|name| name != EXTENT);
        names.map(|name| disk.read(&name).unwrap().len()).collect::<Vec<_>>()
    };
    assert_eq!(sizes(&disk).len(), 5, "{:?}", sizes(&disk));
    assert!(sizes(&disk).into_iter().all(|size| size <= 32 << 20));
    drop(store);
    let (mut store, recovered) = open(&disk).unwrap();
    assert_eq!(slots(&recovered), (0..150).collect::<Vec<_>>());
    store.append().unwrap();
    store.sync().unwrap();
    assert!(sizes(&disk)[5] < 1_000, "nothing is written anew: {:?}", sizes(&disk));
    let (mut store, recovered) = open(&disk).unwrap();
    assert_eq!(recovered.slots.len(), 150);
    let checkpoint = Cut::new(Slot(140), Vec::new());
    store.write([Durable::<String>::Checkpoint(checkpoint)]).unwrap();
    store.sync().unwrap();
    store.write([Durable::<String>::Forget(Slot(140))]).unwrap();
    store.sync().unwrap();
    let (_, recovered) = open(&disk).unwrap();
    assert_eq!(slots(&recovered), (140..150).collect::<Vec<_>>());
}

#[test]
fn a_segment_that_is_gone_is_missed_though_the_one_after_it_may_not_be_durable() {
    let mut disk = made::<MemoryDisk>();
    write(&disk, 2);
    write(&disk, 2);
    let (mut store, _) = open(&disk).unwrap();
    store.append().unwrap();
    drop(store);
    let names = disk.list().unwrap();
    let segments: Vec<_> = names.iter().filter(|name| name.starts_with("journal")).collect();
    let before_last = segments[segments.len() - 2];
    disk.remove(before_last).unwrap();

    let Err(Error::Damaged { file, .. }) = open(&disk) else {
        panic!("{before_last} is not missed")
    };
    assert_eq!(file, *before_last);
}
