//! Rules switched off without a hook in the product: a protocol is a function from streams to
//! streams, so a mutant is the same function with what flows in or out rewritten.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use taraflow::dataflows::tara;
use taraflow::disk::{Durable, Recovered};
use taraflow::engine::replica::{Inputs, Outputs};
use taraflow::engine::role::{Role, Stream, connect, inlet};
use taraflow::model::config::Config;
use taraflow::model::types::{ReplicaId, Slot, To};
use timely::dataflow::operators::Concat;

use crate::spoken::{Spoken, Subject, whole};

/// A message with its sender; Tara's, if no protocol is named.
pub type Heard<M = tara::Message> = (ReplicaId, M);

/// A protocol with its streams changed by `draw`, which draws the graph of one replica in one life.
pub fn redrawn<M: Spoken>(
    draw: impl for<'s> Fn(Inputs<'s, M, M::Record>, &Config) -> Outputs<'s, M, M::Record> + 'static,
) -> Subject<M> {
    Subject { dataflow: Rc::new(draw), ..whole() }
}

/// Draws the protocol as it is.
fn drawn<'s, M: Spoken>(
    inputs: Inputs<'s, M, M::Record>,
    config: &Config,
) -> Outputs<'s, M, M::Record> {
    (M::PROTOCOL.dataflow)(inputs, config)
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

/// A protocol whose replicas hear what `ear` makes of each message. An ear lives as long as its
/// replica.
pub fn hearing<M: Spoken, F>(ear: impl Fn(&Config) -> F + 'static) -> Subject<M>
where
    F: FnMut(ReplicaId, M) -> Vec<Heard<M>> + 'static,
{
    redrawn(move |mut inputs, config| {
        let mut ear = ear(config);
        inputs.messages = rewrite(inputs.messages, move |(from, message)| ear(from, message));
        drawn(inputs, config)
    })
}

/// A protocol whose replicas say what `mouth` makes of each message.
pub fn saying<M: Spoken, F>(mouth: impl Fn(&Config) -> F + 'static) -> Subject<M>
where
    F: FnMut(M) -> Vec<M> + 'static,
{
    redrawn(move |inputs, config| {
        let mut mouth = mouth(config);
        let mut outputs = drawn(inputs, config);
        outputs.messages = rewrite(outputs.messages, move |(to, message): (To, M)| {
            mouth(message).into_iter().map(|message| (to, message)).collect()
        });
        outputs
    })
}

/// What a protocol leaves for the disk.
type Entry<M> = Durable<<M as Spoken>::Record>;

/// A protocol whose replicas write down what `pen` makes of each entry.
pub fn writing<M: Spoken>(pen: fn(Entry<M>) -> Vec<Entry<M>>) -> Subject<M> {
    redrawn(move |inputs, config| {
        let mut outputs = drawn(inputs, config);
        outputs.durable = rewrite(outputs.durable, pen);
        outputs
    })
}

/// A protocol whose replicas remember what `memory` leaves of what their disks hold.
pub fn remembering<M: Spoken>(memory: fn(&mut Recovered<M::Record>)) -> Subject<M> {
    redrawn(move |mut inputs, config| {
        memory(&mut inputs.recovered);
        drawn(inputs, config)
    })
}

/// A protocol whose messages leave before what they promise is on disk, if `early` holds for them.
pub fn leaving_early<M: Spoken>(early: fn(&M) -> bool) -> Subject<M> {
    redrawn(move |inputs, config| Outputs { early, ..drawn(inputs, config) })
}

/// A protocol whose records come to the journal a tick after the messages that promise them have
/// left.
pub fn writing_late<M: Spoken>() -> Subject<M> {
    redrawn(|inputs, config| {
        let clock = inputs.pulse.clock.clone();
        let outputs = drawn(inputs, config);
        let mut role = Role::new("late_journal", clock.scope(), Vec::new());
        let (write, durable) = role.output();
        role.on(outputs.durable, Vec::push);
        role.on(clock, move |waiting, _now| write.send(waiting.drain(..)));
        role.build();
        Outputs { durable, ..outputs }
    })
}

/// A protocol whose replicas hear their own votes as soon as they say them, whatever is on the disk.
pub fn hearing_its_own_at_once<M: Spoken>(is_vote: fn(&M) -> bool) -> Subject<M> {
    redrawn(move |mut inputs, config| {
        let me = config.me;
        let (back, own) = inlet(inputs.graph, "own_votes");
        inputs.messages = inputs.messages.concat(own);
        let outputs = drawn(inputs, config);
        let votes = rewrite(outputs.messages.clone(), move |(_, message): (To, M)| {
            is_vote(&message).then_some((me, message)).into_iter().collect()
        });
        connect(votes, back);
        outputs
    })
}

/// A protocol in which messages for which `counts_twice` holds are heard once more, as if another
/// replica had said the same.
pub fn counting_twice<M: Spoken>(counts_twice: fn(&M) -> bool) -> Subject<M> {
    hearing(move |config| {
        let Config { me, n, .. } = *config;
        move |from, message| {
            let again = counts_twice(&message).then(|| (another(from, me, n), message.clone()));
            [(from, message)].into_iter().chain(again).collect()
        }
    })
}

/// A protocol in which a message is taken for another replica's if its sender has said one with the
/// same `key` before.
pub fn taking_again_for_anothers<M: Spoken, K: Ord + 'static>(
    key: fn(&M) -> Option<K>,
) -> Subject<M> {
    hearing(move |config| {
        let (me, n, mut heard) = (config.me, config.n, BTreeSet::new());
        move |from, message| {
            let is_again = key(&message).is_some_and(|key| !heard.insert((from, key)));
            vec![(if is_again { another(from, me, n) } else { from }, message)]
        }
    })
}

/// A protocol in which a vote counts in every later ballot as well. `said` tells which slot and ballot
/// a vote or a proposal is about, and whether it is a vote, and `vote` says it.
pub fn counting_in_later_ballots<M: Spoken, B: Copy + Default + Ord + 'static>(
    said: fn(&M) -> Option<(Slot, B, bool)>,
    vote: fn(Slot, B) -> M,
) -> Subject<M> {
    hearing(move |_config| {
        let mut slots: BTreeMap<Slot, (B, BTreeSet<ReplicaId>)> = BTreeMap::new();
        move |from, message| {
            let Some((slot, ballot, is_vote)) = said(&message) else {
                return vec![(from, message)];
            };
            let (highest, voters) = slots.entry(slot).or_default();
            voters.extend(is_vote.then_some(from));
            *highest = ballot.max(*highest);
            let moved = voters.iter().map(|voter| (*voter, vote(slot, *highest)));
            (!is_vote).then_some((from, message)).into_iter().chain(moved).collect()
        }
    })
}

/// Another replica than `from`, and not the one that listens.
pub fn another(from: ReplicaId, me: ReplicaId, n: usize) -> ReplicaId {
    let next = |replica: ReplicaId| ReplicaId((replica.0 + 1) % n as u16);
    let other = next(from);
    if other == me { next(other) } else { other }
}
