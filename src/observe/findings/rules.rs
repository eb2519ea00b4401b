//! The rules by which it is found what is wrong.

use std::collections::{BTreeMap, BTreeSet};

use super::why::{absence, holding};
use super::{Code, Finding, Severity};
use crate::engine::activity::Stuck;
use crate::model::events::Wait;
use crate::model::types::{Millis, ReplicaId, Slot};
use crate::observe::blame::replicas as list;
use crate::observe::frame::{Frame, RoleHolding};
use crate::observe::monitor::APPLICATION;
use crate::observe::scene::{Sighting, quorum};

/// For how long a role may wait for the same thing before that is worth a word, in microseconds.
pub(super) const STALLED_US: u64 = 1_000_000;

/// How long after its start a replica may have received nothing from others, in milliseconds.
const YOUNG_MS: Millis = 2_000;

/// What is wrong, the worst first.
pub fn find(replicas: &[Sighting]) -> Vec<Finding> {
    let view = Cluster {
        replicas,
        quorum: quorum(replicas),
        fresh: replicas.iter().filter_map(Sighting::fresh).collect(),
    };
    let mut findings = Vec::new();
    findings.extend(view.diverged());
    findings.extend(view.no_quorum());
    findings.extend(view.halted());
    findings.extend(view.full());
    findings.extend(view.no_leader());
    findings.extend(view.stalled());
    findings.extend(view.stuck());
    findings.extend(view.panicked());
    findings.extend(view.away());
    findings.extend(view.unseen());
    findings.extend(view.little_memory());
    for frame in &view.fresh {
        findings.extend(view.cut_off(frame));
        findings.extend(view.fenced(frame));
        findings.extend(view.little_room(frame));
        findings.extend(view.slow_disk(frame));
        findings.extend(view.unanswered(frame));
        findings.extend(view.refuses_clients(frame));
        findings.extend(view.bad_links(frame));
        findings.extend(view.differ(frame));
        findings.extend(view.lagging(frame));
        findings.extend(view.draining(frame));
    }
    findings.sort_by_key(|finding| (finding.severity, finding.code));
    findings
}

/// A cluster by its latest frames.
pub(super) struct Cluster<'a> {
    pub(super) replicas: &'a [Sighting],
    /// How many of them decide together.
    pub(super) quorum: usize,
    /// Those that are recent.
    pub(super) fresh: Vec<&'a Frame>,
}

impl Cluster<'_> {
    pub(super) fn frame(&self, replica: ReplicaId) -> Option<&Frame> {
        self.fresh.iter().copied().find(|frame| frame.status.replica == replica)
    }

    /// The replicas that are not there, or not yet. One that shows nothing but sends to
    /// another is: it is busy, or of another version; and one whose thread does not come back says so
    /// itself.
    fn missing(&self) -> impl Iterator<Item = &Sighting> {
        let silent = self.replicas.iter().filter(|sighting| sighting.fresh().is_none());
        silent.filter(|sighting| {
            let gone = sighting.ended || sighting.starting || !self.is_in_contact(sighting.replica);
            sighting.stuck.is_none() && gone
        })
    }

    /// Those whose thread does not come back from something.
    pub(super) fn stuck_ones(&self) -> impl Iterator<Item = (&Sighting, &Stuck)> {
        self.replicas.iter().filter_map(|sighting| Some((sighting, sighting.stuck.as_ref()?)))
    }

    /// How many replicas are there.
    pub(super) fn there(&self) -> usize {
        self.replicas.len() - self.missing().count()
    }

    fn diverged(&self) -> Option<Finding> {
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
        let (slot, (who, by)) = differ.pop_first()?;
        let who: Vec<ReplicaId> = who.into_iter().collect();
        let by: Vec<ReplicaId> = by.into_iter().collect();
        let have = if by.len() == 1 { "has" } else { "have" };
        let text = match &who[..] {
            [one] => format!(
                "replica {one} holds another state before slot {slot} than most, as {} {have} seen",
                list(&by)
            ),
            _ => format!("{} hold different states before slot {slot}", list(&who)),
        };
        let why = "the application is not deterministic, or a machine is broken".to_owned();
        Some(Finding {
            code: Code::Diverged,
            severity: Severity::Fatal,
            replica: who.first().filter(|_| who.len() == 1).copied(),
            text,
            because: vec![why],
        })
    }

    fn no_quorum(&self) -> Option<Finding> {
        let (n, there) = (self.replicas.len(), self.there());
        let needed = self.quorum;
        if there >= needed {
            return None;
        }
        let who: Vec<ReplicaId> = self.missing().map(|sighting| sighting.replica).collect();
        let are = format!("{there} of {n} replicas are there, and {needed} are needed");
        // Who reads its disk may take long for that.
        let reads = self.missing().all(|sighting| sighting.starting);
        let begins = self.begins();
        let severity = if begins { Severity::Degraded } else { Severity::Down };
        let what = if reads || begins { "the cluster is starting" } else { "no quorum" };
        let text = format!("{what}: {are}");
        let each = self.missing().map(|sighting| {
            let why = sighting.silence.as_deref().unwrap_or_default();
            let end = sighting.last_words.reason();
            let end = end.map_or_else(String::new, |end| format!(" ({end})"));
            format!("replica {}: {why}{end}", sighting.replica)
        });
        let each: Vec<String> = each.collect();
        let because = vec![format!("missing: {}", list(&who)), each.join("; ")];
        Some(Finding { code: Code::NoQuorum, severity, replica: None, text, because })
    }

    /// Whether all who show themselves have just started: others may not have sent anything yet.
    fn begins(&self) -> bool {
        let young = |frame: &&Frame| frame.status.up_ms <= YOUNG_MS;
        !self.fresh.is_empty() && self.fresh.iter().all(young)
    }

    /// Enough replicas are there, and too many of them do not come back from something. A
    /// checkpoint that is cut on all replicas at once is a pause.
    fn halted(&self) -> Option<Finding> {
        let (there, needed) = (self.there(), self.quorum);
        let stuck: Vec<ReplicaId> = self.stuck_ones().map(|(seen, _)| seen.replica).collect();
        if there < needed || there - stuck.len() >= needed {
            return None;
        }
        let cut = self.stuck_ones().all(|(_, stuck)| stuck.is_pause());
        let (severity, text) = if cut {
            (Severity::Degraded, format!("requests wait while {} cut a checkpoint", list(&stuck)))
        } else {
            let are = if stuck.len() == 1 { "is" } else { "are" };
            (Severity::Down, format!("nothing is executed: {} {are} stuck", list(&stuck)))
        };
        let because =
            self.stuck_ones().map(|(seen, stuck)| format!("replica {}: {stuck}", seen.replica));
        let because = vec![because.collect::<Vec<_>>().join("; ")];
        Some(Finding { code: Code::Stalled, severity, replica: None, text, because })
    }

    /// Those whose disks are full, if too few others are left.
    pub(super) fn full_ones(&self) -> Vec<&Frame> {
        let is_full = |frame: &&&Frame| frame.status.disk.as_ref().is_some_and(|disk| disk.full);
        let full: Vec<_> = self.fresh.iter().filter(is_full).copied().collect();
        let enough = self.there() >= self.quorum + full.len();
        if enough { Vec::new() } else { full }
    }

    /// Enough replicas are there, and too many of them wait for room on their disks: from that
    /// follows all else that can be seen of agreement.
    fn full(&self) -> Option<Finding> {
        let full = self.full_ones();
        if full.is_empty() || self.there() < self.quorum {
            return None;
        }
        let who: Vec<ReplicaId> = full.iter().map(|frame| frame.status.replica).collect();
        let (the, are) = if who.len() == 1 { ("the disk", "is") } else { ("the disks", "are") };
        let text = format!("nothing is executed: {the} of {} {are} full: make room", list(&who));
        let because = vec!["no replica votes before what it promised is durable".to_owned()];
        let severity = Severity::Down;
        Some(Finding { code: Code::Stalled, severity, replica: None, text, because })
    }

    /// Nothing goes on where a replica that has executed most waits, too.
    fn stalled(&self) -> Option<Finding> {
        if !self.full_ones().is_empty() {
            return None;
        }
        let held = |frame: &&Frame| {
            let waits = |holding: &RoleHolding| {
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
        let frame = furthest.find(held)?;
        let status = &frame.status;
        let (replica, slot) = (status.replica, status.executed);
        let because = self.reasons(frame);
        // What waits may be one replica's alone: the slots of others go on.
        let (severity, text) = if self.goes_on() {
            let text =
                format!("requests of replica {replica}'s clients wait, though others are executed");
            (Severity::Degraded, text)
        } else {
            (Severity::Down, format!("nothing is executed: the application waits at slot {slot}"))
        };
        Some(Finding { code: Code::Stalled, severity, replica: Some(replica), text, because })
    }

    /// Whether requests have been executed within the time for which others have waited too long.
    fn goes_on(&self) -> bool {
        let recently = |frame: &&Frame| {
            let ago = frame.status.executed_ms_ago;
            ago.is_some_and(|ms| ms * 1_000 < STALLED_US)
        };
        self.fresh.iter().any(recently)
    }

    /// Who is stuck may be why others are.
    fn stuck(&self) -> Vec<Finding> {
        let finding = |(sighting, stuck): (&Sighting, &Stuck)| {
            let why = match stuck.operator.as_deref() {
                _ if stuck.checkpoint => {
                    "until that is done, the replica neither votes nor answers"
                }
                Some(APPLICATION) => {
                    "it runs the application, whose code blocks or loops: until that returns, the \
                     replica neither votes nor answers"
                }
                _ => {
                    "its thread does one thing at a time: until that is done, the replica neither \
                     votes nor answers"
                }
            };
            let (replica, text) = (sighting.replica, absence(sighting));
            Finding::degraded(Code::Stuck, replica, text, vec![why.to_owned()])
        };
        self.stuck_ones().map(finding).collect()
    }

    /// Whose process has panicked recently, started again or not.
    fn panicked(&self) -> Vec<Finding> {
        let finding = |sighting: &Sighting| {
            let (words, ago_s) = sighting.last_words.panic.as_ref()?;
            let replica = sighting.replica;
            let since = match sighting.fresh() {
                Some(_) => "and has started again",
                None => "and is not back",
            };
            let text = format!("replica {replica} panicked {ago_s} s ago, {since}");
            Some(Finding::degraded(Code::Panicked, replica, text, vec![words.clone()]))
        };
        self.replicas.iter().filter_map(finding).collect()
    }

    fn away(&self) -> Vec<Finding> {
        if self.there() < self.quorum {
            return Vec::new();
        }
        let finding = |sighting: &Sighting| {
            let because = sighting.last_words.reason().into_iter().collect();
            Finding::degraded(Code::Away, sighting.replica, absence(sighting), because)
        };
        self.missing().map(finding).collect()
    }

    /// Replicas that send to others and show nothing: whether all is well with them is not known.
    fn unseen(&self) -> Vec<Finding> {
        let silent = self.replicas.iter().filter(|sighting| sighting.fresh().is_none());
        let heard = silent.filter(|seen| {
            seen.stuck.is_none()
                && !seen.ended
                && !seen.starting
                && self.is_in_contact(seen.replica)
        });
        let finding = |sighting: &Sighting| {
            let replica = sighting.replica;
            let text =
                format!("replica {replica} sends to others, but reports nothing about itself");
            let because = sighting.silence.clone().into_iter().chain(sighting.last_words.reason());
            Finding::degraded(Code::Unseen, replica, text, because.collect())
        };
        heard.map(finding).collect()
    }
}
