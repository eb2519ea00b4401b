//! The state of a running replica, as its host reports it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::machine::Machine;
use super::syncs::Recent;
use crate::disk::SyncTimes;
use crate::engine::activity::Stuck;
use crate::links::status::LinkStatus;
use crate::model::config::Config;
use crate::model::types::{Millis, ReplicaId, Slot};
use crate::observe::counters::Status;

/// How a replica stood at its last tick.
#[derive(Clone, Debug)]
pub struct HostReport {
    /// When that was.
    pub at: Instant,
    /// The replica.
    pub replica: ReplicaId,
    /// How many there are.
    pub n: usize,
    /// How many of them decide together.
    pub quorum: usize,
    /// What its roles say.
    pub status: Status,
    /// Its clock.
    pub now: Millis,
    /// How long it has been running.
    pub up_for: Duration,
    /// How long ago it last executed a request; nothing if it has executed none since it started.
    pub idle_for: Option<Duration>,
    /// Whether it has been told to end.
    pub draining: bool,
    /// Whether it waits for its disk, full or slow.
    pub fenced: bool,
    /// Bytes of requests that wait to be proposed.
    pub gathered: usize,
    /// How its links stand, by peer.
    pub links: BTreeMap<ReplicaId, LinkStatus>,
    /// When each peer was last heard, by the same clock.
    pub heard_at: BTreeMap<ReplicaId, Millis>,
    /// The first slot that each peer had not executed when it last said so.
    pub executed_by: BTreeMap<ReplicaId, Slot>,
    /// In what the settings of other replicas differ from this one's, in words.
    pub differ: BTreeMap<ReplicaId, String>,
    /// Clients with sessions.
    pub native_clients: usize,
    /// Clients that speak Redis's protocol.
    pub redis_clients: usize,
    /// Those of them that were turned away because there were too many.
    pub refused: Tally,
    /// Their requests that were answered with UNKNOWN.
    pub unknown: Tally,
    /// Connections given up, by the kind of fault.
    pub faults: BTreeMap<&'static str, u64>,
    /// How many syncs the disk has seen and how long they took; nothing without a disk.
    pub syncs: Option<(u64, SyncTimes)>,
    /// The syncs of late.
    pub recent_syncs: Recent,
    /// Whether its disk has no room.
    pub full: bool,
    /// What its thread has not come back from since.
    pub stuck: Option<Stuck>,
    /// What it takes of its machine, once that has been read.
    pub machine: Option<Machine>,
}

/// How often something has happened, and when it last did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How often.
    pub count: u64,
    /// When it last did, by the replica's clock.
    pub last_at: Option<Millis>,
}

impl Tally {
    /// It has happened so many times more.
    pub fn add(&mut self, count: u64, now: Millis) {
        if count > 0 {
            self.count += count;
            self.last_at = Some(now);
        }
    }

    /// How long ago it last did, in milliseconds.
    #[must_use]
    pub fn ago(&self, now: Millis) -> Option<Millis> {
        self.last_at.map(|at| now.saturating_sub(at))
    }
}

/// How many replicas are present, this one included: those that were heard within so many
/// milliseconds.
#[must_use]
pub fn present(heard_at: &BTreeMap<ReplicaId, Millis>, now: Millis, within_ms: Millis) -> usize {
    1 + heard_at.values().filter(|at| now.saturating_sub(**at) <= within_ms).count()
}

impl HostReport {
    /// The replica with these settings, which stands like this, and of which nothing else is known.
    #[must_use]
    pub fn of(config: &Config, status: Status, now: Millis) -> Self {
        let Config { me: replica, n, .. } = *config;
        Self {
            at: Instant::now(),
            replica,
            n,
            quorum: config.quorum(),
            status,
            now,
            up_for: Duration::ZERO,
            idle_for: None,
            draining: false,
            fenced: false,
            gathered: 0,
            links: BTreeMap::new(),
            heard_at: BTreeMap::new(),
            executed_by: BTreeMap::new(),
            differ: BTreeMap::new(),
            native_clients: 0,
            redis_clients: 0,
            refused: Tally::default(),
            unknown: Tally::default(),
            faults: BTreeMap::new(),
            syncs: None,
            recent_syncs: Recent::default(),
            full: false,
            stuck: None,
            machine: None,
        }
    }
}

#[cfg(test)]
impl HostReport {
    /// Replica 0 of three that hear each other, and have done nothing yet.
    pub fn example() -> Self {
        let now = 1_000_000;
        let leader = Some(ReplicaId(0));
        let status = Status { alive: true, lives: 1, leader, ..Status::default() };
        Self {
            up_for: Duration::from_secs(1),
            heard_at: [(ReplicaId(1), now), (ReplicaId(2), now)].into(),
            ..Self::of(&Config::new(ReplicaId(0), 3), status, now)
        }
    }
}
