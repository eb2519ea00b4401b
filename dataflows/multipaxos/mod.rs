//! Multi-Paxos: one leader, one round of promises for the whole log, for `n = 2f + 1` replicas (Lamport
//! 1998, 2001).
//!
//! Every replica hosts one of each role; all streams between the roles are drawn in [`dataflow`].
//!
//! ```text
//!  requests ─> request_source ═Forward═> proposer ─> acceptor ═Accepted═> learner ─> release ─> executor ─> replies
//!                    ^                    ^   │       ^ ^ ║                ^  │       ^  │         │ │
//!                    │         new_ballot │   v       ║ │ ║                ║  │ known │  │ ordered │ │
//!                    │                    │ herald ═══╩═│═║═(Accept, Chosen)  │       │  v         │ v
//!                    │                    │  ^ ^ ║      │ ║                   │     catch_up  checkpointer
//!                    │                    │  │ ║ ╚═Heartbeat═> elector        │                  │
//!                    │                    │  │ ╚══Heard════════╝ │            │                  │
//!                    │                    │  └───── counted ─────│────────────┘                  │
//!                    │                recovery <═══Promise══════╝│  Prepare                      │
//!                    │                                           └─> acceptor                    │
//!                    └─────── executed ──────────────────────────────────────────────────────────┘
//!
//!              elector ══(PreVote, PreVoted, Prepare, Reject)══> elector     herald ═HandOver═> elector
//!              recovery, acceptor ══Need══> acceptor ══Supply══> recovery, acceptor
//!              catch_up ══(Fetch, Decided, Pieces)═> catch_up     checkpointer <═Report═> checkpointer
//!              reads ─> reader ══Ask══> acceptor ══Index══> reader ─> executor, request_source
//!
//!  ─> inside the replica       ═> over the links, to all replicas or to one
//! ```
//!
//! The same in words, with each link's record and each back edge's name; `tests/protocol/graphs.rs`
//! compares it with what the worker builds:
//!
//! ```arrows
//! request_source ═Forward═> proposer ─> acceptor ═Accepted═> learner ─> release ─> executor
//! request_source ─> proposer ─> herald ═Accept═> acceptor, learner ─> herald
//! acceptor ─> learner
//! acceptor ─> release
//! proposer ═Renewal═> acceptor
//! herald ═Chosen═> learner
//! herald ═Heartbeat═> learner, elector ═Heard═> herald ═HandOver═> elector
//! elector ═PreVote═> elector ═PreVoted═> elector ═Prepare═> elector ═Reject═> elector ─> acceptor
//! acceptor ═Record═> recovery ═Need═> acceptor ═Supply═> recovery
//! acceptor ═Need═> acceptor ═Supply═> acceptor
//! reader ═Ask═> acceptor ═Index═> reader ─> executor
//! reader ─> request_source
//! release ─> catch_up
//! executor ─> checkpointer
//! catch_up ═CatchUp═> catch_up
//! checkpointer ═Report═> checkpointer
//!
//! executor ~executed~> reader, request_source, proposer, acceptor, learner, herald
//! acceptor ~entered~> request_source, proposer, elector, herald
//! recovery ~new_ballot~> proposer, herald
//! herald ~turn~> herald
//! checkpointer ~stable~> proposer, catch_up
//! catch_up ~fetched~> acceptor
//! catch_up ~restored~> release
//! ```
//!
//! A ballot is a [`View`](crate::model::types::View), which has an owner.
//!
//! Who owns what: the ballot that is *promised*, and what was *accepted*, belong to the
//! [`acceptor`](crate::engine::ordering::acceptor); the *next slot* to the
//! [`proposer`](crate::engine::ordering::proposer); the *votes*, and elsewhere the commit index, to the
//! [`learner`](mod@learner); what the leader has *told*, and who hears it, to the
//! [`herald`](mod@herald); whether it is *missed*, and a candidacy, to the [`elector`](mod@elector);
//! what earlier ballots left behind to [`recovery`](crate::engine::ordering::recovery); all else to
//! the roles that every protocol has. Acceptor, proposer and recovery are those of Tara, to the letter:
//! a promise is an account of what was accepted, by which a leader proposes it again.
//!
//! The rules:
//! - **MP-2** An acceptor promises one ballot for the whole log, and accepts in none below it.
//! - **MP-3** What a quorum has accepted in a ballot is chosen. Its leader counts, and tells the others
//!   how far the log is chosen: the commit index.
//! - **MP-4** A follower goes by the index only where it has accepted in the very ballot that the index
//!   is of, and fetches everything else.
//! - **MP-6** A leader that is silent is replaced, by who takes the next ballot of its own.
//! - **MP-7, MP-8** A promise begins at the first slot that its sender has not executed; nothing is
//!   proposed below the highest such mark of a quorum, and what lies below is fetched.
//! - **MP-9** From there on the value of the highest ballot is proposed again, and a noop where
//!   nothing was accepted.
//! - **MP-10** Who hears of a higher ballot leads no longer, whoever tells it.
//! - **MP-11** The first thing proposed in a ballot is a noop, if nothing was left behind.
//!
//! Where this differs from the textbook, and why:
//! - A promise says in which ballot each slot was accepted, in runs, and not what; chosen slots that
//!   are executed it leaves out. That is safe because the leader proposes nothing there (MP-8), and
//!   it fits into a message however long the past is.
//! - The index is a range of slots and names its ballot. So it is right by itself, whenever it
//!   arrives and whatever ballot its reader is in. What a leader has fetched it leaves out: that may
//!   have been chosen in a later ballot, of which the leader has not heard, and its own followers may
//!   have accepted something else.
//! - Pre-vote: a candidate asks a quorum whether they miss the leader, too. Who was away, or has a bad
//!   link, deposes nobody.
//! - Heartbeats wait for the disk, and say whether a quorum hears them: a leader whose disk hangs, or
//!   that hears nobody, is silent as far as electors go. Its own is one of them.
//! - So is a leader that cannot fetch what lies below its base: who had executed that may have gone,
//!   or have forgotten it, and only the leader of another ballot may propose there again.
//! - Patience depends on how far a replica comes after the leader, and on no random number.
//! - A leader that is about to end asks the replica that heard it last to take over, and nobody waits
//!   for its silence.
//! - Every replica answers the clients on its own lines. A client of a follower waits one step longer
//!   than in Tara, whose votes go to all: a slot costs `2 (n - 1)` messages and an index here, and
//!   `n² - 1` there.
//! - The edge from a proposer to its own acceptor is inside the replica. That is part of the proof: a
//!   leader's proposal leaves only after its own acceptor has promised the ballot on disk, so a
//!   restarted leader knows every ballot it has led, and leads none of them twice.

pub mod elector;
pub mod herald;
pub mod invariants;
pub mod learner;
mod messages;

use timely::dataflow::operators::Concat;
use timely::dataflow::operators::core::Concatenate;
use timely::dataflow::operators::vec::Map;

use crate::disk::Recovered;
use crate::engine::operators::address::Addressing;
use crate::engine::operators::execution::{ExecutionInputs, Feedback, execution};
use crate::engine::operators::reader::{OpenReads, ReaderInputs, reader};
use crate::engine::operators::requests::{RequestSource, request_source};
use crate::engine::ordering::acceptor::{AcceptanceInputs, Acceptor, acceptor};
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

pub use messages::{
    Accept, Accepted, Chosen, HandOver, Heard, Heartbeat, Message, PreVote, PreVoted, Prepare,
    Reject,
};

use elector::{Elector, ElectorInputs, elector};
use herald::{Herald, HeraldInputs, herald};
use learner::{IndexLearner, LearnerInputs, learner};

/// Multi-Paxos, for its hosts.
pub const PROTOCOL: Protocol<Message, Promise> = Protocol {
    name: "multipaxos",
    tolerance: Tolerance::Crash,
    dataflow,
    weight: messages::message_weight,
    plausible: messages::is_plausible,
    executed: messages::executed,
    step: messages::step,
    kind: Message::kind,
    kinds: Message::KINDS,
    marks: &["view_changes", "recovered", "noops", "told", "overruled"],
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
    let (new_ballot_back, new_ballots) = inlet(graph, "new_ballot");
    let (turn_back, turned) = inlet(graph, "turn");

    // Reads, which may want the log to move.
    let reading = reader(
        ReaderInputs { reads, indices: received.indices, executed: executed.clone() },
        pulse.clone(),
        OpenReads::new(recovered.incarnation, &state.executed(), config),
    );

    // Election.
    let electing = elector(
        ElectorInputs {
            heartbeats: received.heartbeats.clone(),
            pre_votes: received.pre_votes,
            pre_voted: received.pre_voted,
            prepares: received.prepares,
            rejects: received.rejects,
            hand_overs: received.hand_overs,
            entered: entered.clone(),
        },
        pulse.clone(),
        start.elector,
    );
    let recovering =
        recovery(received.promises, received.supplies.clone(), pulse.clone(), start.recovery);

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
        new_ballots.clone(),
        entered.clone(),
        executed.clone(),
        feedback.stable.clone(),
        pulse.clone(),
        start.proposer,
    );
    let accepting = acceptor(
        "acceptor",
        AcceptanceInputs {
            proposals: graph.concatenate([
                proposing.proposals.clone(),
                proposing.renewed,
                received.accepts.clone().map(|accept| accept.proposal),
            ]),
            renewals: received.renewals,
            supplies: received.supplies,
            needs: received.needs,
            asks: received.asks,
            views: electing.ballots,
            fetched: feedback.fetched.clone(),
            executed: executed.clone(),
        },
        pulse.clone(),
        start.acceptor,
    );
    let learning = learner(
        LearnerInputs {
            accepted: accepting.accepted,
            votes: received.votes,
            chosen: graph.concatenate([
                received.accepts.map(|accept| accept.chosen),
                received.chosen,
                received.heartbeats.map(|(_, heartbeat)| heartbeat.chosen),
            ]),
            executed: executed.clone(),
        },
        looks,
        start.learner,
    );
    let heralding = herald(
        HeraldInputs {
            new_ballots,
            entered,
            executed,
            counted: learning.counted,
            proposals: proposing.proposals,
            turned,
            heard: received.heard,
            resign,
        },
        pulse.clone(),
        start.herald,
    );
    let execution = execution(
        graph,
        ExecutionInputs {
            decided: learning.decided.concat(accepting.fetched),
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

    connect(accepting.entered, entered_back);
    connect(recovering.new_views, new_ballot_back);
    connect(heralding.turns, turn_back);

    // A proposal reaches its own acceptor inside the replica; what that answers goes out and comes
    // back, because it counts only once it is on disk.
    let n = config.n;
    let needs = accepting.needs.concat(recovering.needs);
    let mut sent = Addressing::new(graph);
    sent.one(source.forwards, Message::Forward);
    sent.others(heralding.accepts, Message::Accept);
    sent.others(proposing.renewals, Message::Renew);
    sent.send(accepting.votes, move |vote: Accepted| {
        (To::One(vote.ballot.leader(n)), Message::Accepted(vote))
    });
    sent.others(heralding.chosen, Message::Chosen);
    sent.all(heralding.heartbeats, Message::Heartbeat);
    sent.one(electing.heard, Message::Heard);
    sent.others(electing.pre_votes, Message::PreVote);
    sent.one(electing.pre_voted, Message::PreVoted);
    sent.all(electing.prepares, Message::Prepare);
    sent.one(electing.rejects, Message::Reject);
    sent.one(heralding.hand_overs, Message::HandOver);
    sent.send(accepting.records, move |record| {
        (To::One(record.view.leader(n)), Message::Promise(record))
    });
    sent.one(needs, Message::Need);
    sent.one(accepting.supplies, Message::Supply);
    sent.all(reading.asks, Message::Ask);
    sent.one(accepting.indices, Message::Index);
    sent.all(execution.reports, Message::Report);
    sent.to(execution.catch_up, Message::CatchUp);
    let events = [
        reading.events,
        electing.events,
        recovering.events,
        source.events,
        proposing.events,
        accepting.events,
        learning.events,
        heralding.events,
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

/// What the roles start from.
struct Start {
    proposer: Proposer,
    acceptor: Acceptor,
    learner: IndexLearner,
    herald: Herald,
    elector: Elector,
    recovery: Recovery,
}

impl Start {
    fn new(recovered: &Recovered<Promise>, window: Window, config: &Config) -> Self {
        let acceptor = Acceptor::new(recovered, config);
        let slot = recovered.decided;
        let ballot = acceptor.view();
        let is_owner = ballot.leader(config.n) == config.me;
        let first_life = recovered.incarnation == 1;
        let leads = first_life && is_owner;
        Self {
            proposer: Proposer::new(leads.then_some(ballot), slot, window, config),
            learner: IndexLearner::new(slot, config),
            herald: Herald::new(ballot, leads, slot, config),
            elector: Elector::new(ballot, !first_life && is_owner, config),
            recovery: Recovery::new(ballot, config),
            acceptor,
        }
    }
}
