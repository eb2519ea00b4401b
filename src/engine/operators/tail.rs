//! Tail: the decided slots of the recent past, which others may lack.
//!
//! The latest are in memory. Of the others the journal has what it had to keep anyway.

use std::collections::VecDeque;
use std::marker::PhantomData;

use crate::disk::JournalPast;
use crate::engine::protocol::JournalRecord;
use crate::model::batch::{Value, weight};
use crate::model::types::Slot;

/// Decided slots without a gap, the last of which has just been released.
pub struct Tail {
    history: Box<dyn History>,
    /// The slot of the first value in memory.
    first: Slot,
    values: VecDeque<Value>,
    bytes: usize,
    /// What of them may be in memory though the disk has it.
    bytes_max: usize,
}

/// Decided slots that need not be in memory, because a disk has them.
pub trait History {
    /// Whether a slot is one of them.
    fn has(&self, slot: Slot) -> bool;

    /// The values of slot after slot from `from` on, until they weigh so much, and perhaps more; as
    /// many as can be read.
    fn values(&self, from: Slot, bytes: usize) -> Vec<Value>;
}

/// Those of a journal.
pub struct Told<R> {
    past: JournalPast,
    records: PhantomData<R>,
}

impl<R> Told<R> {
    /// Those of a journal.
    pub fn new(past: JournalPast) -> Self {
        Self { past, records: PhantomData }
    }
}

impl<R: JournalRecord> History for Told<R> {
    fn has(&self, slot: Slot) -> bool {
        self.past.told().contains(&slot)
    }

    fn values(&self, from: Slot, bytes: usize) -> Vec<Value> {
        let told: Vec<Vec<R>> = self.past.records(from, bytes).unwrap_or_default();
        told.iter().map_while(|records| R::held(records).cloned()).collect()
    }
}

impl Tail {
    /// Nothing, before the slot `first`.
    pub fn new(first: Slot, bytes_max: usize, history: Box<dyn History>) -> Self {
        Self { history, first, values: VecDeque::new(), bytes: 0, bytes_max }
    }

    /// The slot behind the last one.
    pub fn next(&self) -> Slot {
        Slot(self.first.0 + self.values.len() as u64)
    }

    /// How much the values in memory weigh.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The next slot holds this. Of the slots before `covered` there is a checkpoint here: whoever
    /// lacks too many of them fetches what that has changed.
    pub fn push(&mut self, value: Value, covered: Slot) {
        self.bytes += weight(&value);
        self.values.push_back(value);
        while self.bytes > self.bytes_max
            && (self.first < covered || self.history.has(self.first))
            && self.let_first_go()
        {}
    }

    /// A checkpoint has come in place of the slots before `first`.
    pub fn begin(&mut self, first: Slot) {
        (self.first, self.bytes) = (first, 0);
        self.values.clear();
    }

    /// Nobody will ask for the slots before this one.
    pub fn forget(&mut self, slot: Slot) {
        while self.first < slot && self.let_first_go() {}
    }

    fn let_first_go(&mut self) -> bool {
        let Some(value) = self.values.pop_front() else { return false };
        self.bytes -= weight(&value);
        self.first = self.first.next();
        true
    }

    /// The values of slot after slot from `from` on, until they weigh more than so much; nothing
    /// if the first of them is not here any more.
    pub fn values(&self, from: Slot, bytes: usize) -> Vec<Value> {
        if from < self.first {
            return if self.history.has(from) {
                self.history.values(from, bytes)
            } else {
                Vec::new()
            };
        }
        let start = ((from.0 - self.first.0) as usize).min(self.values.len());
        let mut sum = 0;
        let fits = |value: &&Value| {
            let fits = sum < bytes;
            sum += weight(value);
            fits
        };
        self.values.range(start..).take_while(fits).cloned().collect()
    }
}
