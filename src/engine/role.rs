//! One timely operator out of plain handler methods, and the doors into and out of a graph.
//!
//! The wiring of a protocol uses four things: a [`Role`] owns state and handles records; an
//! [`inlet`] brings records in from outside a graph or back against its grain; an [`outlet`] takes
//! them out; [`connect`] closes a back edge. Agreement streams all carry time 0, which never
//! advances; what is agreed upon flows on streams whose time is the slot (see
//! [`crate::engine::operators::release`]).

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use timely::container::CapacityContainerBuilder;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::dataflow::operators::{Capability, CapabilityTrait, InputCapability};
use timely::dataflow::{Scope, StreamVec};
use timely::progress::frontier::MutableAntichain;
use timely::progress::operate::FrontierInterest;
use timely::scheduling::Activator;

use crate::engine::direct::Direct;
use crate::engine::meter::{self, Metered};
use crate::model::events::{Event, Holding};
use crate::model::types::{Millis, Slot};

/// The timestamp of every stream: a slot where things are in order, 0 everywhere else.
pub type Time = u64;

/// A stream of `D` inside a replica's graph.
pub type Stream<'s, D> = StreamVec<'s, Time, D>;

/// The scope in which a replica's graph is drawn.
pub type Graph<'s> = Scope<'s, Time>;

type Handler<S> = Box<dyn FnMut(&mut S, &mut [Box<dyn Flush>], &MutableAntichain<Time>)>;

/// An operator that owns one piece of protocol state.
///
/// A role is passive: all it sends is caused by a record that arrived, and leaves
/// at that record's time. Inputs are drained in the order in which they were added; no rule of a
/// protocol may depend on it.
pub struct Role<'s, S> {
    builder: OperatorBuilder<'s, Time>,
    meter: Metered,
    state: S,
    handlers: Vec<Handler<S>>,
    ports: Vec<Box<dyn Flush>>,
}

impl<'s, S: 'static> Role<'s, S> {
    /// Starts the operator called `name`, which owns `state`.
    pub fn new(name: &str, graph: Graph<'s>, state: S) -> Self {
        let builder = OperatorBuilder::new(name.to_owned(), graph);
        let meter = Metered::of(&builder, graph.worker());
        Self { builder, meter, state, handlers: Vec::new(), ports: Vec::new() }
    }

    /// What the operator reports of its work while it is at it.
    pub fn meter(&self) -> Metered {
        self.meter.clone()
    }

    /// Adds an output: the port handlers send to, and the stream others read.
    pub fn output<D: Clone + 'static>(&mut self) -> (Port<D>, Stream<'s, D>) {
        let (output, stream) = self.builder.new_output();
        let port = Port(Rc::new(RefCell::new(Vec::new())));
        let (waiting, meter) = (Rc::clone(&port.0), self.meter.output());
        self.ports.push(Box::new(Outlet { waiting, meter, output: OutputBuilder::from(output) }));
        (port, stream)
    }

    /// Calls `handle` for every record of `input`, as it arrives.
    pub fn on<D: Clone + 'static>(
        &mut self,
        input: Stream<'s, D>,
        mut handle: impl FnMut(&mut S, D) + 'static,
    ) {
        let pact = Direct::to(self.builder.index(), &input);
        let mut input = self.builder.new_input(input, pact);
        self.builder.set_notify_for(self.handlers.len(), FrontierInterest::Never);
        let meter = self.meter.input();
        self.handlers.push(Box::new(move |state, ports, _frontier| {
            input.for_each(|time, batch| {
                meter.add(batch.len());
                for record in batch.drain(..) {
                    handle(state, record);
                }
                for port in ports.iter_mut() {
                    port.flush(&time);
                }
            });
        }));
    }

    /// Calls `handle` for every record of the ordered stream `input`, slot after slot, once the
    /// frontier shows that nothing below or at its slot is still to come.
    pub fn on_closed<D: Clone + 'static>(
        &mut self,
        input: Stream<'s, D>,
        mut handle: impl FnMut(&mut S, Slot, D) + 'static,
    ) {
        let pact = Direct::to(self.builder.index(), &input);
        let mut input = self.builder.new_input(input, pact);
        let mut open: BTreeMap<Time, (Vec<Capability<Time>>, Vec<D>)> = BTreeMap::new();
        let (metered, meter) = (self.meter.clone(), self.meter.input());
        self.handlers.push(Box::new(move |state, ports, frontier| {
            metered.frontier(frontier.frontier().first().copied());
            input.for_each(|time, batch| {
                meter.add(batch.len());
                let (_, records) = open.entry(*time.time()).or_insert_with(|| {
                    ((0..ports.len()).map(|port| time.retain(port)).collect(), Vec::new())
                });
                records.append(batch);
            });
            while let Some(slot) = open.first_entry().filter(|o| !frontier.less_equal(o.key())) {
                let (time, (held, records)) = slot.remove_entry();
                for record in records {
                    handle(state, Slot(time), record);
                }
                for (port, capability) in ports.iter_mut().zip(&held) {
                    port.flush_held(capability);
                }
            }
        }));
    }

    /// Answers each look with what the state still has pending.
    pub fn on_look(
        &mut self,
        looks: Stream<'s, ()>,
        event: Port<Event>,
        holding: impl Fn(&S) -> Holding + 'static,
    ) {
        self.on(looks, move |state, ()| event.send([Event::Holds(holding(state))]));
    }

    /// Installs the operator in its graph.
    pub fn build(self) {
        let Self { builder, meter, mut state, mut handlers, mut ports } = self;
        builder.build(move |_capabilities| {
            move |frontiers| {
                let started = meter.start();
                for (handler, frontier) in handlers.iter_mut().zip(frontiers) {
                    handler(&mut state, &mut ports, frontier);
                }
                meter.stop(started);
            }
        });
    }
}

/// The place where a handler puts what it sends.
#[derive(Debug)]
pub struct Port<D>(Rc<RefCell<Vec<D>>>);

impl<D> Clone for Port<D> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<D> Port<D> {
    /// Sends records at the time of the record being handled.
    pub fn send(&self, records: impl IntoIterator<Item = D>) {
        self.0.borrow_mut().extend(records);
    }
}

trait Flush {
    fn flush(&mut self, time: &InputCapability<Time>);
    fn flush_held(&mut self, time: &Capability<Time>);
}

struct Outlet<D: Clone + 'static> {
    waiting: Rc<RefCell<Vec<D>>>,
    meter: meter::PortMeter,
    output: OutputBuilder<Time, CapacityContainerBuilder<Vec<D>>>,
}

impl<D: Clone + 'static> Outlet<D> {
    fn give(&mut self, time: &impl CapabilityTrait<Time>) {
        let mut waiting = self.waiting.borrow_mut();
        if !waiting.is_empty() {
            self.meter.add(waiting.len());
            // The records move as one container; what comes back is empty and keeps its room.
            self.output.activate().session(time).give_container(&mut waiting);
            waiting.clear();
        }
    }
}

impl<D: Clone + 'static> Flush for Outlet<D> {
    fn flush(&mut self, time: &InputCapability<Time>) {
        self.give(time);
    }

    fn flush_held(&mut self, time: &Capability<Time>) {
        self.give(time);
    }
}

/// What the host lets every role see.
#[derive(Clone)]
pub struct Pulse<'s> {
    /// The time, once a tick.
    pub clock: Stream<'s, Millis>,
    /// That somebody wants to know what each role still has pending.
    pub looks: Stream<'s, ()>,
}

/// The outer end of an [`inlet`]: whoever holds it feeds the stream.
pub struct Inlet<D> {
    waiting: Rc<RefCell<Vec<D>>>,
    name: String,
    source: Activator,
}

impl<D> Inlet<D> {
    /// Puts records into the stream; they flow when the worker next steps.
    pub fn send(&self, records: impl IntoIterator<Item = D>) {
        let mut waiting = self.waiting.borrow_mut();
        let before = waiting.len();
        waiting.extend(records);
        if before == 0 && !waiting.is_empty() {
            self.source.activate();
        }
    }
}

/// Makes a stream that is fed from outside the graph, or, once [`connect`]ed, from further down it.
///
/// It keeps the capability for time 0 for good. So no cycle through it is subject to progress
/// tracking: an idle turn of Tara's nine roles costs 1 us this way and 35 us with loop variables.
pub fn inlet<'s, D: Clone + 'static>(graph: Graph<'s>, name: &str) -> (Inlet<D>, Stream<'s, D>) {
    let waiting: Rc<RefCell<Vec<D>>> = Rc::default();
    let queue = Rc::clone(&waiting);
    let mut builder = OperatorBuilder::new(name.to_owned(), graph);
    let source = graph.activator_for(builder.operator_info().address);
    let meter = Metered::of(&builder, graph.worker());
    let (output, stream) = builder.new_output();
    let mut outlet =
        Outlet { waiting: queue, meter: meter.output(), output: OutputBuilder::from(output) };
    builder.build(move |mut capabilities| {
        let capability = capabilities.pop().expect("one output has one capability");
        move |_frontiers| {
            let started = meter.start();
            outlet.give(&capability);
            meter.stop(started);
        }
    });
    (Inlet { waiting, name: name.to_owned(), source }, stream)
}

/// Closes a back edge: what flows on `stream` comes out of the inlet's stream.
pub fn connect<'s, D: Clone + 'static>(stream: Stream<'s, D>, inlet: Inlet<D>) {
    let name = inlet.name.clone();
    sink(stream, &name, move |batch| inlet.send(batch.drain(..)));
}

/// Gives all records of a stream to `take`, which leaves none.
fn sink<'s, D: Clone + 'static>(
    stream: Stream<'s, D>,
    name: &str,
    mut take: impl FnMut(&mut Vec<D>) + 'static,
) {
    let graph = stream.scope();
    let mut builder = OperatorBuilder::new(name.to_owned(), graph);
    let meter = Metered::of(&builder, graph.worker());
    let pact = Direct::to(builder.index(), &stream);
    let (mut input, port) = (builder.new_input(stream, pact), meter.input());
    builder.set_notify_for(0, FrontierInterest::Never);
    builder.build(move |_capabilities| {
        move |_frontiers| {
            let started = meter.start();
            input.for_each(|_time, batch| {
                port.add(batch.len());
                take(batch);
            });
            meter.stop(started);
        }
    });
}

/// What has left a graph through an [`outlet`].
pub struct Collected<D>(Rc<RefCell<Vec<D>>>);

impl<D> Collected<D> {
    /// Moves what has been collected to the end of `to`.
    pub fn drain_into(&self, to: &mut Vec<D>) {
        to.append(&mut self.0.borrow_mut());
    }
}

/// Takes the records of a stream out of the graph.
pub fn outlet<D: Clone + 'static>(stream: Stream<'_, D>, name: &str) -> Collected<D> {
    let collected: Rc<RefCell<Vec<D>>> = Rc::default();
    let to = Rc::clone(&collected);
    sink(stream, name, move |batch| to.borrow_mut().append(batch));
    Collected(collected)
}
