//! Window: how far ahead of the stable checkpoint a slot may be proposed (T5).

use std::collections::VecDeque;

use crate::engine::operators::executor::Executed;
use crate::model::config::Config;
use crate::model::types::Slot;

/// Owns the account of what lies above the stable checkpoint, which every replica must keep.
#[derive(Clone, Debug)]
pub struct Window {
    slots: u64,
    bytes: usize,
    stable: Slot,
    /// How many times as far apart as the settings say checkpoints are, and so how many times as
    /// wide the window is.
    stretch: u64,
    /// What is executed here and no stable checkpoint covers, by slot and weight, whoever proposed
    /// it.
    unstable: VecDeque<(Slot, usize)>,
    /// How much that and what is proposed weigh together.
    ahead_bytes: usize,
}

impl Window {
    /// That of a replica that has executed so much, and proposes nothing yet.
    pub fn new(executed: &Executed, config: &Config) -> Self {
        let Executed { next, weight, stretch, .. } = *executed;
        Self {
            slots: config.window,
            bytes: config.window_bytes,
            stable: Slot(0),
            stretch,
            unstable: VecDeque::from([(next, weight)]),
            ahead_bytes: weight,
        }
    }

    /// All slots below this one are in a stable checkpoint.
    pub fn stable(&self) -> Slot {
        self.stable
    }

    /// No slot is proposed that is a window or more above the stable checkpoint (T5), and none
    /// while what every replica must keep above that weighs too much.
    pub fn admits(&self, slot: Slot) -> bool {
        let slots = slot.0.saturating_sub(self.stable.0);
        slots / self.stretch < self.slots
            && self.ahead_bytes as u64 / self.stretch < self.bytes as u64
    }

    /// Something of this weight is proposed.
    pub fn open(&mut self, weight: usize) {
        self.ahead_bytes += weight;
    }

    /// Something of this weight is proposed no longer: it is executed, or another's to propose.
    pub fn close(&mut self, weight: usize) {
        self.ahead_bytes -= weight;
    }

    /// A slot is executed here.
    pub fn on_executed(&mut self, executed: &Executed) {
        self.stretch = executed.stretch;
        if executed.next > self.stable {
            self.unstable.push_back((executed.next, executed.weight));
            self.ahead_bytes += executed.weight;
        }
    }

    /// A stable checkpoint covers all slots below `stable`.
    pub fn on_stable(&mut self, stable: Slot) {
        self.stable = stable.max(self.stable);
        let is_covered = |(next, _): &mut (Slot, usize)| *next <= self.stable;
        while let Some((_, weight)) = self.unstable.pop_front_if(is_covered) {
            self.ahead_bytes -= weight;
        }
    }
}
