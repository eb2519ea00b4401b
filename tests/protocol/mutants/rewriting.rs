//! Rules switched off without a hook in the product: a protocol is a function from streams to
//! streams, so a mutant is the same function with what flows in or out rewritten.

use std::rc::Rc;

use taraflow::dataflows::tara::invariants::subject;
use taraflow::dataflows::tara::{Message, dataflow};
use taraflow::disk::{Durable, Recovered};
use taraflow::engine::ordering::messages::Promise;
use taraflow::engine::replica::{Inputs, Outputs};
use taraflow::engine::role::{Role, Stream};
use taraflow::model::config::Config;
use taraflow::model::types::{ReplicaId, To};

/// Tara, or what is left of it.
pub type Subject = taraflow::hosts::simulation::Subject<Message, Promise>;

/// A message with its sender.
pub type Heard = (ReplicaId, Message);

/// Tara with its streams changed by `draw`, which draws the graph of one replica in one life.
pub fn redrawn(
    draw: impl for<'s> Fn(Inputs<'s, Message, Promise>, &Config) -> Outputs<'s, Message, Promise>
    + 'static,
) -> Subject {
    Subject { dataflow: Rc::new(draw), ..subject() }
}

/// Replaces each record of a stream by others.
pub fn rewrite<'s, A: Clone + 'static, B: Clone + 'static>(
    stream: Stream<'s, A>,
    mut change: impl FnMut(A) -> Vec<B> + 'static,
) -> Stream<'s, B> {
    let mut role = Role::new("mutant", stream.scope(), ());
    let (send, changed) = role.output();
    role.on(stream, move |(), record| send.send(change(record)));
    role.build();
    changed
}

/// Tara whose replicas hear what `ear` makes of each message. An ear lives as long as its replica.
pub fn hearing<F>(ear: impl Fn(&Config) -> F + 'static) -> Subject
where
    F: FnMut(ReplicaId, Message) -> Vec<Heard> + 'static,
{
    redrawn(move |mut inputs, config| {
        let mut ear = ear(config);
        inputs.messages = rewrite(inputs.messages, move |(from, message)| ear(from, message));
        dataflow(inputs, config)
    })
}

/// Tara whose replicas say what `mouth` makes of each message.
pub fn saying<F>(mouth: impl Fn(&Config) -> F + 'static) -> Subject
where
    F: FnMut(Message) -> Vec<Message> + 'static,
{
    redrawn(move |inputs, config| {
        let mut mouth = mouth(config);
        let mut outputs = dataflow(inputs, config);
        outputs.messages = rewrite(outputs.messages, move |(to, message): (To, Message)| {
            mouth(message).into_iter().map(|message| (to, message)).collect()
        });
        outputs
    })
}

/// Tara whose replicas write down what `pen` makes of each entry.
pub fn writing(pen: fn(Durable<Promise>) -> Vec<Durable<Promise>>) -> Subject {
    redrawn(move |inputs, config| {
        let mut outputs = dataflow(inputs, config);
        outputs.durable = rewrite(outputs.durable, pen);
        outputs
    })
}

/// Tara whose replicas remember what `memory` leaves of what their disks hold.
pub fn remembering(memory: fn(&mut Recovered<Promise>)) -> Subject {
    redrawn(move |mut inputs, config| {
        memory(&mut inputs.recovered);
        dataflow(inputs, config)
    })
}

/// Tara in which messages for which `counts_twice` holds are heard once more, as if another replica
/// had said the same.
pub fn counting_twice(counts_twice: fn(&Message) -> bool) -> Subject {
    hearing(move |config| {
        let Config { me, n, .. } = *config;
        move |from, message| {
            let again = counts_twice(&message).then(|| (another(from, me, n), message.clone()));
            [(from, message)].into_iter().chain(again).collect()
        }
    })
}

/// Another replica than `from`, and not the one that listens.
pub fn another(from: ReplicaId, me: ReplicaId, n: usize) -> ReplicaId {
    let next = |replica: ReplicaId| ReplicaId((replica.0 + 1) % n as u16);
    let other = next(from);
    if other == me { next(other) } else { other }
}
