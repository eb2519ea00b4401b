//! Readings of meters, and the counts they become.

use super::views::{Count, Views};
use crate::engine::meter::{Flow, Meter};
use crate::model::histogram::Buckets;

/// What an operator has done so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Reading {
    pub runs: u64,
    /// How long those runs took whose time was taken.
    pub timed: Buckets,
    pub records_in: u64,
    pub batches_in: u64,
    /// Records and batches, by port.
    pub outputs: Vec<(u64, u64)>,
}

impl Reading {
    /// What a meter shows.
    pub fn of(meter: &Meter) -> Self {
        let inputs = meter.inputs.borrow();
        let sum = |of: fn(&Flow) -> u64| inputs.iter().map(|input| of(input)).sum();
        let outputs = meter.outputs.borrow();
        let passed = |output: &std::rc::Rc<Flow>| (output.records.get(), output.batches.get());
        Self {
            runs: meter.runs.get(),
            timed: meter.timed.borrow().clone(),
            records_in: sum(|input| input.records.get()),
            batches_in: sum(|input| input.batches.get()),
            outputs: outputs.iter().map(passed).collect(),
        }
    }

    /// Adds to the views what this shows beyond what was shown `before`, of an operator whose time
    /// was taken in one turn of so many.
    pub fn add_beyond(&self, before: &Self, operator: usize, timed_turns: u64, views: &mut Views) {
        let mut add = |count: Count, now: u64, before: u64| {
            views.add((Some(operator), count), now - before);
        };
        add(Count::Runs, self.runs, before.runs);
        add(Count::RecordsIn, self.records_in, before.records_in);
        add(Count::BatchesIn, self.batches_in, before.batches_in);
        let before_outputs = before.outputs.iter().copied().chain(std::iter::repeat((0, 0)));
        for (port, (now, before)) in self.outputs.iter().zip(before_outputs).enumerate() {
            add(Count::RecordsOut(port), now.0, before.0);
            add(Count::BatchesOut(port), now.1, before.1);
        }
        let busy = (self.timed.total - before.timed.total).as_nanos() as u64;
        add(Count::Busy, busy * timed_turns, 0);
        for (bucket, count) in self.timed.beyond(&before.timed) {
            add(Count::Took(bucket), count, 0);
        }
    }
}
