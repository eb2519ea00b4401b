//! Checkpointer: a checkpoint that `f + 1` replicas hold durably is stable.
//!
//! One of any `f + 1` replicas is up, so a stable checkpoint can always be fetched, and what led to it
//! may be forgotten. A checkpoint is reported when it has been saved, which may be many turns after it
//! was cut; nothing else waits for that.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::checkpoint::{Checkpoint, Digest};
use crate::config::Config;
use crate::disk::Durable;
use crate::events::{Event, Holding, Wait};
use crate::quorum::Votes;
use crate::role::{Pulse, Role, Stream};
use crate::types::{Millis, ReplicaId, Slot};

/// "I hold the checkpoint before `slot` on disk, and this is its digest."
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Report {
    /// The first slot that is not in the checkpoint.
    pub slot: Slot,
    /// The digest of its bytes.
    pub digest: Digest,
}

/// The streams a checkpointer writes.
pub struct Streams<'s, R: Clone + 'static> {
    /// To every replica.
    pub reports: Stream<'s, Report>,
    /// Stable checkpoints, each later than the one before.
    pub stable: Stream<'s, Slot>,
    /// Checkpoints to keep, and what the journal may forget.
    pub durable: Stream<'s, Durable<R>>,
    /// What happened.
    pub events: Stream<'s, Event>,
}

/// Saves checkpoints and finds out which are stable. `own` is the checkpoint the replica restarted with.
pub fn checkpointer<'s, R: Clone + 'static>(
    checkpoints: Stream<'s, Checkpoint>,
    reports: Stream<'s, (ReplicaId, Report)>,
    saved: Stream<'s, Slot>,
    Pulse { clock, looks }: Pulse<'s>,
    own: Option<&Checkpoint>,
    config: &Config,
) -> Streams<'s, R> {
    let mut role = Role::new("checkpointer", clock.scope(), Checkpointer::new(own, config));
    let (report, own_reports) = role.output();
    let (enough, stable) = role.output();
    let (keep, durable) = role.output();
    let (tell, events) = role.output();
    role.on_look(looks, tell.clone(), Checkpointer::holding);
    let (keep_too, report_again) = (keep.clone(), report.clone());
    role.on(checkpoints, move |checkpointer, checkpoint| {
        checkpointer.on_checkpoint(&checkpoint);
        keep.send([Durable::Checkpoint(checkpoint)]);
    });
    role.on(saved, move |checkpointer, slot| report.send(checkpointer.on_saved(slot)));
    role.on(reports, move |checkpointer, (from, report)| {
        let outcome = checkpointer.on_report(from, report);
        tell.send(outcome.diverged.then_some(Event::Diverged { slot: report.slot, replica: from }));
        if let Some(slot) = outcome.stable {
            tell.send([Event::Stable { slot }]);
            enough.send([slot]);
        }
        keep_too.send(outcome.forget.map(Durable::Forget));
    });
    role.on(clock, move |checkpointer, now| report_again.send(checkpointer.on_tick(now)));
    role.build();
    Streams { reports: own_reports, stable, durable, events }
}

/// Owns the knowledge of which checkpoint is stable.
#[derive(Debug)]
pub struct Checkpointer {
    n: usize,
    quorum: usize,
    gossip_every_ms: Millis,
    /// Checkpoints that have been cut and not been saved yet.
    cut: BTreeMap<Slot, Digest>,
    /// The last one that has been saved.
    own: Option<Report>,
    stable: Slot,
    forgotten: Slot,
    /// Reports above the stable slot, by slot; only the latest few slots.
    reports: BTreeMap<Slot, BTreeMap<ReplicaId, Digest>>,
    said_at: Millis,
}

/// What a report led to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    stable: Option<Slot>,
    /// Slots below this are in a stable checkpoint *and* in one of this replica's own on disk.
    forget: Option<Slot>,
    diverged: bool,
}

impl Checkpointer {
    /// More slots than replicas can be apart while a window of two checkpoints holds the leader.
    const SLOTS_MAX: usize = 8;

    fn new(own: Option<&Checkpoint>, config: &Config) -> Self {
        Self {
            n: config.n,
            quorum: config.f() + 1,
            gossip_every_ms: config.gossip_every_ms,
            cut: BTreeMap::new(),
            own: own.map(|own| Report { slot: own.slot, digest: own.digest }),
            stable: Slot(0),
            forgotten: Slot(0),
            reports: BTreeMap::new(),
            said_at: 0,
        }
    }

    fn holding(&self) -> Holding {
        let nothing = Holding::nothing("checkpointer");
        if let Some(slot) = self.cut.keys().next().copied() {
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
                let heard = self.reports.get(&own.slot).map(equal).unwrap_or_default();
                let wait = Wait::Reports(heard.missing(self.n));
                Holding { slot: Some(own.slot), held: 1, wait, ..nothing }
            }
            _ => nothing,
        }
    }

    fn on_checkpoint(&mut self, checkpoint: &Checkpoint) {
        self.cut.insert(checkpoint.slot, checkpoint.digest);
    }

    /// Those before it will never be saved, or have been.
    fn on_saved(&mut self, slot: Slot) -> Option<Report> {
        let digest = self.cut.remove(&slot)?;
        self.cut = self.cut.split_off(&slot);
        self.own = Some(Report { slot, digest });
        self.own
    }

    fn on_report(&mut self, from: ReplicaId, report: Report) -> Outcome {
        let (stable, diverged) = self.tally(from, report);
        let covered = self.stable.min(self.own.map_or(Slot(0), |own| own.slot));
        let forget = (covered > self.forgotten).then_some(covered);
        self.forgotten = covered.max(self.forgotten);
        Outcome { stable, forget, diverged }
    }

    fn tally(&mut self, from: ReplicaId, report: Report) -> (Option<Slot>, bool) {
        if report.slot <= self.stable {
            return (None, false);
        }
        let digests = self.reports.entry(report.slot).or_default();
        digests.insert(from, report.digest);
        let equal = digests.values().filter(|digest| **digest == report.digest).count();
        let diverged = equal < digests.len();
        if self.reports.len() > Self::SLOTS_MAX {
            self.reports.pop_first();
        }
        if equal < self.quorum {
            return (None, diverged);
        }
        self.stable = report.slot;
        self.reports = self.reports.split_off(&report.slot.next());
        (Some(self.stable), diverged)
    }

    /// Says again what was said last: a report may be lost, and a peer may have been down.
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
        let outcome = checkpointer.on_report(ReplicaId(2), report(10, b"b"));
        assert_eq!((outcome.stable, outcome.diverged), (None, true));
        assert_eq!(checkpointer.on_report(ReplicaId(0), report(10, b"a")).stable, Some(Slot(10)));
    }

    #[test]
    fn nothing_is_forgotten_that_this_replica_has_no_checkpoint_of() {
        let mut checkpointer = checkpointer();
        checkpointer.on_checkpoint(&Checkpoint::new(Slot(10), b"a".to_vec()));
        checkpointer.on_report(ReplicaId(1), report(10, b"a"));
        let outcome = checkpointer.on_report(ReplicaId(2), report(10, b"a"));
        assert_eq!((outcome.stable, outcome.forget), (Some(Slot(10)), None));
        assert_eq!(checkpointer.on_saved(Slot(10)), Some(report(10, b"a")));
        let outcome = checkpointer.on_report(ReplicaId(0), report(10, b"a"));
        assert_eq!((outcome.stable, outcome.forget), (None, Some(Slot(10))));
    }

    #[test]
    fn only_a_checkpoint_that_was_saved_is_reported() {
        let mut checkpointer = checkpointer();
        for slot in [10, 20, 30] {
            checkpointer.on_checkpoint(&Checkpoint::new(Slot(slot), vec![slot as u8]));
        }
        assert_eq!(checkpointer.on_tick(1_000), None);
        assert_eq!(checkpointer.on_saved(Slot(20)), Some(report(20, &[20])));
        assert_eq!(checkpointer.on_saved(Slot(10)), None, "it was never to be saved");
        assert_eq!(checkpointer.on_tick(2_000), Some(report(20, &[20])));
    }
}
