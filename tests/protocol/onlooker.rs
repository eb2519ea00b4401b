//! Tara's own oracle, with somebody who looks on.

use std::marker::PhantomData;

use taraflow::dataflows::tara::{Message, PROTOCOL};
use taraflow::disk::Recovered;
use taraflow::engine::ordering::messages::Promise;
use taraflow::engine::protocol::{Oracle, Protocol};
use taraflow::hosts::simulation::Subject;
use taraflow::model::config::Config;
use taraflow::model::events::Event;
use taraflow::model::types::{ReplicaId, To};

/// Somebody who looks on. An oracle is made by a function without an environment, so what is seen
/// goes to a place of the thread: each test runs on one of its own.
pub trait Onlooker: 'static {
    /// A replica starts from this.
    fn on_start(_me: ReplicaId, _recovered: &Recovered<Promise>) {}

    /// A message leaves for these, its sender perhaps among them.
    fn on_sent(from: ReplicaId, to: impl Iterator<Item = ReplicaId>, message: &Message);

    /// Something happened inside a replica.
    fn on_event(me: ReplicaId, event: &Event);
}

/// Tara, with `O` looking on.
pub fn watched<O: Onlooker>() -> Subject<Message, Promise> {
    let oracle = |config: &Config| -> Box<dyn Oracle<Message, Promise>> {
        let inner = (PROTOCOL.oracle)(config);
        Box::new(Watched::<O> { inner, n: config.n, onlooker: PhantomData })
    };
    Subject::of(Protocol { oracle, ..PROTOCOL })
}

struct Watched<O> {
    inner: Box<dyn Oracle<Message, Promise>>,
    n: usize,
    onlooker: PhantomData<O>,
}

impl<O: Onlooker> Oracle<Message, Promise> for Watched<O> {
    fn on_start(
        &mut self,
        me: ReplicaId,
        recovered: &Recovered<Promise>,
        rotten: bool,
    ) -> Result<(), String> {
        O::on_start(me, recovered);
        self.inner.on_start(me, recovered, rotten)
    }

    fn on_sent(&mut self, from: ReplicaId, to: To, message: &Message) -> Result<(), String> {
        O::on_sent(from, to.replicas(from, self.n), message);
        self.inner.on_sent(from, to, message)
    }

    fn on_event(&mut self, me: ReplicaId, event: &Event) -> Result<(), String> {
        O::on_event(me, event);
        self.inner.on_event(me, event)
    }
}
