//! Checkpointer: a checkpoint that `f + 1` replicas hold durably is stable.
//!
//! One of any `f + 1` replicas is up, so a stable checkpoint can always be fetched, and what led to
//! it may be forgotten. A checkpoint is reported when it has been saved, which may be many turns
//! after it was cut; nothing else waits for that.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::disk::Durable;
use crate::engine::role::{Pulse, Role, Stream};
use crate::model::checkpoint::{Checkpoint, Cut, Digest};
use crate::model::config::Config;
use crate::model::events::{Event, Holding, Wait};
use crate::model::quorum::Votes;
use crate::model::types::{Millis, ReplicaId, Slot};

/// "I hold the checkpoint before `slot` on disk, and this is its digest."
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Report {
    /// The first slot that is not in the checkpoint.
    pub slot: Slot,
    /// The digest of its bytes.
    pub digest: Digest,
}

/// The streams a checkpointer writes.
pub struct CheckpointerStreams<'s, R: Clone + 'static> {
    /// To every replica.
    pub reports: Stream<'s, Report>,
    /// Stable checkpoints, each later than the one before.
    pub stable: Stream<'s, Slot>,
    /// Checkpoints to keep, and what the journal may forget.
    pub durable: Stream<'s, Durable<R>>,
    /// What happened.
    pub events: Stream<'s, Event>,
}

/// Saves checkpoints and finds out which are stable. `own` is the checkpoint the replica restarted
/// with.
pub fn checkpointer<'s, R: Clone + 'static>(
    cuts: Stream<'s, Cut>,
    reports: Stream<'s, (ReplicaId, Report)>,
    saved: Stream<'s, Checkpoint>,
    Pulse { clock, looks }: Pulse<'s>,
    own: Option<&Checkpoint>,
    config: &Config,
) -> CheckpointerStreams<'s, R> {
    let mut role = Role::new("checkpointer", clock.scope(), Checkpointer::new(own, config));
    let (report, own_reports) = role.output();
    let (enough, stable) = role.output();
    let (keep, durable) = role.output();
    let (event, events) = role.output();
    role.on_look(looks, event.clone(), Checkpointer::holding);
    let (keep_too, event_too, report_again) = (keep.clone(), event.clone(), report.clone());
    role.on(cuts, move |checkpointer, cut| {
        checkpointer.on_cut(cut.slot);
        keep.send([Durable::Checkpoint(cut)]);
    });
    role.on(saved, move |checkpointer, Checkpoint { slot, digest, .. }| {
        event_too.send([Event::Saved { slot, digest }]);
        report.send(checkpointer.on_saved(Report { slot, digest }));
    });
    role.on(reports, move |checkpointer, (from, report)| {
        let outcome = checkpointer.on_report(from, report);
        let slot = report.slot;
        let diverged = |replica| Event::Diverged { slot, replica };
        event.send(outcome.diverged.into_iter().map(diverged));
        if let Some(slot) = outcome.stable {
            event.send([Event::Stable { slot }]);
            enough.send([slot]);
        }
        keep_too.send(outcome.forget.map(Durable::Forget));
    });
    role.on(clock, move |checkpointer, now| report_again.send(checkpointer.on_tick(now)));
    role.build();
    CheckpointerStreams { reports: own_reports, stable, durable, events }
}

/// Owns the knowledge of which checkpoint is stable.
#[derive(Debug)]
pub struct Checkpointer {
    n: usize,
    quorum: usize,
    gossip_every_ms: Millis,
    /// Checkpoints that have been cut and not been saved yet.
    cut: BTreeSet<Slot>,
    /// The last one that has been saved.
    own: Option<Report>,
    stable: Slot,
    /// The digest that made it stable; nothing before one has.
    agreed: Option<Digest>,
    forgotten: Slot,
    /// Reports above the stable slot, by slot; only the latest few slots.
    reports: BTreeMap<Slot, Tally>,
    /// The last slot at which each replica was reported to differ: once is enough.
    accused: BTreeMap<ReplicaId, Slot>,
    said_at: Millis,
}

/// Reports of one slot.
#[derive(Debug, Default)]
struct Tally {
    digests: BTreeMap<ReplicaId, Digest>,
    /// How often one was sent again that others contradict.
    doubts: u32,
}

/// What a report led to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    stable: Option<Slot>,
    /// Slots below this are in a stable checkpoint *and* in one of this replica's own on disk.
    forget: Option<Slot>,
    /// Replicas that hold another state than most, or all that contradict each other.
    diverged: Vec<ReplicaId>,
}

impl Checkpointer {
    /// More slots than replicas can be apart while a window of two checkpoints holds the leader.
    const SLOTS_MAX: usize = 8;
    /// Reports that may be contradicted while it is not known which of them most replicas hold: two
    /// replicas' of a second.
    const DOUBTS_MAX: u32 = 40;

    fn new(own: Option<&Checkpoint>, config: &Config) -> Self {
        Self {
            n: config.n,
            quorum: config.quorum(),
            gossip_every_ms: config.gossip_every_ms,
            cut: BTreeSet::new(),
            // The digest of one in one piece is nobody's any more: it is saved anew, in parts.
            own: own
                .filter(|own| own.parts().is_some())
                .map(|own| Report { slot: own.slot, digest: own.digest }),
            stable: Slot(0),
            agreed: None,
            forgotten: Slot(0),
            reports: BTreeMap::new(),
            accused: BTreeMap::new(),
            said_at: 0,
        }
    }

    fn holding(&self) -> Holding {
        let nothing = Holding::nothing("checkpointer");
        if let Some(slot) = self.cut.first().copied() {
            let held = self.cut.len() as u64;
            return Holding { slot: Some(slot), held, wait: Wait::Saving, ..nothing };
        }
        match self.own {
            Some(own) if own.slot > self.stable => {
                let equal = |digests: &BTreeMap<_, _>| {
                    let mut votes = Votes::default();
                    let equal = digests.iter().filter(|(_, digest)| **digest == own.digest);
                    equal.for_each(|(from, _)| {
                        votes.add(*from);
                    });
                    votes
                };
                let senders = self.reports.get(&own.slot).map(|tally| equal(&tally.digests));
                let senders = senders.unwrap_or_default();
                let wait = Wait::for_word("checkpoint report", senders.missing(self.n));
                Holding { slot: Some(own.slot), held: 1, wait, ..nothing }
            }
            _ => nothing,
        }
    }

    fn on_cut(&mut self, slot: Slot) {
        self.cut.insert(slot);
    }

    /// Those before it will never be saved, or have been.
    fn on_saved(&mut self, saved: Report) -> Option<Report> {
        if self.own.is_some_and(|own| own.slot >= saved.slot) {
            return None;
        }
        self.cut = self.cut.split_off(&saved.slot.next());
        self.own = Some(saved);
        self.own
    }

    fn on_report(&mut self, from: ReplicaId, report: Report) -> Outcome {
        let (stable, diverged) = self.tally(from, report);
        let covered = self.stable.min(self.own.map_or(Slot(0), |own| own.slot));
        let forget = (covered > self.forgotten).then_some(covered);
        self.forgotten = covered.max(self.forgotten);
        assert!(self.forgotten <= self.stable, "TA-11: only what is stable is forgotten");
        Outcome { stable, forget, diverged }
    }

    fn tally(&mut self, from: ReplicaId, report: Report) -> (Option<Slot>, Vec<ReplicaId>) {
        let Report { slot, digest } = report;
        if slot <= self.stable {
            let differs = slot == self.stable && self.agreed.is_some_and(|agreed| agreed != digest);
            return (None, self.accuse(differs.then_some(from), slot));
        }
        let Tally { digests, doubts } = self.reports.entry(slot).or_default();
        let is_again = digests.insert(from, digest) == Some(digest);
        let differing = digests.iter().filter(|(_, other)| **other != digest);
        let differing: Vec<ReplicaId> = differing.map(|(replica, _)| *replica).collect();
        if digests.len() - differing.len() >= self.quorum {
            (self.stable, self.agreed) = (slot, Some(digest));
            self.reports = self.reports.split_off(&slot.next());
            return (Some(slot), self.accuse(differing, slot));
        }
        *doubts += u32::from(is_again && !differing.is_empty());
        let accused = (*doubts > Self::DOUBTS_MAX).then(|| digests.keys().copied().collect());
        let accused: Vec<ReplicaId> = accused.unwrap_or_default();
        if self.reports.len() > Self::SLOTS_MAX {
            self.reports.pop_first();
        }
        (None, self.accuse(accused, slot))
    }

    /// Replicas that differ at this slot and were not reported yet.
    fn accuse(
        &mut self,
        replicas: impl IntoIterator<Item = ReplicaId>,
        slot: Slot,
    ) -> Vec<ReplicaId> {
        let is_new = |replica: &ReplicaId| self.accused.insert(*replica, slot) != Some(slot);
        replicas.into_iter().filter(is_new).collect()
    }

    /// Sends the last report again: it may be lost, and a peer may have been down.
    fn on_tick(&mut self, now: Millis) -> Option<Report> {
        if now.saturating_sub(self.said_at) < self.gossip_every_ms {
            return None;
        }
        self.said_at = now;
        self.own
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(slot: u64, state: &[u8]) -> Report {
        Report { slot: Slot(slot), digest: Digest::of(state) }
    }

    fn checkpointer() -> Checkpointer {
        Checkpointer::new(None, &Config::new(ReplicaId(0), 3))
    }

    #[test]
    fn a_checkpoint_is_stable_at_f_plus_1_equal_digests_and_not_before() {
        let mut checkpointer = checkpointer();
        assert_eq!(checkpointer.on_report(ReplicaId(1), report(10, b"a")).stable, None);
        assert_eq!(checkpointer.on_report(ReplicaId(1), report(10, b"a")).stable, None);
        assert_eq!(checkpointer.on_report(ReplicaId(2), report(10, b"b")).stable, None);
        assert_eq!(checkpointer.on_report(ReplicaId(0), report(10, b"a")).stable, Some(Slot(10)));
    }

    #[test]
    fn who_differs_is_who_differs_from_most_whether_heard_before_or_after_them_and_is_said_once() {
        let mut checkpointer = checkpointer();
        let mut differ = |from, slot, state: &[u8]| {
            checkpointer.on_report(ReplicaId(from), report(slot, state)).diverged
        };
        assert_eq!(differ(2, 10, b"b"), []);
        assert_eq!(differ(0, 10, b"a"), []);
        assert_eq!(differ(1, 10, b"a"), [ReplicaId(2)]);
        assert_eq!(differ(2, 10, b"b"), []);

        assert_eq!(differ(0, 20, b"a"), []);
        assert_eq!(differ(1, 20, b"a"), []);
        assert_eq!(differ(2, 20, b"b"), [ReplicaId(2)]);
        assert_eq!(differ(2, 20, b"b"), []);
    }

    #[test]
    fn two_that_contradict_each_other_for_long_are_both_named() {
        let mut checkpointer = checkpointer();
        let mut named = Vec::new();
        for _ in 0..=Checkpointer::DOUBTS_MAX {
            named.extend(checkpointer.on_report(ReplicaId(0), report(10, b"a")).diverged);
            named.extend(checkpointer.on_report(ReplicaId(2), report(10, b"b")).diverged);
        }
        assert_eq!(named, [ReplicaId(0), ReplicaId(2)]);
    }

    #[test]
    fn nothing_is_forgotten_that_this_replica_has_no_checkpoint_of() {
        let mut checkpointer = checkpointer();
        checkpointer.on_cut(Slot(10));
        checkpointer.on_report(ReplicaId(1), report(10, b"a"));
        let outcome = checkpointer.on_report(ReplicaId(2), report(10, b"a"));
        assert_eq!((outcome.stable, outcome.forget), (Some(Slot(10)), None));
        assert_eq!(checkpointer.on_saved(report(10, b"a")), Some(report(10, b"a")));
        let outcome = checkpointer.on_report(ReplicaId(0), report(10, b"a"));
        assert_eq!((outcome.stable, outcome.forget), (None, Some(Slot(10))));
    }

    #[test]
    fn only_a_checkpoint_that_was_saved_is_reported() {
        let mut checkpointer = checkpointer();
        for slot in [10, 20, 30] {
            checkpointer.on_cut(Slot(slot));
        }
        assert_eq!(checkpointer.on_tick(1_000), None);
        assert_eq!(checkpointer.on_saved(report(20, &[20])), Some(report(20, &[20])));
        assert_eq!(checkpointer.on_saved(report(10, &[10])), None, "it was never to be saved");
        assert_eq!(checkpointer.on_tick(2_000), Some(report(20, &[20])));
    }

    #[test]
    #[should_panic(expected = "TA-11: only what is stable is forgotten")]
    fn what_is_not_stable_is_not_forgotten() {
        let mut checkpointer = checkpointer();
        checkpointer.forgotten = Slot(10);
        checkpointer.on_report(ReplicaId(1), report(20, b"a"));
    }
}
