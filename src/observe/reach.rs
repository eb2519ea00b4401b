//! Reachability in a graph, with the way, as a differential dataflow.
//!
//! ```text
//!  what stands where ──┬──────────────> reached ══> the least at each place, and whence it came
//!                      └─> reached + hops ─┘
//! ```
//!
//! With the ports of a timely dataflow for places, channels and the summaries of operators for
//! hops, and for what stands the capabilities that operators hold and the messages they have not
//! taken, what reaches a port is its frontier. This is timely's own rule
//! (`timely::progress::reachability`), computed beside it because timely keeps the times and not
//! where they came from. With roles for places and who waits for whom for hops, it is the chain of
//! blame.

use std::cell::{Ref, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use differential_dataflow::input::{Input, InputSession};
use differential_dataflow::operators::Iterate;
use serde::{Deserialize, Serialize};
use timely::worker::Worker;

use crate::observe::views::Epoch;

/// The path of an operator from the root of its worker.
pub type Address = Vec<usize>;

/// A distance, or a time by its coordinates: none where time stands still for good, one where it is
/// a number, one more for each loop around it.
pub type Point = Vec<u64>;

/// Which side of an operator a port is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Side {
    /// Where it takes records.
    Input,
    /// Where it sends them.
    Output,
}

/// A port of an operator.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Location {
    /// The operator. The last number is 0 for the inside of a scope's edge.
    pub address: Address,
    /// Which side of it.
    pub side: Side,
    /// Which port of that side.
    pub port: usize,
}

/// A way from one place to the next, and what a point grows by on it.
pub type Hop = (Location, (Location, Point));

/// For each place the least points that reach it, and the place each came from last.
pub type Reached = BTreeMap<Location, BTreeMap<(Point, Location), i64>>;

/// The inputs of the dataflow, and what it shows.
pub struct Reach {
    hops: InputSession<Epoch, Hop, isize>,
    starts: InputSession<Epoch, (Location, Point), isize>,
    reached: Rc<RefCell<Reached>>,
}

impl Reach {
    /// Builds the dataflow called `name`.
    pub fn build(worker: &mut Worker, name: &str) -> Self {
        let shown: Rc<RefCell<Reached>> = Rc::default();
        let to = Rc::clone(&shown);
        let (hops, starts) = worker.dataflow_named(name, |scope| {
            let (hops, ways) = scope.new_collection::<Hop, isize>();
            let (starts, stands) = scope.new_collection::<(Location, Point), isize>();
            let start = stands.map(|(place, point)| (place.clone(), (point, place)));
            let reached = start.clone().iterate(move |scope, reached| {
                let (ways, start) = (ways.enter(scope), start.enter(scope));
                let hop = |from: &Location,
                           (point, _): &(Point, Location),
                           (to, by): &(Location, Point)| {
                    (to.clone(), (grown(point, by), from.clone()))
                };
                reached.join_map(ways, hop).concat(start).reduce(|_place, points, least| {
                    // They come in an order in which none is before one that is less.
                    for ((point, whence), _) in points.iter().copied() {
                        if !least
                            .iter()
                            .any(|((less, _), _): &((Point, Location), _)| is_at_most(less, point))
                        {
                            least.push(((point.clone(), whence.clone()), 1));
                        }
                    }
                })
            });
            reached.inspect(move |((place, least), _epoch, change)| {
                let mut shown = to.borrow_mut();
                let at_place = shown.entry(place.clone()).or_default();
                *at_place.entry(least.clone()).or_default() += *change as i64;
                at_place.retain(|_, count| *count != 0);
                if at_place.is_empty() {
                    shown.remove(place);
                }
            });
            (hops, starts)
        });
        Self { hops, starts, reached: shown }
    }

    /// A hop has come (1) or gone (-1).
    pub fn change_hop(&mut self, hop: Hop, change: isize) {
        self.hops.update(hop, change);
    }

    /// So much that stands at a place has come, or gone.
    pub fn change(&mut self, place: Location, point: Point, change: isize) {
        self.starts.update((place, point), change);
    }

    /// Ends an epoch. What is shown follows once the worker has nothing left to do.
    pub fn end_epoch(&mut self, epoch: Epoch) {
        self.hops.advance_to(epoch);
        self.hops.flush();
        self.starts.advance_to(epoch);
        self.starts.flush();
    }

    /// What is shown.
    pub fn reached(&self) -> Ref<'_, Reached> {
        self.reached.borrow()
    }
}

/// The point after one hop. Coordinates saturate instead of wrapping.
fn grown(point: &Point, by: &Point) -> Point {
    let by = by.iter().copied().chain(std::iter::repeat(0));
    point.iter().zip(by).map(|(own, more)| own.saturating_add(more)).collect()
}

/// Whether a point is at most another, by each of their coordinates.
pub fn is_at_most(less: &Point, point: &Point) -> bool {
    less.iter().zip(point).all(|(less, more)| less <= more)
}
