//! The event queue of a run: things that will happen, in the order of virtual time.

use std::collections::BTreeMap;

use super::clients::Ask;
use super::faults::Micros;
use crate::model::batch::Replies;
use crate::model::reads::Freshness;
use crate::model::types::ReplicaId;

/// Something that will happen.
pub(super) enum SimEvent<M> {
    /// A message arrives.
    Deliver { to: ReplicaId, from: ReplicaId, message: M },
    /// A replica takes what has arrived and works, in the life it then had.
    Turn { at: ReplicaId, life: u64 },
    /// A replica's clock ticks.
    Tick { at: ReplicaId, life: u64 },
    /// A sync begun after a turn ends.
    Synced { at: ReplicaId, life: u64, turn: u64 },
    /// A replica starts.
    Start { at: ReplicaId },
    /// The nemesis acts.
    Nemesis,
    /// A replica's disk has room again.
    Room { at: ReplicaId },
    /// Things stop going wrong.
    Heal,
    /// A client looks what it has to do.
    Client { index: usize, timer: u64 },
    /// A request arrives at a replica.
    Ask { to: ReplicaId, ask: Ask },
    /// A reader looks whether it waits for something.
    Reader { index: usize },
    /// A read arrives at a replica.
    Read { to: ReplicaId, freshness: Freshness, ask: Ask },
    /// Answers arrive at the clients of a replica.
    Answer { from: ReplicaId, replies: Replies },
}

/// Everything that will happen, by its time, and of one time in the order in which it was put here.
pub(super) struct EventQueue<M> {
    events: BTreeMap<(Micros, u64), SimEvent<M>>,
    count: u64,
}

impl<M> EventQueue<M> {
    pub fn new() -> Self {
        Self { events: BTreeMap::new(), count: 0 }
    }

    pub fn at(&mut self, when: Micros, event: SimEvent<M>) {
        self.count += 1;
        self.events.insert((when, self.count), event);
    }

    pub fn next(&mut self) -> Option<(Micros, SimEvent<M>)> {
        self.events.pop_first().map(|((when, _), event)| (when, event))
    }
}
