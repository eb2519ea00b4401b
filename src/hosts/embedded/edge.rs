//! The clients of an embedded replica: their channels, and what they ask.
//!
//! When too much has gathered, the replica reads no more from its clients, and their bounded
//! channel holds them up.

use std::collections::HashMap;

use crossbeam_channel::{Sender, TrySendError};

use crate::client::Pack;
use crate::hosts::edge::{Gather, Routes};
use crate::model::batch::{Replies, Requests};
use crate::model::config::Config;

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

/// Owns the connections of a replica's clients, and their requests until these are proposed.
pub(super) struct Edge {
    gather: Gather,
    connections: HashMap<u64, Connection>,
    routes: Routes,
}

impl Edge {
    pub fn new(config: &Config) -> Self {
        let (connections, routes) = (HashMap::new(), Routes::default());
        Self { gather: Gather::new(config), connections, routes }
    }

    /// Whether it should be given no more.
    pub fn is_full(&self) -> bool {
        self.gather.is_full()
    }

    /// Bytes of requests that wait to be proposed.
    pub fn bytes(&self) -> usize {
        self.gather.bytes()
    }

    /// Clients that are connected.
    pub fn clients(&self) -> usize {
        self.connections.len()
    }

    pub fn is_empty(&self) -> bool {
        self.gather.is_empty()
    }

    pub fn on_request(&mut self, request: EdgeRequest) {
        match request {
            EdgeRequest::Connect { connection, replies } => {
                let outgoing = Vec::new();
                self.connections.insert(connection, Connection { replies, outgoing });
            }
            EdgeRequest::Submit { connection, pack } => {
                self.routes.learn(connection, &pack.requests);
                self.gather.add_pack(pack.requests);
            }
            EdgeRequest::Close { connection } => self.forget(connection),
        }
    }

    fn forget(&mut self, connection: u64) {
        self.connections.remove(&connection);
        self.routes.forget(connection);
    }

    /// The next batch to be proposed.
    pub fn next_batch(&mut self) -> Option<Requests> {
        self.gather.next_batch()
    }

    /// Answers, one send a connection.
    pub fn answer(&mut self, replies: &mut Vec<Replies>) {
        if replies.is_empty() {
            return;
        }
        let Self { connections, routes, .. } = self;
        for replies in replies.drain(..) {
            routes.sort(replies, |connection, replies| {
                if let Some(connection) = connections.get_mut(&connection) {
                    connection.outgoing.push(replies);
                }
            });
        }
        let mut gone = Vec::new();
        for (connection, line) in &mut self.connections {
            if line.outgoing.is_empty() {
                continue;
            }
            // A client that does not read loses answers, and asks again.
            let sent = line.replies.try_send(std::mem::take(&mut line.outgoing));
            if matches!(sent, Err(TrySendError::Disconnected(_))) {
                gone.push(*connection);
            }
        }
        for connection in gone {
            self.forget(connection);
        }
    }
}
