//! Replicas of one cluster on one thread, in lock step: no delay, no chance, and a test that
//! decides what arrives.
//!
//! This is no second simulator. `hosts::simulation` draws delays, batches and clients from a seed,
//! gives every replica a disk, and loses nothing that a replica sends to itself. The tests that
//! come here count exactly (messages, batches, allocations), hand a batch of their own to a replica
//! of their choice, do without disks, or lose a replica's own votes as well.

use taraflow::dataflows::tara::Message;
use taraflow::engine::node::Node;
use taraflow::engine::ordering::messages::Promise;
use taraflow::model::batch::{Packer, Replies, Request, Requests};
use taraflow::model::events::Event;
use taraflow::model::types::{ClientId, ReplicaId};

/// A replica's node, as all of these tests have it.
pub type TaraNode = Node<Message, Promise>;

/// A message on its way to one replica.
#[derive(Clone, Debug)]
pub struct Passing {
    pub from: ReplicaId,
    /// The sender itself, perhaps.
    pub to: ReplicaId,
    pub message: Message,
}

/// What a test decides, and notes.
pub trait Director {
    /// Whether a replica works now; before it does, it may be given something to do.
    fn works(&mut self, _at: ReplicaId, _node: &mut TaraNode) -> bool {
        true
    }

    /// Whether a message arrives.
    fn arrives(&mut self, _passing: &Passing) -> bool {
        true
    }

    /// Something happened inside a replica.
    fn on_event(&mut self, _at: ReplicaId, _event: &Event) {}

    /// Clients of a replica are answered.
    fn on_replies(&mut self, _at: ReplicaId, _replies: &Replies) {}
}

/// The replicas, of which some may be down.
pub struct Lockstep<D> {
    pub nodes: Vec<Option<TaraNode>>,
    pub director: D,
}

impl<D: Director> Lockstep<D> {
    /// Lets all work by turns, so that none falls behind, until nobody has anything to send.
    pub fn settle(&mut self) {
        let mut moved = true;
        while moved {
            moved = false;
            for index in 0..self.nodes.len() {
                moved |= self.turn(index);
            }
        }
    }

    /// Gives a replica a turn, and the others what it sends. Says whether it has sent anything.
    fn turn(&mut self, index: usize) -> bool {
        let (at, n) = (ReplicaId(index as u16), self.nodes.len());
        let Some(node) = self.nodes[index].as_mut() else { return false };
        if !self.director.works(at, node) {
            return false;
        }
        node.turn().unwrap();
        if let Some(turn) = node.sync_wanted() {
            node.sync(turn).unwrap();
        }
        let ready = node.take_ready();
        for event in node.take_events() {
            self.director.on_event(at, &event);
        }
        for replies in &ready.replies {
            self.director.on_replies(at, replies);
        }
        let moved = !ready.messages.is_empty();
        for (to, message) in ready.messages {
            for to in to.replicas(at, n) {
                let passing = Passing { from: at, to, message: message.clone() };
                self.deliver(passing);
            }
        }
        moved
    }

    fn deliver(&mut self, passing: Passing) {
        let arrives = self.director.arrives(&passing);
        let Passing { from, to, message } = passing;
        if arrives && let Some(node) = &mut self.nodes[usize::from(to.0)] {
            node.deliver(from, [message]);
        }
    }
}

/// A batch of commands, each of a client and with its number.
pub fn batch<'a>(commands: impl IntoIterator<Item = (ClientId, u64, &'a [u8])>) -> Requests {
    let mut packer = Packer::default();
    for (client, number, command) in commands {
        packer.push(Request { client, number, acknowledged: 0, command });
    }
    packer.finish()
}
