//! The rules by which it is found what is wrong.

use std::collections::{BTreeMap, BTreeSet};

use super::why::{absence, holding};
use super::{Code, Finding, Severity};
use crate::events::Wait;
use crate::observe::blame::replicas as list;
use crate::observe::frame::{Frame, Holding};
use crate::observe::observer::APPLICATION;
use crate::observe::scene::Sighting;
use crate::observe::status::Role;
use crate::quorum::majority;
use crate::types::{ReplicaId, Slot, View};

/// For how long a role may wait for the same thing before that is worth a word, in microseconds.
pub(super) const STALLED_US: u64 = 1_000_000;

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
        view.each(Cluster::cut_off),
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
pub(super) struct Cluster<'a> {
    pub(super) replicas: &'a [Sighting],
    /// Those that still say how their replicas stand.
    pub(super) fresh: Vec<&'a Frame>,
}

impl Cluster<'_> {
    pub(super) fn frame(&self, replica: ReplicaId) -> Option<&Frame> {
        self.fresh.iter().copied().find(|frame| frame.status.replica == replica)
    }

    fn each(&self, of: fn(&Self, &Frame) -> Vec<Finding>) -> Vec<Finding> {
        self.fresh.iter().flat_map(|frame| of(self, frame)).collect()
    }

    /// The replicas that are not there. One that shows nothing but is heard by another is: it is busy, or
    /// of another version.
    fn missing(&self) -> impl Iterator<Item = &Sighting> {
        let silent = self.replicas.iter().filter(|sighting| sighting.fresh().is_none());
        silent.filter(|sighting| sighting.stuck.is_some() || !self.is_heard(sighting.replica))
    }

    /// How many replicas are there.
    fn there(&self) -> usize {
        self.replicas.len() - self.missing().count()
    }

    fn diverged(&self) -> Vec<Finding> {
        let mut differ: BTreeMap<Slot, (BTreeSet<ReplicaId>, BTreeSet<ReplicaId>)> =
            BTreeMap::new();
        for status in self.fresh.iter().map(|frame| &frame.status) {
            for divergence in &status.diverged {
                let (who, by) = differ.entry(divergence.slot).or_default();
                who.insert(divergence.replica);
                by.insert(status.replica);
            }
        }
        // What comes after the first is its consequence.
        let first = differ.pop_first().map(|(slot, (who, by))| {
            let who: Vec<ReplicaId> = who.into_iter().collect();
            let by: Vec<ReplicaId> = by.into_iter().collect();
            let have = if by.len() == 1 { "has" } else { "have" };
            let text = match &who[..] {
                [one] => format!(
                    "replica {one} holds another state before slot {slot} than most, as {} {have} \
                     seen",
                    list(&by)
                ),
                _ => format!("{} hold different states before slot {slot}", list(&who)),
            };
            let why = "the application is not deterministic, or a machine is broken".to_owned();
            Finding {
                code: Code::Diverged,
                severity: Severity::Fatal,
                replica: who.first().filter(|_| who.len() == 1).copied(),
                text,
                because: vec![why],
            }
        });
        first.into_iter().collect()
    }

    fn no_quorum(&self) -> Vec<Finding> {
        let (n, there) = (self.replicas.len(), self.there());
        let needed = majority(n);
        if there >= needed {
            return Vec::new();
        }
        let who: Vec<ReplicaId> = self.missing().map(|sighting| sighting.replica).collect();
        let text = format!("no quorum: {there} of {n} replicas are there, and {needed} are needed");
        let each = self.missing().map(|sighting| {
            let why = sighting.silence.as_deref().unwrap_or_default();
            format!("replica {}: {why}", sighting.replica)
        });
        let each: Vec<String> = each.collect();
        let because = vec![format!("missing: {}", list(&who)), each.join("; ")];
        vec![Finding {
            code: Code::NoQuorum,
            severity: Severity::Down,
            replica: None,
            text,
            because,
        }]
    }

    /// The latest view that a majority has entered, by frames that may be a second old; or the latest that
    /// all have entered who show themselves.
    fn view(&self) -> View {
        let mut views: Vec<View> = self.fresh.iter().map(|frame| frame.status.view).collect();
        views.sort();
        let entered = majority(self.replicas.len()).min(views.len());
        views.iter().nth_back(entered.saturating_sub(1)).copied().unwrap_or_default()
    }

    fn no_leader(&self) -> Vec<Finding> {
        let view = self.view();
        let leads = |frame: &&Frame| frame.status.role == Role::Leader && frame.status.view >= view;
        if self.fresh.len() < majority(self.replicas.len()) || self.fresh.iter().any(leads) {
            return Vec::new();
        }
        let leader = view.leader(self.replicas.len());
        let text = format!("nobody leads view {view}, which replica {leader} is to lead");
        let because = match self.frame(leader) {
            None => self.replicas.get(leader.0 as usize).map(absence).into_iter().collect(),
            Some(frame) => {
                let records = frame.holdings.iter().find_map(|holding| match &holding.wait {
                    Wait::Records(of) => Some(of),
                    _ => None,
                });
                let lacks = |of: &Vec<ReplicaId>| {
                    format!("replica {leader} has not heard the records of {}", list(of))
                };
                let learns =
                    || format!("replica {leader} still learns what earlier views left behind");
                let mut because = vec![records.map_or_else(learns, lacks)];
                let mut others = records.cloned().unwrap_or_default();
                others.retain(|other| *other != leader);
                because.extend(self.excuses(&others, frame));
                because
            }
        };
        let severity = Severity::Down;
        vec![Finding { code: Code::NoLeader, severity, replica: Some(leader), text, because }]
    }

    /// Nothing goes on where a replica that has executed most waits, too.
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
        // What holds one that is behind is found elsewhere: the others may go on.
        let mut furthest = self.fresh.iter().copied().filter(|frame| self.behind(frame) == 0);
        let Some(frame) = furthest.find(held) else {
            return Vec::new();
        };
        let status = &frame.status;
        let (replica, slot) = (status.replica, status.executed);
        let text = format!("nothing is executed: the application waits at slot {slot}");
        let because = self.reasons(frame);
        let severity = Severity::Down;
        vec![Finding { code: Code::Stalled, severity, replica: Some(replica), text, because }]
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
        if self.there() < majority(self.replicas.len()) {
            return Vec::new();
        }
        let finding = |sighting: &Sighting| Finding {
            code: Code::Away,
            severity: Severity::Degraded,
            replica: Some(sighting.replica),
            text: absence(sighting),
            because: Vec::new(),
        };
        self.missing().filter(|sighting| sighting.stuck.is_none()).map(finding).collect()
    }
}
