//! The Redis edge: one client's connection, without its socket.
//!
//! A [`RedisConnection`] is fed the bytes that arrive. It answers what needs no state itself, PING,
//! HELLO, CONFIG and their like, hands on what only the log can answer, and brings the replies into
//! the order of the commands. It owns no socket, no clock and no thread.
//!
//! What a client notices, besides what the [key-value service](crate::kv::service) says of itself:
//!
//! - A command whose reply is lost is answered with an error that begins with `UNKNOWN`: it may
//!   have been executed or not.
//! - MULTI queues in the connection, and EXEC is one command in the order. What the connection
//!   answers itself, SELECT, CLIENT, INFO and their like, it does when the replies of the others
//!   have come.
//! - WATCH asks the log for a version of each key, which ends with the next modification. The
//!   replicas remember some 65,000 watched keys; whoever watches one that had to be forgotten is
//!   told by EXEC that it was modified.
//! - What only reads need not pass the log: TARAFLOW READS chooses how recent it has to be. The
//!   commands of a connection take effect in their order all the same: a read behind a write that
//!   is open goes with that, and a write waits for the reads before it.
//! - WAIT answers at once with the number of replicas that may fail: no command is answered before
//!   one more than that hold it.
//! - What looks like an HTTP request, a command called `POST` or `Host:`, ends the connection, as
//!   in Redis.
//! - Bytes that no command begins with are refused as soon as they have come. Redis waits for the
//!   end of a line that was ended by a newline alone, and for ever for one that holds a zero byte,
//!   which is a byte like others here.
//! - There is one database, and one user, `default`.

use std::sync::Arc;

use crate::kv::resp::RespLimits;
use crate::model::types::{ReplicaId, Slot, View};

mod client;
mod client_list;
mod config;
mod connection;
mod describe;
mod hello;
mod info;
mod local;
mod queue;
mod reads;
mod resp3;
mod session;
mod traits;
mod transaction;
mod writer;

pub use connection::{Offence, RedisConnection};

/// The version of Redis whose commands and words are followed, for clients that ask.
const REDIS_VERSION: &str = "7.0.15";

/// Settings that all connections of a server share.
#[derive(Clone)]
pub struct RedisSettings {
    /// The password that a client has to give before it is served.
    pub password: Option<Vec<u8>>,
    /// What a client may send.
    pub limits: RespLimits,
    /// What a client may send before it has given the password.
    pub limits_before_auth: RespLimits,
    /// How many commands of a client the log may hold without a reply.
    pub in_flight_max: u64,
    /// How many bytes may wait to be read by the client before no more commands are taken from it.
    pub output_bytes_max: usize,
}

impl RedisSettings {
    /// The usual ones, with this password and commands of at most so many bytes, if that is less
    /// than the [service](crate::kv::service) takes.
    pub fn new(password: Option<Vec<u8>>, command_bytes_max: usize) -> Self {
        let limits = RespLimits::default();
        let command_bytes_max = command_bytes_max.min(limits.command_bytes_max);
        let limits = RespLimits { command_bytes_max, ..limits };
        Self {
            password,
            limits,
            limits_before_auth: RespLimits {
                arguments_max: 10,
                bulk_bytes_max: 16 << 10,
                ..limits
            },
            in_flight_max: 4096,
            output_bytes_max: 4 << 20,
        }
    }
}

impl Default for RedisSettings {
    fn default() -> Self {
        Self::new(None, RespLimits::default().command_bytes_max)
    }
}

/// Facts about the server and its cluster, for INFO, COMMAND and WAIT.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerInfo {
    /// The replica that the client is connected to.
    pub replica: ReplicaId,
    /// How many replicas there are.
    pub replicas: usize,
    /// How many of them decide together.
    pub quorum: usize,
    /// How many of the others this one receives messages from.
    pub peers_present: usize,
    /// The view that the replica is in.
    pub view: View,
    /// Who leads that view.
    pub leader: Option<ReplicaId>,
    /// The first slot that the replica has not executed.
    pub executed: Slot,
    /// Connected clients.
    pub clients: usize,
    /// How many clients may be connected.
    pub clients_max: usize,
    /// Milliseconds since the replica started.
    pub uptime_ms: u64,
    /// The port that clients connect to.
    pub port: u16,
    /// Keys in the replica's state.
    pub keys: u64,
    /// Those of them that expire.
    pub expiring: u64,
    /// Bytes of all keys and values, as the limit counts them.
    pub state_bytes: u64,
    /// That limit; 0 for none.
    pub memory_max: u64,
    /// What the process takes of its machine.
    pub usage: Usage,
    /// What has gone through the clients' port.
    pub traffic: Traffic,
    /// All connections of Redis clients, for a connection that
    /// [wants](RedisConnection::wants_listing) to know.
    pub connections: Arc<Vec<ListedConnection>>,
}

/// Resources that a process takes of its machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Memory that it holds, in bytes.
    pub memory_bytes: u64,
    /// The most it has held.
    pub memory_peak_bytes: u64,
    /// Processor time in its own code, in milliseconds.
    pub user_ms: u64,
    /// Processor time in the system, in milliseconds.
    pub system_ms: u64,
}

/// Counts of the clients' port since the replica started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Connections let in.
    pub connections: u64,
    /// Connections refused because there were too many.
    pub rejected: u64,
    /// Commands taken.
    pub commands: u64,
    /// Commands in the last whole second.
    pub commands_a_second: u64,
    /// Bytes read.
    pub bytes_in: u64,
    /// Bytes written.
    pub bytes_out: u64,
}

/// A client's connection as CLIENT LIST shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedConnection {
    /// Its number.
    pub id: u64,
    /// Where the client is.
    pub address: String,
    /// The address that it has dialled.
    pub dialled: String,
    /// Its line in the list.
    pub line: String,
}

impl ServerInfo {
    /// How many replicas may fail.
    fn failures_max(&self) -> usize {
        self.replicas.saturating_sub(self.quorum)
    }
}
