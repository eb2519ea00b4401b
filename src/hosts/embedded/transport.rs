//! In-process transport of an embedded cluster: channels.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, SendTimeoutError, Sender, bounded};

use super::Shared;
use super::edge::EdgeRequest;
use crate::client::{Pack, Sending, Transport};
use crate::model::batch::Replies;
use crate::model::types::{Millis, ReplicaId};

/// Channels to the replicas of one process.
pub(super) struct ChannelTransport {
    shared: Arc<Shared>,
    connection: Option<Connection>,
}

/// A connection to one incarnation of a replica.
struct Connection {
    to: ReplicaId,
    id: u64,
    requests: Sender<EdgeRequest>,
    replies: Receiver<Vec<Replies>>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        // A replica too busy to take it finds out when it answers.
        let _ = self.requests.try_send(EdgeRequest::Close { connection: self.id });
    }
}

impl ChannelTransport {
    /// Answers of so many turns may wait for the client.
    const REPLIES_MAX: usize = 1024;
    /// The time that a replica has to take a request.
    const PATIENCE: Duration = Duration::from_millis(10);

    pub fn new(shared: Arc<Shared>) -> Self {
        Self { shared, connection: None }
    }
}

impl Transport for ChannelTransport {
    fn now(&self) -> Millis {
        self.shared.clock.now()
    }

    fn dial(&mut self, to: ReplicaId) -> bool {
        self.connection = None;
        let Some(requests) = self.shared.ports[to.0 as usize].get() else { return false };
        let id = self.shared.ids.next();
        let (sender, replies) = bounded(Self::REPLIES_MAX);
        let connect = EdgeRequest::Connect { connection: id, replies: sender };
        if requests.send_timeout(connect, Self::PATIENCE).is_err() {
            return false;
        }
        self.connection = Some(Connection { to, id, requests, replies });
        true
    }

    fn connected(&self) -> Option<ReplicaId> {
        self.connection.as_ref().map(|connection| connection.to)
    }

    fn send(&mut self, pack: Pack) -> Sending {
        let Some(connection) = &self.connection else { return Sending::Broken };
        let request = EdgeRequest::Submit { connection: connection.id, pack };
        match connection.requests.send_timeout(request, Self::PATIENCE) {
            Ok(()) => Sending::Sent,
            Err(SendTimeoutError::Timeout(_)) => Sending::Busy,
            Err(SendTimeoutError::Disconnected(_)) => Sending::Broken,
        }
    }

    fn receive(&mut self, patience: Duration, to: &mut Vec<Replies>) -> bool {
        let Some(connection) = &self.connection else { return false };
        match connection.replies.recv_timeout(patience) {
            Ok(mut replies) => {
                to.append(&mut replies);
                while let Ok(mut replies) = connection.replies.try_recv() {
                    to.append(&mut replies);
                }
                true
            }
            Err(RecvTimeoutError::Timeout) => true,
            Err(RecvTimeoutError::Disconnected) => false,
        }
    }

    fn hang_up(&mut self) {
        self.connection = None;
    }
}
