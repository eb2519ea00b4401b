//! `GET /v1/status`, for programs.
//!
//! Within a version fields keep their names and meanings. New ones may be added, so a reader passes
//! over those it does not know. Slots are named like in the rest of the program: by the first one
//! that is *not* executed, or not in a checkpoint; so these numbers are also counts.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::counters::Status;
use super::health::{Reason, lag};
use super::machine::Machine;
use super::report::HostReport;
use crate::engine::activity::Stuck;
use crate::links::status::{LINK_BYTES_MAX, LinkStatus};
use crate::model::types::{Millis, ReplicaId, Slot, View};

/// The version of this format.
pub const VERSION: u32 = 1;

/// How a replica stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    /// In what the settings of other replicas differ from its own, in words, by the other replica.
    #[serde(default)]
    pub differ: BTreeMap<ReplicaId, String>,
    /// What it takes of its machine, once that has been read.
    #[serde(default)]
    pub machine: Option<Machine>,
}

/// What a replica does in its view.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReplicaRole {
    /// It leads.
    Leader,
    /// It is to lead, and still learns what earlier views left behind.
    Candidate,
    /// Another is to lead.
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
}

/// What a replica is told once, as far as a status repeats it.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// The cluster's number, in hexadecimal.
    pub cluster: String,
    /// The protocol.
    pub protocol: String,
    /// For how long it waits for a leader at first.
    pub suspect_after_ms: Millis,
    /// Whether it has a disk.
    pub durable: bool,
    /// Clients of either kind that it serves at a time.
    pub clients_max: usize,
    /// Bytes of requests that may wait.
    pub waiting_bytes_max: usize,
}

impl ReplicaStatus {
    /// How the replica of this report stands, and what keeps it from being of full use.
    #[must_use]
    pub fn new(report: &HostReport, bounds: &Bounds, not_ready: Vec<Reason>) -> Self {
        let HostReport { status, .. } = report;
        let differs = |&(slot, replica): &(Slot, ReplicaId)| Divergence { slot, replica };
        let ended = report.faults.iter().map(|(kind, count)| ((*kind).to_owned(), *count));
        Self {
            version: VERSION,
            program: env!("CARGO_PKG_VERSION").to_owned(),
            cluster: bounds.cluster.clone(),
            protocol: bounds.protocol.clone(),
            suspect_after_ms: bounds.suspect_after_ms,
            replica: report.replica,
            n: report.n,
            quorum: report.quorum,
            role: ReplicaRole::of(report),
            view: status.view,
            leader: status.leader,
            executed: status.executed,
            stable: status.stable,
            lag: lag(report),
            executed_ms_ago: report.idle_for.map(|idle| idle.as_millis() as u64),
            up_ms: report.up_for.as_millis() as u64,
            starts: status.lives,
            durable: bounds.durable,
            fenced: report.fenced,
            draining: report.draining,
            not_ready,
            stuck: report.stuck.clone(),
            requests: status.requests,
            duplicates: status.duplicates,
            checkpoints: status.checkpoints,
            checkpoints_installed: status.installed,
            diverged: status.diverged.iter().map(differs).collect(),
            clients: Clients {
                redis: report.redis_clients,
                native: report.native_clients,
                max: bounds.clients_max,
                waiting_bytes: report.gathered,
                waiting_bytes_max: bounds.waiting_bytes_max,
                refused: report.refused.count,
                refused_ms_ago: report.refused.ago(report.now),
                unknown: report.unknown.count,
                unknown_ms_ago: report.unknown.ago(report.now),
            },
            links: report.links.iter().map(|(peer, link)| Link::of(*peer, link, report)).collect(),
            connections_ended: ended.collect(),
            disk: report.syncs.as_ref().map(|(syncs, times)| DiskStatus {
                syncs: *syncs,
                groups: times.groups.count(),
                median_us: times.groups.quantile_us(50),
                p99_us: times.groups.quantile_us(99),
                mean_us: times.groups.mean_us(),
                max_us: times.groups.quantile_us(100),
                recent_syncs: report.recent_syncs.syncs,
                recent_median_us: report.recent_syncs.median_us,
                recent_p99_us: report.recent_syncs.p99_us,
                syncing_us: report.recent_syncs.syncing_us,
                full: report.full,
            }),
            differ: report.differ.clone(),
            machine: report.machine.clone(),
        }
    }
}

impl ReplicaRole {
    fn of(report: &HostReport) -> Self {
        let Status { view, leader, leads, .. } = report.status;
        match leader {
            None => Self::Peer,
            Some(leader) if leader != report.replica => Self::Follower,
            Some(_) if leads == Some(view) => Self::Leader,
            Some(_) => Self::Candidate,
        }
    }
}

impl Link {
    fn of(peer: ReplicaId, link: &LinkStatus, report: &HostReport) -> Self {
        Self {
            peer,
            up: link.up,
            connects: link.connects,
            sent: link.sent,
            sent_bytes: link.bytes,
            dropped: link.dropped,
            queued_bytes: link.queued,
            queued_bytes_max: LINK_BYTES_MAX,
            last_fault: link.fault.clone(),
            heard_ms_ago: report.heard_at.get(&peer).map(|at| report.now.saturating_sub(*at)),
            peer_executed: report.executed_by.get(&peer).copied(),
        }
    }
}

#[cfg(test)]
impl ReplicaStatus {
    /// Replica 0 of three, which leads and has done nothing yet.
    pub fn example() -> Self {
        let mut report = HostReport::example();
        report.status.leads = Some(report.status.view);
        let bounds = Bounds {
            cluster: "1".to_owned(),
            protocol: "none".to_owned(),
            suspect_after_ms: 300,
            durable: true,
            clients_max: 1,
            waiting_bytes_max: 1,
        };
        Self::new(&report, &bounds, Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_has_learned_what_earlier_views_left_behind_leads() {
        let mut report = HostReport::example();
        report.status.view = View(3);
        assert_eq!(ReplicaRole::of(&report), ReplicaRole::Candidate);

        report.status.leads = Some(View(3));
        assert_eq!(ReplicaRole::of(&report), ReplicaRole::Leader);

        report.status.leader = Some(ReplicaId(1));
        assert_eq!(ReplicaRole::of(&report), ReplicaRole::Follower);

        report.status.leader = None;
        assert_eq!(ReplicaRole::of(&report), ReplicaRole::Peer);
    }
}
