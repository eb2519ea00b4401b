//! Values a committer lacks: of slots that the leader of its view has renewed.

use std::collections::BTreeSet;

use crate::engine::operators::patience::Patience;
use crate::model::config::Config;
use crate::model::types::{Millis, Slot, View};

use super::messages::Need;
use super::runs::runs;

/// Owns what is lacked, and asks for it a message at a time.
#[derive(Clone, Debug)]
pub struct Lacking {
    slots: BTreeSet<Slot>,
    patience: Patience,
}

impl Lacking {
    /// Nothing is lacked.
    pub fn new(config: &Config) -> Self {
        Self { slots: BTreeSet::new(), patience: Patience::for_values(config) }
    }

    /// How many slots.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether the value of a slot is lacked.
    pub fn contains(&self, slot: Slot) -> bool {
        self.slots.contains(&slot)
    }

    /// The value of a slot is lacked.
    pub fn add(&mut self, slot: Slot, now: Millis) {
        if self.slots.is_empty() {
            self.patience.begin(now);
        }
        self.slots.insert(slot);
    }

    /// The value of a slot is here.
    pub fn remove(&mut self, slot: Slot) {
        self.slots.remove(&slot);
    }

    /// Nothing is lacked any more: another view has begun.
    pub fn clear(&mut self) {
        self.slots.clear();
    }

    /// Slots below `next` are executed.
    pub fn on_executed(&mut self, next: Slot, now: Millis) {
        self.slots = self.slots.split_off(&next);
        self.patience.came(now);
    }

    /// An answer has come: asks for the rest at once, if there was anything in it. Whoever takes
    /// what it was sent sets the pace.
    pub fn on_supply(&mut self, view: View, now: Millis) -> Option<Need> {
        self.patience.came(now);
        self.need(view, now)
    }

    /// Asks if nothing has come on for a while. What others execute without this replica's vote is
    /// fetched as all else that is decided, and need not be sent twice.
    pub fn on_tick(&mut self, view: View, now: Millis) -> Option<Need> {
        if self.patience.is_over(now) { self.need(view, now) } else { None }
    }

    fn need(&mut self, view: View, now: Millis) -> Option<Need> {
        if self.slots.is_empty() {
            return None;
        }
        self.patience.ask(now);
        let mut slots = runs(self.slots.iter().map(|slot| (*slot, view)));
        slots.truncate(Need::RUNS_MAX);
        Some(Need { slots })
    }
}
