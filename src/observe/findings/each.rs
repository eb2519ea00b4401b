//! Findings about one replica, its disk and its links.

use super::rules::{Cluster, STALLED_US};
use super::why::{fault, link, slots, waits_for_disk};
use super::{Code, Finding};
use crate::model::events::Wait;
use crate::model::types::ReplicaId;
use crate::observe::blame::words;
use crate::observe::frame::{Frame, Operator, RoleHolding};
use crate::observe::health::{self, Reason};
use crate::observe::status::{DiskStatus, Link};

/// What half of all syncs may take, and 99 of 100, in microseconds.
const SYNCS_US: (u64, u64) = (100_000, 200_000);
/// With fewer of them one that takes long is not 1 of 100.
const SYNCS_MIN: u64 = 300;
/// How far behind a replica may be: so many slots, or as many as the furthest executes in so many
/// seconds; further, if it executes this share of what the furthest does.
const BEHIND: (u64, f64, f64) = (500, 2.0, 0.95);
/// For how long what has happened to clients is reported, in milliseconds.
const CLIENTS_MS: u64 = 15_000;
/// The share of the time from which on an operator is what keeps a replica from going faster.
const BUSY: f64 = 0.5;
/// Bytes that a disk should have left: the next segment of the journal, for one.
const ROOM_BYTES: u64 = 64 << 20;
/// For how long a sync may be under way, in microseconds.
const SYNC_US: u64 = 1_000_000;

fn reason(frame: &Frame, code: health::Code) -> Option<&Reason> {
    frame.status.not_ready.iter().find(|reason| reason.code == code)
}

impl Cluster<'_> {
    /// Slots by which the furthest replica is ahead of this one.
    pub(super) fn behind(&self, frame: &Frame) -> u64 {
        let furthest = self.fresh.iter().map(|other| other.status.executed).max();
        furthest.unwrap_or_default().0.saturating_sub(frame.status.executed.0)
    }

    /// Slots by which a replica is behind for certain: frames are of different moments, and so is
    /// what the furthest has received from it, so of both the least counts.
    fn behind_at_least(&self, frame: &Frame) -> u64 {
        let furthest = self.fresh.iter().max_by_key(|other| other.status.executed);
        let Some(furthest) = furthest else { return 0 };
        let by_word = |other: &&Frame| {
            let heard = link(&other.status, frame.status.replica)?.peer_executed?;
            Some(other.status.executed.0.saturating_sub(heard.0))
        };
        let by_word = self.fresh.iter().filter_map(by_word).max();
        let ages = self.age_s(frame.status.replica) - self.age_s(furthest.status.replica);
        let meanwhile = (ages.max(0.0) * frame.slot_rate) as u64;
        let by_frames = self.behind(frame).saturating_sub(meanwhile);
        by_word.map_or(by_frames, |by_word| by_word.min(by_frames))
    }

    fn age_s(&self, replica: ReplicaId) -> f64 {
        let seen = self.replicas.iter().find(|seen| seen.replica == replica);
        seen.map_or(0.0, |seen| seen.age_us as f64 / 1e6)
    }

    /// Whether a replica is so far behind that it matters, and falls back further.
    fn falls_back(&self, frame: &Frame, behind: u64) -> bool {
        let rate = self.fresh.iter().map(|other| other.slot_rate).fold(0.0, f64::max);
        let is_far = behind > BEHIND.0 && behind as f64 > BEHIND.1 * rate;
        // Where nothing is executed, one that is far behind should be coming nearer.
        is_far && frame.slot_rate <= BEHIND.2 * rate
    }

    /// The report of a replica that receives messages from too few others, though there are enough.
    fn isolation<'f>(&self, frame: &'f Frame) -> Option<&'f str> {
        let enough = self.fresh.len() >= self.quorum;
        reason(frame, health::Code::NoQuorum).filter(|_| enough).map(|reason| &*reason.text)
    }

    pub(super) fn cut_off(&self, frame: &Frame) -> Option<Finding> {
        // Where too many disks are full, no replica sends anything.
        if !self.full_ones().is_empty() {
            return None;
        }
        let heard = self.isolation(frame)?;
        let status = &frame.status;
        let behind = match self.behind(frame) {
            0 => String::new(),
            behind => format!(", and {} behind", slots(behind)),
        };
        let text = format!("replica {} is cut off{behind}: {heard}", status.replica);
        let peers = status.links.iter().map(|link| link.peer);
        let there = peers.filter(|peer| self.frame(*peer).is_some());
        let no_contact: Vec<String> =
            there.filter_map(|peer| self.no_contact(status, peer)).collect();
        let mut because = vec![no_contact.join("; ")];
        because.retain(|why| !why.is_empty());
        Some(Finding::degraded(Code::CutOff, status.replica, text, because))
    }

    pub(super) fn fenced(&self, frame: &Frame) -> Option<Finding> {
        let text = waits_for_disk(&frame.status);
        let because = vec!["it does not vote before what it promised is durable".to_owned()];
        let finding = Finding::degraded(Code::Fenced, frame.status.replica, text, because);
        frame.status.fenced.then_some(finding)
    }

    pub(super) fn lagging(&self, frame: &Frame) -> Option<Finding> {
        let (replica, behind) = (frame.status.replica, self.behind_at_least(frame));
        let waits = |holding: &&RoleHolding| {
            matches!(holding.wait, Wait::Slots(_)) && holding.waited_us >= STALLED_US
        };
        let stuck = frame.holdings.iter().find(waits);
        // One that needs a checkpoint of others is of no full use, however fast it is.
        let needs = reason(frame, health::Code::Behind).is_some();
        let far = needs || self.falls_back(frame, behind);
        if behind == 0 || (stuck.is_none() && !far) || self.isolation(frame).is_some() {
            return None;
        }
        let rate = |frame: &Frame| frame.slot_rate.round();
        let others = self.fresh.iter().map(|other| rate(other)).fold(0.0, f64::max);
        let how = match stuck {
            Some(it) => format!("and has not moved for {:.1} s", it.waited_us as f64 / 1e6),
            None if rate(frame) > others * BEHIND.2 => {
                format!("and takes {} slots a second where others execute {others}", rate(frame))
            }
            None => format!("at {} slots a second where others execute {others}", rate(frame)),
        };
        let text = format!("replica {replica} is {} behind, {how}", slots(behind));
        Some(Finding::degraded(Code::Lagging, replica, text, self.why_behind(frame, stuck)))
    }

    /// Why a replica does not get the slots that others have executed.
    fn why_behind(&self, frame: &Frame, stuck: Option<&RoleHolding>) -> Vec<String> {
        if frame.status.fenced {
            return vec![waits_for_disk(&frame.status)];
        }
        if let Some(slow) = slow(frame) {
            return vec![slow];
        }
        if let Some(saving) = frame.status.saving().filter(|saving| saving.fetched) {
            let (slot, far) = (saving.slot, saving.amount());
            return vec![format!("it fetches the checkpoint before slot {slot}: {far}")];
        }
        let Some(RoleHolding { role, wait: Wait::Slots(of), .. }) = stuck else {
            let busiest = frame.operators.iter().max_by(|a, b| a.busy.total_cmp(&b.busy));
            let busy = busiest.filter(|operator| operator.busy >= BUSY);
            let name = |operator: &Operator| {
                let share = operator.busy * 100.0;
                format!("its operator `{}` is busy {share:.0} % of the time", operator.name)
            };
            return busy.map(name).into_iter().collect();
        };
        let cut =
            |peer: &ReplicaId| self.no_contact(&self.frame(*peer)?.status, frame.status.replica);
        let mut because = vec![format!("{role} {}", words(&Wait::Slots(of.clone()), None))];
        let cut: Vec<String> = of.iter().filter_map(cut).collect();
        if cut.len() == of.len() {
            because.push(format!("they do not receive what it asks for: {}", cut.join("; ")));
        } else {
            because.extend(self.excuses(of, frame));
        }
        because
    }

    /// Reported before the disk is full: then the replica stops voting.
    pub(super) fn little_room(&self, frame: &Frame) -> Option<Finding> {
        let free = frame.status.machine.as_ref()?.free_bytes?;
        if free >= ROOM_BYTES || frame.status.fenced {
            return None;
        }
        let replica = frame.status.replica;
        let text = format!("the disk of replica {replica} has {} MiB left: make room", free >> 20);
        let why = "a replica whose disk is full neither votes nor answers";
        Some(Finding::degraded(Code::LittleRoom, replica, text, vec![why.to_owned()]))
    }

    pub(super) fn slow_disk(&self, frame: &Frame) -> Option<Finding> {
        let replica = frame.status.replica;
        Some(Finding::degraded(Code::SlowDisk, replica, slow(frame)?, Vec::new()))
    }

    /// Clients of a replica that were answered that the outcome of their requests is unknown.
    pub(super) fn unanswered(&self, frame: &Frame) -> Option<Finding> {
        let clients = &frame.status.clients;
        let ms = clients.unknown_ms_ago.filter(|ms| *ms <= CLIENTS_MS)?;
        let (replica, count) = (frame.status.replica, clients.unknown);
        let text = format!(
            "clients of replica {replica} got no answers: {count} of their requests ended with UNKNOWN, the last \
             {} s ago",
            ms / 1_000
        );
        Some(Finding::degraded(Code::Unanswered, replica, text, self.reasons(frame)))
    }

    pub(super) fn refuses_clients(&self, frame: &Frame) -> Vec<Finding> {
        let (replica, clients) = (frame.status.replica, &frame.status.clients);
        if clients.max == 0 {
            // A simulated replica has no port for them.
            return Vec::new();
        }
        let finding = |(kind, count): (&str, usize)| {
            let recently = clients.refused_ms_ago.is_some_and(|ms| ms <= CLIENTS_MS);
            let text = match (recently && kind == "Redis", count >= clients.max) {
                (true, _) => {
                    format!("replica {replica} refuses {kind} clients: {count} are connected")
                }
                (false, true) => format!(
                    "replica {replica} will refuse the next of its {kind} clients: {count} are connected"
                ),
                (false, false) => return None,
            };
            let why = format!("no more than {} may be: limits.clients_max", clients.max);
            Some(Finding::degraded(Code::RefusesClients, replica, text, vec![why]))
        };
        [("Redis", clients.redis), ("native", clients.native)]
            .into_iter()
            .filter_map(finding)
            .collect()
    }

    pub(super) fn bad_links(&self, frame: &Frame) -> Vec<Finding> {
        let replica = frame.status.replica;
        let finding = |link: &Link| {
            // That a link is down to a replica which is not there, or cut off, says nothing new.
            let peer = self.frame(link.peer)?;
            let text = if !link.up {
                if self.isolation(peer).is_some() {
                    return None;
                }
                format!("the link from replica {replica} to replica {} is down", link.peer)
            } else if 2 * link.queued_bytes > link.queued_bytes_max {
                format!(
                    "the link from replica {replica} to replica {} is nearly full: {} of {} MiB wait to \
                     be taken",
                    link.peer,
                    link.queued_bytes >> 20,
                    link.queued_bytes_max >> 20
                )
            } else {
                return None;
            };
            Some(Finding::degraded(Code::BadLink, replica, text, fault(link).into_iter().collect()))
        };
        frame.status.links.iter().filter_map(finding).collect()
    }

    /// Whose settings differ from a replica's, where they may for a while. Both report it; one
    /// finding is enough.
    pub(super) fn differ(&self, frame: &Frame) -> Vec<Finding> {
        let replica = frame.status.replica;
        let is_reported = |other: ReplicaId| {
            other < replica
                && self.frame(other).is_some_and(|it| it.status.differ.contains_key(&replica))
        };
        let finding = |(other, how): (&ReplicaId, &String)| {
            let text = format!("the settings of replicas {replica} and {other} differ: {how}");
            let why = "cluster.toml is to be the same everywhere, and each reads it when it starts";
            Finding::degraded(Code::Differ, replica, text, vec![why.to_owned()])
        };
        frame.status.differ.iter().filter(|(other, _)| !is_reported(**other)).map(finding).collect()
    }

    pub(super) fn draining(&self, frame: &Frame) -> Option<Finding> {
        let replica = frame.status.replica;
        let text = format!("replica {replica} is stopping");
        let finding = Finding::degraded(Code::Draining, replica, text, Vec::new());
        frame.status.draining.then_some(finding)
    }
}

/// That the disk of a replica is slow, if it is, and how that shows.
fn slow(frame: &Frame) -> Option<String> {
    let DiskStatus { recent_syncs, recent_median_us, recent_p99_us, syncing_us, .. } =
        *frame.status.disk.as_ref()?;
    let replica = frame.status.replica;
    let many = recent_syncs >= SYNCS_MIN && recent_p99_us > SYNCS_US.1;
    let of = format!("of {recent_syncs} in the last ten seconds");
    let how = if syncing_us > SYNC_US {
        format!("a sync has been under way for {:.1} s", syncing_us as f64 / 1e6)
    } else if recent_median_us > SYNCS_US.0 {
        format!("a sync takes {} ms, the median {of}", recent_median_us / 1_000)
    } else if many {
        format!("1 of 100 syncs takes {} ms or more, {of}", recent_p99_us / 1_000)
    } else {
        return None;
    };
    Some(format!("the disk of replica {replica} is slow: {how}"))
}
