//! What a journal can tell of decided slots.

use std::io;
use std::os::unix::fs::FileExt;

use taraflow::disk::{
    Durable, Files, Identity, JournalPast, MemoryDisk, ProtocolName, Recovered, Store,
};
use taraflow::model::checkpoint::Cut;
use taraflow::model::parts::PartSet;
use taraflow::model::types::{ReplicaId, Slot};

const OWNER: Identity =
    Identity { cluster: 9, replica: ReplicaId(1), protocol: ProtocolName::of("tara") };

fn open(disk: &MemoryDisk) -> (Store, Recovered<String>) {
    Store::open(Box::new(disk.clone()), OWNER).unwrap()
}

fn made() -> (MemoryDisk, Store) {
    let mut disk = MemoryDisk::default();
    Store::create(&mut disk, OWNER).unwrap();
    let store = open(&disk).0;
    (disk, store)
}

fn slot(slot: u64, text: &str) -> Durable<String> {
    Durable::Slot(Slot(slot), text.to_owned())
}

fn decided(to: u64) -> Durable<String> {
    Durable::Decided { from: Slot(0), to: Slot(to) }
}

/// A checkpoint, at which a segment ends.
fn cut(slot: u64) -> Durable<String> {
    Durable::Checkpoint(Cut { changed: PartSet::all(1), ..Cut::new(Slot(slot), vec![1; 10]) })
}

fn write(store: &mut Store, turn: Vec<Durable<String>>) {
    store.write(turn).unwrap();
    store.sync().unwrap();
}

fn told(past: &JournalPast) -> (u64, u64) {
    let told = past.told();
    (told.start.0, told.end.0)
}

fn records(past: &JournalPast, from: u64, bytes: usize) -> Vec<Vec<String>> {
    past.records(Slot(from), bytes).unwrap()
}

/// Ten slots, of which the fifth has a second record, and eight are known to be decided.
fn ten_slots(store: &mut Store) {
    write(store, (0..5).map(|at| slot(at, &at.to_string())).collect());
    write(store, (5..10).map(|at| slot(at, &at.to_string())).collect());
    write(store, vec![decided(8), slot(4, "again")]);
}

#[test]
fn a_journal_tells_of_slots_that_are_decided_once_their_segment_does_not_grow_any_more() {
    let (disk, mut store) = made();
    ten_slots(&mut store);
    let past = store.past().clone();
    assert_eq!(told(&past), (0, 0), "it may yet be told another record of each of them");
    write(&mut store, vec![cut(3)]);
    assert_eq!(told(&past), (0, 8));
    let all = records(&past, 3, 10_000);
    assert_eq!(all, [vec!["3"], vec!["4", "again"], vec!["5"], vec!["6"], vec!["7"]]);
    assert_eq!(records(&past, 6, 1), [["6"]], "at least one, if it is there");
    assert_eq!(records(&past, 8, 1), [[""; 0]; 0]);

    write(&mut store, vec![decided(10), slot(6, "again")]);
    assert_eq!(told(&past), (0, 6), "the last word on slot 6 is in the segment that grows");

    drop(store);
    let past = open(&disk).1.past;
    assert_eq!(told(&past), (0, 10), "a start begins another segment");
    assert_eq!(records(&past, 5, 10_000)[..2], [vec!["5"], vec!["6", "again"]]);
}

#[test]
fn a_start_has_in_memory_what_is_not_known_to_be_decided_and_reads_the_rest_when_it_is_wanted() {
    let (disk, mut store) = made();
    ten_slots(&mut store);
    write(&mut store, vec![cut(3)]);
    write(&mut store, vec![slot(8, "again"), slot(10, "10")]);
    write(&mut store, vec![cut(3), slot(2, "late"), slot(11, "11")]);
    drop(store);

    let recovered = open(&disk).1;
    assert_eq!((recovered.covered(), recovered.decided), (Slot(3), Slot(8)));
    let mut known: Vec<_> = recovered.slots.iter().map(|(slot, text)| (slot.0, &**text)).collect();
    known.sort_unstable();
    assert_eq!(known, [(8, "8"), (8, "again"), (9, "9"), (10, "10"), (11, "11")]);
    let mut walked = Vec::new();
    let each = |slot: Slot, records: &[String]| {
        walked.push((slot.0, records.concat()));
        Ok(())
    };
    recovered.past.walk(Slot(3)..Slot(8), each).unwrap();
    let walked: Vec<_> = walked.iter().map(|(slot, text)| (*slot, &**text)).collect();
    assert_eq!(walked, [(3, "3"), (4, "4again"), (5, "5"), (6, "6"), (7, "7")]);
}

#[test]
fn a_journal_that_claims_to_know_more_than_it_has_is_refused_however_much_more() {
    for to in [12, 1 << 40, 1 << 61] {
        let (disk, mut store) = made();
        ten_slots(&mut store);
        write(&mut store, vec![decided(to), slot(10, "10")]);
        drop(store);
        let error = Store::open::<String>(Box::new(disk.clone()), OWNER).map(|_| ()).unwrap_err();
        let said = error.to_string();
        assert!(said.contains("a record of slot 11, which is known to be decided"), "{said}");
    }
}

#[test]
fn a_journal_does_not_tell_of_what_it_may_have_forgotten() {
    let (_, mut store) = made();
    ten_slots(&mut store);
    write(&mut store, vec![cut(8)]);
    write(&mut store, vec![Durable::Forget(Slot(7))]);
    assert_eq!(told(store.past()), (7, 8));
    assert_eq!(records(store.past(), 6, 1), [[""; 0]; 0]);
    write(&mut store, vec![cut(10), Durable::Forget(Slot(10))]);
    assert_eq!(records(store.past(), 7, 1), [[""; 0]; 0]);
}

#[test]
fn records_longer_than_what_is_read_at_a_time_are_told_whole_and_one_by_one() {
    let (_, mut store) = made();
    let long = |at: u64| at.to_string().repeat(300_000);
    write(&mut store, (0..4).map(|at| slot(at, &long(at))).collect());
    write(&mut store, vec![decided(4), slot(4, ""), cut(1)]);
    assert_eq!(records(store.past(), 1, 400_000), [[long(1)], [long(2)]]);
}

#[test]
fn what_has_rotted_is_not_told() {
    let directory = tempfile::tempdir().unwrap();
    let mut files = Files::make(directory.path()).unwrap();
    Store::create(&mut files, OWNER).unwrap();
    let (mut store, _) = Store::open::<String>(Box::new(files), OWNER).unwrap();
    ten_slots(&mut store);
    write(&mut store, vec![cut(3)]);
    let is_it = |bytes: &[u8]| bytes.windows(5).position(|five| five == b"again");
    let rotten = std::fs::read_dir(directory.path()).unwrap().find_map(|file| {
        let path = file.unwrap().path();
        let at = is_it(&std::fs::read(&path).unwrap())?;
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.write_all_at(b"A", at as u64).unwrap();
        Some(())
    });
    assert!(rotten.is_some());

    let error = store.past().records::<String>(Slot(4), 1).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    assert_eq!(records(store.past(), 5, 1), [["5"]]);
}
