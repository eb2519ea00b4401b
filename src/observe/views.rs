//! What is maintained about a replica, as a differential dataflow on the replica's own worker.
//!
//! ```text
//!  counts ──> total                 since the replica started
//!  counts, and their end ──> recent over the last WINDOW epochs
//!  holdings ──> who waits for whom ══> blame       (as far as it goes)
//! ```
//!
//! Time is the epoch: one a frame. All that is shown of an epoch was computed from what was put in up to
//! it and nothing else, so a frame is a consistent cut. The dataflow runs when an epoch ends and at no
//! other time, and it is built before anything is logged, so it does not see itself.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use differential_dataflow::VecCollection;
use differential_dataflow::input::{Input, InputSession};
use differential_dataflow::operators::Iterate;
use serde::{Deserialize, Serialize};
use timely::worker::Worker;

use crate::events::{Holding, Wait};

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
pub struct Shown {
    /// Counts since the replica started.
    pub total: BTreeMap<Key, i64>,
    /// Counts of the last epochs.
    pub recent: BTreeMap<Key, i64>,
    /// The roles that hold back the application, by their distance from it.
    pub blame: BTreeMap<(u64, String), i64>,
}

/// The inputs of the dataflow, and what it shows.
pub struct Views {
    counts: InputSession<Epoch, Key, isize>,
    lately: InputSession<Epoch, Key, isize>,
    /// What has been counted in the present epoch. It is put in at the end: a count that changes with each
    /// slot is one change an epoch.
    counted: BTreeMap<Key, u64>,
    waits: InputSession<Epoch, (String, String), isize>,
    /// What has been put in as waiting.
    waiting: Vec<(String, String)>,
    epoch: Epoch,
    shown: Rc<RefCell<Shown>>,
}

impl Views {
    /// Builds the dataflow. Blame begins at the operator called `root`.
    pub fn build(worker: &mut Worker, root: &str) -> Self {
        let shown: Rc<RefCell<Shown>> = Rc::default();
        let (counts, lately, waits) = worker.dataflow_named("views", |scope| {
            let (counts, total) = scope.new_collection();
            let (lately, recent) = scope.new_collection();
            let (waits, waiting) = scope.new_collection();
            let roots = scope.new_collection_from([(root.to_owned(), 0_u64)]).1;
            show(total.count(), &shown, |shown| &mut shown.total);
            show(recent.count(), &shown, |shown| &mut shown.recent);
            let to = Rc::clone(&shown);
            blame(roots, waiting).inspect(move |((role, distance), _epoch, change)| {
                let mut shown = to.borrow_mut();
                *shown.blame.entry((*distance, role.clone())).or_default() += *change as i64;
                shown.blame.retain(|_, count| *count != 0);
            });
            (counts, lately, waits)
        });
        let (counted, waiting) = (BTreeMap::new(), Vec::new());
        Self { counts, lately, counted, waits, waiting, epoch: 0, shown }
    }

    /// Adds to a count in the present epoch.
    pub fn add(&mut self, key: Key, count: u64) {
        if count > 0 {
            *self.counted.entry(key).or_default() += count;
        }
    }

    /// Says what the roles hold in the present epoch.
    pub fn hold(&mut self, holdings: &[Holding]) {
        let waiting = holdings.iter().filter_map(|holding| match &holding.wait {
            Wait::Role(other) => Some((holding.role.clone(), other.clone())),
            _ => None,
        });
        let before = std::mem::replace(&mut self.waiting, waiting.collect());
        before.into_iter().for_each(|wait| self.waits.remove(wait));
        self.waiting.iter().cloned().for_each(|wait| self.waits.insert(wait));
    }

    /// Ends the epoch. What is shown follows once the worker has nothing left to do.
    pub fn end_epoch(&mut self) {
        while let Some((key, count)) = self.counted.pop_first() {
            let count = count as isize;
            self.counts.update(key, count);
            self.lately.update(key, count);
            self.lately.update_at(key, self.epoch + WINDOW, -count);
        }
        self.epoch += 1;
        for input in [&mut self.counts, &mut self.lately] {
            input.advance_to(self.epoch);
            input.flush();
        }
        self.waits.advance_to(self.epoch);
        self.waits.flush();
    }

    /// What the dataflow shows.
    pub fn shown(&self) -> std::cell::Ref<'_, Shown> {
        self.shown.borrow()
    }
}

type Collection<'s, D> = VecCollection<'s, Epoch, D, isize>;

/// Keeps a map of counts up to date with a collection of them.
fn show(
    counts: Collection<'_, (Key, isize)>,
    shown: &Rc<RefCell<Shown>>,
    of: fn(&mut Shown) -> &mut BTreeMap<Key, i64>,
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

/// All that the roots wait for, and all that waits for, with their distances.
fn blame<'s>(
    roots: Collection<'s, (String, u64)>,
    waits: Collection<'s, (String, String)>,
) -> Collection<'s, (String, u64)> {
    let start = roots.clone();
    roots.iterate(move |scope, reached| {
        let (waits, start) = (waits.enter(scope), start.enter(scope));
        let next =
            reached.join_map(waits, |_waiter, distance, waited| (waited.clone(), distance + 1));
        next.concat(start).reduce(|_role, distances, nearest| nearest.push((*distances[0].0, 1)))
    })
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
        let views = Views::build(&mut worker, "executor");
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

    #[test]
    fn blame_goes_from_the_application_to_who_waits_for_no_other_role() {
        let (mut worker, mut views) = views();
        let waits = |role: &str, other: &str| Holding {
            wait: Wait::for_role(other),
            ..Holding::nothing(role)
        };
        let lacks_votes = Holding { wait: Wait::Votes(Vec::new()), ..Holding::nothing("learner") };
        let (executor, release) = (waits("executor", "release"), waits("release", "learner"));
        let elsewhere = waits("proposer", "checkpointer");
        views.hold(&[executor.clone(), release, lacks_votes, elsewhere]);
        end_epoch(&mut worker, &mut views);
        let blamed = |views: &Views| -> Vec<String> {
            views.shown().blame.keys().map(|(_, role)| role.clone()).collect()
        };
        assert_eq!(blamed(&views), ["executor", "release", "learner"]);

        views.hold(&[executor]);
        end_epoch(&mut worker, &mut views);
        assert_eq!(blamed(&views), ["executor", "release"]);
    }
}
