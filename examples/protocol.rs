//! The smallest protocol: two roles of its own, on a cluster in this process.
//!
//! Replica 0 gives every batch of requests a slot, and all replicas execute slot after slot:
//!
//! ```text
//! request_source ═Forward═> sequencer ═Order═> follower ─> release ─> executor ─> replies
//! ```
//!
//! It is here to be read, not to be used: nothing replaces replica 0, and nothing repairs what is
//! lost.

use serde::{Deserialize, Serialize};
use taraflow::disk::RecordKind;
use taraflow::engine::operators::address::Addressing;
use taraflow::engine::operators::executor::executor;
use taraflow::engine::operators::lineup::Lineup;
use taraflow::engine::operators::release::release;
use taraflow::engine::operators::requests::{Forward, RequestSource, request_source};
use taraflow::engine::protocol::{JournalRecord, Oracle, Protocol};
use taraflow::engine::replica::{Inputs, Outputs};
use taraflow::engine::role::{Role, Stream, connect, inlet};
use taraflow::kv::service::KeyValue;
use taraflow::model::batch::{Batch, Value};
use taraflow::model::config::Config;
use taraflow::model::quorum::Tolerance;
use taraflow::model::types::{ReplicaId, Slot};
use taraflow::{Cluster, EmbeddedSettings, Error, Storage};
use timely::dataflow::operators::Concat;

/// Everything that crosses a link.
#[derive(Clone, Debug, Hash, Serialize, Deserialize)]
enum Message {
    /// request source → sequencer: "Give this batch a slot."
    Forward(Forward),
    /// sequencer → followers: "This slot holds this batch."
    Order(Slot, Batch),
}

/// What this protocol writes down: nothing.
#[derive(Clone, Serialize, Deserialize)]
enum NoRecord {}

impl JournalRecord for NoRecord {
    fn held(_records: &[Self]) -> Option<&Value> {
        None
    }

    fn kind(&self) -> RecordKind {
        match *self {}
    }
}

/// Owns the next slot.
struct Sequencer {
    next: Slot,
    lineup: Lineup,
}

impl Sequencer {
    /// Gives slots to all batches whose turn it is. One that is late has had its slot.
    fn on_forward(&mut self, forward: Forward) -> Vec<(Slot, Batch)> {
        let _ = self.lineup.add(forward);
        let mut ordered = Vec::new();
        while let Some(batch) = self.lineup.take() {
            ordered.push((self.next, batch));
            self.next = Slot(self.next.0 + 1);
        }
        ordered
    }
}

/// Puts what is forwarded in order.
fn sequencer<'s>(forwards: Stream<'s, Forward>, config: &Config) -> Stream<'s, (Slot, Batch)> {
    let state = Sequencer { next: Slot(0), lineup: Lineup::new(config) };
    let mut role = Role::new("sequencer", forwards.scope(), state);
    let (order, orders) = role.output();
    role.on(forwards, move |sequencer, forward| order.send(sequencer.on_forward(forward)));
    role.build();
    orders
}

/// Takes the sequencer's word for it: what is ordered is decided.
fn follower<'s>(orders: Stream<'s, (Slot, Batch)>) -> Stream<'s, (Slot, Value)> {
    let mut role = Role::new("follower", orders.scope(), ());
    let (decide, decided) = role.output();
    role.on(orders, move |(), (slot, batch)| decide.send([(slot, Some(batch))]));
    role.build();
    decided
}

fn dataflow<'s>(
    inputs: Inputs<'s, Message, NoRecord>,
    config: &Config,
) -> Outputs<'s, Message, NoRecord> {
    let Inputs { graph, messages, requests, pulse, executor: state, .. } = inputs;
    let (executed_back, executed) = inlet(graph, "executed");

    // What has arrived, by its kind; and streams on which nothing ever comes.
    let mut sort = Role::new("sort", graph, ());
    let (forward, forwards) = sort.output();
    let (order, orders) = sort.output();
    let (_, no_states) = sort.output();
    let (_, no_reads) = sort.output();
    let (_, durable) = sort.output();
    sort.on(messages, move |(), (_from, message)| match message {
        Message::Forward(body) => forward.send([body]),
        Message::Order(slot, batch) => order.send([(slot, batch)]),
    });
    sort.build();

    let looks = pulse.looks.clone();
    let source = RequestSource::new(inputs.recovered.incarnation, ReplicaId(0), config);
    let source = request_source(requests, executed, None, pulse, source);
    let ordered = sequencer(forwards.concat(source.own), config);
    let decided = follower(orders);
    // From here on time is the slot.
    let (released, _) = release(decided, no_states, looks.clone(), "follower", Slot(0));
    let executing = executor(released, no_reads, inputs.host.digests, looks, state);
    connect(executing.executed, executed_back);

    let mut messages = Addressing::new(graph);
    messages.one(source.forwards, Message::Forward);
    messages.all(ordered, |(slot, batch)| Message::Order(slot, batch));
    Outputs {
        messages: messages.build(),
        replies: executing.replies,
        durable,
        early: |_| true,
        room: source.room,
        room_max: source.room_max,
        read_room: None,
        events: executing.events,
    }
}

/// None that a simulated run would check.
struct NoInvariants;

impl Oracle<Message, NoRecord> for NoInvariants {}

const PROTOCOL: Protocol<Message, NoRecord> = Protocol {
    name: "sequencer",
    tolerance: Tolerance::Crash,
    dataflow,
    weight: |message| match message {
        Message::Forward(Forward { batch, .. }) | Message::Order(_, batch) => {
            batch.requests.bytes()
        }
    },
    plausible: |message, config| match message {
        Message::Forward(Forward { batch, .. }) => batch.is_plausible(config.n),
        Message::Order(slot, batch) => slot.is_plausible() && batch.is_plausible(config.n),
    },
    executed: |_| None,
    step: |_| None,
    kind: |message| match message {
        Message::Forward(_) => "forward",
        Message::Order(..) => "order",
    },
    kinds: &["forward", "order"],
    marks: &[],
    oracle: |_| Box::new(NoInvariants),
};

fn main() -> Result<(), Error> {
    // A replica that has ended must not come back: this protocol writes nothing down.
    let settings = EmbeddedSettings { storage: Storage::None, ..EmbeddedSettings::new(3) };
    let cluster = Cluster::start(settings, PROTOCOL, KeyValue::default)?;
    for _ in 0..3 {
        let reply = cluster.client().call(b"*2\r\n$4\r\nINCR\r\n$6\r\nvisits\r\n")?;
        println!("{}", String::from_utf8_lossy(&reply).trim_end());
    }
    Ok(())
}
