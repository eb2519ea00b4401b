//! One replica: a protocol's graph on a timely worker of its own, and the turn.
//!
//! A turn takes what has arrived, steps the worker until no operator is active, and collects what
//! the graph says. It is a pure function of its inputs: no operator reads a clock, a file or a
//! socket.

use timely::WorkerConfig;
use timely::communication::Allocator;
use timely::communication::allocator::Thread;
use timely::worker::Worker;

use crate::disk::{Durable, Recovered};
use crate::engine::operators::executor::Executor;
use crate::engine::operators::reader::OpenReads;
use crate::engine::role::{Collected, Graph, Inlet, Pulse, Stream, inlet, outlet};
use crate::model::batch::{Replies, Requests};
use crate::model::checkpoint::Checkpoint;
use crate::model::config::Config;
use crate::model::events::Event;
use crate::model::reads::{Freshness, Reads};
use crate::model::types::{Millis, ReplicaId, To};

/// The streams a protocol reads, and what it starts from. `M` is the protocol's message, `R` what
/// it writes to the journal.
pub struct Inputs<'s, M: Clone + 'static, R> {
    /// The scope to draw in.
    pub graph: Graph<'s>,
    /// Messages from replicas, this one included, with their senders.
    pub messages: Stream<'s, (ReplicaId, M)>,
    /// Requests of this replica's clients, and the time at which they were packed.
    pub requests: Stream<'s, (Requests, Millis)>,
    /// Reads of this replica's clients that need not pass the log, and the time at which they were
    /// packed.
    pub reads: Stream<'s, (Reads, Millis)>,
    /// What every role reads: the time, once a tick, and the question what it holds.
    pub pulse: Pulse<'s>,
    /// What the disk held.
    pub recovered: Recovered<R>,
    /// What applies the ordered stream, standing where the disk left it.
    pub executor: Executor,
    /// What the host gives to single roles.
    pub host: HostStreams<'s>,
}

/// Streams by which a host speaks to single roles.
pub struct HostStreams<'s> {
    /// Asks for the digest of the replicated state.
    pub digests: Stream<'s, ()>,
    /// Checkpoints that have become durable.
    pub saved: Stream<'s, Checkpoint>,
    /// Asks the replica to lead no longer, because it is about to end.
    pub resign: Stream<'s, ()>,
}

/// The streams a protocol writes.
pub struct Outputs<'s, M: Clone + 'static, R: Clone + 'static> {
    /// Messages to replicas.
    pub messages: Stream<'s, (To, M)>,
    /// Answers to this replica's clients: to what is decided, whatever this replica's disk holds.
    pub replies: Stream<'s, Replies>,
    /// What must be on disk before anything sent in the same turn leaves the replica, but for
    /// replies and for messages that are `early`.
    pub durable: Stream<'s, Durable<R>>,
    /// Whether a message rests on no record of this replica's but the [newest](Durable::Newest),
    /// and need not wait for others.
    pub early: fn(&M) -> bool,
    /// How many more batches of requests it takes now, whenever that changes.
    pub room: Stream<'s, usize>,
    /// The same while none is on its way.
    pub room_max: usize,
    /// The same of batches of the [latest](crate::model::reads::Freshness::Latest) reads; nothing
    /// if all reads pass the log.
    pub read_room: Option<Stream<'s, usize>>,
    /// What happened, for whoever watches.
    pub events: Stream<'s, Event>,
}

/// What a turn sends.
#[derive(Debug)]
pub struct Outgoing<M> {
    /// Messages to replicas.
    pub messages: Vec<(To, M)>,
    /// Answers to clients.
    pub replies: Vec<Replies>,
}

impl<M> Default for Outgoing<M> {
    fn default() -> Self {
        Self { messages: Vec::new(), replies: Vec::new() }
    }
}

impl<M> Outgoing<M> {
    /// Takes out the messages that must wait for records, those that are not `early`.
    fn take_late(&mut self, early: fn(&M) -> bool) -> Self {
        let (early, late) = self.messages.drain(..).partition(|(_, message)| early(message));
        self.messages = early;
        Self { messages: late, replies: Vec::new() }
    }

    /// Whether it sends nothing.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty() && self.replies.is_empty()
    }
}

/// A running replica, driven one turn at a time.
pub struct Replica<M: Clone + 'static, R: Clone + 'static> {
    worker: Worker,
    inlets: Inlets<M>,
    outlets: Outlets<M, R>,
    /// The time the roles have seen, and the clock when they last saw it.
    elapsed_ms: Millis,
    clock_ms: Option<Millis>,
    rooms: Vec<usize>,
    room_now: usize,
    room_max: usize,
    read_room_now: Option<usize>,
}

/// Where a host feeds a graph.
struct Inlets<M: Clone + 'static> {
    messages: Inlet<(ReplicaId, M)>,
    requests: Inlet<(Requests, Millis)>,
    reads: Inlet<(Reads, Millis)>,
    clock: Inlet<Millis>,
    looks: Inlet<()>,
    digests: Inlet<()>,
    saved: Inlet<Checkpoint>,
    resign: Inlet<()>,
}

/// Where a graph leaves what it writes.
struct Outlets<M: Clone + 'static, R: Clone + 'static> {
    messages: Collected<(To, M)>,
    replies: Collected<Replies>,
    durable: Collected<Durable<R>>,
    early: fn(&M) -> bool,
    room: Collected<usize>,
    read_room: Option<Collected<usize>>,
    events: Collected<Event>,
}

impl<M: Clone + 'static> Inlets<M> {
    fn new<'s, R>(
        graph: Graph<'s>,
        recovered: Recovered<R>,
        executor: Executor,
    ) -> (Self, Inputs<'s, M, R>) {
        let (messages_in, messages) = inlet(graph, "links_in");
        let (requests_in, requests) = inlet(graph, "clients_in");
        let (reads_in, reads) = inlet(graph, "reads_in");
        let (clock_in, clock) = inlet(graph, "clock");
        let (looks_in, looks) = inlet(graph, "looks");
        let (digests_in, digests) = inlet(graph, "digests");
        let (saved_in, saved) = inlet(graph, "saved");
        let (resign_in, resign) = inlet(graph, "resign");
        let inlets = Self {
            messages: messages_in,
            requests: requests_in,
            reads: reads_in,
            clock: clock_in,
            looks: looks_in,
            digests: digests_in,
            saved: saved_in,
            resign: resign_in,
        };
        let pulse = Pulse { clock, looks };
        let host = HostStreams { digests, saved, resign };
        (inlets, Inputs { graph, messages, requests, reads, pulse, recovered, executor, host })
    }
}

impl<M: Clone + 'static, R: Clone + 'static> Outlets<M, R> {
    fn of(outputs: Outputs<'_, M, R>) -> Self {
        Self {
            messages: outlet(outputs.messages, "links_out"),
            replies: outlet(outputs.replies, "clients_out"),
            durable: outlet(outputs.durable, "journal"),
            early: outputs.early,
            room: outlet(outputs.room, "room"),
            read_room: outputs.read_room.map(|room| outlet(room, "read_room")),
            events: outlet(outputs.events, "events"),
        }
    }
}

/// A worker that reads no clock: its log is off, and every turn is a pure function of its inputs.
pub fn timeless_worker() -> Worker {
    Worker::new(WorkerConfig::default(), Allocator::Thread(Thread::default()), None)
}

impl<M: Clone + 'static, R: Clone + 'static> Replica<M, R> {
    /// Starts a replica that speaks `protocol`.
    pub fn start(
        mut worker: Worker,
        config: &Config,
        recovered: Recovered<R>,
        executor: Executor,
        protocol: impl for<'s> FnOnce(Inputs<'s, M, R>, &Config) -> Outputs<'s, M, R>,
    ) -> Self {
        let (inlets, outlets, room_max) = worker.dataflow_named("replica", |graph| {
            let (inlets, inputs) = Inlets::new(graph, recovered, executor);
            let outputs = protocol(inputs, config);
            let room_max = outputs.room_max;
            (inlets, Outlets::of(outputs), room_max)
        });
        let mut replica = Self {
            worker,
            inlets,
            outlets,
            elapsed_ms: 0,
            clock_ms: None,
            rooms: Vec::new(),
            room_now: room_max,
            room_max,
            read_room_now: None,
        };
        replica.read_room_now = replica.outlets.read_room.as_ref().map(|_| OpenReads::ROUNDS_MAX);
        replica.settle();
        replica
    }

    /// Hands the replica messages from a peer, or from itself.
    pub fn deliver(&self, from: ReplicaId, messages: impl IntoIterator<Item = M>) {
        self.inlets.messages.send(messages.into_iter().map(|message| (from, message)));
    }

    /// How many more batches of requests it takes.
    pub fn room(&self) -> usize {
        self.room_now
    }

    /// Whether nothing that its clients have asked for is on its way.
    pub fn is_idle(&self) -> bool {
        let reads = self.read_room_now.is_none_or(|room| room >= OpenReads::ROUNDS_MAX);
        reads && self.room_now >= self.room_max
    }

    /// Hands the replica a batch of its clients' requests. Ask [`Replica::room`] first.
    pub fn submit(&mut self, requests: Requests, now: Millis) {
        self.room_now = self.room_now.saturating_sub(1);
        self.inlets.requests.send([(requests, now)]);
    }

    /// How many more batches of the latest reads it takes; nothing if all reads pass the log.
    pub fn read_room(&self) -> Option<usize> {
        self.read_room_now
    }

    /// Hands the replica reads of its clients. Ask [`Replica::read_room`] first.
    pub fn submit_reads(&mut self, reads: Reads, now: Millis) {
        if reads.freshness == Freshness::Latest {
            self.read_room_now = self.read_room_now.map(|room| room.saturating_sub(1));
        }
        self.inlets.reads.send([(reads, now)]);
    }

    /// Lets the roles see that time has passed. A clock that is put back stands still for them, and
    /// goes on from there: all they use it for is patience.
    pub fn tick(&mut self, now: Millis) {
        let before = self.clock_ms.replace(now).unwrap_or(now);
        self.elapsed_ms += now.saturating_sub(before);
        self.inlets.clock.send([self.elapsed_ms]);
    }

    /// Asks each role for an [`Event::Holds`].
    pub fn look(&self) {
        self.inlets.looks.send([()]);
    }

    /// Asks for an [`Event::Digest`].
    pub fn ask_digest(&self) {
        self.inlets.digests.send([()]);
    }

    /// Tells it that a checkpoint of its own is durable.
    pub fn tell_saved(&self, checkpoint: Checkpoint) {
        self.inlets.saved.send([checkpoint]);
    }

    /// Asks it to lead no longer: it is about to end.
    pub fn resign(&self) {
        self.inlets.resign.send([()]);
    }

    /// Lets the replica work until nothing is left of what it was given, and adds what it sends,
    /// what must be durable before that, and what happened.
    pub fn turn(
        &mut self,
        outgoing: &mut Outgoing<M>,
        durable: &mut Vec<Durable<R>>,
        events: &mut Vec<Event>,
    ) {
        self.settle();
        self.outlets.messages.drain_into(&mut outgoing.messages);
        self.outlets.replies.drain_into(&mut outgoing.replies);
        self.outlets.durable.drain_into(durable);
        self.outlets.events.drain_into(events);
        self.outlets.room.drain_into(&mut self.rooms);
        if let Some(room) = self.rooms.drain(..).next_back() {
            self.room_now = room;
        }
        if let Some(rooms) = &self.outlets.read_room {
            rooms.drain_into(&mut self.rooms);
            self.read_room_now = self.rooms.drain(..).next_back().or(self.read_room_now);
        }
    }

    /// Takes out of what it sends the messages that must wait for records of the same turn.
    pub fn take_late(&self, outgoing: &mut Outgoing<M>) -> Outgoing<M> {
        outgoing.take_late(self.outlets.early)
    }

    /// The worker, to look into its graph.
    pub fn worker(&self) -> &Worker {
        &self.worker
    }

    /// Steps until a step has nothing to run.
    pub(crate) fn settle(&mut self) {
        let activations = self.worker.activations();
        loop {
            self.worker.step();
            let idle = std::cell::Cell::new(true);
            activations.borrow().map_active(|_path| idle.set(false));
            if idle.get() {
                return;
            }
        }
    }
}
