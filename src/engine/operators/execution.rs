//! The half of a graph that all protocols share: from what is decided to replies and checkpoints.
//!
//! ```text
//!  decided ─> release ─> ordered stream (time = slot) ─> executor ─> replies
//!                ^             │                            │
//!                │             v                            v
//!             restored <── catch_up <── checkpoints <── checkpointer
//! ```

use timely::dataflow::operators::core::Concatenate;

use crate::disk::{Durable, Recovered};
use crate::engine::operators::catch_up::{self, CatchUp, catch_up};
use crate::engine::operators::checkpointer::{Report, checkpointer};
use crate::engine::operators::executor::{Executed, Executor, executor};
use crate::engine::operators::reader::Permit;
use crate::engine::operators::release::release;
use crate::engine::operators::tail::Told;
use crate::engine::protocol::JournalRecord;
use crate::engine::replica::HostStreams;
use crate::engine::role::{Graph, Inlet, Pulse, Stream, connect, inlet};
use crate::model::batch::{Replies, Value};
use crate::model::checkpoint::Checkpoint;
use crate::model::config::Config;
use crate::model::events::Event;
use crate::model::types::{ReplicaId, Slot, To};

/// What ordering is told by execution, against the figure's grain.
pub struct Feedback<'s> {
    /// How far this replica has executed.
    pub executed: Stream<'s, Executed>,
    /// Checkpoints that are stable.
    pub stable: Stream<'s, Slot>,
    /// Decided slots, from other replicas.
    pub fetched: Stream<'s, (Slot, Value)>,
    restored: Stream<'s, Checkpoint>,
    ends: Ends,
}

/// Where the back edges begin.
struct Ends {
    executed: Inlet<Executed>,
    stable: Inlet<Slot>,
    fetched: Inlet<(Slot, Value)>,
    restored: Inlet<Checkpoint>,
}

impl<'s> Feedback<'s> {
    /// Back edges that [`execution`] closes.
    pub fn new(graph: Graph<'s>) -> Self {
        let (executed_back, executed) = inlet(graph, "executed");
        let (stable_back, stable) = inlet(graph, "stable");
        let (fetched_back, fetched) = inlet(graph, "fetched");
        let (restored_back, restored) = inlet(graph, "restored");
        let ends = Ends {
            executed: executed_back,
            stable: stable_back,
            fetched: fetched_back,
            restored: restored_back,
        };
        Self { executed, stable, fetched, restored, ends }
    }
}

/// The streams that execution reads, and what it starts from.
pub struct ExecutionInputs<'s, R> {
    /// What is decided: each slot at least once, always with the same value.
    pub decided: Stream<'s, (Slot, Value)>,
    /// The role that decides, by name.
    pub decider: &'static str,
    /// From the catch-up of others.
    pub catch_up: Stream<'s, (ReplicaId, CatchUp)>,
    /// From all checkpointers.
    pub reports: Stream<'s, (ReplicaId, Report)>,
    /// Reads that may be answered.
    pub permits: Stream<'s, Permit>,
    /// What the host says.
    pub host: HostStreams<'s>,
    /// What the disk held.
    pub recovered: Recovered<R>,
    /// What applies the ordered stream.
    pub executor: Executor,
}

/// The streams that execution writes.
pub struct ExecutionStreams<'s, R: Clone + 'static> {
    /// Answers to this replica's clients.
    pub replies: Stream<'s, Replies>,
    /// To the catch-up of others.
    pub catch_up: Stream<'s, (To, CatchUp)>,
    /// To all checkpointers.
    pub reports: Stream<'s, Report>,
    /// Checkpoints to keep, and what the journal may forget.
    pub durable: Stream<'s, Durable<R>>,
    /// What happened.
    pub events: Stream<'s, Event>,
}

/// Executes what is decided, in slot order. From here on time is the slot.
pub fn execution<'s, R: JournalRecord>(
    graph: Graph<'s>,
    inputs: ExecutionInputs<'s, R>,
    Feedback { stable, restored, ends, .. }: Feedback<'s>,
    pulse: Pulse<'s>,
    config: &Config,
) -> ExecutionStreams<'s, R> {
    let ExecutionInputs { decided, decider, permits, host, recovered, .. } = inputs;
    let (looks, first) = (pulse.looks.clone(), recovered.decided);
    let checkpoint = recovered.checkpoint.as_ref();
    let (ordered, releasing) = release(decided, restored, looks.clone(), decider, first);
    let executing = executor(ordered.clone(), permits, host.digests, looks, inputs.executor);
    let past = Box::new(Told::<R>::new(recovered.past));
    let caught_up = catch_up(
        ordered,
        host.saved.clone(),
        stable,
        inputs.catch_up,
        pulse.clone(),
        catch_up::State::new(checkpoint, first, past, config),
    );
    let checkpoints =
        checkpointer(executing.cuts, inputs.reports, host.saved, pulse, checkpoint, config);

    connect(executing.executed, ends.executed);
    connect(checkpoints.stable, ends.stable);
    connect(caught_up.decided, ends.fetched);
    connect(caught_up.restored, ends.restored);
    let events = [releasing, executing.events, checkpoints.events, caught_up.events];
    ExecutionStreams {
        replies: executing.replies,
        catch_up: caught_up.messages,
        reports: checkpoints.reports,
        durable: graph.concatenate([checkpoints.durable, caught_up.durable]),
        events: graph.concatenate(events),
    }
}
