//! History of slots and events: frames show each only once.

use std::collections::BTreeMap;

use crate::model::types::{ReplicaId, Slot};
use crate::observe::frame::{Frame, Happened, SlotLife};
use crate::observe::scene::Scene;

/// Slots that are kept of each replica, the latest.
const SLOTS_MAX: usize = 512;
/// Things that happened that are kept, the latest.
const EVENTS_MAX: usize = 512;

/// Lives of slots and events of all replicas, the latest of each.
#[derive(Clone, Debug, Default)]
pub(in crate::cli::inspect) struct SceneHistory {
    slots: BTreeMap<ReplicaId, BTreeMap<Slot, SlotLife>>,
    /// By time, replica and words: what is told twice is there once.
    events: BTreeMap<(u64, ReplicaId, String), Happened>,
    /// The life and the number of the latest frame of each replica.
    latest: BTreeMap<ReplicaId, (u64, u64)>,
}

impl SceneHistory {
    /// Takes up what is new in a scene.
    pub fn see(&mut self, scene: &Scene) {
        for frame in scene.replicas.iter().filter_map(|seen| seen.frame.as_deref()) {
            self.take(frame);
        }
    }

    /// Takes up a frame, unless it is known.
    pub fn take(&mut self, frame: &Frame) {
        let replica = frame.status.replica;
        let name = (frame.status.starts, frame.number);
        if self.latest.insert(replica, name) == Some(name) {
            return;
        }
        self.tell(replica, &frame.slots, &frame.happened);
    }

    /// Takes up what a replica tells of slots and of what happened.
    pub fn tell(&mut self, replica: ReplicaId, lives: &[SlotLife], happened: &[Happened]) {
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

    /// The slots that a replica has told of, the latest first.
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
            history.take(&frame);
        }

        assert_eq!(history.slots(ReplicaId(0)).count(), SLOTS_MAX);
        assert_eq!(history.slots(ReplicaId(0)).next().unwrap().slot, Slot(1_999));
        assert_eq!(history.events().count(), EVENTS_MAX);
        assert_eq!(history.events().next().unwrap().1.at_us, 1_999);
    }
}
