//! Checkpoints that another replica sends, part by part.

use taraflow::disk::{Durable, Fetched, Identity, MemoryDisk, ProtocolName, Recovered, Store};
use taraflow::model::checkpoint::{Checkpoint, Cut, Digest};
use taraflow::model::error::Error;
use taraflow::model::parts::PartSet;
use taraflow::model::table::{Leaf, Table};
use taraflow::model::types::{ReplicaId, Slot};

const OWNER: Identity =
    Identity { cluster: 9, replica: ReplicaId(1), protocol: ProtocolName::of("tara") };
const SLOT: Slot = Slot(8);

fn open(disk: &MemoryDisk) -> Result<(Store, Recovered<String>), Error> {
    Store::open(Box::new(disk.clone()), OWNER)
}

/// A store whose newest checkpoint is of one part, and which writes few bytes at a time.
fn store(disk: &MemoryDisk) -> Store {
    Store::create(&mut disk.clone(), OWNER).unwrap();
    let (mut store, _) = open(disk).unwrap();
    let cut = Cut { changed: PartSet::all(1), ..Cut::new(Slot(4), b"own".to_vec()) };
    store.write([Durable::<String>::Checkpoint(cut)]).unwrap();
    store.sync().unwrap();
    store.set_piece_bytes(10);
    store
}

fn hand(store: &mut Store, fetched: Fetched) {
    store.queue([Durable::<String>::Fetched(fetched)]).unwrap();
}

/// The two parts that are fetched, the beginning and the end of what is handed over of them.
fn parts() -> [(u32, Vec<u8>); 2] {
    [(0, vec![7; 200]), (1, vec![8; 300])]
}

fn begin() -> Fetched {
    Fetched::Begin { slot: SLOT, parts: 2, base: None }
}

fn end() -> Fetched {
    let mut table = Table::new(2);
    parts().iter().for_each(|(part, bytes)| table.set(*part as usize, Leaf::of(bytes, ())));
    Fetched::End { slot: SLOT, digest: table.seal() }
}

fn hand_all(store: &mut Store) {
    hand(store, begin());
    for (part, bytes) in parts() {
        hand(store, Fetched::Part { slot: SLOT, part, bytes });
    }
    hand(store, end());
}

fn save(store: &mut Store) {
    for _ in 0..1_000 {
        store.append().unwrap();
        store.sync().unwrap();
    }
}

fn bytes_of(checkpoint: &Checkpoint) -> Vec<(u32, Vec<u8>)> {
    let parts = checkpoint.parts().unwrap();
    let read = |part: usize| {
        let mut bytes = Vec::new();
        parts.read(part, &mut bytes).unwrap();
        (part as u32, bytes)
    };
    (0..parts.parts()).map(read).collect()
}

#[test]
fn what_is_fetched_is_found_after_a_restart() {
    let disk = MemoryDisk::default();
    let mut store = store(&disk);
    hand_all(&mut store);
    assert_eq!(store.saved().unwrap().slot, Slot(4), "nothing of it is durable yet");
    save(&mut store);
    assert_eq!(store.saved().unwrap().slot, SLOT);
    drop(store);
    let recovered = open(&disk).unwrap().1;
    assert_eq!(bytes_of(&recovered.checkpoint.unwrap()), parts());
}

/// The replica asks again when its disk takes long, at any piece.
#[test]
fn what_is_fetched_again_while_it_is_being_saved_changes_nothing() {
    for pieces in 0..90 {
        let disk = MemoryDisk::default();
        let mut store = store(&disk);
        hand_all(&mut store);
        for _ in 0..pieces {
            store.append().unwrap();
            store.sync().unwrap();
        }
        hand_all(&mut store);
        save(&mut store);
        drop(store);
        let recovered = open(&disk).unwrap().1;
        assert_eq!(bytes_of(&recovered.checkpoint.unwrap()), parts(), "after {pieces} pieces");
    }
}

#[test]
fn what_does_not_have_the_digest_offered_leaves_nothing() {
    let disk = MemoryDisk::default();
    let mut store = store(&disk);
    hand(&mut store, begin());
    hand(&mut store, Fetched::Part { slot: SLOT, part: 0, bytes: vec![1; 200] });
    save(&mut store);
    hand(&mut store, Fetched::End { slot: SLOT, digest: Digest::of(b"another") });
    save(&mut store);
    assert_eq!(store.saved().unwrap().slot, Slot(4));
    assert!(!store.is_saving());
    drop(store);
    assert_eq!(open(&disk).unwrap().1.covered(), Slot(4));
}
