//! `GET /v1/status`, for programs.
//!
//! Within a version fields keep their names and meanings. New ones may be added, so a reader passes
//! over those it does not know. Slots are named like in the rest of the program: by the first one
//! that is *not* executed, or not in a checkpoint; so these numbers are also counts.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::counters::Status;
use super::health::Reason;
use super::machine::Machine;
use super::memory::MemoryStatus;
use super::saving::SavingStatus;
use crate::engine::activity::Stuck;
use crate::links::LINK_BYTES_MAX;
use crate::model::config::Config;
use crate::model::types::{Millis, ReplicaId, Slot, View};

/// The version of this format.
pub const VERSION: u32 = 1;

/// How a replica stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReplicaStatus {
    /// The version of this format.
    pub version: u32,
    /// The version of the program.
    pub program: String,
    /// The number drawn when the cluster was made, in hexadecimal.
    pub cluster: String,
    /// The protocol it speaks.
    pub protocol: String,
    /// For how long it waits for a leader at first, in milliseconds; 0 if it does not say.
    #[serde(default)]
    pub suspect_after_ms: Millis,
    /// Its number.
    pub replica: ReplicaId,
    /// How many replicas there are.
    pub n: usize,
    /// How many of them decide together; 0 if it does not say.
    #[serde(default)]
    pub quorum: usize,
    /// What it does in its view.
    pub role: ReplicaRole,
    /// The view it is in.
    pub view: View,
    /// Who is to lead that view; nobody where all propose.
    pub leader: Option<ReplicaId>,
    /// The first slot it has not executed.
    pub executed: Slot,
    /// The first slot that is not in the stable checkpoint.
    pub stable: Slot,
    /// Slots by which the peer that is furthest was ahead when it last said so.
    pub lag: u64,
    /// Milliseconds since it last executed a request; nothing if it has executed none since it
    /// started.
    #[serde(default)]
    pub executed_ms_ago: Option<u64>,
    /// Milliseconds since it started.
    pub up_ms: u64,
    /// How often it has started, this time included, as far as its disk remembers.
    pub starts: u64,
    /// Whether it keeps what it promises. One that does not must not return once it has ended.
    pub durable: bool,
    /// Whether it waits for its disk, full or slow.
    pub fenced: bool,
    /// Whether it has been told to end.
    pub draining: bool,
    /// What keeps it from being of full use; nothing if it is ready.
    pub not_ready: Vec<Reason>,
    /// What its thread does not come back from.
    #[serde(default)]
    pub stuck: Option<Stuck>,
    /// Requests executed since it started.
    pub requests: u64,
    /// Requests among them that had been executed before, and were answered again.
    pub duplicates: u64,
    /// Reads answered since it started that did not pass the log.
    #[serde(default)]
    pub reads: u64,
    /// Checkpoints it has cut since it started.
    pub checkpoints: u64,
    /// Checkpoints it has taken over from others since it started.
    pub checkpoints_installed: u64,
    /// Replicas whose state differed from what another reported of the same slot: there must be
    /// none.
    pub diverged: Vec<Divergence>,
    /// Its clients.
    pub clients: Clients,
    /// Its links to the others.
    pub links: Vec<Link>,
    /// Connections to its links and clients ports that have ended, by the kind of reason.
    pub connections_ended: BTreeMap<String, u64>,
    /// Its disk, if it has one.
    pub disk: Option<DiskStatus>,
    /// What holds its memory.
    #[serde(default)]
    pub memory: MemoryStatus,
    /// In what the settings of other replicas differ from its own, in words, by the other replica.
    #[serde(default)]
    pub differ: BTreeMap<ReplicaId, String>,
    /// What it takes of its machine, once that has been read.
    #[serde(default)]
    pub machine: Option<Machine>,
}

/// What a replica does in its view.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReplicaRole {
    /// It leads.
    Leader,
    /// It is to lead, and still learns what earlier views left behind.
    Candidate,
    /// Another is to lead.
    #[default]
    Follower,
    /// Nobody leads: it proposes, as all others do.
    Peer,
}

/// Two replicas with different states.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Divergence {
    /// The first slot that is not in the states.
    pub slot: Slot,
    /// The replica whose state differs from one reported earlier.
    pub replica: ReplicaId,
}

/// The clients of a replica.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Clients {
    /// Those that speak Redis's protocol.
    pub redis: usize,
    /// Those with sessions.
    pub native: usize,
    /// How many there may be of either kind.
    pub max: usize,
    /// Bytes of their requests that wait to be proposed.
    pub waiting_bytes: usize,
    /// As many of them make it read no further.
    pub waiting_bytes_max: usize,
    /// Redis clients that were turned away because there were too many, since the replica started.
    #[serde(default)]
    pub refused: u64,
    /// Milliseconds since the last of them was.
    #[serde(default)]
    pub refused_ms_ago: Option<u64>,
    /// Requests of Redis clients that were answered with UNKNOWN, since the replica started.
    #[serde(default)]
    pub unknown: u64,
    /// Milliseconds since the last of them was.
    #[serde(default)]
    pub unknown_ms_ago: Option<u64>,
}

/// The link to another replica.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Link {
    /// The other replica.
    pub peer: ReplicaId,
    /// Whether the peer has let this one in.
    pub up: bool,
    /// How often it has.
    pub connects: u64,
    /// Messages the link was given.
    pub sent: u64,
    /// Bytes it was given.
    pub sent_bytes: u64,
    /// Messages that found it down or full.
    pub dropped: u64,
    /// Bytes that wait for the peer to take them.
    pub queued_bytes: usize,
    /// As many of them make the link drop what comes.
    pub queued_bytes_max: usize,
    /// Why it was last lost, or could not be made.
    pub last_fault: Option<String>,
    /// Milliseconds since the peer was last heard; nothing if it never was.
    pub heard_ms_ago: Option<u64>,
    /// The first slot that the peer had not executed when it last said so.
    pub peer_executed: Option<Slot>,
}

/// What a disk has been asked since the replica started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DiskStatus {
    /// Syncs of files.
    pub syncs: u64,
    /// Groups of turns made durable together.
    pub groups: u64,
    /// Half of them took no more than this, at most a quarter too high; in microseconds.
    pub median_us: u64,
    /// 99 of 100 took no more than this, at most a quarter too high.
    pub p99_us: u64,
    /// Their mean.
    pub mean_us: u64,
    /// The longest.
    pub max_us: u64,
    /// How many there were in the last ten seconds.
    #[serde(default)]
    pub recent_syncs: u64,
    /// Half of those took no more than this, at most a quarter too high.
    #[serde(default)]
    pub recent_median_us: u64,
    /// 99 of 100 of those took no more than this, at most a quarter too high.
    #[serde(default)]
    pub recent_p99_us: u64,
    /// For how long one has been under way; 0 if none is.
    #[serde(default)]
    pub syncing_us: u64,
    /// Whether it has no room.
    #[serde(default)]
    pub full: bool,
    /// The checkpoint that is on its way to it.
    #[serde(default)]
    pub saving: Option<SavingStatus>,
}

impl ReplicaStatus {
    /// A replica with these settings, of which nothing else is known yet.
    pub fn new(config: &Config, cluster: &str, protocol: &str) -> Self {
        Self {
            version: VERSION,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            cluster: cluster.to_owned(),
            protocol: protocol.to_owned(),
            suspect_after_ms: config.suspect_after_ms,
            replica: config.me,
            n: config.n,
            quorum: config.quorum(),
            ..Self::default()
        }
    }

    /// The checkpoint that is on its way to its disk.
    pub fn saving(&self) -> Option<&SavingStatus> {
        self.disk.as_ref()?.saving.as_ref()
    }

    /// The same replica, which has counted this and has these links.
    pub fn with(self, counters: &Status, links: Vec<Link>) -> Self {
        let Status { view, leader, executed, .. } = *counters;
        let furthest = links.iter().filter_map(|link| link.peer_executed).max();
        let differs = |&(slot, replica): &(Slot, ReplicaId)| Divergence { slot, replica };
        Self {
            role: ReplicaRole::of(self.replica, counters),
            view,
            leader,
            executed,
            stable: counters.stable,
            lag: furthest.map_or(0, |furthest| furthest.0.saturating_sub(executed.0)),
            starts: counters.lives,
            requests: counters.requests,
            duplicates: counters.duplicates,
            reads: counters.reads,
            checkpoints: counters.checkpoints,
            checkpoints_installed: counters.installed,
            diverged: counters.diverged.iter().map(differs).collect(),
            links,
            ..self
        }
    }
}

impl Clients {
    /// None yet, of so many of either kind at a time.
    pub fn none(max: usize, config: &Config) -> Self {
        Self { max, waiting_bytes_max: config.gather_bytes_max, ..Self::default() }
    }
}

impl ReplicaRole {
    fn of(replica: ReplicaId, counters: &Status) -> Self {
        match counters.leader {
            None => Self::Peer,
            Some(leader) if leader != replica => Self::Follower,
            Some(_) if counters.leads == Some(counters.view) => Self::Leader,
            Some(_) => Self::Candidate,
        }
    }
}

impl Link {
    /// One that has not been made yet.
    pub fn to(peer: ReplicaId) -> Self {
        Self { peer, queued_bytes_max: LINK_BYTES_MAX, ..Self::default() }
    }
}

#[cfg(test)]
impl ReplicaStatus {
    /// Replica 0 of three, which leads and has done nothing yet.
    pub fn example() -> Self {
        let leader = Some(ReplicaId(0));
        let counters =
            Status { alive: true, lives: 1, leader, leads: Some(View(0)), ..Status::default() };
        let new = Self::new(&Config::new(ReplicaId(0), 3), "1", "none");
        let clients = Clients { max: 1, waiting_bytes_max: 1, ..Clients::default() };
        Self { up_ms: 1_000, durable: true, clients, ..new }.with(&counters, Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_has_learned_what_earlier_views_left_behind_leads() {
        let me = ReplicaId(0);
        let mut counters = Status { view: View(3), leader: Some(me), ..Status::default() };
        assert_eq!(ReplicaRole::of(me, &counters), ReplicaRole::Candidate);

        counters.leads = Some(View(3));
        assert_eq!(ReplicaRole::of(me, &counters), ReplicaRole::Leader);

        counters.leader = Some(ReplicaId(1));
        assert_eq!(ReplicaRole::of(me, &counters), ReplicaRole::Follower);

        counters.leader = None;
        assert_eq!(ReplicaRole::of(me, &counters), ReplicaRole::Peer);
    }
}
