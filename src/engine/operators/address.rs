//! Address: the messages of all roles as one stream, each with those whom it is for.

use crate::engine::role::{Graph, Port, Role, Stream};
use crate::model::types::{ReplicaId, To};

/// The messages of all roles with their receivers. Written down, it is the table of a protocol's
/// messages and their receivers.
pub struct Addressing<'s, M: Clone + 'static> {
    role: Role<'s, ()>,
    out: Port<(To, M)>,
    messages: Stream<'s, (To, M)>,
}

impl<'s, M: Clone + 'static> Addressing<'s, M> {
    /// Nothing is sent yet.
    pub fn new(graph: Graph<'s>) -> Self {
        let mut role = Role::new("address", graph, ());
        let (out, messages) = role.output();
        Self { role, out, messages }
    }

    /// Sends to every replica, itself included.
    pub fn all<T: Clone + 'static>(&mut self, sent: Stream<'s, T>, message: fn(T) -> M) {
        self.send(sent, move |body| (To::All, message(body)));
    }

    /// Sends to every other replica.
    pub fn others<T: Clone + 'static>(&mut self, sent: Stream<'s, T>, message: fn(T) -> M) {
        self.send(sent, move |body| (To::Others, message(body)));
    }

    /// Sends to the replica that stands beside each.
    pub fn one<T: Clone + 'static>(
        &mut self,
        sent: Stream<'s, (ReplicaId, T)>,
        message: fn(T) -> M,
    ) {
        self.send(sent, move |(to, body)| (To::One(to), message(body)));
    }

    /// Sends to whom stands beside each.
    pub fn to<T: Clone + 'static>(&mut self, sent: Stream<'s, (To, T)>, message: fn(T) -> M) {
        self.send(sent, move |(to, body)| (to, message(body)));
    }

    /// Sends to whom `address` names.
    pub fn send<T: Clone + 'static>(
        &mut self,
        sent: Stream<'s, T>,
        address: impl Fn(T) -> (To, M) + 'static,
    ) {
        let out = self.out.clone();
        self.role.on(sent, move |(), body| out.send([address(body)]));
    }

    /// All that is sent.
    pub fn build(self) -> Stream<'s, (To, M)> {
        self.role.build();
        self.messages
    }
}
