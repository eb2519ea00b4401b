//! Tests of assertions: a store whose own books are wrong stops before it writes by them.

use super::*;
use crate::disk::{MemoryDisk, ProtocolName};
use crate::model::checkpoint::Cut;
use crate::model::parts::PartSet;
use crate::model::table::Table;
use crate::model::types::ReplicaId;

const OWNER: Identity =
    Identity { cluster: 1, replica: ReplicaId(0), protocol: ProtocolName::of("tara") };

fn store() -> Store {
    let mut disk = MemoryDisk::default();
    Store::create(&mut disk, OWNER).unwrap();
    let (mut store, _) = Store::open::<u64>(Box::new(disk), OWNER).unwrap();
    store.append().unwrap();
    store.sync().unwrap();
    store
}

fn cut(slot: u64) -> Cut {
    Cut::new(Slot(slot), b"state".to_vec())
}

#[test]
#[should_panic(expected = "a record begins where the one before it ended")]
fn a_record_cannot_leave_a_gap() {
    let mut store = store();
    store.queue([Durable::Slot(Slot(1), 1u64)]).unwrap();
    store.length += 1;
    store.queue([Durable::Slot(Slot(2), 2u64)]).unwrap();
}

#[test]
#[should_panic(expected = "no durable byte is written over")]
fn a_durable_byte_cannot_be_written_over() {
    let mut store = store();
    store.length -= 1;
    store.queue([Durable::Slot(Slot(1), 1u64)]).unwrap();
}

#[test]
#[should_panic(expected = "a sync promises what has been appended")]
fn nothing_may_be_pending_at_a_sync() {
    let mut store = store();
    store.queue([Durable::Slot(Slot(1), 1u64)]).unwrap();
    store.sync().unwrap();
}

#[test]
#[should_panic(expected = "the segment that grows stays")]
fn the_segment_that_grows_cannot_be_removed() {
    let mut store = store();
    let next = store.segment + 1;
    store.remove_forgotten(next).unwrap();
}

#[test]
#[should_panic(expected = "no more of a state can be written than was made of it")]
fn a_piece_cannot_be_longer_than_the_state() {
    let mut saving = Saving::of_peer(Slot(1), vec![1; 10], Table::new(1));
    saving.on_written(11);
}

#[test]
#[should_panic(expected = "checkpoints are named in their order")]
fn an_older_checkpoint_cannot_become_the_newest() {
    let mut store = store();
    store.write([Durable::<u64>::Checkpoint(cut(5))]).unwrap();
    store.checkpoints.push_back(Kept { slot: Slot(6), table: Some(Arc::new(Table::new(1))) });
    store.append().unwrap();
    store.sync().unwrap();
}

#[test]
#[should_panic(expected = "the first checkpoint has all parts")]
fn a_checkpoint_of_some_parts_needs_one_before_it() {
    let some = Cut { changed: PartSet::none(1), ..cut(5) };
    store().write([Durable::<u64>::Checkpoint(some)]).unwrap();
}
