//! Release: decided slots leave in order, and from here on time is the slot.
//!
//! Above this operator no time passes: its inputs are *not* connected to its output. It holds the
//! capability of the ordered stream itself and lowers it slot by slot, so a frontier past slot `s`
//! downstream means "everything up to `s` is decided, and here".

use std::collections::BTreeMap;

use timely::container::CapacityContainerBuilder;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::generic::OutputBuilder;
use timely::dataflow::operators::generic::builder_rc::OperatorBuilder;
use timely::progress::operate::FrontierInterest;

use crate::batch::Value;
use crate::checkpoint::Checkpoint;
use crate::role::Stream;
use crate::types::Slot;

/// What the ordered stream carries at the time of a slot.
#[derive(Clone, Debug)]
pub enum Ordered {
    /// What the slot holds.
    Value(Value),
    /// The state after the slot, taken over from another replica.
    Restored(Checkpoint),
}

/// Releases decided values in slot order from slot `first` on; a restored checkpoint is passed on at
/// the last slot it covers, and the order goes on from there.
///
/// A slot may be decided more than once, always with the same value. What is out of order waits here;
/// upstream bounds how far ahead that can be.
pub fn release<'s>(
    decided: Stream<'s, (Slot, Value)>,
    restored: Stream<'s, Checkpoint>,
    first: Slot,
) -> Stream<'s, Ordered> {
    let mut builder = OperatorBuilder::new("release".to_owned(), decided.scope());
    let mut decided = builder.new_input_connection(decided, Pipeline, []);
    let mut restored = builder.new_input_connection(restored, Pipeline, []);
    builder.set_notify_for(0, FrontierInterest::Never);
    builder.set_notify_for(1, FrontierInterest::Never);
    let (output, ordered) = builder.new_output_connection([]);
    let mut output = OutputBuilder::<_, CapacityContainerBuilder<Vec<Ordered>>>::from(output);
    builder.build(move |mut capabilities| {
        let mut now = capabilities.pop().expect("one output has one capability");
        now.downgrade(&first.0);
        let mut waiting: BTreeMap<Slot, Value> = BTreeMap::new();
        move |_frontiers| {
            restored.for_each(|_time, checkpoints| {
                for checkpoint in checkpoints.drain(..) {
                    let next = checkpoint.slot.0;
                    if next > *now.time() {
                        waiting = waiting.split_off(&checkpoint.slot);
                        now.downgrade(&(next - 1));
                        output.activate().session(&now).give(Ordered::Restored(checkpoint));
                        now.downgrade(&next);
                    }
                }
            });
            decided.for_each(|_time, slots| {
                waiting.extend(slots.drain(..).filter(|(slot, _)| slot.0 >= *now.time()));
            });
            while let Some(value) = waiting.remove(&Slot(*now.time())) {
                output.activate().session(&now).give(Ordered::Value(value));
                let next = *now.time() + 1;
                now.downgrade(&next);
            }
        }
    });
    ordered
}
