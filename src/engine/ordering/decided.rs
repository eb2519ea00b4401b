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

    /// The slots from `from` on are executed as well, which hold what was accepted here last, or was
    /// learned. Not if a checkpoint has come in their place: then what was accepted may be something
    /// that was never decided.
    pub fn on_executed(
        &mut self,
        from: Slot,
        executed: &Executed,
        is_accepted: impl Fn(Slot) -> bool,
    ) {
        let next = executed.next;
        let is_known = |slot| is_accepted(slot) || self.learned.contains(&slot);
        if executed.is_restored() || !(from.0..next.0).map(Slot).all(is_known) {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn executed(next: u64, weight: usize) -> Executed {
        Executed { next: Slot(next), sources: [].into(), weight, stretch: 1, time_ms: None }
    }

    #[test]
    fn what_was_accepted_where_a_checkpoint_came_is_not_taken_for_decided() {
        let mut decided = Decided::new(&Recovered::<()>::nothing());
        decided.on_executed(Slot(0), &executed(1, 64), |_| true);
        assert_eq!(decided.mark::<()>(Slot(1)), Some(told(0, 1)));

        decided.on_executed(Slot(1), &executed(2, 0), |_| true);
        assert_eq!(decided.mark::<()>(Slot(2)), None);
        decided.on_executed(Slot(2), &executed(3, 64), |_| true);
        assert_eq!(decided.mark::<()>(Slot(3)), Some(told(2, 3)));
    }

    fn told(from: u64, to: u64) -> Durable<()> {
        Durable::Decided { from: Slot(from), to: Slot(to) }
    }
}
