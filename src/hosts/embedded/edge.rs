//! The connections of an embedded replica's clients: channels.

use std::collections::HashMap;

use crossbeam_channel::{Sender, TrySendError};

use crate::client::Pack;
use crate::model::batch::Replies;

/// A request of a client to its replica.
pub(super) enum EdgeRequest {
    /// "Answer me here."
    Connect { connection: u64, replies: Sender<Vec<Replies>> },
    /// "Do this."
    Submit { connection: u64, pack: Pack },
    /// "I have left."
    Close { connection: u64 },
}

struct Connection {
    replies: Sender<Vec<Replies>>,
    /// What this turn answers.
    outgoing: Vec<Replies>,
}

/// Owns the connections of a replica's clients.
#[derive(Default)]
pub(super) struct Edge {
    connections: HashMap<u64, Connection>,
    /// Those that this turn answers.
    answered: Vec<u64>,
}

impl Edge {
    /// Clients that are connected.
    pub fn clients(&self) -> usize {
        self.connections.len()
    }

    pub fn connect(&mut self, connection: u64, replies: Sender<Vec<Replies>>) {
        self.connections.insert(connection, Connection { replies, outgoing: Vec::new() });
    }

    pub fn close(&mut self, connection: u64) {
        self.connections.remove(&connection);
    }

    /// Keeps answers for a connection until all of the turn are there.
    pub fn answer(&mut self, id: u64, replies: Replies) {
        if let Some(connection) = self.connections.get_mut(&id) {
            if connection.outgoing.is_empty() {
                self.answered.push(id);
            }
            connection.outgoing.push(replies);
        }
    }

    /// Answers, one send a connection; says which are gone.
    pub fn flush(&mut self, mut gone: impl FnMut(u64)) {
        for id in self.answered.drain(..) {
            let Some(connection) = self.connections.get_mut(&id) else { continue };
            // A client that does not read loses answers, and asks again.
            let sent = connection.replies.try_send(std::mem::take(&mut connection.outgoing));
            if matches!(sent, Err(TrySendError::Disconnected(_))) {
                self.connections.remove(&id);
                gone(id);
            }
        }
    }
}
