//! Checkpoints that are saved in pieces, on disks that die, tear and fill up at any moment.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use taraflow::disk::{Durable, Identity, ProtocolName, Recovered, Store};
use taraflow::hosts::simulation::{FaultyDisk, Random};
use taraflow::model::app::Frozen;
use taraflow::model::checkpoint::{Checkpoint, Cut};
use taraflow::model::error::Error;
use taraflow::model::parts::PartSet;
use taraflow::model::types::{ReplicaId, Slot};

const OWNER: Identity =
    Identity { cluster: 9, replica: ReplicaId(1), protocol: ProtocolName::of("tara") };
const CHECKPOINT_EVERY: u64 = 4;

/// A state in parts, of which each slot changes some.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Parts(Vec<Vec<u8>>);

impl Parts {
    /// More than a group has.
    const COUNT: usize = 300;

    fn new() -> Self {
        Self(vec![Vec::new(); Self::COUNT])
    }

    /// The parts that `slot` changes: some time and again, others seldom, one until it has no bytes.
    fn apply(&mut self, slot: u64, changed: &mut PartSet) {
        for part in [0, slot as usize % 7, 10 + slot as usize, 299] {
            let bytes = &mut self.0[part % Self::COUNT];
            bytes.resize(10 + (slot as usize * 31 + part) % 50, 0);
            bytes.fill(slot as u8);
            changed.insert(part % Self::COUNT);
        }
        if slot.is_multiple_of(3) {
            self.0[299].clear();
        }
    }

    /// Those of a checkpoint.
    fn of(checkpoint: &Checkpoint) -> Self {
        let (parts, mut bytes) = (checkpoint.parts().unwrap(), Vec::new());
        let read = (0..parts.parts()).map(|part| {
            parts.read(part, &mut bytes).unwrap();
            bytes.clone()
        });
        Self(read.collect())
    }
}

impl Frozen for Parts {
    fn parts(&self) -> usize {
        self.0.len()
    }

    fn write(&self, part: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0[part]);
    }

    fn forget(&mut self, part: usize) {
        self.0[part] = b"this part was forgotten, and is asked for".to_vec();
    }
}

/// What a replica knows of itself, and what it has heard to be durable.
struct Replica {
    /// The state, and what of it has changed since the last cut; all of it before the first.
    state: Parts,
    changed: PartSet,
    /// The states that were cut.
    cut: BTreeMap<Slot, Parts>,
    next: u64,
    promised: u64,
    saved: Slot,
    forgotten: Slot,
}

impl Replica {
    fn new() -> Self {
        let (state, changed) = (Parts::new(), PartSet::all(Parts::COUNT));
        let (saved, forgotten, cut) = (Slot(0), Slot(0), BTreeMap::new());
        Self { state, changed, cut, next: 0, promised: 0, saved, forgotten }
    }

    /// Works, as long as its disk does and until slot `end`; forgets what it was told is saved.
    fn live(&mut self, store: &mut Store, end: u64) -> Result<(), Error> {
        while self.next < end {
            let mut turn = vec![Durable::Slot(Slot(self.next), format!("record {}", self.next))];
            self.state.apply(self.next, &mut self.changed);
            self.next += 1;
            if self.next.is_multiple_of(CHECKPOINT_EVERY) {
                let (slot, state) = (Slot(self.next), self.state.clone());
                let changed = std::mem::replace(&mut self.changed, PartSet::none(Parts::COUNT));
                self.cut.insert(slot, state.clone());
                turn.push(Durable::Checkpoint(Cut { slot, state: Arc::new(state), changed }));
            }
            if self.saved > self.forgotten {
                self.forgotten = self.saved;
                turn.push(Durable::Forget(self.saved));
            }
            store.write(turn)?;
            store.sync()?;
            self.promised = self.next;
            self.saved = saved(store).max(self.saved);
        }
        Ok(())
    }

    /// Starts again, and goes on from what it finds.
    fn start(&mut self, disk: &FaultyDisk, case: &str) -> Option<Store> {
        let opened: Result<(Store, Recovered<String>), _> =
            Store::open(Box::new(disk.clone()), OWNER);
        let (mut store, recovered) = match opened {
            Ok(opened) => opened,
            Err(Error::Disk { .. }) => return None,
            Err(error) => panic!("{case}: {error}"),
        };
        let covered = recovered.covered();
        if let Some(checkpoint) = &recovered.checkpoint {
            self.state = Parts::of(checkpoint);
            assert_eq!(self.state, self.cut[&covered], "{case}: before {covered}");
            self.changed = PartSet::none(Parts::COUNT);
        } else {
            (self.state, self.changed) = (Parts::new(), PartSet::all(Parts::COUNT));
        }
        assert!(covered >= self.saved, "{case}: {covered}, and {} was saved", self.saved);
        // Of a start that did not get to remove the old files the copies may come first.
        let slots: BTreeSet<u64> = recovered.slots.iter().map(|(slot, _)| slot.0).collect();
        let end = slots.last().map_or(covered.0, |last| last + 1);
        assert!(slots.iter().copied().eq(covered.0..end), "{case}: {slots:?} from {covered}");
        assert!(end >= self.promised, "{case}: {end}, and {} was promised", self.promised);
        store.set_piece_bytes(700);
        (covered.0..end).for_each(|slot| self.state.apply(slot, &mut self.changed));
        (self.next, self.saved) = (end, saved(&store));
        Some(store)
    }
}

fn saved(store: &Store) -> Slot {
    store.saved().map_or(Slot(0), |checkpoint| checkpoint.slot)
}

fn made() -> FaultyDisk {
    let mut disk = FaultyDisk::default();
    Store::create(&mut disk, OWNER).unwrap();
    disk
}

#[test]
fn a_replica_that_dies_at_any_operation_finds_what_it_was_told_is_saved() {
    let mut saved = 0;
    for operations in 0..600 {
        let disk = made();
        let mut random = Random::new(operations);
        let mut replica = Replica::new();
        for life in 0..4 {
            let case = format!("{operations} operations, life {life}");
            disk.die_after((operations * (life + 1)) % 601);
            if let Some(mut store) = replica.start(&disk, &case) {
                let _ = replica.live(&mut store, 60 * (life + 1));
            }
            disk.crash(&mut random, 500_000, operations % 2 == 0);
        }
        replica.start(&disk, &format!("{operations} operations")).unwrap();
        saved += u64::from(replica.saved > Slot(20));
    }
    assert!(saved > 300, "{saved}");
}

#[test]
fn a_disk_that_is_too_small_at_any_byte_goes_on_when_there_is_room() {
    for capacity in (0..12_000).step_by(4) {
        let case = format!("{capacity} bytes");
        let disk = made();
        disk.set_capacity(Some(capacity));
        let mut replica = Replica::new();
        let mut store = replica.start(&disk, &case).unwrap();
        let outcome = replica.live(&mut store, 40);
        assert!(outcome.is_ok() || outcome.is_err_and(|full| full.is_full()), "{case}");
        disk.set_capacity(None);
        store.append().unwrap();
        store.sync().unwrap();

        replica.live(&mut store, 60).unwrap();

        assert!(replica.saved > Slot(40), "{case}: {}", replica.saved);
        drop(store);
        disk.crash(&mut Random::new(capacity as u64), 500_000, false);
        replica.start(&disk, &case).unwrap();
    }
}
