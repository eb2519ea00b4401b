//! Paxos: single-decree Paxos (Lamport 1998; Lampson 1996), once for every slot, for `n = 2f + 1`
//! replicas.
//!
//! Every replica hosts one of each role, and proposes for its own clients: nobody leads.
//!
//! ```text
//!  requests ─> request_source ─> proposer ═Prepare═> acceptor ═Accepted═> learner ─> release ─> executor
//!                    ^            ^  ^ ║              ^ ^ ^ ║ │              ^ ^        ^ │         │ │
//!                    │            │  ║ ╚═══Accept═════╝ │ │ ║ └── accepted ──┘ │        │ │         │ └─> replies
//!                    │            │  ╚═(Promise, Reject)│═│═╝                  │        │ │         │
//!                    │            │                     │ └─── fetched ┐       │        │ │ ordered │
//!                    └────────────┴──── executed ───────┴──────────────│───────┴────────│─│─────────┤
//!                                                                      │                │ v         v
//!                                 catch_up ══(Fetch, Decided, Pieces)═> catch_up ───────┘    checkpointer
//!                                                                             checkpointer <═Report═> checkpointer
//!
//!    reads ─> reader ═Ask═> acceptor ═Index═> reader ─> executor, request_source
//!
//!  ─> inside the replica       ═> over the links, to all replicas or to one
//! ```
//!
//! The same in words, with each link's record and each back edge's name; `tests/protocol/graphs.rs`
//! compares it with what the worker builds:
//!
//! ```arrows
//! request_source ─> proposer ═Prepare═> acceptor ═Accepted═> learner ─> release ─> executor
//! proposer ═Accept═> acceptor ─> learner
//! acceptor ═Promised═> proposer
//! acceptor ═Reject═> proposer
//! acceptor ─> proposer
//! acceptor ─> release
//! reader ═Ask═> acceptor ═Index═> reader ─> executor
//! reader ─> request_source
//! release ─> catch_up
//! executor ─> checkpointer
//! catch_up ═CatchUp═> catch_up
//! checkpointer ═Report═> checkpointer
//!
//! executor ~executed~> reader, request_source, proposer, acceptor, learner
//! checkpointer ~stable~> proposer, catch_up
//! catch_up ~fetched~> acceptor
//! catch_up ~restored~> release
//! ```
//!
//! Who owns what: the *attempt* at a slot belongs to the [`proposer`](mod@proposer); what was
//! *promised and accepted* to the [`acceptor`](mod@acceptor); the *votes* to the
//! [`learner`](crate::engine::ordering::learner); all else to the roles that every protocol has.
//!
//! For each slot the rules are those of the textbook:
//! - **PX-1** An acceptor promises a ballot if it has promised none above it, and says what it has
//!   accepted.
//! - **PX-2** With the promises of a quorum a proposer proposes what they tell of in the highest
//!   ballot, and its own only if they tell of nothing; in one ballot it proposes one value.
//! - **PX-3** An acceptor accepts in a ballot if it has promised none above it; that is a promise.
//! - **PX-4** What a quorum has accepted in one ballot is chosen, whoever knows of it.
//! - **PX-5** No two attempts have the same ballot, in no two lives of a proposer either.
//!
//! What it adds to the textbook, and why:
//! - A replica proposes for the first slot that it has not executed, one batch after the other. So no
//!   slot is left out, and the batches of a source are decided in order. A noop fills a slot only if
//!   what it was prepared for was decided before.
//! - A [`Ballot`] names the life of its proposer, so that a proposer writes nothing down and Prepare
//!   and Accept need not wait for its disk. Promise and Accepted wait for the acceptor's.
//! - A proposer gives way to a ballot that its own acceptor has promised, and to one that outbids
//!   it: it prepares the first slot that nobody has claimed, and proposes for it once all before are
//!   executed. So proposers that meet go on one after the other, and half of what each has to do is
//!   done while it waits ([`proposer`](mod@proposer)).
//! - An acceptor says nothing of a slot that is executed. Who lacks it fetches it (`catch_up`), as it
//!   would without having asked.
//! - A vote names slot and ballot; the value comes to the learner from its own acceptor.
//!
//! It is the slowest protocol of the house, on purpose: two round trips and two syncs for each slot,
//! one slot at a time. What it takes to do the first round trip once for all slots is a leader, and
//! that is another protocol.

pub mod acceptor;
pub mod ballot;
pub mod invariants;
mod messages;
pub mod proposer;

use timely::dataflow::operators::Concat;
use timely::dataflow::operators::core::Concatenate;

use crate::engine::operators::address::Addressing;
use crate::engine::operators::execution::{ExecutionInputs, Feedback, execution};
use crate::engine::operators::reader::{OpenReads, ReaderInputs, reader};
use crate::engine::operators::requests::{RequestSource, request_source};
use crate::engine::ordering::learner::{Learner, learner};
use crate::engine::ordering::window::Window;
use crate::engine::protocol::Protocol;
use crate::engine::replica::{Inputs, Outputs};
use crate::model::config::Config;
use crate::model::quorum::Tolerance;

pub use ballot::Ballot;
pub use messages::{Accept, Accepted, AcceptorRecord, Message, Prepare, Promised, Reject};

use acceptor::{AcceptorInputs, SlotAcceptor, acceptor};
use proposer::{ProposerInputs, SlotProposer, proposer};

/// Paxos, for its hosts.
pub const PROTOCOL: Protocol<Message, AcceptorRecord> = Protocol {
    name: "paxos",
    tolerance: Tolerance::Crash,
    dataflow,
    weight: messages::message_weight,
    plausible: messages::is_plausible,
    executed: messages::executed,
    step: messages::step,
    kind: Message::kind,
    kinds: Message::KINDS,
    marks: &["outbid", "adopted", "noops"],
    oracle: invariants::oracle,
};

/// Draws one replica's part of the protocol.
pub fn dataflow<'s>(
    inputs: Inputs<'s, Message, AcceptorRecord>,
    config: &Config,
) -> Outputs<'s, Message, AcceptorRecord> {
    let Inputs { graph, messages, requests, reads, pulse, recovered, executor: state, host } =
        inputs;
    let looks = pulse.looks.clone();
    let (life, first) = (recovered.incarnation, recovered.decided);
    let window = Window::new(state.replayed(), state.executed().stretch, config);
    let received = messages::Received::sort(messages);

    let feedback = Feedback::new(graph);
    let executed = feedback.executed.clone();

    // Reads, which may want the log to move.
    let reading = reader(
        ReaderInputs { reads, indices: received.indices, executed: executed.clone() },
        pulse.clone(),
        OpenReads::new(life, &state.executed(), config),
    );
    // Ordering.
    // What comes while a batch is on its way makes the next one: more of them would wait in line,
    // and be smaller.
    let one = Config { batches_in_flight: 1, ..config.clone() };
    let source = request_source(
        requests.concat(reading.nudges),
        executed.clone(),
        None,
        pulse.clone(),
        RequestSource::new(life, config.me, &one),
    );
    let accepting = acceptor(
        AcceptorInputs {
            prepares: received.prepares,
            accepts: received.accepts,
            asks: received.asks,
            fetched: feedback.fetched.clone(),
            executed: executed.clone(),
        },
        pulse.clone(),
        SlotAcceptor::new(&recovered, config),
    );
    let proposing = proposer(
        ProposerInputs {
            forwards: source.own,
            promises: received.promises,
            rejects: received.rejects,
            claims: accepting.claims,
            executed: executed.clone(),
            stable: feedback.stable.clone(),
        },
        pulse.clone(),
        SlotProposer::new(life, first, window, config),
    );
    let (decided, learning) = learner(
        accepting.accepted,
        received.votes,
        executed,
        looks.clone(),
        Learner::new(first, config),
    );
    let execution = execution(
        graph,
        ExecutionInputs {
            decided: decided.concat(accepting.fetched),
            decider: "learner",
            catch_up: received.catch_up,
            reports: received.reports,
            permits: reading.permits,
            host,
            recovered,
            executor: state,
        },
        feedback,
        pulse,
        config,
    );

    // What a replica asks of its own acceptor and what that answers goes out and comes back like all
    // else: an answer counts only once what it promises is on the disk.
    let mut sent = Addressing::new(graph);
    sent.all(proposing.prepares, Message::Prepare);
    sent.all(proposing.accepts, Message::Accept);
    sent.one(accepting.promises, Message::Promise);
    sent.all(accepting.votes, Message::Accepted);
    sent.one(accepting.rejects, Message::Reject);
    sent.all(reading.asks, Message::Ask);
    sent.one(accepting.indices, Message::Index);
    sent.all(execution.reports, Message::Report);
    sent.to(execution.catch_up, Message::CatchUp);
    let events = [
        reading.events,
        source.events,
        proposing.events,
        accepting.events,
        learning,
        execution.events,
    ];
    Outputs {
        messages: sent.build(),
        replies: execution.replies,
        durable: accepting.durable.concat(execution.durable),
        early: messages::is_early,
        room: source.room,
        room_max: source.room_max,
        read_room: Some(reading.room),
        events: graph.concatenate(events),
    }
}
