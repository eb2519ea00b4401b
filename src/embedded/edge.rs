//! The client edge of a replica: gathers requests, and answers those who asked.
//!
//! Clients hand over packs. A pack that is large, or alone, is proposed as it came, without a copy;
//! small ones are packed together. Nothing waits for company: what has gathered leaves whenever the
//! replica has room. When too much has gathered, the edge [is full](Edge::is_full), the replica reads
//! no more from its clients, and their bounded channel holds them up.

use std::collections::{HashMap, VecDeque};

use crossbeam_channel::{Sender, TrySendError};

use crate::batch::{Packer, Replies, Reply, Requests};
use crate::client::Pack;
use crate::config::Config;

/// What a client says to a replica.
pub(super) enum Knock {
    /// "Answer me here."
    Connect { connection: u64, replies: Sender<Vec<Replies>> },
    /// "Do this."
    Ask { connection: u64, pack: Pack },
}

struct Connection {
    replies: Sender<Vec<Replies>>,
    /// What this turn answers.
    outgoing: Vec<Replies>,
}

/// Who a reply names: a session, or the nonce of one being opened.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Asker {
    client: u64,
    opens: bool,
}

/// Owns the connections of a replica's clients, and their requests until these are proposed.
pub(super) struct Edge {
    requests_max: usize,
    bytes_max: usize,
    gather_bytes_max: usize,
    gathered: VecDeque<Requests>,
    bytes: usize,
    packer: Packer,
    connections: HashMap<u64, Connection>,
    routes: HashMap<Asker, u64>,
}

impl Edge {
    pub fn new(config: &Config) -> Self {
        Self {
            requests_max: config.batch_requests_max,
            bytes_max: config.batch_bytes_max,
            gather_bytes_max: config.gather_bytes_max,
            gathered: VecDeque::new(),
            bytes: 0,
            packer: Packer::default(),
            connections: HashMap::new(),
            routes: HashMap::new(),
        }
    }

    /// Whether it should be given no more.
    pub fn is_full(&self) -> bool {
        self.bytes >= self.gather_bytes_max
    }

    pub fn is_empty(&self) -> bool {
        self.gathered.is_empty()
    }

    pub fn on_knock(&mut self, knock: Knock) {
        match knock {
            Knock::Connect { connection, replies } => {
                let outgoing = Vec::new();
                self.connections.insert(connection, Connection { replies, outgoing });
            }
            Knock::Ask { connection, pack } => {
                self.routes.insert(Asker { client: pack.client.0, opens: pack.opens }, connection);
                self.bytes += pack.requests.bytes();
                self.gathered.push_back(pack.requests);
            }
        }
    }

    /// The next batch to be proposed.
    pub fn next_batch(&mut self) -> Option<Requests> {
        let first = self.gathered.pop_front()?;
        self.bytes -= first.bytes();
        let enough = |len, bytes| 2 * len >= self.requests_max || 2 * bytes >= self.bytes_max;
        if self.gathered.is_empty() || enough(first.len(), first.bytes()) {
            return Some(first);
        }
        first.iter().for_each(|request| self.packer.push(request));
        while let Some(next) = self.gathered.front() {
            if self.packer.len() + next.len() > self.requests_max
                || self.packer.bytes() + next.bytes() > self.bytes_max
            {
                break;
            }
            next.iter().for_each(|request| self.packer.push(request));
            self.bytes -= next.bytes();
            self.gathered.pop_front();
        }
        Some(self.packer.finish())
    }

    /// Answers, one send a connection.
    pub fn answer(&mut self, replies: &mut Vec<Replies>) {
        if replies.is_empty() {
            return;
        }
        for replies in replies.drain(..) {
            self.sort(replies);
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
            self.connections.remove(&connection);
            self.routes.retain(|_, route| *route != connection);
        }
    }

    fn sort(&mut self, replies: Replies) {
        if let Some(asker) = only_asker(&replies) {
            if let Some(connection) = self.connection_of(asker) {
                connection.outgoing.push(replies);
            }
            return;
        }
        let mut sorted: HashMap<u64, Replies> = HashMap::new();
        for reply in replies.iter() {
            if let Some(connection) = self.routes.get(&asker(&reply)) {
                sorted.entry(*connection).or_default().push(reply);
            }
        }
        for (connection, replies) in sorted {
            if let Some(connection) = self.connections.get_mut(&connection) {
                connection.outgoing.push(replies);
            }
        }
    }

    fn connection_of(&mut self, asker: Asker) -> Option<&mut Connection> {
        self.connections.get_mut(self.routes.get(&asker)?)
    }
}

fn asker(reply: &Reply<'_>) -> Asker {
    Asker { client: reply.client.0, opens: reply.number == 0 }
}

/// Whom all of these answer, if it is one.
fn only_asker(replies: &Replies) -> Option<Asker> {
    let mut askers = replies.iter().map(|reply| asker(&reply));
    let first = askers.next()?;
    askers.all(|other| other == first).then_some(first)
}
