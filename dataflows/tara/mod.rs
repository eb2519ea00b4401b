//! Tara: crash-tolerant replication for `n = 2f + 1` replicas (Lawniczak and Distler, EDCC 2021).
//!
//! Every replica hosts one of each role; all streams between the roles are drawn in [`dataflow`].
//!
//! ```text
//!  requests ─> request_source ═Forward═> proposer ═Propose═> committer ═Commit═> learner ─> release
//!                   ║   ^                 ^  ^  ═Renew════>   ^  ║ ^ │              ^         ^ │
//!                Announce                 │  │                │  ║ │ └── accepted ──┘         │ ordered
//!                   ║   └── executed ─────┤  │ new_view    view  ║ └ fetched ┐     known ─────┘ │
//!                   v                     │  └── recovery <═│═Record         │                  v
//!              controller ═══View═════════│═══> observer ───┘         catch_up   replies <── executor
//!                   ^                     │                                                    │
//!                   └───── executed ──────┴───────────────────────────────────── executed ─────┤
//!                                                                                              v
//!              catch_up ══(Fetch, Decided, Pieces)═> catch_up     checkpointer <═Report═> checkpointer
//!              recovery, committer ══Need══> committer ══Supply══> recovery, committer
//!              reads ─> reader ══Ask══> committer ══Index══> reader ─> executor, request_source
//!
//!  ─> inside the replica       ═> over the links, to all replicas or to one
//! ```
//!
//! The same in words, with each link's record and each back edge's name; `tests/protocol/graphs.rs`
//! compares it with what the worker builds:
//!
//! ```arrows
//! request_source ═Forward═> proposer ═Proposal═> committer ═Commit═> learner ─> release ─> executor
//! request_source ─> proposer ─> committer ─> learner
//! proposer ═Renewal═> committer ─> release
//! request_source ═Announce═> controller ═ViewRequest═> controller, observer ─> committer
//! committer ═Record═> recovery ═Need═> committer ═Supply═> recovery
//! committer ═Need═> committer ═Supply═> committer
//! reader ═Ask═> committer ═Index═> reader ─> executor
//! reader ─> request_source
//! release ─> catch_up
//! executor ─> checkpointer
//! catch_up ═CatchUp═> catch_up
//! checkpointer ═Report═> checkpointer
//!
//! executor ~executed~> reader, request_source, controller, proposer, committer, learner
//! committer ~entered~> request_source, controller, proposer
//! recovery ~new_view~> proposer
//! checkpointer ~stable~> proposer, catch_up
//! catch_up ~fetched~> committer
//! catch_up ~restored~> release
//! ```
//!
//! Who owns what: the *view* and what was *accepted* belong to the committer, an
//! [`acceptor`](crate::engine::ordering::acceptor) that votes to every learner; the *next slot* to the
//! [`proposer`](crate::engine::ordering::proposer); the *votes* to the
//! [`learner`](crate::engine::ordering::learner);
//! *application, sessions* and the progress of each source to the
//! [`executor`](crate::engine::operators::executor); *suspicion* to the [`controller`](mod@controller); which checkpoint is
//! *stable* to the [`checkpointer`](crate::engine::operators::checkpointer); open *client batches*
//! to the [`request_source`](crate::engine::operators::requests); the recent past to
//! [`catch_up`](crate::engine::operators::catch_up). Everyone else is told by a stream and may be behind; so a
//! message names its view, and the owner refuses what its view forbids.
//!
//! Where this differs from the paper, and why:
//! - Links may lose, repeat and reorder, so a committer accepts any slot of the window, not the
//!   next only; a new view thus needs no cursor to be reset. What is lost is sent again by whoever
//!   waits.
//! - A source sends a batch to the leader alone and again to the next one, instead of idle
//!   proposers keeping copies: one link message a batch instead of `n - 1`.
//! - A vote names view and slot; the value comes to the learner from its own committer.
//! - A record begins where its replica's execution stands, not at the last stable checkpoint: what
//!   is decided need not be proposed again, only fetched by those who miss it.
//! - A record says in which view each slot was accepted, in runs, and not what: a view proposes one
//!   value for a slot (T1). So it fits into a message however long the past is. The new leader
//!   fetches what it has not accepted itself, and proposes again by naming the view (Renew); a
//!   value crosses a link only to a committer that lacks it, a message at a time, when that one
//!   asks.
//! - What is executed, and known to be decided, is noted in the journal beside other records. A
//!   replica that starts executes that much before its graph is drawn, so that after an end of all
//!   replicas only what was under way is agreed on again.
//! - A silent leader is suspected though no request waits.
//! - Every replica answers the clients on its own lines, so a reply crosses no link.
//! - The edge from a proposer to its own committer is inside the replica. That is part of the
//!   proof: a leader's proposal leaves only after its own committer has entered the view on disk,
//!   so a restarted leader knows every view it has led, and leads none of them twice.

pub mod controller;
pub mod invariants;
mod messages;
pub mod observer;

use timely::dataflow::operators::Concat;
use timely::dataflow::operators::core::Concatenate;

use crate::disk::Recovered;
use crate::engine::operators::address::Addressing;
use crate::engine::operators::execution::{ExecutionInputs, Feedback, execution};
use crate::engine::operators::reader::{OpenReads, ReaderInputs, reader};
use crate::engine::operators::requests::{RequestSource, request_source};
use crate::engine::ordering::acceptor::{AcceptanceInputs, Acceptor, acceptor};
use crate::engine::ordering::learner::{Learner, learner};
use crate::engine::ordering::messages::Promise;
use crate::engine::ordering::proposer::{Proposer, proposer};
use crate::engine::ordering::recovery::{Recovery, recovery};
use crate::engine::ordering::window::Window;
use crate::engine::protocol::Protocol;
use crate::engine::replica::{Inputs, Outputs};
use crate::engine::role::{connect, inlet};
use crate::model::config::Config;
use crate::model::quorum::Tolerance;
use crate::model::types::To;

pub use messages::{Commit, Message, ViewRequest, message_weight};

use controller::{Controller, controller};
use observer::observer;

/// Tara, for its hosts.
pub const PROTOCOL: Protocol<Message, Promise> = Protocol {
    name: "tara",
    tolerance: Tolerance::Crash,
    dataflow,
    weight: message_weight,
    plausible: messages::is_plausible,
    executed: messages::executed,
    step: messages::step,
    kind: Message::kind,
    kinds: Message::KINDS,
    marks: &["view_changes", "recovered", "noops"],
    oracle: invariants::oracle,
};

/// Draws one replica's part of the protocol.
pub fn dataflow<'s>(
    inputs: Inputs<'s, Message, Promise>,
    config: &Config,
) -> Outputs<'s, Message, Promise> {
    let Inputs { graph, messages, requests, reads, pulse, recovered, executor: state, host } =
        inputs;
    let (looks, resign) = (pulse.looks.clone(), host.resign.clone());
    let window = Window::new(state.replayed(), state.executed().stretch, config);
    let start = Start::new(&recovered, window, config);
    let received = messages::Received::sort(messages);

    // The edges that run against the figure's grain.
    let feedback = Feedback::new(graph);
    let executed = feedback.executed.clone();
    let (entered_back, entered) = inlet(graph, "entered");
    let (new_view_back, new_views) = inlet(graph, "new_view");

    // Reads, which may want the log to move.
    let reading = reader(
        ReaderInputs { reads, indices: received.indices, executed: executed.clone() },
        pulse.clone(),
        OpenReads::new(recovered.incarnation, &state.executed(), config),
    );
    // Ordering.
    let source = request_source(
        requests.concat(reading.nudges),
        executed.clone(),
        Some(entered.clone()),
        pulse.clone(),
        RequestSource::new(recovered.incarnation, start.acceptor.leader(), config),
    );
    let proposing = proposer(
        received.forwards.concat(source.own),
        new_views,
        entered.clone(),
        executed.clone(),
        feedback.stable.clone(),
        pulse.clone(),
        start.proposer,
    );
    let (views, observing) = observer(received.view_requests.clone(), looks.clone(), config);
    let committed = acceptor(
        "committer",
        AcceptanceInputs {
            proposals: graph.concatenate([
                proposing.proposals.clone(),
                proposing.renewed,
                received.proposals,
            ]),
            renewals: received.renewals,
            supplies: received.supplies.clone(),
            needs: received.needs,
            asks: received.asks,
            views,
            fetched: feedback.fetched.clone(),
            executed: executed.clone(),
        },
        pulse.clone(),
        start.acceptor,
    );
    let (decided, learning) =
        learner(committed.accepted, received.commits, executed.clone(), looks, start.learner);
    let execution = execution(
        graph,
        ExecutionInputs {
            decided: decided.concat(committed.fetched),
            decider: "learner",
            catch_up: received.catch_up,
            reports: received.reports,
            permits: reading.permits,
            host,
            recovered,
            executor: state,
        },
        feedback,
        pulse.clone(),
        config,
    );

    // View change.
    let (view_requests, suspicions) = controller(
        received.announces,
        executed,
        entered,
        received.view_requests,
        resign,
        pulse.clone(),
        start.controller,
    );
    let recovering = recovery(received.records, received.supplies, pulse, start.recovery);

    connect(committed.entered, entered_back);
    connect(recovering.new_views, new_view_back);

    // A proposal reaches its own committer inside the replica; a vote to oneself goes out and comes
    // back, because it counts only once it is on disk.
    let n = config.n;
    let needs = committed.needs.concat(recovering.needs);
    let mut sent = Addressing::new(graph);
    sent.one(source.forwards, Message::Forward);
    sent.all(source.announces, Message::Announce);
    sent.others(proposing.proposals, Message::Propose);
    sent.others(proposing.renewals, Message::Renew);
    sent.all(committed.votes, Message::Commit);
    sent.send(committed.records, move |record| {
        (To::One(record.view.leader(n)), Message::Record(record))
    });
    sent.one(needs, Message::Need);
    sent.one(committed.supplies, Message::Supply);
    sent.all(view_requests, Message::View);
    sent.all(reading.asks, Message::Ask);
    sent.one(committed.indices, Message::Index);
    sent.all(execution.reports, Message::Report);
    sent.to(execution.catch_up, Message::CatchUp);
    let events = [
        reading.events,
        source.events,
        proposing.events,
        observing,
        committed.events,
        learning,
        execution.events,
        suspicions,
        recovering.events,
    ];
    Outputs {
        messages: sent.build(),
        replies: execution.replies,
        durable: committed.durable.concat(execution.durable),
        early: messages::is_early,
        room: source.room,
        room_max: source.room_max,
        read_room: Some(reading.room),
        events: graph.concatenate(events),
    }
}

/// What the roles start from.
struct Start {
    proposer: Proposer,
    acceptor: Acceptor,
    learner: Learner<Commit>,
    controller: Controller,
    recovery: Recovery,
}

impl Start {
    fn new(recovered: &Recovered<Promise>, window: Window, config: &Config) -> Self {
        let acceptor = Acceptor::new(recovered, config);
        let slot = recovered.decided;
        let view = acceptor.view();
        let is_leader = view.leader(config.n) == config.me;
        let first_life = recovered.incarnation == 1;
        let leads = (first_life && is_leader).then_some(view);
        Self {
            proposer: Proposer::new(leads, slot, window, config),
            learner: Learner::new(slot, config),
            controller: Controller::new(view, !first_life && is_leader, config),
            recovery: Recovery::new(view, config),
            acceptor,
        }
    }
}
