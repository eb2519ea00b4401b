//! Every file of a replica's disk, harmed in every way somebody thinks of: nothing that was on the
//! disk goes unmissed.

use taraflow::disk::{Disk, Durable, Identity, MemoryDisk, ProtocolName, Recovered, Store};
use taraflow::model::checkpoint::{Cut, Digest};
use taraflow::model::types::{ReplicaId, Slot};

const OWNER: Identity =
    Identity { cluster: 7, replica: ReplicaId(1), protocol: ProtocolName::of("tara") };

/// More than half a segment, so that two records do not fit into one.
const LARGE: usize = 33 << 20;

fn open(disk: &MemoryDisk) -> Result<(Store, Recovered<String>), String> {
    Store::open(Box::new(disk.clone()), OWNER).map_err(|error| error.to_string())
}

fn record(slot: u64, bytes: usize) -> Durable<String> {
    Durable::Slot(Slot(slot), format!("{slot} {}", "x".repeat(bytes)))
}

fn save(store: &mut Store) {
    while store.is_saving() {
        store.append().unwrap();
        store.sync().unwrap();
    }
}

/// What a replica that starts would go on from.
#[derive(Debug, PartialEq)]
struct Found {
    incarnation: u64,
    newest: Option<String>,
    checkpoint: Option<(Slot, Digest)>,
    slots: Vec<Slot>,
    decided: Slot,
}

fn found(disk: &MemoryDisk) -> Result<Found, String> {
    let (_, recovered) = open(disk)?;
    let checkpoint = recovered.checkpoint.map(|own| (own.slot, own.digest));
    let mut slots: Vec<Slot> = recovered.slots.iter().map(|(slot, _)| *slot).collect();
    slots.dedup();
    let Recovered { incarnation, newest, decided, .. } = recovered;
    Ok(Found { incarnation, newest, checkpoint, slots, decided })
}

fn copy(disk: &MemoryDisk) -> MemoryDisk {
    let mut copy = MemoryDisk::default();
    for name in disk.list().unwrap() {
        copy.append(&name, &disk.read(&name).unwrap()).unwrap();
    }
    copy
}

/// A disk as its replica leaves it: just made and started once; with three lives' segments and what
/// is known to be decided; or after checkpoints, with what came before them gone.
fn disks() -> Vec<(&'static str, MemoryDisk, MemoryDisk)> {
    let mut young = MemoryDisk::default();
    Store::create(&mut young, OWNER).unwrap();
    let made = copy(&young);
    let (mut store, _) = open(&young).unwrap();
    store.write([Durable::Newest("view 1".to_owned()), record(0, 9)]).unwrap();
    store.sync().unwrap();
    drop(store);

    let grown = copy(&young);
    for life in 0..2 {
        let (mut store, _) = open(&grown).unwrap();
        for slot in 0..2 {
            let slot = 1 + 2 * life + slot;
            let known = Durable::Decided { from: Slot(0), to: Slot(slot) };
            store.write([known, record(slot, LARGE)]).unwrap();
            store.sync().unwrap();
        }
    }
    let settled = copy(&grown);
    for life in 2..5 {
        let (mut store, _) = open(&settled).unwrap();
        let slot = 1 + 2 * life;
        store.write([Durable::Newest(format!("view {life}")), record(slot, 9)]).unwrap();
        let state = format!("the state before {slot}").into_bytes();
        store.write([Durable::<String>::Checkpoint(Cut::new(Slot(slot), state))]).unwrap();
        save(&mut store);
        store.write([Durable::<String>::Forget(Slot(slot - 2))]).unwrap();
        store.sync().unwrap();
        store.write([record(slot + 1, 9)]).unwrap();
        store.sync().unwrap();
    }
    let (before_young, before_grown) = (made, copy(&young));
    let before_settled = copy(&grown);
    vec![
        ("young", young, before_young),
        ("grown", grown, before_grown),
        ("settled", settled, before_settled),
    ]
}

/// The bytes that a file may have after some harm was done to it; none if it is gone.
fn harms(
    bytes: &[u8],
    older: Option<Vec<u8>>,
    disk_is_large: bool,
) -> Vec<(String, Option<Vec<u8>>)> {
    let mut harms = vec![
        ("gone".to_owned(), None),
        ("empty".to_owned(), Some(Vec::new())),
        ("zeros".to_owned(), Some(vec![0; bytes.len()])),
        ("noise".to_owned(), Some((0..bytes.len()).map(|i| ((i * 7919) >> 3) as u8).collect())),
        ("older".to_owned(), older),
    ];
    // In and between the fields of what a file begins with, in the middle, and near its end.
    let late = bytes.len().saturating_sub(40)..bytes.len();
    let ends = (1..80).chain([bytes.len() / 3, bytes.len() / 2]).chain(late);
    for end in ends.filter(|end| *end < bytes.len()) {
        harms.push((format!("cut at {end}"), Some(bytes[..end].to_vec())));
        let mut noisy = bytes.to_vec();
        let noise = noisy[end..].iter_mut().take(64 << 10);
        noise.enumerate().for_each(|(i, byte)| *byte = !*byte ^ i as u8);
        harms.push((format!("noise from {end}"), Some(noisy)));
    }
    if disk_is_large {
        // All of it is read each time: a few of them will do.
        let mut cuts = 0;
        harms.retain(|(what, _)| {
            cuts += usize::from(what.contains(' '));
            !what.contains(' ') || cuts % 32 == 0
        });
    }
    harms
}

fn harmed(disk: &MemoryDisk, file: &str, bytes: Option<&[u8]>) -> MemoryDisk {
    let mut copy = MemoryDisk::default();
    for name in disk.list().unwrap() {
        match bytes {
            _ if name != file => copy.append(&name, &disk.read(&name).unwrap()).unwrap(),
            Some(bytes) => copy.append(&name, bytes).unwrap(),
            None => {}
        }
    }
    copy
}

#[test]
fn whatever_is_done_to_a_file_all_that_was_on_the_disk_is_found_or_the_start_is_refused() {
    for (age, disk, before) in disks() {
        let whole = found(&copy(&disk)).unwrap();
        let mut refused = 0;
        for file in disk.list().unwrap() {
            let bytes = disk.read(&file).unwrap();
            let older = before.read(&file).ok();
            for (harm, harmed_bytes) in harms(&bytes, older, age == "grown") {
                if harmed_bytes.as_ref() == Some(&bytes) {
                    continue;
                }
                let what = format!("{age}: {file}, {harm}");
                match found(&harmed(&disk, &file, harmed_bytes.as_deref())) {
                    Err(why) => {
                        let told = why.contains("is damaged") || why.contains("is missing");
                        assert!(why.contains("replica 1: ") && told, "{what}: {why}");
                        refused += 1;
                    }
                    Ok(left) if is_of_checkpoint(&file) => {
                        // The one before it, and the journal from there on, are as good.
                        assert_eq!(left.newest, whole.newest, "{what}");
                        assert!(left.slots.ends_with(&whole.slots), "{what}: {:?}", left.slots);
                    }
                    Ok(left) => assert_eq!(left, whole, "{what}"),
                }
            }
        }
        assert!(refused > 20, "{age}: {refused}");
    }
}

fn is_of_checkpoint(file: &str) -> bool {
    file.starts_with("checkpoint-") || file.starts_with("parts-")
}

#[test]
fn a_file_of_another_replica_or_cluster_is_refused() {
    let others = [Identity { replica: ReplicaId(2), ..OWNER }, Identity { cluster: 8, ..OWNER }];
    for other in others {
        let mut foreign = MemoryDisk::default();
        Store::create(&mut foreign, other).unwrap();
        let (mut store, _) = Store::open::<String>(Box::new(foreign.clone()), other).unwrap();
        store.append().unwrap();
        store.sync().unwrap();
        for (age, disk, _) in disks() {
            // A checkpoint, and its parts, are not as much as all there is.
            let files = disk.list().unwrap().into_iter().filter(|file| !is_of_checkpoint(file));
            for file in &files.collect::<Vec<_>>() {
                let theirs = if file == "extent" { "extent" } else { "journal-0000000000000001" };
                let bytes = foreign.read(theirs).unwrap();
                let refused = found(&harmed(&disk, file, Some(&bytes)));
                assert!(refused.is_err(), "{age}: {file} of {other:?} is taken for one's own");
            }
        }
    }
}

/// The machine crashes, so that the file `extent` says less than is true; and the next start dies
/// with its first bytes half written.
#[test]
fn what_a_start_writes_anew_counts_where_it_stood_until_it_is_on_the_disk() {
    let mut disk = MemoryDisk::default();
    Store::create(&mut disk, OWNER).unwrap();
    let mut before = Vec::new();
    for life in 0..2 {
        before = disk.read("extent").unwrap();
        let (mut store, _) = open(&disk).unwrap();
        store.write([Durable::Newest(format!("view {life}")), record(life, 9)]).unwrap();
        store.sync().unwrap();
    }
    let crashed = harmed(&disk, "extent", Some(&before));
    let whole = found(&copy(&crashed)).unwrap();
    assert_eq!(whole.slots, [Slot(0), Slot(1)]);

    let (mut store, _) = open(&crashed).unwrap();
    store.append().unwrap();
    let newest = crashed.list().unwrap().pop().unwrap();
    let bytes = crashed.read(&newest).unwrap();
    for end in 0..=bytes.len() {
        let left = found(&harmed(&crashed, &newest, Some(&bytes[..end]))).unwrap();
        assert_eq!((left.newest, left.slots), (whole.newest.clone(), whole.slots.clone()), "{end}");
    }
}
