//! A protocol's own oracle, with somebody who looks on.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use taraflow::dataflows::tara;
use taraflow::disk::Recovered;
use taraflow::engine::protocol::{Oracle, Protocol};
use taraflow::model::config::Config;
use taraflow::model::events::Event;
use taraflow::model::types::{ReplicaId, To};

use crate::spoken::{Spoken, Subject};

/// Somebody who looks on; at Tara, if no protocol is named. An oracle is made by a function without
/// an environment, so what is seen goes to a place of the thread: each test runs on one of its own.
pub trait Onlooker<M: Spoken = tara::Message>: 'static {
    /// A replica starts from this.
    fn on_start(_me: ReplicaId, _recovered: &Recovered<M::Record>) {}

    /// A message leaves for these, its sender perhaps among them.
    fn on_sent(from: ReplicaId, to: impl Iterator<Item = ReplicaId>, message: &M);

    /// Something happened inside a replica.
    fn on_event(me: ReplicaId, event: &Event);
}

/// A protocol, with `O` looking on.
pub fn watched<M: Spoken, O: Onlooker<M>>() -> Subject<M> {
    let oracle = |config: &Config| -> Box<dyn Oracle<M, M::Record>> {
        let inner = (M::PROTOCOL.oracle)(config);
        Box::new(Watched::<M, O> { inner, n: config.n, onlooker: PhantomData })
    };
    Subject::of(Protocol { oracle, ..M::PROTOCOL })
}

struct Watched<M: Spoken, O> {
    inner: Box<dyn Oracle<M, M::Record>>,
    n: usize,
    onlooker: PhantomData<O>,
}

impl<M: Spoken, O: Onlooker<M>> Oracle<M, M::Record> for Watched<M, O> {
    fn on_start(
        &mut self,
        me: ReplicaId,
        recovered: &Recovered<M::Record>,
        rotten: bool,
    ) -> Result<(), String> {
        O::on_start(me, recovered);
        self.inner.on_start(me, recovered, rotten)
    }

    fn on_sent(&mut self, from: ReplicaId, to: To, message: &M) -> Result<(), String> {
        O::on_sent(from, to.replicas(from, self.n), message);
        self.inner.on_sent(from, to, message)
    }

    fn on_event(&mut self, me: ReplicaId, event: &Event) -> Result<(), String> {
        O::on_event(me, event);
        self.inner.on_event(me, event)
    }

    fn marks(&self) -> BTreeMap<&'static str, u64> {
        self.inner.marks()
    }
}
