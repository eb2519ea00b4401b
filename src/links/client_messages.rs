//! The messages between native clients and replicas, a frame each.

use serde::{Deserialize, Serialize};

use crate::model::batch::{Replies, Requests};
use crate::model::config::Config;
use crate::model::types::Millis;

/// A message of a client.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum ClientRequest {
    /// "Do this." Every request belongs to a session, or opens one.
    Requests(Requests),
}

/// A message of a replica to a client.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum ServerReply {
    /// The answers to requests made on this link, and perhaps to some made on an earlier one.
    Replies(Replies),
}

/// The settings of a cluster that its clients go by; a replica tells them in the handshake.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct ClientLimits {
    /// How many replicas there are.
    pub replicas: usize,
    /// Requests that may be open at a time, as the replicas allow it.
    pub window: u64,
    /// Requests in a pack.
    pub pack_requests_max: usize,
    /// Bytes of commands in a pack; one that is longer has a pack to itself.
    pub pack_bytes_max: usize,
    /// How long a replica may be silent before the next one is asked; doubles while all are.
    pub retry_after_ms: Millis,
    /// The longest such time.
    pub retry_after_ms_max: Millis,
    /// Bytes of a command.
    pub command_bytes_max: usize,
}

impl ClientLimits {
    /// The limits of a client of a cluster with these settings.
    pub fn of(config: &Config) -> Self {
        Self {
            replicas: config.n,
            window: config.client_window,
            pack_requests_max: config.batch_requests_max,
            pack_bytes_max: config.batch_bytes_max,
            // A change of view must not look like a dead replica.
            retry_after_ms: 2 * config.suspect_after_ms,
            retry_after_ms_max: 16 * config.suspect_after_ms,
            command_bytes_max: config.command_bytes_max,
        }
    }
}
