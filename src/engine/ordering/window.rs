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
    /// How much that and what is proposed weigh together. What lies below a checkpoint that was
    /// fetched or started from is not known here, though that may not be stable yet.
    ahead_bytes: usize,
}

impl Window {
    /// That of a replica that proposes nothing yet, and has [replayed] this at its start.
    ///
    /// [replayed]: crate::engine::operators::executor::Executor::replayed
    pub fn new(replayed: &[(Slot, usize)], stretch: u64, config: &Config) -> Self {
        Self {
            slots: config.window,
            bytes: config.window_bytes,
            stable: Slot(0),
            stretch,
            unstable: replayed.iter().copied().collect(),
            ahead_bytes: replayed.iter().map(|(_, weight)| weight).sum(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::types::ReplicaId;

    #[test]
    fn a_checkpoint_within_what_was_replayed_makes_room_though_nothing_more_is_executed() {
        let config = Config { window_bytes: 100, ..Config::new(ReplicaId(0), 3) };
        let mut window = Window::new(&[(Slot(10), 90), (Slot(15), 60)], 1, &config);
        assert!(!window.admits(Slot(15)));
        window.on_stable(Slot(10));
        assert!(window.admits(Slot(15)));
    }
}
