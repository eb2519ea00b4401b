//! The Redis edge: what one client's connection says and hears, without its socket.
//!
//! A [`Line`] is fed the bytes that arrive. It answers what needs no state itself, PING, HELLO, CONFIG
//! and their like, hands on what only the log can answer, and brings the replies into the order of the
//! commands. It owns no socket, no clock and no thread.
//!
//! What a client notices, beside what the [key-value service](crate::app::kv) says of itself:
//!
//! - A command whose reply is lost is answered with an error that begins with `UNKNOWN`: it may have
//!   been executed or not.
//! - MULTI queues in the line, and EXEC is one command in the order. Only commands on keys can be
//!   queued, SELECT, CLIENT and their like cannot.
//! - WATCH asks the log for a version of each key, which ends with the next modification. The replicas
//!   remember some 65,000 watched keys; whoever watches one that had to be forgotten is told by EXEC that
//!   it was modified.
//! - WAIT answers at once with the number of replicas that may fail: no command is answered before one
//!   more than that hold it.
//! - What looks like an HTTP request, a command called `POST` or `Host:`, ends the connection, as in Redis.
//! - There is one database, and one user, `default`.

use crate::resp::Limits;
use crate::types::{ReplicaId, Slot, View};

mod answer;
mod client;
mod config;
mod describe;
mod hello;
mod info;
mod line;
mod local;
mod queue;
mod resp3;
mod session;
mod transaction;

pub use line::{Line, Offence};

/// The version of Redis whose commands and words are followed, for clients that ask.
const REDIS_VERSION: &str = "7.0.15";

/// What holds for every line of a server.
#[derive(Clone)]
pub struct Settings {
    /// What a client has to say before it is served.
    pub password: Option<Vec<u8>>,
    /// What a client may send.
    pub limits: Limits,
    /// What a client may send before it has said the password.
    pub limits_before_auth: Limits,
    /// How many commands of a client the log may hold without a reply.
    pub in_flight_max: u64,
    /// How many bytes may wait to be read by the client before no more commands are taken from it.
    pub output_bytes_max: usize,
}

impl Settings {
    /// The usual ones, with this password and commands of at most so many bytes, if that is less than
    /// the [service](crate::app::kv) takes.
    #[must_use]
    pub fn new(password: Option<Vec<u8>>, command_bytes_max: usize) -> Self {
        let limits = Limits::default();
        let command_bytes_max = command_bytes_max.min(limits.command_bytes_max);
        let limits = Limits { command_bytes_max, ..limits };
        Self {
            password,
            limits,
            limits_before_auth: Limits { arguments_max: 10, bulk_bytes_max: 16 << 10, ..limits },
            in_flight_max: 4096,
            output_bytes_max: 4 << 20,
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self::new(None, Limits::default().command_bytes_max)
    }
}

/// What the server knows of itself and its cluster, for INFO, COMMAND and WAIT.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct World {
    /// The replica that the client is connected to.
    pub replica: ReplicaId,
    /// How many replicas there are.
    pub replicas: usize,
    /// The view that the replica is in.
    pub view: View,
    /// Who leads that view.
    pub leader: ReplicaId,
    /// The first slot that the replica has not executed.
    pub executed: Slot,
    /// Connected clients.
    pub clients: usize,
    /// Seconds since the replica started.
    pub uptime_s: u64,
    /// The port that clients connect to.
    pub port: u16,
    /// Keys in the replica's state.
    pub keys: usize,
}

impl World {
    /// How many replicas may fail.
    fn failures_max(&self) -> usize {
        self.replicas.saturating_sub(1) / 2
    }
}
