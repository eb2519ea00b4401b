//! The common oracle: rules of every run, whatever the protocol.
//!
//! Message and recovery invariants come first: they see a forgotten promise in most runs, where its
//! outcome (two replicas that differ) shows in one of hundreds.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use serde::Serialize;

use crate::model::batch::{Replies, Value};
use crate::model::checkpoint::Digest;
use crate::model::events::Event;
use crate::model::types::{ReplicaId, Slot, View};

use super::reference::Reference;

/// The invariants all protocols share (G1 to G5, G7, G9).
#[derive(Debug)]
pub(super) struct Common {
    /// What each slot held when it was first executed, and whether its requests were applied.
    canonical: BTreeMap<Slot, (Value, bool)>,
    reference: Reference,
    digests: BTreeMap<Slot, Digest>,
    /// How far from each checkpoint the next one is.
    paced: BTreeMap<Slot, u64>,
    /// What each replica executes next in its present life.
    next: BTreeMap<ReplicaId, Slot>,
    view: BTreeMap<ReplicaId, View>,
    pub counts: Counts,
}

/// How often things happened in a run: a check that passes because nothing happened is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Slots executed, over all replicas.
    pub executed: u64,
    /// Slots filled with a noop.
    pub noops: u64,
    /// Views led after the first.
    pub view_changes: u64,
    /// Slots that a new view found accepted and proposed again.
    pub recovered: u64,
    /// Suspicions.
    pub suspicions: u64,
    /// Checkpoints taken.
    pub checkpoints: u64,
    /// Checkpoints found stable.
    pub stable: u64,
    /// Checkpoints taken over from a peer.
    pub checkpoints_installed: u64,
    /// Requests that came again after they had been executed.
    pub duplicates: u64,
    /// Reads that did not pass the log.
    pub reads: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.executed += other.executed;
        self.noops += other.noops;
        self.view_changes += other.view_changes;
        self.recovered += other.recovered;
        self.suspicions += other.suspicions;
        self.checkpoints += other.checkpoints;
        self.stable += other.stable;
        self.checkpoints_installed += other.checkpoints_installed;
        self.duplicates += other.duplicates;
        self.reads += other.reads;
    }
}

impl Common {
    /// Nothing has happened; so many sessions are kept.
    pub fn new(sessions_max: usize) -> Self {
        Self {
            canonical: BTreeMap::new(),
            reference: Reference::new(sessions_max),
            digests: BTreeMap::new(),
            paced: BTreeMap::new(),
            next: BTreeMap::new(),
            view: BTreeMap::new(),
            counts: Counts::default(),
        }
    }

    pub fn on_start(&mut self, me: ReplicaId, first: Slot) {
        self.reference.on_start(me);
        self.next.insert(me, first);
    }

    /// The first slot nobody has executed.
    pub fn end(&self) -> Slot {
        self.canonical.keys().next_back().map_or(Slot(0), |last| last.next())
    }

    pub fn next(&self, me: ReplicaId) -> Slot {
        self.next.get(&me).copied().unwrap_or_default()
    }

    /// The view `me` has entered in its present life.
    pub fn view(&self, me: ReplicaId) -> Option<View> {
        self.view.get(&me).copied()
    }

    pub fn on_event(&mut self, me: ReplicaId, event: &Event) -> Result<(), String> {
        match event {
            Event::Executed { slot, value, applied } => {
                self.on_executed(me, *slot, value, *applied)
            }
            Event::Installed { slot } => {
                self.counts.checkpoints_installed += 1;
                self.reference.on_installed(me);
                self.next.insert(me, *slot);
                Ok(())
            }
            Event::Unrestored { slot, damaged } => {
                Err(format!("{me} cannot take over the checkpoint before {slot}: {damaged}"))
            }
            Event::Paced { slot, stretch } => {
                let known = *self.paced.entry(*slot).or_insert(*stretch);
                if known == *stretch {
                    return Ok(());
                }
                Err(format!(
                    "G7: after {slot} {me} is {stretch} intervals from the next checkpoint, others {known}"
                ))
            }
            Event::Checkpointed { .. } => {
                self.counts.checkpoints += 1;
                Ok(())
            }
            Event::Saved { slot, digest } | Event::Digest { slot, digest } => {
                self.on_digest(me, *slot, *digest)
            }
            Event::Diverged { slot, replica } => {
                Err(format!("G7: {me} hears from {replica} of another state before {slot}"))
            }
            Event::EnteredView { view, .. } => {
                let known = self.view.entry(me).or_default();
                if view <= known {
                    return Err(format!("G9: {me} enters view {view} after view {known}"));
                }
                *known = *view;
                Ok(())
            }
            Event::Started { view, .. } => {
                let known = self.view.insert(me, *view).filter(|known| known > view);
                let broken = |known| format!("G9: {me} is in view {view} after view {known}");
                known.map_or(Ok(()), |known| Err(broken(known)))
            }
            Event::Leads { view, recovered, .. } => {
                self.counts.view_changes += u64::from(*view > View(0));
                self.counts.recovered += *recovered as u64;
                Ok(())
            }
            Event::Suspected { .. } => {
                self.counts.suspicions += 1;
                Ok(())
            }
            Event::Stable { .. } => {
                self.counts.stable += 1;
                Ok(())
            }
            Event::Duplicates { count } => {
                self.counts.duplicates += count;
                Ok(())
            }
            Event::Read { count, .. } => {
                self.counts.reads += count;
                Ok(())
            }
            Event::Holds(_) => Ok(()),
        }
    }

    /// A replica that restarts has forgotten views it entered but never spoke of.
    pub fn on_crash(&mut self, me: ReplicaId) {
        self.view.remove(&me);
    }

    /// A replica has something for its clients.
    pub fn on_replies(&mut self, from: ReplicaId, replies: &Replies) -> Result<(), String> {
        self.reference.on_replies(from, replies)
    }

    fn on_executed(
        &mut self,
        me: ReplicaId,
        slot: Slot,
        value: &Value,
        applied: bool,
    ) -> Result<(), String> {
        let next = self.next.entry(me).or_default();
        if slot != *next {
            return Err(format!("G2: {me} executes slot {slot} when {next} is next"));
        }
        *next = slot.next();
        self.counts.executed += 1;
        self.counts.noops += u64::from(value.is_none());
        let Some((first, was_applied)) = self.canonical.get(&slot) else {
            self.canonical.insert(slot, (value.clone(), applied));
            return self.reference.on_slot(slot, value, applied);
        };
        if first != value {
            return Err(format!("G1: slot {slot} held {first:?}, and at {me} {value:?}"));
        }
        if *was_applied != applied {
            return Err(format!("G4: {me} does not treat slot {slot} as others have: {value:?}"));
        }
        Ok(())
    }

    fn on_digest(&mut self, me: ReplicaId, slot: Slot, digest: Digest) -> Result<(), String> {
        let first = *self.digests.entry(slot).or_insert(digest);
        if first != digest {
            return Err(format!("G7: state before slot {slot} is {first}, and at {me} {digest}"));
        }
        Ok(())
    }
}
