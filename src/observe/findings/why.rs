//! Reasons of findings, followed from replica to replica as far as can be seen.

use super::rules::{Cluster, STALLED_US};
use crate::model::events::Wait;
use crate::model::types::ReplicaId;
use crate::observe::frame::{Blame, Frame, RoleHolding};
use crate::observe::scene::Sighting;
use crate::observe::status::{Link, ReplicaStatus};

/// For how long a peer may have sent nothing, in milliseconds.
const SILENT_MS: u64 = 1_000;
/// How often each replica sends something, in milliseconds.
const GOSSIP_MS: u64 = 250;

impl Cluster<'_> {
    /// The chain from the application to who holds it, and on from there to the other replica.
    pub(super) fn reasons(&self, frame: &Frame) -> Vec<String> {
        let ends = |link: &&Blame| {
            holding(frame, &link.operator).is_none_or(|holding| holding.wait != Wait::Nothing)
        };
        let chain = frame.blame.iter().filter(ends);
        let mut because: Vec<String> = chain.map(|link| link.text.clone()).collect();
        let mut last = frame.blame.last().and_then(|link| holding(frame, &link.operator));
        if last.is_none_or(|last| last.wait == Wait::Nothing) {
            // Nothing has come as far as the roles of agreement.
            let waits = |holding: &&RoleHolding| {
                holding.held > 0 && matches!(holding.wait, Wait::Proposal(_))
            };
            last = frame.holdings.iter().find(waits).or(last);
            because.extend(last.map(|holding| Blame::of(holding, frame.status.saving()).text));
        }
        let others: Vec<ReplicaId> = match last.map(|holding| &holding.wait) {
            Some(Wait::Word { of, .. } | Wait::ToLead { of, .. }) => of.clone(),
            Some(Wait::Proposal(leader)) => {
                let why = self.why_not_proposed(*leader);
                let leader = if why.is_empty() { vec![*leader] } else { Vec::new() };
                because.extend(why);
                leader
            }
            _ => Vec::new(),
        };
        because.extend(self.excuses(&others, frame));
        because
    }

    /// What a leader waits for before it proposes, by its own frame.
    fn why_not_proposed(&self, leader: ReplicaId) -> Vec<String> {
        let Some(frame) = self.frame(leader) else { return Vec::new() };
        let waits = |holding: &&RoleHolding| {
            let for_role = matches!(holding.wait, Wait::Role(_));
            let blamed = frame.blame.iter().any(|link| link.operator == holding.role);
            holding.held > 0 && holding.waited_us >= STALLED_US && for_role && !blamed
        };
        let mut next = frame.holdings.iter().find(waits);
        let mut because = Vec::new();
        // No role is passed twice, so the chain is not longer than there are roles.
        for _ in 0..frame.holdings.len() {
            let Some(at) = next else { break };
            let blame = Blame::of(at, frame.status.saving());
            because.push(format!("on replica {leader} {}", blame.text));
            next = match &at.wait {
                Wait::Role(role) => holding(frame, role),
                Wait::Word { of, .. } | Wait::ToLead { of, .. } => {
                    because.extend(self.excuses(of, frame));
                    None
                }
                _ => None,
            };
        }
        because
    }

    /// Whether a replica that shows itself has recently received something from another.
    pub(super) fn is_in_contact(&self, replica: ReplicaId) -> bool {
        let hears = |frame: &&Frame| {
            let Some(link) = link(&frame.status, replica) else { return false };
            // With a process its connections end, in both directions.
            let within_ms = if link.up { SILENT_MS } else { GOSSIP_MS };
            link.heard_ms_ago.is_some_and(|ms| ms <= within_ms)
        };
        self.fresh.iter().any(hears)
    }

    /// What keeps replicas from doing their part, in one sentence: none is the reason of another.
    pub(super) fn excuses(&self, replicas: &[ReplicaId], seen_by: &Frame) -> Option<String> {
        let each = replicas.iter().filter_map(|replica| self.excuse(*replica, seen_by));
        let each: Vec<String> = each.collect();
        (!each.is_empty()).then(|| each.join("; "))
    }

    /// What keeps a replica from doing its part, as far as can be seen.
    fn excuse(&self, replica: ReplicaId, seen_by: &Frame) -> Option<String> {
        let sighting = self.replicas.get(replica.0 as usize)?;
        let Some(frame) = sighting.fresh() else { return Some(absence(sighting)) };
        let (status, own) = (&frame.status, &seen_by.status);
        if status.fenced {
            return Some(waits_for_disk(status));
        }
        let cut = self.no_contact(own, replica).or_else(|| self.no_contact(status, own.replica));
        if cut.is_some() {
            return cut;
        }
        if status.view != own.view {
            let (theirs, view) = (status.view, own.view);
            return Some(format!("replica {replica} is in view {theirs}, not in view {view}"));
        }
        (status.executed < own.executed).then(|| {
            let behind = own.executed.0 - status.executed.0;
            format!("replica {replica} is {} behind", slots(behind))
        })
    }

    /// That a replica receives nothing from another, and what is wrong with the other's link to it.
    pub(super) fn no_contact(&self, by: &ReplicaStatus, from: ReplicaId) -> Option<String> {
        let heard = link(by, from)?.heard_ms_ago;
        heard.is_none_or(|ms| ms > SILENT_MS).then(|| {
            let by = by.replica;
            let there = self.frame(from).and_then(|frame| link(&frame.status, by));
            let down = there.filter(|link| !link.up).map(|_| {
                let why = there.and_then(fault).map_or(String::new(), |why| format!(" ({why})"));
                format!(": the link from there is down{why}")
            });
            format!("replica {by} receives nothing from replica {from}{}", down.unwrap_or_default())
        })
    }
}

/// So many slots, in words.
pub(super) fn slots(count: u64) -> String {
    format!("{count} {}", if count == 1 { "slot" } else { "slots" })
}

/// A replica's own link to another.
pub(super) fn link(status: &ReplicaStatus, to: ReplicaId) -> Option<&Link> {
    status.links.iter().find(|link| link.peer == to)
}

/// Why a link was last lost, or could not be made.
pub(super) fn fault(link: &Link) -> Option<String> {
    link.last_fault.as_ref().map(|fault| format!("last fault: {fault}"))
}

/// That a replica waits for its disk, and what is wrong with that.
pub(super) fn waits_for_disk(status: &ReplicaStatus) -> String {
    let is_full = status.disk.as_ref().is_some_and(|disk| disk.full);
    let state = if is_full { "full: make room" } else { "slow" };
    format!("replica {} waits for its disk, which is {state}", status.replica)
}

/// Why a replica that is not there is not.
pub(super) fn absence(sighting: &Sighting) -> String {
    let replica = sighting.replica;
    match (&sighting.stuck, &sighting.silence) {
        (Some(stuck), _) if stuck.checkpoint => {
            stuck.to_string().replacen("it", &format!("replica {replica}"), 1)
        }
        (Some(stuck), _) => format!("replica {replica} is stuck: {stuck}"),
        (None, Some(why)) if sighting.starting => {
            why.replacen("it", &format!("replica {replica}"), 1)
        }
        (None, why) => {
            let why = why.as_deref().unwrap_or_default();
            format!("replica {replica} does not take part: {why}")
        }
    }
}

pub(super) fn holding<'a>(frame: &'a Frame, role: &str) -> Option<&'a RoleHolding> {
    frame.holdings.iter().find(|holding| holding.role == role)
}
