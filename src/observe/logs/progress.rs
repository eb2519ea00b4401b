//! Timely's log of progress: summaries of operators, and pointstamps that come and go.

use std::any::type_name;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use timely::logging::{
    OperatesSummaryEvent, TimelyProgressEvent, TimelyProgressEventBuilder,
    TimelySummaryEventBuilder,
};
use timely::logging_core::Registry;
use timely::order::Product;
use timely::progress::Timestamp;
use timely::progress::reachability::logging::{TrackerEvent, TrackerEventBuilder};

use super::Kept;
use crate::observe::reach::{Point, Side};

/// A timestamp, or what one grows by, that is a point in a grid.
pub(super) trait Grid {
    /// Puts its coordinates at the end of `point`, the outermost first.
    fn put(&self, point: &mut Point);
}

impl Grid for () {
    fn put(&self, _point: &mut Point) {}
}

impl Grid for u64 {
    fn put(&self, point: &mut Point) {
        point.push(*self);
    }
}

impl<Outer: Grid, Inner: Grid> Grid for Product<Outer, Inner> {
    fn put(&self, point: &mut Point) {
        self.outer.put(point);
        self.inner.put(point);
    }
}

fn point(of: &impl Grid) -> Point {
    let mut point = Point::new();
    of.put(&mut point);
    point
}

/// That times which reach an operator's input may leave by its output, grown by so much.
pub(super) struct Summary {
    /// The operator, by its number in the log.
    pub operator: usize,
    pub input: usize,
    pub output: usize,
    pub grows: Point,
}

/// That so many pointstamps have come to a place, or gone.
pub(super) struct Change {
    /// The scope, by its number in the log.
    pub scope: usize,
    /// The operator in the scope.
    pub node: usize,
    pub side: Side,
    pub port: usize,
    pub point: Point,
    pub change: i64,
}

/// What has been logged of the dataflows of one kind of time, and not been taken yet.
pub(super) trait Tracked {
    /// Summaries come while a dataflow is built.
    fn take_summaries(&self) -> Vec<Summary>;
    /// Those that came and went again are not among them.
    fn take_changes(&self) -> Vec<Change>;
    /// How many updates of progress each scope has exchanged.
    fn take_exchanged(&self) -> BTreeMap<usize, u64>;
}

struct Tracking<T> {
    summaries: Vec<Summary>,
    changes: BTreeMap<(usize, usize, Side, usize, T), i64>,
    exchanged: BTreeMap<usize, u64>,
}

/// Tracks the dataflows with times of type `T` that are built from now on.
pub(super) fn track<T>(registry: &mut Registry, kept: &mut Vec<Kept>) -> Box<dyn Tracked>
where
    T: Timestamp + Grid,
    T::Summary: Grid,
{
    let (summaries, changes, exchanged) = Default::default();
    let tracking = Rc::new(RefCell::new(Tracking::<T> { summaries, changes, exchanged }));
    let time = type_name::<T>();
    let to = Rc::clone(&tracking);
    let name = format!("timely/summary/{time}");
    let note = move |batch: &mut Vec<(_, OperatesSummaryEvent<T::Summary>)>| {
        for (_time, event) in batch.drain(..) {
            for (input, ports) in event.summary.iter().enumerate() {
                let to_outputs = ports.iter_ports().flat_map(|(output, summary)| {
                    summary.elements().iter().map(move |grows| (output, point(grows)))
                });
                let operator = event.id;
                to.borrow_mut().summaries.extend(to_outputs.map(|(output, grows)| Summary {
                    operator,
                    input,
                    output,
                    grows,
                }));
            }
        }
    };
    kept.extend(Kept::keep::<TimelySummaryEventBuilder<T::Summary>>(registry, &name, note));
    let to = Rc::clone(&tracking);
    let name = format!("timely/reachability/{time}");
    let note = move |batch: &mut Vec<_>| {
        let mut to = to.borrow_mut();
        batch.drain(..).for_each(|(_time, event)| to.note(event));
    };
    kept.extend(Kept::keep::<TrackerEventBuilder<T>>(registry, &name, note));
    let to = Rc::clone(&tracking);
    let name = format!("timely/progress/{time}");
    let note = move |batch: &mut Vec<(_, TimelyProgressEvent<T>)>| {
        let mut to = to.borrow_mut();
        for (_time, event) in batch.drain(..).filter(|(_, event)| event.is_send) {
            let updates = event.messages.len() + event.internal.len();
            *to.exchanged.entry(event.identifier).or_default() += updates as u64;
        }
    };
    kept.extend(Kept::keep::<TimelyProgressEventBuilder<T>>(registry, &name, note));
    Box::new(tracking)
}

impl<T: Timestamp> Tracking<T> {
    fn note(&mut self, event: TrackerEvent<T>) {
        let (scope, side, updates) = match event {
            TrackerEvent::SourceUpdate(update) => (update.tracker_id, Side::Output, update.updates),
            TrackerEvent::TargetUpdate(update) => (update.tracker_id, Side::Input, update.updates),
        };
        for (node, port, time, change) in updates {
            let key = (scope, node, side, port, time);
            // Most that come go in the same turn: nothing is kept of them.
            let count = self.changes.get(&key).copied().unwrap_or_default() + change;
            if count == 0 {
                self.changes.remove(&key);
            } else {
                self.changes.insert(key, count);
            }
        }
    }
}

impl<T: Timestamp + Grid> Tracked for Rc<RefCell<Tracking<T>>> {
    fn take_summaries(&self) -> Vec<Summary> {
        std::mem::take(&mut self.borrow_mut().summaries)
    }

    fn take_changes(&self) -> Vec<Change> {
        let changes = std::mem::take(&mut self.borrow_mut().changes);
        let change = |((scope, node, side, port, time), change)| {
            let point = point(&time);
            Change { scope, node, side, port, point, change }
        };
        changes.into_iter().map(change).collect()
    }

    fn take_exchanged(&self) -> BTreeMap<usize, u64> {
        std::mem::take(&mut self.borrow_mut().exchanged)
    }
}
