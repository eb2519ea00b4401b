//! The event queue of a run: things that will happen, in the order of virtual time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::clients::Ask;
use super::faults::Micros;
use crate::model::batch::Replies;
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
    /// Answers arrive at the clients of a replica.
    Answer { from: ReplicaId, replies: Replies },
}

/// Everything that will happen.
pub(super) struct EventQueue<M> {
    /// When, in which order of two at one time, and where in `happenings`.
    order: BinaryHeap<Reverse<(Micros, u64, usize)>>,
    happenings: Vec<Option<SimEvent<M>>>,
    free: Vec<usize>,
    count: u64,
}

impl<M> EventQueue<M> {
    pub fn new() -> Self {
        Self { order: BinaryHeap::new(), happenings: Vec::new(), free: Vec::new(), count: 0 }
    }

    pub fn at(&mut self, when: Micros, happening: SimEvent<M>) {
        let place = self.free.pop().unwrap_or_else(|| {
            self.happenings.push(None);
            self.happenings.len() - 1
        });
        self.happenings[place] = Some(happening);
        self.count += 1;
        self.order.push(Reverse((when, self.count, place)));
    }

    pub fn next(&mut self) -> Option<(Micros, SimEvent<M>)> {
        let Reverse((when, _, place)) = self.order.pop()?;
        self.free.push(place);
        Some((when, self.happenings[place].take()?))
    }
}
