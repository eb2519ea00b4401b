//! The account of what is known to be decided at a replica, all of which is in its journal: what it
//! has accepted and seen executed, and what was fetched from others.

use std::collections::BTreeSet;

use crate::disk::{Durable, Recovered};
use crate::engine::operators::executor::Executed;
use crate::model::types::Slot;

/// Owns that account.
#[derive(Clone, Debug)]
pub struct Decided {
    /// Slots released by the word of another replica, and not yet executed.
    learned: BTreeSet<Slot>,
    /// From this slot on the journal has the values of all slots that are executed.
    from: Slot,
    /// Up to where the journal has noted that they are decided.
    to: Slot,
}

impl Decided {
    /// The account of a disk.
    pub fn new<R>(recovered: &Recovered<R>) -> Self {
        let (from, to) = (recovered.covered(), recovered.decided);
        Self { learned: BTreeSet::new(), from, to }
    }

    /// Learns from another replica what a slot holds that is not executed; says whether the journal
    /// has yet to be told of it.
    pub fn learn(&mut self, slot: Slot) -> bool {
        self.learned.insert(slot)
    }

    /// The slots from `from` on are executed as well, which are decided if they were accepted here.
    pub fn on_executed(
        &mut self,
        from: Slot,
        executed: &Executed,
        is_accepted: impl Fn(Slot) -> bool,
    ) {
        let next = executed.next;
        let is_known = |slot| is_accepted(slot) || self.learned.contains(&slot);
        if !(from.0..next.0).map(Slot).all(is_known) {
            // A checkpoint has come in place of these slots.
            self.from = next;
        }
        self.learned = self.learned.split_off(&next);
    }

    /// What the journal may note beside a record that it gets anyway, when so much is executed.
    pub fn mark<R>(&mut self, executed: Slot) -> Option<Durable<R>> {
        (executed > self.from && executed > self.to).then(|| {
            self.to = executed;
            Durable::Decided { from: self.from, to: executed }
        })
    }
}
