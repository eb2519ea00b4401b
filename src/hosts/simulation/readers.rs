//! Readers: clients that only read, beside the log, one thing at a time. What the latest reads see
//! is judged with all else that clients saw (G6).
//!
//! They draw from numbers of their own, so that a world does not depend on what they draw.

use std::fmt::Debug;
use std::hash::Hash;

use super::clients::Ask;
use super::commands;
use super::events::SimEvent;
use super::faults::{Micros, Network, WorldSettings};
use super::linearizability::{Action, Operation};
use super::random::Random;
use super::world::World;
use crate::engine::protocol::JournalRecord;
use crate::model::batch::{Answer, Replies};
use crate::model::reads::Freshness;
use crate::model::types::{ClientId, ReplicaId, Slot};

/// Lines from here on are of readers.
const FIRST_LINE: u64 = 1 << 32;
/// How long a reader waits for an answer. Then it asks somebody else, on another line.
const PATIENCE_US: Micros = 700_000;

/// All readers.
pub(super) struct Readers {
    readers: Vec<Reader>,
    n: u64,
    keys: u64,
    lines: u64,
    random: Random,
    /// Answers that are still to come for all to be done.
    left: u64,
}

#[derive(Default)]
struct Reader {
    target: ReplicaId,
    line: ClientId,
    number: u64,
    open: Option<Open>,
}

struct Open {
    /// Its place in the history, if it is to be judged.
    operation: Option<usize>,
    sent_at: Micros,
}

impl Readers {
    /// As many as there are replicas, if there are any: one whose replica hears nobody must not
    /// keep the others from reading.
    pub fn new(settings: &WorldSettings, seed: u64) -> Self {
        let n = settings.config.n as u64;
        let count = if settings.reads > 0 { n } else { 0 };
        let mut readers = Self {
            readers: (0..count).map(|_| Reader::default()).collect(),
            n,
            keys: settings.keys,
            lines: FIRST_LINE,
            random: Random::new(seed ^ 0x0EAD_0EAD_0EAD_0EAD),
            left: settings.reads,
        };
        (0..count as usize).for_each(|index| readers.turn_to(index, index as u64));
        readers
    }

    pub fn count(&self) -> usize {
        self.readers.len()
    }

    pub fn are_done(&self) -> bool {
        self.left == 0
    }

    pub fn left(&self) -> u64 {
        self.left
    }

    /// Whether a client is one of these.
    pub fn has(client: ClientId) -> bool {
        client.line().is_some_and(|line| line >= FIRST_LINE)
    }

    fn turn_to(&mut self, index: usize, replica: u64) {
        self.lines += 1;
        let target = ReplicaId((replica % self.n) as u16);
        let line = ClientId::of_line(self.lines);
        self.readers[index] = Reader { target, line, number: 0, open: None };
    }

    fn delay(&mut self, network: &Network) -> Micros {
        network.delay_us + self.random.below(network.jitter_us.max(1))
    }
}

impl<M, R> World<M, R>
where
    M: Clone + Debug + Hash + 'static,
    R: JournalRecord,
{
    /// Reader `index` asks for something, if it waits for nothing.
    pub(super) fn reader(&mut self, index: usize) {
        let readers = &mut self.readers;
        if readers.left == 0 {
            return;
        }
        let again = self.now + 1 + readers.random.below(50_000);
        self.queue.at(again, SimEvent::Reader { index });
        if let Some(open) = &readers.readers[index].open {
            if self.now < open.sent_at + PATIENCE_US {
                return;
            }
            let elsewhere = readers.random.below(readers.n);
            readers.turn_to(index, elsewhere);
        }
        let is_latest = !readers.random.chance(200_000);
        let key = readers.random.below(readers.keys);
        let (_, command) = self.settings.sizes.read(key);
        let operation = is_latest.then(|| {
            let call = self.moment;
            self.clients.history.push(Operation { key, call, action: Action::Get, answer: None });
            self.clients.history.len() - 1
        });
        let when = self.now + readers.delay(&self.settings.network);
        let reader = &mut readers.readers[index];
        reader.number += 1;
        reader.open = Some(Open { operation, sent_at: self.now });
        let freshness = if is_latest { Freshness::Latest } else { Freshness::Executed(Slot(0)) };
        let (client, number, to) = (reader.line, reader.number, reader.target);
        let ask = Ask { client, number, acknowledged: 0, command };
        self.trace.note(self.now, ("read", to, &ask), || {
            format!("reader {index} asks {to} for key {key}, {freshness:?}")
        });
        self.queue.at(when, SimEvent::Read { to, freshness, ask });
    }

    /// A read arrives.
    pub(super) fn read(&mut self, to: ReplicaId, freshness: Freshness, ask: &Ask) {
        let place = &mut self.nodes[to.0 as usize];
        if place.node.is_some() {
            place.reads.entry(freshness).or_default().push(ask.request());
            self.wake(to);
        }
    }

    /// Answers come to readers.
    pub(super) fn answer_readers(&mut self, from: ReplicaId, replies: &Replies) {
        for reply in replies.iter() {
            let waits =
                |reader: &&mut Reader| (reader.line, reader.number) == (reply.client, reply.number);
            let Some(reader) = self.readers.readers.iter_mut().find(waits) else { continue };
            let (Answer::Done(result), Some(open)) = (reply.answer, reader.open.take()) else {
                continue;
            };
            self.readers.left = self.readers.left.saturating_sub(1);
            let text = String::from_utf8_lossy(result);
            self.trace
                .note(self.now, ("told", from, result), || format!("{from} answers {text:?}"));
            match commands::seen(Action::Get, result) {
                None => return self.fail(format!("G6: a read was answered {text:?}")),
                Some(seen) => {
                    let operation = open.operation.map(|at| &mut self.clients.history[at]);
                    if let Some(operation) = operation {
                        operation.answer = Some((self.moment, seen));
                    }
                }
            }
        }
    }
}
