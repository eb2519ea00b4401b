//! Views of a replica, maintained as a differential dataflow on the replica's own worker.
//!
//! ```text
//!  counts ──> total                 since the replica started
//!  counts, and their end ──> recent over the last WINDOW epochs
//! ```
//!
//! Time is the epoch: one a frame. All that is shown of an epoch was computed from what was put in
//! up to it and nothing else, so a frame is a consistent cut. The dataflow runs when an epoch ends
//! and at no other time, and it is built before anything is logged, so it does not see itself,
//! unless asked to ([`Level::All`](super::frame::Level::All)).

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use differential_dataflow::VecCollection;
use differential_dataflow::input::{Input, InputSession};
use serde::{Deserialize, Serialize};
use timely::worker::Worker;

/// The number of a frame.
pub type Epoch = u64;

/// Epochs over which recent counts are kept.
pub const WINDOW: Epoch = 40;

/// Something that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Count {
    /// Times an operator ran.
    Runs,
    /// Nanoseconds it ran.
    Busy,
    /// Runs whose time was in this bucket.
    Took(usize),
    /// Records it took.
    RecordsIn,
    /// Batches it took.
    BatchesIn,
    /// Records that left by this output.
    RecordsOut(usize),
    /// Batches that left by this output.
    BatchesOut(usize),
    /// Requests answered in a time of this bucket.
    Answered(usize),
    /// Microseconds in which requests were answered, in sum.
    AnsweredUs,
    /// Requests executed.
    Requests,
    /// Slots executed.
    Slots,
}

/// What is counted, of which operator, or of the replica.
pub type Key = (Option<usize>, Count);

/// What the dataflow shows of the last epoch that has ended.
#[derive(Debug, Default)]
pub struct Totals {
    /// Counts since the replica started.
    pub total: BTreeMap<Key, i64>,
    /// Counts of the last epochs.
    pub recent: BTreeMap<Key, i64>,
}

/// The inputs of the dataflow, and what it shows.
pub struct Views {
    counts: InputSession<Epoch, Key, isize>,
    recent_counts: InputSession<Epoch, Key, isize>,
    /// What has been counted in the present epoch. It is put in at the end: a count that changes
    /// with each slot is one change an epoch.
    counted: BTreeMap<Key, u64>,
    epoch: Epoch,
    shown: Rc<RefCell<Totals>>,
}

impl Views {
    /// Builds the dataflow.
    pub fn build(worker: &mut Worker) -> Self {
        let shown: Rc<RefCell<Totals>> = Rc::default();
        let (counts, recent_counts) = worker.dataflow_named("views", |scope| {
            let (counts, total) = scope.new_collection();
            let (recent_counts, recent) = scope.new_collection();
            show(total.count(), &shown, |shown| &mut shown.total);
            show(recent.count(), &shown, |shown| &mut shown.recent);
            (counts, recent_counts)
        });
        Self { counts, recent_counts, counted: BTreeMap::new(), epoch: 0, shown }
    }

    /// Adds to a count in the present epoch.
    pub fn add(&mut self, key: Key, count: u64) {
        if count > 0 {
            *self.counted.entry(key).or_default() += count;
        }
    }

    /// Ends the epoch. What is shown follows once the worker has nothing left to do.
    pub fn end_epoch(&mut self) {
        while let Some((key, count)) = self.counted.pop_first() {
            let count = count as isize;
            self.counts.update(key, count);
            self.recent_counts.update(key, count);
            self.recent_counts.update_at(key, self.epoch + WINDOW, -count);
        }
        self.epoch += 1;
        for input in [&mut self.counts, &mut self.recent_counts] {
            input.advance_to(self.epoch);
            input.flush();
        }
    }

    /// What the dataflow shows.
    pub fn shown(&self) -> std::cell::Ref<'_, Totals> {
        self.shown.borrow()
    }
}

type Collection<'s, D> = VecCollection<'s, Epoch, D, isize>;

/// Keeps a map of counts up to date with a collection of them.
fn show(
    counts: Collection<'_, (Key, isize)>,
    shown: &Rc<RefCell<Totals>>,
    of: fn(&mut Totals) -> &mut BTreeMap<Key, i64>,
) {
    let to = Rc::clone(shown);
    counts.inspect(move |((key, count), _epoch, change)| {
        let mut shown = to.borrow_mut();
        let (map, count) = (of(&mut shown), *count as i64);
        if *change > 0 {
            map.insert(*key, count);
        } else if map.get(key) == Some(&count) {
            map.remove(key);
        }
    });
}

#[cfg(test)]
mod tests {
    use timely::WorkerConfig;
    use timely::communication::Allocator;
    use timely::communication::allocator::Thread;

    use super::*;

    fn views() -> (Worker, Views) {
        let thread = Allocator::Thread(Thread::default());
        let mut worker = Worker::new(WorkerConfig::default(), thread, None);
        let views = Views::build(&mut worker);
        (worker, views)
    }

    fn end_epoch(worker: &mut Worker, views: &mut Views) {
        views.end_epoch();
        (0..100).for_each(|_| {
            worker.step();
        });
    }

    #[test]
    fn a_count_is_recent_for_a_window_and_total_for_ever() {
        let (mut worker, mut views) = views();
        let key = (Some(3), Count::Runs);
        views.add(key, 5);
        end_epoch(&mut worker, &mut views);
        views.add(key, 2);
        end_epoch(&mut worker, &mut views);
        assert_eq!(views.shown().recent.get(&key), Some(&7));
        for _ in 2..=WINDOW {
            end_epoch(&mut worker, &mut views);
        }
        assert_eq!(views.shown().recent.get(&key), Some(&2));
        end_epoch(&mut worker, &mut views);
        assert_eq!(views.shown().recent.get(&key), None);
        assert_eq!(views.shown().total.get(&key), Some(&7));
    }
}
