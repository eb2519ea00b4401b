//! History of slots and events: frames show each only once.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::types::{ReplicaId, Slot};
use crate::observe::frame::{Frame, Happened, SlotLife};

/// Slots that are kept of each replica, the latest.
const SLOTS_MAX: usize = 512;
/// Events that are kept, the latest.
const EVENTS_MAX: usize = 512;

/// Lives of slots and events of all replicas, the latest of each.
#[derive(Clone, Debug, Default)]
pub(in crate::cli::inspect) struct SceneHistory {
    slots: BTreeMap<ReplicaId, BTreeMap<Slot, SlotLife>>,
    /// By time, replica and words: what is reported twice is there once.
    events: BTreeMap<(u64, ReplicaId, String), Happened>,
    latest: BTreeMap<ReplicaId, Arc<Frame>>,
    /// The frame of each replica before the latest.
    earlier: BTreeMap<ReplicaId, Arc<Frame>>,
}

impl SceneHistory {
    /// Adds a frame, unless it is known.
    pub fn add(&mut self, frame: &Arc<Frame>) {
        let replica = frame.status.replica;
        let name = |frame: &Frame| (frame.status.starts, frame.number);
        if self.latest.get(&replica).is_some_and(|known| name(known) == name(frame)) {
            return;
        }
        if let Some(before) = self.latest.insert(replica, Arc::clone(frame)) {
            self.earlier.insert(replica, before);
        }
        self.note(replica, &frame.slots, &frame.happened);
    }

    /// The frame of a replica before the latest.
    pub fn earlier(&self, replica: ReplicaId) -> Option<&Frame> {
        self.earlier.get(&replica).map(|frame| &**frame)
    }

    /// Adds what a replica reports of slots and events.
    pub fn note(&mut self, replica: ReplicaId, lives: &[SlotLife], happened: &[Happened]) {
        let slots = self.slots.entry(replica).or_default();
        slots.extend(lives.iter().map(|life| (life.slot, life.clone())));
        while slots.len() > SLOTS_MAX {
            slots.pop_first();
        }
        for happened in happened {
            let key = (happened.at_us, replica, happened.text.clone());
            self.events.insert(key, happened.clone());
        }
        while self.events.len() > EVENTS_MAX {
            self.events.pop_first();
        }
    }

    /// The slots that a replica has reported, the latest first.
    pub fn slots(&self, replica: ReplicaId) -> impl Iterator<Item = &SlotLife> {
        self.slots.get(&replica).into_iter().flat_map(|slots| slots.values().rev())
    }

    /// What happened, the latest first.
    pub fn events(&self) -> impl Iterator<Item = (ReplicaId, &Happened)> {
        self.events.iter().rev().map(|((_, replica, ..), happened)| (*replica, happened))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::inspect::example;

    #[test]
    fn however_long_one_watches_only_the_latest_is_kept() {
        let mut history = SceneHistory::default();

        for number in 0..2_000 {
            let mut frame = example::frame(0);
            frame.number = number;
            frame.slots = vec![example::life(0, number)];
            frame.happened[0].at_us = number;
            history.add(&Arc::new(frame));
        }

        assert_eq!(history.slots(ReplicaId(0)).count(), SLOTS_MAX);
        assert_eq!(history.slots(ReplicaId(0)).next().unwrap().slot, Slot(1_999));
        assert_eq!(history.events().count(), EVENTS_MAX);
        assert_eq!(history.events().next().unwrap().1.at_us, 1_999);
    }
}
