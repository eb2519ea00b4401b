//! The hooks of a node for whoever watches it.

use timely::worker::Worker;

use crate::model::events::Event;
use crate::model::types::{ReplicaId, To};

/// An observer of a node: it receives what the replica does, and is never asked.
///
/// All calls come from the replica's thread, which waits for them.
pub trait Watcher<M> {
    /// The graph has been built on `worker`, in this life of the replica.
    fn on_built(&mut self, worker: &Worker, incarnation: u64);

    /// A turn begins.
    fn on_turn(&mut self);

    /// Messages come from a replica.
    fn on_delivery(&mut self, from: ReplicaId);

    /// One of the messages that were announced last.
    fn on_received(&mut self, message: &M);

    /// A batch of requests of this replica's clients comes.
    fn on_submit(&mut self);

    /// The operators have run, or the disk has done what it was asked: what has happened, has so
    /// far.
    fn on_worked(&mut self);

    /// Something has happened in the replica.
    fn on_event(&mut self, event: &Event);

    /// Messages leave.
    fn on_sent(&mut self, messages: &[(To, M)]);

    /// What a turn leaves goes to the disk.
    fn on_disk_phase(&mut self);

    /// The disk is worked on between turns.
    fn on_disk(&mut self);

    /// The thread goes on to other things.
    fn on_turn_ended(&mut self);
}
