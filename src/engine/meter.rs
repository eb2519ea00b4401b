//! Meters of operators, which count for themselves.
//!
//! timely's own log has more, and costs more: two readings of a clock each time an operator runs,
//! and one for each batch of records (a turn of one request took 19.4 us with it and 14.8 without).
//! So the operators of [`role`](crate::engine::role) count for themselves, and take the time of one
//! turn in several. They offer their meters through the worker's log; where nobody has asked for
//! them there are none.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use timely::container::CapacityContainerBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::progress::Timestamp;
use timely::worker::Worker;

use super::activity::ActivityProbe;
use crate::model::histogram::Buckets;

/// The log on which operators offer their meters while a graph is built.
const LOG: &str = "taraflow/meters";

type Offers = CapacityContainerBuilder<Vec<(Duration, Rc<Meter>)>>;

/// The meters of all operators of a graph, in the order in which they were built.
pub type Meters = Rc<RefCell<Vec<Rc<Meter>>>>;

/// What one operator does.
#[derive(Debug, Default)]
pub struct Meter {
    /// Where it is in the graph.
    pub address: Vec<usize>,
    /// Times it ran.
    pub runs: Cell<u64>,
    /// Of these, how long those took whose time was taken.
    pub timed: RefCell<Buckets>,
    /// What came in, by port.
    pub inputs: RefCell<Vec<Rc<Flow>>>,
    /// What went out, by port.
    pub outputs: RefCell<Vec<Rc<Flow>>>,
    /// What may still come, where time is the slot.
    pub frontier: Cell<Option<u64>>,
    /// Where it notes that it runs, and whether time is to be taken, once somebody watches.
    pub watched: OnceCell<(ActivityProbe, Rc<Cell<bool>>)>,
}

/// Records that passed a port.
#[derive(Debug, Default)]
pub struct Flow {
    /// How many.
    pub records: Cell<u64>,
    /// In how many batches.
    pub batches: Cell<u64>,
}

impl Flow {
    fn add(&self, records: usize) {
        self.records.set(self.records.get() + records as u64);
        self.batches.set(self.batches.get() + 1);
    }
}

/// Collects the meters of what is built on `worker` from now on. Nothing comes of a worker without
/// a clock: it keeps no log.
pub fn collect(worker: &Worker) -> Meters {
    let meters = Meters::default();
    let to = Rc::clone(&meters);
    if let Some(mut registry) = worker.log_register() {
        registry.insert::<Offers, _>(LOG, move |_time, offers| {
            let offers = offers.iter_mut().flat_map(|offers| offers.drain(..));
            to.borrow_mut().extend(offers.map(|(_time, meter)| meter));
        });
    }
    meters
}

/// Collects no more, and ends the log: at each step a worker reads the clock for each that it
/// keeps.
pub fn close(worker: &Worker) {
    drop(worker.log_register().and_then(|mut registry| registry.remove(LOG)));
}

/// An operator's own end of its meter, if it has one.
#[derive(Clone, Debug, Default)]
pub struct Metered(Option<Rc<Meter>>);

/// A port's own end of its meter, if it has one.
#[derive(Clone, Debug, Default)]
pub struct PortMeter(Option<Rc<Flow>>);

impl Metered {
    /// The meter of the operator that is being built, if somebody wants it.
    pub fn of<T: Timestamp>(builder: &OperatorBuilder<'_, T>, worker: &Worker) -> Self {
        let log = worker.logger_for::<Offers>(LOG);
        Self(log.map(|log| {
            let address = builder.operator_info().address.to_vec();
            let meter = Rc::new(Meter { address, ..Meter::default() });
            log.log(Rc::clone(&meter));
            meter
        }))
    }

    /// Notes that what `cut` does is to cut a checkpoint, for those who wonder why it takes so
    /// long.
    pub fn cutting<T>(&self, cut: impl FnOnce() -> T) -> T {
        let note = |begins| {
            let watched = self.0.as_ref().and_then(|meter| meter.watched.get());
            if let Some((note, _)) = watched {
                note.checkpoint(begins);
            }
        };
        note(true);
        let done = cut();
        note(false);
        done
    }

    /// The next input.
    pub fn input(&self) -> PortMeter {
        PortMeter(self.0.as_ref().map(|meter| add(&meter.inputs)))
    }

    /// The next output.
    pub fn output(&self) -> PortMeter {
        PortMeter(self.0.as_ref().map(|meter| add(&meter.outputs)))
    }

    /// A run begins.
    #[inline]
    pub fn start(&self) -> Option<Instant> {
        let meter = self.0.as_ref()?;
        meter.runs.set(meter.runs.get() + 1);
        let (note, timing) = meter.watched.get()?;
        note.run();
        timing.get().then(Instant::now)
    }

    /// A run ends that began at `started`.
    #[inline]
    pub fn stop(&self, started: Option<Instant>) {
        if let (Some(meter), Some(started)) = (&self.0, started) {
            meter.timed.borrow_mut().add(started.elapsed());
        }
    }

    /// Nothing before this slot is to come; without one, nothing at all is.
    #[inline]
    pub fn frontier(&self, slot: Option<u64>) {
        if let Some(meter) = &self.0 {
            meter.frontier.set(slot);
        }
    }
}

impl PortMeter {
    /// So many records pass, in one batch.
    #[inline]
    pub fn add(&self, records: usize) {
        if let Some(flow) = &self.0 {
            flow.add(records);
        }
    }
}

fn add(ports: &RefCell<Vec<Rc<Flow>>>) -> Rc<Flow> {
    let flow = Rc::new(Flow::default());
    ports.borrow_mut().push(Rc::clone(&flow));
    flow
}
