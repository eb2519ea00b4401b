//! What Tara replicas say to each other, and what they write down.

use serde::{Deserialize, Serialize};

use crate::batch::{Value, is_plausible_value, weight};
use crate::config::Config;
use crate::disk::Kind;
use crate::operators::catch_up::CatchUp;
use crate::operators::checkpointer::Report;
use crate::operators::requests::{Announce, Forward};
use crate::protocol::Step;
use crate::role::{Port, Role, Stream};
use crate::types::{ReplicaId, Slot, To, View};

/// Everything that crosses a link between two Tara replicas.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Message {
    /// request source → proposer of the view (the paper's REQUEST).
    Forward(Forward),
    /// request source → controllers (PROGRESS).
    Announce(Announce),
    /// proposer of the view → committers (CONSENSUS, as PROPOSE).
    Propose(Proposal),
    /// committer → learners (CONSENSUS, as COMMIT).
    Commit(Commit),
    /// committer → recovery of the view's leader (RECORD).
    Record(Record),
    /// controller → observers and controllers (VIEW).
    View(ViewRequest),
    /// checkpointer → checkpointers (GC).
    Report(Report),
    /// catch-up ↔ catch-up.
    CatchUp(CatchUp),
}

/// "In `view`, let `value` have `slot`."
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Proposal {
    /// The view in which this is proposed.
    pub view: View,
    /// The slot proposed.
    pub slot: Slot,
    /// The batch, or nothing where a hole must be filled.
    pub value: Value,
}

/// "In `view` I have accepted for `slot` what its leader proposed": a vote.
///
/// It need not say what: in one view one value is proposed for a slot (T1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Commit {
    /// The view.
    pub view: View,
    /// The slot.
    pub slot: Slot,
}

/// "I have left all views below `view`. All slots below `decided` are decided, and this is what I have
/// accepted in the others", in as many parts as it takes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Record {
    /// The view entered.
    pub view: View,
    /// The first slot this replica has not executed.
    pub decided: Slot,
    /// Which part this is, from 0.
    pub part: u32,
    /// Of how many.
    pub parts: u32,
    /// What was accepted last for each slot, and in which view.
    pub accepted: Vec<Proposal>,
}

/// "I have entered `entered`; I want to leave for `wanted`."
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ViewRequest {
    /// The view of the sender's committer.
    pub entered: View,
    /// The view its controller asks for; not above `entered` while it asks for none.
    pub wanted: View,
}

/// What a committer writes to the journal before it says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Promise {
    /// It has left all views below this one.
    Entered(View),
    /// It has accepted this proposal.
    Accepted(Proposal),
}

impl Promise {
    /// What it is called where a journal is listed.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Entered(view) => Kind { name: "entered", view: Some(*view) },
            Self::Accepted(proposal) => Kind { name: "accepted", view: Some(proposal.view) },
        }
    }
}

/// How many bytes a message takes on a link, near enough for limits.
#[must_use]
pub fn message_weight(message: &Message) -> usize {
    let accepted = |record: &Record| record.accepted.iter().map(|p| weight(&p.value)).sum();
    match message {
        Message::Forward(forward) => 64 + forward.batch.requests.bytes(),
        Message::Propose(proposal) => weight(&proposal.value),
        Message::Record(record) => accepted(record),
        Message::CatchUp(CatchUp::Decided { values, .. }) => values.iter().map(weight).sum(),
        Message::CatchUp(CatchUp::Piece { bytes, .. }) => 64 + bytes.len(),
        _ => 32,
    }
}

/// Whether a message promises nothing that its sender must remember beyond the view it is in.
///
/// A leader proposes one value for a slot in a view, and does not lead a view again after a restart,
/// which takes the record of the view; what it has accepted itself is its vote's matter. Batches on their
/// way to a leader bear an incarnation, which is on the disk since the replica has started.
pub(super) fn is_early(message: &Message) -> bool {
    matches!(message, Message::Forward(_) | Message::Announce(_) | Message::Propose(_))
}

/// How far its sender has executed, if that is what a message says.
pub(super) fn executed(message: &Message) -> Option<Slot> {
    match message {
        Message::CatchUp(CatchUp::Executed(slot)) => Some(*slot),
        _ => None,
    }
}

/// The step in the life of a slot that a message is.
pub(super) fn step(message: &Message) -> Option<Step> {
    match message {
        Message::Propose(proposal) => Some(Step::Propose(proposal.slot, proposal.view)),
        Message::Commit(commit) => Some(Step::Vote(commit.slot, commit.view)),
        _ => None,
    }
}

/// Whether a message from a link is within the ranges a replica can have reached.
pub(super) fn is_plausible(message: &Message, config: &Config) -> bool {
    let proposal = |proposal: &Proposal| {
        proposal.view.is_plausible()
            && proposal.slot.is_plausible()
            && is_plausible_value(&proposal.value, config.n)
    };
    match message {
        Message::Forward(Forward { batch, oldest }) => {
            batch.is_plausible(config.n) && *oldest <= batch.id.number
        }
        Message::Announce(announce) => announce.target.is_plausible(),
        Message::Propose(own) => proposal(own),
        Message::Commit(commit) => commit.view.is_plausible() && commit.slot.is_plausible(),
        Message::Record(record) => {
            record.view.is_plausible()
                && record.decided.is_plausible()
                && record.part < record.parts
                // Nobody accepts more than a window ahead of what it has executed.
                && record.accepted.iter().all(|own| {
                    proposal(own) && own.slot.0 < record.decided.0 + config.window
                })
        }
        Message::View(request) => request.entered.is_plausible() && request.wanted.is_plausible(),
        Message::Report(report) => report.slot.is_plausible(),
        Message::CatchUp(message) => message.is_plausible(config),
    }
}

/// The messages that arrived, one stream a kind, with their senders where they matter.
pub(super) struct Heard<'s> {
    pub forwards: Stream<'s, Forward>,
    pub announces: Stream<'s, (ReplicaId, Announce)>,
    pub proposals: Stream<'s, Proposal>,
    pub commits: Stream<'s, (ReplicaId, Commit)>,
    pub records: Stream<'s, (ReplicaId, Record)>,
    pub view_requests: Stream<'s, (ReplicaId, ViewRequest)>,
    pub reports: Stream<'s, (ReplicaId, Report)>,
    pub catch_up: Stream<'s, (ReplicaId, CatchUp)>,
}

/// Sorts the messages that arrived by kind.
pub(super) fn sort<'s>(messages: Stream<'s, (ReplicaId, Message)>) -> Heard<'s> {
    let mut role = Role::new("sort", messages.scope(), ());
    let (forward, forwards) = role.output();
    let (announce, announces) = role.output();
    let (propose, proposals) = role.output();
    let (commit, commits) = role.output();
    let (record, records) = role.output();
    let (view, view_requests) = role.output();
    let (report, reports) = role.output();
    let (catch, catch_up) = role.output();
    role.on(messages, move |(), (from, message)| match message {
        Message::Forward(batch) => forward.send([batch]),
        Message::Announce(target) => announce.send([(from, target)]),
        Message::Propose(proposal) => propose.send([proposal]),
        Message::Commit(vote) => commit.send([(from, vote)]),
        Message::Record(part) => record.send([(from, part)]),
        Message::View(request) => view.send([(from, request)]),
        Message::Report(digest) => report.send([(from, digest)]),
        Message::CatchUp(message) => catch.send([(from, message)]),
    });
    role.build();
    Heard { forwards, announces, proposals, commits, records, view_requests, reports, catch_up }
}

/// The messages that leave, one stream a kind.
pub(super) struct Said<'s> {
    pub forwards: Stream<'s, (ReplicaId, Forward)>,
    pub announces: Stream<'s, Announce>,
    pub proposals: Stream<'s, Proposal>,
    pub commits: Stream<'s, Commit>,
    pub records: Stream<'s, Record>,
    pub view_requests: Stream<'s, ViewRequest>,
    pub reports: Stream<'s, Report>,
    pub catch_up: Stream<'s, (To, CatchUp)>,
    pub n: usize,
}

/// Says for each kind of message whom it is for.
///
/// A proposal reaches the proposer's own committer inside the replica; a vote to oneself goes out and
/// comes back, because it counts only once it is on disk.
pub(super) fn address<'s>(said: Said<'s>) -> Stream<'s, (To, Message)> {
    let mut role = Role::new("address", said.commits.scope(), ());
    let (send, messages) = role.output();
    let n = said.n;
    let leader = move |record: &Record| To::One(record.view.leader(n));
    let to = |send: &Port<(To, Message)>| send.clone();
    let out = to(&send);
    role.on(said.forwards, move |(), (peer, forward)| {
        out.send([(To::One(peer), Message::Forward(forward))]);
    });
    let out = to(&send);
    role.on(said.announces, move |(), announce| out.send([(To::All, Message::Announce(announce))]));
    let out = to(&send);
    role.on(said.proposals, move |(), proposal| {
        out.send([(To::Others, Message::Propose(proposal))])
    });
    let out = to(&send);
    role.on(said.commits, move |(), commit| out.send([(To::All, Message::Commit(commit))]));
    let out = to(&send);
    role.on(said.records, move |(), record| out.send([(leader(&record), Message::Record(record))]));
    let out = to(&send);
    role.on(said.view_requests, move |(), view| out.send([(To::All, Message::View(view))]));
    let out = to(&send);
    role.on(said.reports, move |(), report| out.send([(To::All, Message::Report(report))]));
    role.on(said.catch_up, move |(), (to, message)| send.send([(to, Message::CatchUp(message))]));
    role.build();
    messages
}
