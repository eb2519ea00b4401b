//! The rules by which it is found what is wrong.

use std::collections::BTreeMap;

use super::{Code, Finding, Severity};
use crate::events::Wait;
use crate::observe::blame::replicas as list;
use crate::observe::frame::{Blame, Frame, Holding};
use crate::observe::health;
use crate::observe::observer::APPLICATION;
use crate::observe::scene::Sighting;
use crate::observe::status::{Link, Role};
use crate::quorum::majority;
use crate::types::{ReplicaId, View};

/// For how long a role may wait for the same thing before that is worth a word, in microseconds.
const STALLED_US: u64 = 1_000_000;
/// What 99 of 100 syncs may take, in microseconds.
const SYNC_US: u64 = 100_000;
/// For how long a peer may not have been heard, in milliseconds.
const UNHEARD_MS: u64 = 1_000;

/// What is wrong, the worst first.
#[must_use]
pub fn find(replicas: &[Sighting]) -> Vec<Finding> {
    let view = Cluster { replicas, fresh: replicas.iter().filter_map(Sighting::fresh).collect() };
    let mut findings: Vec<Finding> = [
        view.diverged(),
        view.no_quorum(),
        view.no_leader(),
        view.stalled(),
        view.stuck(),
        view.away(),
        view.each(Cluster::fenced),
        view.each(Cluster::lagging),
        view.each(Cluster::slow_disk),
        view.each(Cluster::bad_links),
        view.each(Cluster::draining),
    ]
    .into_iter()
    .flatten()
    .collect();
    findings.sort_by_key(|finding| (finding.severity, finding.code));
    findings
}

/// A cluster by its latest frames.
struct Cluster<'a> {
    replicas: &'a [Sighting],
    /// Those that still say how their replicas stand.
    fresh: Vec<&'a Frame>,
}

fn degraded(code: Code, frame: &Frame, text: String, because: Vec<String>) -> Finding {
    let (severity, replica) = (Severity::Degraded, Some(frame.status.replica));
    Finding { code, severity, replica, text, because }
}

impl Cluster<'_> {
    fn frame(&self, replica: ReplicaId) -> Option<&Frame> {
        self.fresh.iter().copied().find(|frame| frame.status.replica == replica)
    }

    fn each(&self, of: fn(&Self, &Frame) -> Vec<Finding>) -> Vec<Finding> {
        self.fresh.iter().flat_map(|frame| of(self, frame)).collect()
    }

    /// The replicas that are not there, each with what is known of it.
    fn missing(&self) -> Vec<(ReplicaId, String)> {
        let silent = self.replicas.iter().filter(|sighting| sighting.fresh().is_none());
        let why = |sighting: &Sighting| sighting.silence.clone().unwrap_or_default();
        silent.map(|sighting| (sighting.replica, why(sighting))).collect()
    }

    fn diverged(&self) -> Vec<Finding> {
        let mut differs: BTreeMap<_, ReplicaId> = BTreeMap::new();
        for frame in &self.fresh {
            for divergence in &frame.status.diverged {
                differs.insert((divergence.slot, divergence.replica), frame.status.replica);
            }
        }
        let finding = |((slot, replica), by): (_, ReplicaId)| Finding {
            code: Code::Diverged,
            severity: Severity::Fatal,
            replica: Some(replica),
            text: format!(
                "replica {replica} reports another state before slot {slot} than others do, and \
                 replica {by} has seen it"
            ),
            because: vec![
                "the application is not deterministic, or a machine is broken".to_owned(),
            ],
        };
        differs.into_iter().map(finding).collect()
    }

    fn no_quorum(&self) -> Vec<Finding> {
        let (n, there) = (self.replicas.len(), self.fresh.len());
        let needed = majority(n);
        if there >= needed {
            return Vec::new();
        }
        let missing = self.missing();
        let who: Vec<ReplicaId> = missing.iter().map(|(replica, _)| *replica).collect();
        let text = format!("no quorum: {there} of {n} replicas are there, and {needed} are needed");
        let because = missing.into_iter().map(|(replica, why)| format!("replica {replica}: {why}"));
        let mut because: Vec<String> = because.collect();
        because.insert(0, format!("missing: {}", list(&who)));
        vec![Finding {
            code: Code::NoQuorum,
            severity: Severity::Down,
            replica: None,
            text,
            because,
        }]
    }

    /// The view that a majority could be in.
    fn view(&self) -> View {
        self.fresh.iter().map(|frame| frame.status.view).max().unwrap_or_default()
    }

    fn no_leader(&self) -> Vec<Finding> {
        let view = self.view();
        let leads = |frame: &&Frame| frame.status.role == Role::Leader && frame.status.view == view;
        if self.fresh.len() < majority(self.replicas.len()) || self.fresh.iter().any(leads) {
            return Vec::new();
        }
        let leader = view.leader(self.replicas.len());
        let text = format!("nobody leads view {view}, which replica {leader} is to lead");
        let because = match self.frame(leader) {
            None => self.replicas.get(leader.0 as usize).map(absence).into_iter().collect(),
            Some(frame) => {
                let collects = |holding: &&Holding| matches!(holding.wait, Wait::Records(_));
                let holding = frame.holdings.iter().find(collects);
                vec![match holding.map(|holding| &holding.wait) {
                    Some(Wait::Records(of)) => {
                        format!("replica {leader} has not heard the records of {}", list(of))
                    }
                    _ => format!("replica {leader} still learns what earlier views left behind"),
                }]
            }
        };
        let severity = Severity::Down;
        vec![Finding { code: Code::NoLeader, severity, replica: Some(leader), text, because }]
    }

    /// The replica that has executed least is where the chain is longest, if somebody waits.
    fn stalled(&self) -> Vec<Finding> {
        let held = |frame: &&Frame| {
            let waits = |holding: &Holding| {
                holding.held > 0 && holding.waited_us >= STALLED_US && holding.wait != Wait::Nothing
            };
            let chain = frame.blame.iter().filter_map(|link| holding(frame, &link.operator));
            // The application itself holds nothing: what it waits for does.
            chain.skip(1).any(waits)
                || frame
                    .holdings
                    .iter()
                    .any(|holding| matches!(holding.wait, Wait::Proposal(_)) && waits(holding))
        };
        let stalled = self.fresh.iter().copied().filter(held);
        let Some(frame) = stalled.min_by_key(|frame| frame.status.executed) else {
            return Vec::new();
        };
        let furthest = self.fresh.iter().map(|frame| frame.status.executed).max();
        if furthest > Some(frame.status.executed) {
            // It is behind, which is found elsewhere: the others go on.
            return Vec::new();
        }
        let status = &frame.status;
        let (replica, slot) = (status.replica, status.executed);
        let text = format!("nothing is executed: the application waits at slot {slot}");
        let because = self.reasons(frame);
        let severity = Severity::Down;
        vec![Finding { code: Code::Stalled, severity, replica: Some(replica), text, because }]
    }

    /// The chain from the application to who holds it, and on from there to the other replica.
    fn reasons(&self, frame: &Frame) -> Vec<String> {
        let mut because: Vec<String> = frame.blame.iter().map(|link| link.text.clone()).collect();
        let mut last = frame.blame.last().and_then(|link| holding(frame, &link.operator));
        if last.is_none_or(|last| last.wait == Wait::Nothing) {
            // Nothing has come as far as the roles of agreement.
            let waits = |holding: &&Holding| matches!(holding.wait, Wait::Proposal(_));
            last = frame.holdings.iter().find(waits).or(last);
            because.extend(last.map(|holding| Blame::of(holding).text));
        }
        let others: Vec<ReplicaId> = match last.map(|holding| &holding.wait) {
            Some(Wait::Votes(of) | Wait::Reports(of) | Wait::Records(of)) => of.clone(),
            Some(Wait::Proposal(leader)) => vec![*leader],
            _ => Vec::new(),
        };
        because.extend(others.into_iter().filter_map(|other| self.excuse(other, frame)));
        because
    }

    /// What keeps a replica from doing its part, as far as can be seen.
    fn excuse(&self, replica: ReplicaId, seen_by: &Frame) -> Option<String> {
        let sighting = self.replicas.get(replica.0 as usize)?;
        let Some(frame) = sighting.fresh() else { return Some(absence(sighting)) };
        let status = &frame.status;
        if status.fenced {
            return Some(format!("replica {replica} waits for its disk, which is full or slow"));
        }
        let unheard = seen_by.status.links.iter().find(|link| link.peer == replica);
        let silent = unheard.filter(|link| link.heard_ms_ago.is_none_or(|ms| ms > UNHEARD_MS));
        if let Some(link) = silent {
            let by = seen_by.status.replica;
            let fault = link.last_fault.as_deref().map_or(String::new(), |why| format!(" ({why})"));
            return Some(format!("replica {by} does not hear replica {replica}{fault}"));
        }
        if status.view != seen_by.status.view {
            let (theirs, view) = (status.view, seen_by.status.view);
            return Some(format!("replica {replica} is in view {theirs}, not in view {view}"));
        }
        (status.executed < seen_by.status.executed).then(|| {
            let behind = seen_by.status.executed.0 - status.executed.0;
            format!("replica {replica} is {behind} slots behind")
        })
    }

    /// Who is stuck may be why others are.
    fn stuck(&self) -> Vec<Finding> {
        let finding = |sighting: &Sighting| {
            let stuck = sighting.stuck.as_ref()?;
            let why = match stuck.operator.as_deref() {
                Some(APPLICATION) => {
                    "it runs the application, whose code blocks or loops: until that \
                                      returns the replica neither votes nor answers"
                }
                _ => {
                    "its thread does one thing at a time: until that is done the replica neither \
                      votes nor answers"
                }
            };
            Some(Finding {
                code: Code::Stuck,
                severity: Severity::Degraded,
                replica: Some(sighting.replica),
                text: absence(sighting),
                because: vec![why.to_owned()],
            })
        };
        self.replicas.iter().filter_map(finding).collect()
    }

    fn away(&self) -> Vec<Finding> {
        if self.fresh.len() < majority(self.replicas.len()) {
            return Vec::new();
        }
        let finding = |sighting: &Sighting| Finding {
            code: Code::Away,
            severity: Severity::Degraded,
            replica: Some(sighting.replica),
            text: absence(sighting),
            because: Vec::new(),
        };
        let silent = self.replicas.iter().filter(|sighting| sighting.fresh().is_none());
        silent.filter(|sighting| sighting.stuck.is_none()).map(finding).collect()
    }

    fn fenced(&self, frame: &Frame) -> Vec<Finding> {
        let replica = frame.status.replica;
        let text = format!("replica {replica} waits for its disk, full or slow");
        let because = vec!["it does not vote before what it promised is durable".to_owned()];
        let finding = degraded(Code::Fenced, frame, text, because);
        if frame.status.fenced { vec![finding] } else { Vec::new() }
    }

    fn lagging(&self, frame: &Frame) -> Vec<Finding> {
        let status = &frame.status;
        let furthest = self.fresh.iter().map(|other| other.status.executed).max();
        let behind = furthest.unwrap_or_default().0.saturating_sub(status.executed.0);
        let stuck = frame.holdings.iter().find(|holding| {
            matches!(holding.wait, Wait::Slots(_)) && holding.waited_us >= STALLED_US
        });
        let far = status.not_ready.iter().any(|reason| reason.code == health::Code::Behind);
        if behind == 0 || (stuck.is_none() && !far) {
            return Vec::new();
        }
        let replica = status.replica;
        let since = stuck.map_or(String::new(), |holding| {
            format!(", and has not moved for {:.1} s", holding.waited_us as f64 / 1e6)
        });
        let text = format!("replica {replica} is {behind} slots behind{since}");
        vec![degraded(Code::Lagging, frame, text, self.reasons(frame))]
    }

    fn slow_disk(&self, frame: &Frame) -> Vec<Finding> {
        let Some(disk) = frame.status.disk.as_ref().filter(|disk| disk.p99_us > SYNC_US) else {
            return Vec::new();
        };
        let (replica, p99, max) =
            (frame.status.replica, disk.p99_us as f64 / 1e3, disk.max_us as f64 / 1e3);
        let text = format!(
            "the disk of replica {replica} is slow: 1 of 100 syncs takes {p99:.0} ms or more, the \
             longest took {max:.0} ms"
        );
        vec![degraded(Code::SlowDisk, frame, text, Vec::new())]
    }

    fn bad_links(&self, frame: &Frame) -> Vec<Finding> {
        let replica = frame.status.replica;
        // That a link to a replica which is not there is down says nothing new.
        let there = frame.status.links.iter().filter(|link| self.frame(link.peer).is_some());
        let finding = |link: &Link| {
            let peer = link.peer;
            let text = if !link.up {
                format!("the link from replica {replica} to replica {peer} is down")
            } else if 2 * link.queued_bytes > link.queued_bytes_max {
                let queued = link.queued_bytes >> 20;
                format!(
                    "replica {peer} does not take what replica {replica} sends: {queued} MiB wait"
                )
            } else {
                return None;
            };
            let because = link.last_fault.iter().cloned().collect();
            Some(degraded(Code::BadLink, frame, text, because))
        };
        there.filter_map(finding).collect()
    }

    fn draining(&self, frame: &Frame) -> Vec<Finding> {
        let replica = frame.status.replica;
        let text = format!("replica {replica} has been told to end");
        let finding = degraded(Code::Draining, frame, text, Vec::new());
        if frame.status.draining { vec![finding] } else { Vec::new() }
    }
}

/// Why a replica that is not there is not.
fn absence(sighting: &Sighting) -> String {
    let replica = sighting.replica;
    match (&sighting.stuck, &sighting.silence) {
        (Some(stuck), _) => format!("replica {replica} is stuck: {stuck}"),
        (None, why) => {
            let why = why.as_deref().unwrap_or_default();
            format!("replica {replica} is not there: {why}")
        }
    }
}

fn holding<'a>(frame: &'a Frame, role: &str) -> Option<&'a Holding> {
    frame.holdings.iter().find(|holding| holding.role == role)
}
