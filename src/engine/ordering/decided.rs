//! The account of what is known to be decided at a replica, all of which is in its journal: what it
//! has accepted and seen executed, and what was fetched from others.

use std::collections::{BTreeMap, BTreeSet};

use crate::disk::{Durable, Recovered};
use crate::model::batch::Value;
use crate::model::types::Slot;

use super::messages::{Promise, Proposal};

/// Owns that account.
#[derive(Clone, Debug)]
pub struct Decided {
    /// Slots released by the word of the journal or of another replica, and not yet
    /// executed.
    learned: BTreeSet<Slot>,
    /// What the journal had at a start, until the roles are there to receive it.
    at_start: Vec<(Slot, Value)>,
    /// From this slot on the journal has the values of all slots that are executed.
    from: Slot,
    /// Up to where the journal has noted that they are decided.
    to: Slot,
}

impl Decided {
    /// The account of a disk, of which this was accepted here.
    pub fn new(recovered: &Recovered<Promise>, accepted: &BTreeMap<Slot, Proposal>) -> Self {
        let covered = recovered.covered();
        let mut learned: BTreeMap<Slot, &Value> = BTreeMap::new();
        for (_, promise) in &recovered.slots {
            if let Promise::Learned { slot, value } = promise {
                learned.insert(*slot, value);
            }
        }
        let mut at_start = Vec::new();
        for slot in (covered.0..).map(Slot) {
            // Of what was accepted it is known only up to a point that it was decided.
            let accepted = accepted.get(&slot).filter(|_| slot < recovered.decided);
            let accepted = accepted.map(|proposal| &proposal.value);
            let Some(value) = learned.get(&slot).copied().or(accepted) else { break };
            at_start.push((slot, value.clone()));
        }
        // What comes behind a gap is fetched again with the gap.
        let learned = at_start.iter().map(|(slot, _)| *slot).collect();
        Self { learned, at_start, from: covered, to: recovered.decided }
    }

    /// What the journal had as decided at a start.
    pub fn at_start(&self) -> &[(Slot, Value)] {
        &self.at_start
    }

    /// The same, once.
    pub fn take_at_start(&mut self) -> Vec<(Slot, Value)> {
        std::mem::take(&mut self.at_start)
    }

    /// Learns from another replica what a slot holds that is not executed. Returns the record for
    /// the journal; nothing if it has it.
    pub fn learn(&mut self, slot: Slot, value: &Value) -> Option<Promise> {
        self.learned.insert(slot).then(|| Promise::Learned { slot, value: value.clone() })
    }

    /// The slots from `executed` to below `next` are executed as well, which are decided if they
    /// were accepted here.
    pub fn on_executed(&mut self, executed: Slot, next: Slot, accepted: &BTreeMap<Slot, Proposal>) {
        let is_known = |slot| accepted.contains_key(&slot) || self.learned.contains(&slot);
        if !(executed.0..next.0).map(Slot).all(is_known) {
            // A checkpoint has come in place of these slots.
            self.from = next;
        }
        self.learned = self.learned.split_off(&next);
    }

    /// What the journal may note beside a record that it gets anyway, when so much is executed.
    pub fn mark(&mut self, executed: Slot) -> Option<Durable<Promise>> {
        (executed > self.from && executed > self.to).then(|| {
            self.to = executed;
            Durable::Decided { from: self.from, to: executed }
        })
    }
}
