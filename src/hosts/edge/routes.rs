//! Routes: the connection a client was last received on.

use std::collections::HashMap;

use crate::model::batch::{Replies, Reply, Requests};

/// Who a reply names: a session, or the nonce of one being opened.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Asker {
    client: u64,
    opens: bool,
}

/// Owns the way back from a replica to the clients that have sessions.
#[derive(Default)]
pub struct Routes {
    connections: HashMap<Asker, u64>,
    /// Whom each connection has spoken for.
    askers: HashMap<u64, Vec<Asker>>,
}

impl Routes {
    /// Sessions one connection may speak for at a time; it loses its way back to the oldest.
    const ASKERS_MAX: usize = 64;

    /// Notes that the clients of `requests` are to be answered on `connection`.
    pub fn learn(&mut self, connection: u64, requests: &Requests) {
        let mut last = None;
        for request in requests.iter() {
            let asker = Asker { client: request.client.0, opens: request.number == 0 };
            if last.replace(asker) == Some(asker)
                || self.connections.insert(asker, connection) == Some(connection)
            {
                continue;
            }
            let askers = self.askers.entry(connection).or_default();
            if askers.len() >= Self::ASKERS_MAX {
                let oldest = askers.remove(0);
                if self.connections.get(&oldest) == Some(&connection) {
                    self.connections.remove(&oldest);
                }
            }
            askers.push(asker);
        }
    }

    /// Forgets a connection.
    pub fn forget(&mut self, connection: u64) {
        for asker in self.askers.remove(&connection).unwrap_or_default() {
            if self.connections.get(&asker) == Some(&connection) {
                self.connections.remove(&asker);
            }
        }
    }

    /// Hands each connection what is for it.
    pub fn sort(&self, replies: Replies, mut give: impl FnMut(u64, Replies)) {
        if let Some(asker) = only_asker(&replies) {
            if let Some(connection) = self.connections.get(&asker) {
                give(*connection, replies);
            }
            return;
        }
        let mut sorted: HashMap<u64, Replies> = HashMap::new();
        for reply in replies.iter() {
            if let Some(connection) = self.connections.get(&asker(&reply)) {
                sorted.entry(*connection).or_default().push(reply);
            }
        }
        for (connection, replies) in sorted {
            give(connection, replies);
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::batch::{Answer, Packer, Request};
    use crate::model::types::ClientId;

    fn asked(clients: &[u64]) -> Requests {
        let mut packer = Packer::default();
        for client in clients.iter().copied().map(ClientId) {
            packer.push(Request { client, number: 1, acknowledged: 0, command: b"" });
        }
        packer.finish()
    }

    fn given(routes: &Routes, clients: &[u64]) -> Vec<(u64, usize)> {
        let mut replies = Replies::default();
        for client in clients.iter().copied().map(ClientId) {
            replies.push(Reply { client, number: 1, answer: Answer::Done(b"") });
        }
        let mut given = Vec::new();
        routes.sort(replies, |connection, replies| given.push((connection, replies.len())));
        given.sort_unstable();
        given
    }

    #[test]
    fn a_client_is_answered_where_it_last_asked() {
        let mut routes = Routes::default();
        routes.learn(1, &asked(&[7, 7, 8]));
        routes.learn(2, &asked(&[8]));
        assert_eq!(given(&routes, &[7, 8, 9]), [(1, 1), (2, 1)]);
        assert_eq!(given(&routes, &[7, 7]), [(1, 2)]);
    }

    #[test]
    fn a_connection_that_is_forgotten_takes_only_its_own_routes_along() {
        let mut routes = Routes::default();
        routes.learn(1, &asked(&[7, 8]));
        routes.learn(2, &asked(&[8]));
        routes.forget(1);
        assert_eq!(given(&routes, &[7, 8]), [(2, 1)]);
        routes.forget(2);
        assert!(routes.connections.is_empty() && routes.askers.is_empty());
    }

    #[test]
    fn a_connection_cannot_fill_the_memory_with_names() {
        let mut routes = Routes::default();
        let names: Vec<u64> = (0..1000).collect();
        routes.learn(1, &asked(&names));
        assert_eq!(routes.connections.len(), Routes::ASKERS_MAX);
    }
}
