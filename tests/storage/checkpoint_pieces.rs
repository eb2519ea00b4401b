//! Checkpoints that are saved in pieces, on disks that die, tear and fill up at any moment.

use std::collections::BTreeSet;

use taraflow::disk::{Durable, Identity, ProtocolName, Recovered, Store};
use taraflow::hosts::simulation::{FaultyDisk, Random};
use taraflow::model::checkpoint::Cut;
use taraflow::model::error::Error;
use taraflow::model::types::{ReplicaId, Slot};

const OWNER: Identity =
    Identity { cluster: 9, replica: ReplicaId(1), protocol: ProtocolName::of("tara") };
const CHECKPOINT_EVERY: u64 = 4;

/// What a replica knows of itself, and what it has heard to be durable.
#[derive(Default)]
struct Replica {
    next: u64,
    promised: u64,
    saved: Slot,
    forgotten: Slot,
}

impl Replica {
    /// Works, as long as its disk does and until slot `end`; forgets what it was told is saved.
    fn live(&mut self, store: &mut Store, end: u64) -> Result<(), Error> {
        while self.next < end {
            let mut turn = vec![Durable::Slot(Slot(self.next), format!("record {}", self.next))];
            self.next += 1;
            if self.next.is_multiple_of(CHECKPOINT_EVERY) {
                let state = vec![self.next as u8; 150 + 40 * (self.next % 5) as usize];
                turn.push(Durable::Checkpoint(Cut::new(Slot(self.next), state)));
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
        let covered = recovered.checkpoint.map_or(Slot(0), |checkpoint| checkpoint.slot);
        assert!(covered >= self.saved, "{case}: {covered}, and {} was saved", self.saved);
        // Of a start that did not get to remove the old files the copies may come first.
        let slots: BTreeSet<u64> = recovered.slots.iter().map(|(slot, _)| slot.0).collect();
        let end = slots.last().map_or(covered.0, |last| last + 1);
        assert!(slots.iter().copied().eq(covered.0..end), "{case}: {slots:?} from {covered}");
        assert!(end >= self.promised, "{case}: {end}, and {} was promised", self.promised);
        store.set_piece_bytes(40);
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
        let mut replica = Replica::default();
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
    for capacity in 0..3_000 {
        let case = format!("{capacity} bytes");
        let disk = made();
        disk.set_capacity(Some(capacity));
        let mut replica = Replica::default();
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
