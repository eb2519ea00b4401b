//! Answer of `taraflow status` for programs.

use std::net::SocketAddr;

use serde::Serialize;

use crate::engine::activity::Stuck;
use crate::model::quorum::Tolerance;
use crate::model::types::ReplicaId;
use crate::observe::findings::Finding;
use crate::observe::scene::{Scene, Sighting, quorum};
use crate::observe::status::ReplicaStatus;
use crate::observe::verdict::Verdict;

/// A replica as seen from here.
#[derive(Clone, Debug, Serialize)]
pub(super) struct SeenReplica {
    /// Its number.
    pub replica: ReplicaId,
    /// Where it was asked, if that is known.
    pub address: Option<SocketAddr>,
    /// How it stands; nothing if that is not known, or no longer.
    pub status: Option<ReplicaStatus>,
    /// Why it has not said so itself.
    pub error: Option<String>,
    /// Whether its process runs and reads its disk.
    pub starting: bool,
    /// What its thread does not come back from, if it does not.
    pub stuck: Option<Stuck>,
}

/// A cluster as seen from here.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Overview {
    /// The version of this format.
    version: u32,
    pub verdict: Verdict,
    /// The verdict in words.
    pub headline: String,
    /// How many replicas there are.
    pub n: usize,
    /// How many of them are enough.
    pub needed: usize,
    /// How many show themselves and can vote.
    pub working: usize,
    /// How many of these may fail, and the rest still be enough.
    pub may_fail: usize,
    /// What is wrong, the worst first.
    pub findings: Vec<Finding>,
    pub replicas: Vec<SeenReplica>,
}

impl Overview {
    const VERSION: u32 = 2;

    /// Of a scene, in which replicas were asked at these addresses.
    pub fn new(scene: &Scene, addresses: &[(Option<ReplicaId>, SocketAddr)]) -> Self {
        let n = scene.replicas.len();
        let needed = quorum(&scene.replicas);
        let can_vote = |seen: &&Sighting| {
            let votes = |status: &ReplicaStatus| {
                status.not_ready.iter().all(|reason| reason.code.allows_votes())
            };
            seen.fresh().is_some_and(|frame| votes(&frame.status))
        };
        let working = scene.replicas.iter().filter(can_vote).count();
        let replicas = scene.replicas.iter().map(|seen| {
            let known = addresses.iter().find(|(replica, _)| *replica == Some(seen.replica));
            SeenReplica {
                replica: seen.replica,
                address: known.map(|(_, address)| *address),
                status: seen.fresh().map(|frame| frame.status.clone()),
                error: seen.silence.clone().or_else(|| seen.unasked.clone()),
                starting: seen.starting,
                stuck: seen.stuck.clone(),
            }
        });
        Self {
            version: Self::VERSION,
            verdict: scene.verdict,
            headline: scene.headline(),
            n,
            needed,
            working,
            may_fail: working.saturating_sub(needed),
            findings: scene.findings.clone(),
            replicas: replicas.collect(),
        }
    }

    /// Of a cluster of so many replicas, if that is known, of which nobody answers.
    pub fn unreachable(n: Option<usize>, said: &str) -> Self {
        let finding = Finding::unreachable(said);
        let n = n.unwrap_or_default();
        Self {
            version: Self::VERSION,
            verdict: Verdict::Unreachable,
            headline: format!("{}: {}", Verdict::Unreachable, finding.text),
            n,
            needed: Tolerance::Crash.quorum(n),
            working: 0,
            may_fail: 0,
            findings: vec![finding],
            replicas: Vec::new(),
        }
    }

    /// How many work, and how many of those may fail.
    pub fn reserve(&self) -> String {
        let Self { n, needed, working, may_fail, .. } = self;
        match may_fail {
            // How many are there, and what each lacks, the findings say.
            _ if working < needed => {
                format!("too few replicas work together: {needed} of {n} are needed")
            }
            0 => format!("{working} of {n} replicas work; none of them may fail"),
            may => format!("{working} of {n} replicas work; {may} may fail"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::cli::inspect::example;
    use crate::observe::health::{Code, Reason};

    fn reserve(reasons: &[Code]) -> String {
        let mut scene = example::scene();
        let reason = |code: &Code| Reason { code: *code, text: String::new() };
        let frame = scene.replicas[1].frame.as_mut().unwrap();
        Arc::make_mut(frame).status.not_ready = reasons.iter().map(reason).collect();
        Overview::new(&scene, &[]).reserve()
    }

    #[test]
    fn a_replica_that_is_behind_still_votes_and_one_that_waits_for_its_disk_does_not() {
        assert_eq!(reserve(&[Code::Behind]), "2 of 3 replicas work; none of them may fail");
        for code in [Code::NoQuorum, Code::Fenced, Code::Draining, Code::Silent, Code::Starting] {
            let said = "too few replicas work together: 2 of 3 are needed";
            assert_eq!(reserve(&[code]), said, "{code:?}");
        }
    }
}
