//! Release: decided slots leave in order, and from here on time is the slot.
//!
//! Above this operator no time passes: its inputs are *not* connected to its output. It holds the
//! capability of the ordered stream itself and lowers it slot by slot, so a frontier past slot `s`
//! downstream means "everything up to `s` is decided, and here".

use std::collections::BTreeMap;

use timely::container::CapacityContainerBuilder;
use timely::dataflow::operators::Capability;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::progress::Antichain;
use timely::progress::operate::FrontierInterest;

use crate::engine::direct::Direct;
use crate::engine::meter::{Metered, PortMeter};
use crate::engine::role::{Stream, Time};
use crate::model::batch::{Value, weight};
use crate::model::checkpoint::Checkpoint;
use crate::model::events::{Event, Holding, Wait};
use crate::model::types::Slot;

/// What the ordered stream carries at the time of a slot.
#[derive(Clone, Debug)]
pub enum Ordered {
    /// What the slot holds.
    Value(Value),
    /// The state after the slot, taken over from another replica.
    Restored(Checkpoint),
}

/// Releases decided values in slot order from slot `first` on; a restored checkpoint is passed on
/// at the last slot it covers, and the order goes on from there. Answers each look with what it
/// holds, on the second stream, for it waits for `decider` to decide the next slot.
///
/// A slot may be decided more than once, always with the same value. What is out of order waits
/// here; upstream bounds how far ahead that can be.
pub fn release<'s>(
    decided: Stream<'s, (Slot, Value)>,
    restored: Stream<'s, Checkpoint>,
    looks: Stream<'s, ()>,
    decider: &str,
    first: Slot,
) -> (Stream<'s, Ordered>, Stream<'s, Event>) {
    let (graph, decider) = (decided.scope(), decider.to_owned());
    let mut builder = OperatorBuilder::new("release".to_owned(), graph);
    let meter = Metered::of(&builder, graph.worker());
    let ports = [(); 3].map(|()| meter.input());
    let pact = Direct::to(builder.index(), &decided);
    let mut decided = builder.new_input_connection(decided, pact, []);
    let pact = Direct::to(builder.index(), &restored);
    let mut restored = builder.new_input_connection(restored, pact, []);
    let pact = Direct::to(builder.index(), &looks);
    let mut looks = builder.new_input_connection(looks, pact, []);
    for input in 0..ports.len() {
        builder.set_notify_for(input, FrontierInterest::Never);
    }
    let (output, ordered) = builder.new_output_connection([]);
    // Only an answer to a look is sent at the time of the look.
    let (answers, events) = builder.new_output_connection([(2, Antichain::from_elem(0))]);
    let (output, released) = (OutputBuilder::from(output), meter.output());
    let mut answers = OutputBuilder::<_, CapacityContainerBuilder<Vec<Event>>>::from(answers);
    let looked = meter.output();
    builder.build(move |capabilities| {
        let mut now = capabilities.into_iter().next().expect("each output has a capability");
        now.downgrade(&first.0);
        let mut state = Release { now, waiting: BTreeMap::new(), output, released };
        move |_frontiers| {
            let started = meter.start();
            restored.for_each(|_time, checkpoints| {
                ports[1].add(checkpoints.len());
                checkpoints.drain(..).for_each(|checkpoint| state.on_restored(checkpoint));
            });
            decided.for_each(|_time, slots| {
                ports[0].add(slots.len());
                state.on_decided(slots);
            });
            looks.for_each(|time, looks| {
                ports[2].add(looks.len());
                looked.add(looks.len());
                let holding = state.holding(&decider);
                let mut answers = answers.activate();
                let mut session = answers.session(&time);
                looks.drain(..).for_each(|()| session.give(Event::Holds(holding.clone())));
            });
            meter.frontier(Some(*state.now.time()));
            meter.stop(started);
        }
    });
    (ordered, events)
}

/// Owns the time of the ordered stream.
struct Release {
    /// The time of the first slot that has not been released.
    now: Capability<Time>,
    waiting: BTreeMap<Slot, Value>,
    output: OutputBuilder<Time, CapacityContainerBuilder<Vec<Ordered>>>,
    released: PortMeter,
}

impl Release {
    fn on_restored(&mut self, checkpoint: Checkpoint) {
        let next = checkpoint.slot.0;
        if next > *self.now.time() {
            self.waiting = self.waiting.split_off(&checkpoint.slot);
            self.now.downgrade(&(next - 1));
            self.give(Ordered::Restored(checkpoint));
            self.now.downgrade(&next);
            self.release();
        }
    }

    fn on_decided(&mut self, slots: &mut Vec<(Slot, Value)>) {
        self.waiting.extend(slots.drain(..).filter(|(slot, _)| slot.0 >= *self.now.time()));
        self.release();
    }

    fn release(&mut self) {
        while let Some(value) = self.waiting.remove(&Slot(*self.now.time())) {
            self.give(Ordered::Value(value));
            let next = *self.now.time() + 1;
            self.now.downgrade(&next);
        }
    }

    fn give(&mut self, ordered: Ordered) {
        self.released.add(1);
        self.output.activate().session(&self.now).give(ordered);
    }

    fn holding(&self, decider: &str) -> Holding {
        Holding {
            slot: Some(Slot(*self.now.time())),
            held: self.waiting.len() as u64,
            bytes: self.waiting.values().map(weight).sum::<usize>() as u64,
            wait: Wait::for_role(decider),
            ..Holding::nothing("release")
        }
    }
}
