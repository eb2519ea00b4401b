//! What may still come at each port of a dataflow, and who holds it there, as a differential dataflow.
//!
//! ```text
//!  pointstamps ──┬──────────────> reached ══> the least at each port, and whence it came
//!                └─> reached + hops ─┘
//! ```
//!
//! A pointstamp is a capability that an operator holds, or a message that it has not taken. From its place
//! a time hops along channels and through operators, as far as their summaries let it; the times that reach
//! a port are its frontier. This is timely's own rule (`timely::progress::reachability`), computed beside
//! it because timely keeps the times and not where they came from.

use std::cell::{Ref, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use differential_dataflow::input::{Input, InputSession};
use differential_dataflow::operators::Iterate;
use serde::{Deserialize, Serialize};
use timely::worker::Worker;

use crate::observe::views::Epoch;

/// The path of an operator from the root of its worker.
pub(super) type Address = Vec<usize>;

/// A time, by its coordinates: none where time stands still for good, one where it is a number, one more
/// for each loop around it.
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
pub struct Place {
    /// The operator. The last number is 0 for the inside of a scope's edge.
    pub address: Address,
    /// Which side of it.
    pub side: Side,
    /// Which port of that side.
    pub port: usize,
}

/// A way for times from one place to the next, and what they grow by on it.
pub(super) type Hop = (Place, (Place, Point));

/// For each place the least times that reach it, and the place each came from last.
pub(super) type Reached = BTreeMap<Place, BTreeMap<(Point, Place), i64>>;

/// The inputs of the dataflow, and what it shows.
pub(super) struct Frontiers {
    hops: InputSession<Epoch, Hop, isize>,
    stamps: InputSession<Epoch, (Place, Point), isize>,
    reached: Rc<RefCell<Reached>>,
}

impl Frontiers {
    pub fn build(worker: &mut Worker) -> Self {
        let shown: Rc<RefCell<Reached>> = Rc::default();
        let to = Rc::clone(&shown);
        let (hops, stamps) = worker.dataflow_named("frontiers", |scope| {
            let (hops, ways) = scope.new_collection::<Hop, isize>();
            let (stamps, held) = scope.new_collection::<(Place, Point), isize>();
            let start = held.map(|(place, point)| (place.clone(), (point, place)));
            let reached = start.clone().iterate(move |scope, reached| {
                let (ways, start) = (ways.enter(scope), start.enter(scope));
                let hop = |from: &Place, (point, _): &(Point, Place), (to, by): &(Place, Point)| {
                    (to.clone(), (grown(point, by), from.clone()))
                };
                reached.join_map(ways, hop).concat(start).reduce(|_place, points, least| {
                    // They come in an order in which none is before one that is less.
                    for ((point, whence), _) in points.iter().copied() {
                        if !least
                            .iter()
                            .any(|((less, _), _): &((Point, Place), _)| is_at_most(less, point))
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
            (hops, stamps)
        });
        Self { hops, stamps, reached: shown }
    }

    pub fn add_hop(&mut self, hop: Hop) {
        self.hops.insert(hop);
    }

    /// A pointstamp has come (1) or gone (-1).
    pub fn change(&mut self, place: Place, point: Point, change: isize) {
        self.stamps.update((place, point), change);
    }

    /// Ends an epoch. What is shown follows once the worker has nothing left to do.
    pub fn end_epoch(&mut self, epoch: Epoch) {
        self.hops.advance_to(epoch);
        self.hops.flush();
        self.stamps.advance_to(epoch);
        self.stamps.flush();
    }

    pub fn reached(&self) -> Ref<'_, Reached> {
        self.reached.borrow()
    }
}

/// The time after a hop on which it grows, on a channel by nothing. Times do not come round: what is too
/// great is the greatest.
fn grown(point: &Point, by: &Point) -> Point {
    let by = by.iter().copied().chain(std::iter::repeat(0));
    point.iter().zip(by).map(|(own, more)| own.saturating_add(more)).collect()
}

/// Whether a time is at most another, by each of their coordinates.
pub(super) fn is_at_most(less: &Point, point: &Point) -> bool {
    less.iter().zip(point).all(|(less, more)| less <= more)
}
