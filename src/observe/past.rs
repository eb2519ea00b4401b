//! A replica's memory of its recent past: the lives of slots, and what happened.
//!
//! The replica's thread never waits here: when somebody else holds the lock, what it has to write
//! is lost, and counted as lost, and what it wants to read it reads another time.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use super::frame::{BatchLife, Happened, RequestRun, SlotLife};
use crate::engine::protocol::Step;
use crate::model::batch::{Batch, Requests, Value};
use crate::model::types::{ClientId, ReplicaId, Slot, View};

/// Slots that are remembered.
const SLOTS_MAX: usize = 8_192;
/// Bytes of batches that are kept to find the slots of a request.
const BATCH_BYTES_MAX: usize = 1 << 20;
/// Things that happened that are remembered.
const HAPPENED_MAX: usize = 1_024;
/// Requests of a batch that are looked at for the runs of a [`BatchLife`] in a frame.
const LOOKED_AT: usize = 256;
/// Runs of a [`BatchLife`] in a frame.
const RUNS_MAX: usize = 4;

/// A past that is read by others.
#[derive(Clone, Debug, Default)]
pub struct Past {
    memory: Arc<Mutex<Memory>>,
    lost: Arc<AtomicU64>,
}

/// What is remembered.
#[derive(Debug, Default)]
pub struct Memory {
    /// The replica that remembers, and the votes with which it takes a slot for decided.
    me: ReplicaId,
    quorum: usize,
    /// Consecutive slots, oldest first.
    slots: VecDeque<Life>,
    /// How many of the oldest have given up their batches, and the bytes of the others.
    without: usize,
    bytes: usize,
    happened: VecDeque<Happened>,
}

/// A slot, and what it holds if that is still kept.
#[derive(Clone, Debug)]
struct Life {
    seen: SlotLife,
    requests: Option<Requests>,
}

/// Somebody writes.
pub struct Writing<'a> {
    /// Nothing if somebody else reads.
    memory: Option<MutexGuard<'a, Memory>>,
    past: &'a Past,
}

impl Writing<'_> {
    /// Writes one detail, unless somebody reads.
    pub fn write(&mut self, write: impl FnOnce(&mut Memory)) {
        match &mut self.memory {
            Some(memory) => write(memory),
            None => self.past.lose(1),
        }
    }
}

impl Past {
    /// That of replica `me`, which takes a slot for decided with the votes of `quorum` replicas.
    pub fn new(me: ReplicaId, quorum: usize) -> Self {
        let memory = Memory { me, quorum, ..Memory::default() };
        Self { memory: Arc::new(Mutex::new(memory)), lost: Arc::default() }
    }

    /// Begins to write.
    pub fn writing(&self) -> Writing<'_> {
        Writing { memory: self.try_memory(), past: self }
    }

    /// Writes one detail, unless somebody reads.
    pub fn write(&self, write: impl FnOnce(&mut Memory)) {
        self.writing().write(write);
    }

    fn try_memory(&self) -> Option<MutexGuard<'_, Memory>> {
        match self.memory.try_lock() {
            Ok(memory) => Some(memory),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    /// Counts details that were lost elsewhere on their way to a frame.
    pub fn lose(&self, details: u64) {
        self.lost.fetch_add(details, Ordering::Relaxed);
    }

    /// Details that were lost.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    fn read(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The oldest slot that is remembered.
    pub fn oldest(&self) -> Option<Slot> {
        self.read().slots.front().map(|life| life.seen.slot)
    }

    /// What happened recently, oldest first.
    pub fn happened(&self) -> Vec<Happened> {
        self.read().happened.iter().cloned().collect()
    }

    /// The life of a slot.
    pub fn slot(&self, slot: Slot) -> Option<SlotLife> {
        let memory = self.read();
        let life = memory.slots.get(memory.index(slot)?)?.clone();
        drop(memory);
        Some(life.with_runs(usize::MAX))
    }

    /// The last slots, oldest first.
    pub fn last(&self, count: usize) -> Vec<SlotLife> {
        let memory = self.read();
        let skip = memory.slots.len().saturating_sub(count);
        let lives: Vec<Life> = memory.slots.iter().skip(skip).cloned().collect();
        drop(memory);
        lives.into_iter().map(|life| life.with_runs(LOOKED_AT)).collect()
    }

    /// Slots from `from` on, oldest first, and no more than `count` of them: where there are more,
    /// those that a power of two divides. So all replicas choose the same, whatever moment they
    /// choose at. Nothing if somebody else reads.
    pub fn sampled(&self, from: Slot, count: usize) -> Option<Vec<SlotLife>> {
        let memory = self.try_memory()?;
        let new = memory.slots.iter().rev().take_while(|life| life.seen.slot >= from).count();
        let stride = new.div_ceil(count.max(1)).next_power_of_two() as u64;
        let lives = memory.slots.iter().skip(memory.slots.len() - new);
        let chosen = lives.filter(|life| life.seen.slot.0.is_multiple_of(stride));
        let lives: Vec<Life> = chosen.cloned().collect();
        drop(memory);
        Some(lives.into_iter().map(|life| life.with_runs(LOOKED_AT)).collect())
    }

    /// The slots that hold a request, if their batches are still kept.
    pub fn of_request(&self, client: ClientId, number: u64) -> Vec<SlotLife> {
        let memory = self.read();
        let kept = memory.slots.iter().skip(memory.without);
        let kept: Vec<_> =
            kept.filter_map(|life| Some((life.seen.slot, life.requests.clone()?))).collect();
        drop(memory);
        let holds = |requests: &Requests| {
            requests.iter().any(|request| (request.client, request.number) == (client, number))
        };
        let slots = kept.into_iter().filter(|(_, requests)| holds(requests));
        slots.filter_map(|(slot, _)| self.slot(slot)).collect()
    }
}

impl Memory {
    /// Notes that something happened.
    pub fn happen(&mut self, happened: Happened) {
        if self.happened.len() >= HAPPENED_MAX {
            self.happened.pop_front();
        }
        self.happened.push_back(happened);
    }

    /// Notes a step in the life of a slot that has come from a replica.
    pub fn receive(&mut self, from: ReplicaId, step: Step, now: u64) {
        match step {
            Step::Propose(slot, view) => self.propose(from, slot, view, now),
            Step::Vote(slot, view) => self.receive_vote(from, slot, view, now),
        }
    }

    /// Notes a step in the life of a slot that leaves this replica.
    pub fn send(&mut self, step: Step, now: u64) {
        match step {
            Step::Propose(slot, view) => self.propose(self.me, slot, view, now),
            Step::Vote(slot, view) => self.vote(slot, view, now),
        }
    }

    /// Notes that the proposal of `from` for a slot has left, or arrived.
    pub fn propose(&mut self, from: ReplicaId, slot: Slot, view: View, now: u64) {
        if let Some(life) = self.life_in(slot, view) {
            life.proposer.get_or_insert(from);
            life.proposed_at.get_or_insert(now);
        }
    }

    /// Notes that this replica's vote for a slot has left.
    pub fn vote(&mut self, slot: Slot, view: View, now: u64) {
        if let Some(life) = self.life_in(slot, view) {
            life.voted_at.get_or_insert(now);
        }
    }

    /// Notes that a vote for a slot has arrived.
    pub fn receive_vote(&mut self, from: ReplicaId, slot: Slot, view: View, now: u64) {
        let quorum = self.quorum;
        if let Some(life) = self.life_in(slot, view)
            && life.votes.iter().all(|(voter, _)| *voter != from)
        {
            life.votes.push((from, now));
            if life.votes.len() == quorum {
                life.decided_at = Some(now);
            }
        }
    }

    /// Notes that a slot was executed.
    pub fn execute(&mut self, slot: Slot, value: &Value, packed_at: Option<u64>, now: u64) {
        // What was seen of slots far ahead was not true, or not of this life.
        if self.slots.front().is_some_and(|first| slot < first.seen.slot) {
            self.forget();
        }
        let Some(life) = self.life(slot) else { return };
        life.executed_at = Some(now);
        // Where votes go to the leader alone the others learn of it in other ways.
        if life.proposed_at.is_some() {
            life.decided_at.get_or_insert(now);
        }
        life.packed_at = packed_at;
        let Some(Batch { id, requests, .. }) = value else { return };
        let (count, bytes) = (requests.len() as u64, requests.bytes());
        let batch = BatchLife { id: *id, requests: count, bytes: bytes as u64, runs: Vec::new() };
        life.batch = Some(batch);
        let at = self.index(slot).filter(|at| *at >= self.without);
        if let Some(life) = at.and_then(|at| self.slots.get_mut(at))
            && life.requests.replace(requests.clone()).is_none()
        {
            self.bytes += bytes;
        }
        while self.bytes > BATCH_BYTES_MAX && self.without < self.slots.len() {
            let gone = self.slots[self.without].requests.take();
            self.bytes -= gone.map_or(0, |requests| requests.bytes());
            self.without += 1;
        }
    }

    /// Notes that a checkpoint has taken the place of all slots before `slot`: those that are open
    /// will not be executed.
    pub fn install(&mut self, slot: Slot) {
        if self.slots.front().is_some_and(|first| first.seen.slot < slot) {
            self.forget();
        }
    }

    /// Forgets all slots.
    fn forget(&mut self) {
        let happened = std::mem::take(&mut self.happened);
        *self = Self { me: self.me, quorum: self.quorum, happened, ..Self::default() };
    }

    fn index(&self, slot: Slot) -> Option<usize> {
        let first = self.slots.front()?.seen.slot;
        let at = slot.0.checked_sub(first.0)? as usize;
        (at < self.slots.len()).then_some(at)
    }

    /// The life of a slot in a view; nothing if it has gone on in a later one.
    fn life_in(&mut self, slot: Slot, view: View) -> Option<&mut SlotLife> {
        let life = self.life(slot)?;
        life.begin(view);
        (life.view == view).then_some(life)
    }

    /// The life of a slot, which begins now if it has not; nothing for one that is too old.
    fn life(&mut self, slot: Slot) -> Option<&mut SlotLife> {
        let next = self.slots.back().map_or(slot, |last| last.seen.slot.next());
        if slot.0 >= next.0 + SLOTS_MAX as u64 {
            self.forget();
        }
        let next = self.slots.back().map_or(slot, |last| last.seen.slot.next());
        for slot in (next.0..=slot.0).map(Slot) {
            let room = if self.slots.len() >= SLOTS_MAX { self.slots.pop_front() } else { None };
            if let Some(gone) = &room {
                self.without = self.without.saturating_sub(1);
                self.bytes -= gone.requests.as_ref().map_or(0, Requests::bytes);
            }
            // The room for votes is used again.
            let mut votes = room.map_or_else(Vec::new, |gone| gone.seen.votes);
            votes.clear();
            let seen = SlotLife { slot, votes, ..SlotLife::default() };
            self.slots.push_back(Life { seen, requests: None });
        }
        let at = self.index(slot)?;
        self.slots.get_mut(at).map(|life| &mut life.seen)
    }
}

impl SlotLife {
    /// In a later view a slot that is not executed is proposed and voted for anew.
    fn begin(&mut self, view: View) {
        if view > self.view && self.executed_at.is_none() {
            self.view = view;
            self.proposer = None;
            self.proposed_at = None;
            self.voted_at = None;
            self.decided_at = None;
            self.votes.clear();
        }
    }
}

impl Life {
    /// The life, with the runs of requests in its batch, by the first `look_at` of them.
    fn with_runs(self, look_at: usize) -> SlotLife {
        let Self { mut seen, requests } = self;
        if let (Some(batch), Some(requests)) = (&mut seen.batch, requests) {
            for request in requests.iter().take(look_at) {
                let full = batch.runs.len() >= RUNS_MAX && look_at < usize::MAX;
                match batch.runs.last_mut() {
                    Some(run) if run.client == request.client && run.last + 1 == request.number => {
                        run.last = request.number;
                    }
                    _ if full => break,
                    _ => batch.runs.push(RequestRun {
                        client: request.client,
                        first: request.number,
                        last: request.number,
                    }),
                }
            }
        }
        seen
    }
}

#[cfg(test)]
mod tests;
