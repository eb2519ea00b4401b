//! The way to the replicas of an embedded cluster: channels.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, SendTimeoutError, Sender, bounded};

use super::Shared;
use super::edge::Knock;
use crate::client::{Door, Pack, Sending};
use crate::model::batch::Replies;
use crate::model::types::{Millis, ReplicaId};

/// A door inside the process.
pub(super) struct Channels {
    shared: Arc<Shared>,
    line: Option<Line>,
}

/// A connection to one life of a replica.
struct Line {
    to: ReplicaId,
    connection: u64,
    knocks: Sender<Knock>,
    replies: Receiver<Vec<Replies>>,
}

impl Drop for Line {
    fn drop(&mut self) {
        // One that is too busy to hear it finds out when it answers.
        let _ = self.knocks.try_send(Knock::Leave { connection: self.connection });
    }
}

impl Channels {
    /// Answers of so many turns may wait for the client.
    const REPLIES_MAX: usize = 1024;
    /// How long a replica may take to hear a client.
    const PATIENCE: Duration = Duration::from_millis(10);

    pub fn new(shared: Arc<Shared>) -> Self {
        Self { shared, line: None }
    }
}

impl Door for Channels {
    fn now(&self) -> Millis {
        self.shared.clock.now()
    }

    fn dial(&mut self, to: ReplicaId) -> bool {
        self.line = None;
        let Some(knocks) = self.shared.doors[to.0 as usize].get() else { return false };
        let connection = self.shared.names.next();
        let (sender, replies) = bounded(Self::REPLIES_MAX);
        let connect = Knock::Connect { connection, replies: sender };
        if knocks.send_timeout(connect, Self::PATIENCE).is_err() {
            return false;
        }
        self.line = Some(Line { to, connection, knocks, replies });
        true
    }

    fn connected(&self) -> Option<ReplicaId> {
        self.line.as_ref().map(|line| line.to)
    }

    fn send(&mut self, pack: Pack) -> Sending {
        let Some(line) = &self.line else { return Sending::Broken };
        let knock = Knock::Ask { connection: line.connection, pack };
        match line.knocks.send_timeout(knock, Self::PATIENCE) {
            Ok(()) => Sending::Sent,
            Err(SendTimeoutError::Timeout(_)) => Sending::Busy,
            Err(SendTimeoutError::Disconnected(_)) => Sending::Broken,
        }
    }

    fn receive(&mut self, patience: Duration, to: &mut Vec<Replies>) -> bool {
        let Some(line) = &self.line else { return false };
        match line.replies.recv_timeout(patience) {
            Ok(mut replies) => {
                to.append(&mut replies);
                while let Ok(mut replies) = line.replies.try_recv() {
                    to.append(&mut replies);
                }
                true
            }
            Err(RecvTimeoutError::Timeout) => true,
            Err(RecvTimeoutError::Disconnected) => false,
        }
    }

    fn hang_up(&mut self) {
        self.line = None;
    }
}
