//! Tara's messages.

use serde::{Deserialize, Serialize};

use crate::engine::messages::messages;
use crate::engine::operators::catch_up::CatchUp;
use crate::engine::operators::checkpointer::Report;
use crate::engine::operators::reader::{Ask, Index};
use crate::engine::operators::requests::{Announce, Forward};
use crate::engine::ordering::learner::SlotVote;
use crate::engine::ordering::messages::{Need, Proposal, Record, Renewal, Supply};
use crate::engine::protocol::Step;
use crate::model::config::Config;
use crate::model::types::{ReplicaId, Slot, View};

messages! {
    /// Everything that crosses a link between two Tara replicas.
    pub enum Message => Received;
    /// request source → proposer of the view (the paper's REQUEST).
    Forward(Forward) => forwards: Forward,
    /// request source → controllers (PROGRESS).
    Announce(Announce) => announces: (ReplicaId, Announce),
    /// proposer of the view → committers (CONSENSUS, as PROPOSE).
    Propose(Proposal) => proposals: Proposal,
    /// proposer of a new view → committers: PROPOSE for what earlier views leave behind.
    Renew(Renewal) => renewals: Renewal,
    /// committer → learners (CONSENSUS, as COMMIT).
    Commit(Commit) => commits: (ReplicaId, Commit),
    /// committer → recovery of the view's leader (RECORD).
    Record(Record) => records: (ReplicaId, Record),
    /// recovery or committer → committer that has accepted what is missing.
    Need(Need) => needs: (ReplicaId, Need),
    /// committer → whoever needs it.
    Supply(Supply) => supplies: Supply,
    /// controller → observers and controllers (VIEW).
    View(ViewRequest) => view_requests: (ReplicaId, ViewRequest),
    /// reader → committers.
    Ask(Ask) => asks: (ReplicaId, Ask),
    /// committer → reader that has asked.
    Index(Index) => indices: (ReplicaId, Index),
    /// checkpointer → checkpointers (GC).
    Report(Report) => reports: (ReplicaId, Report),
    /// catch-up ↔ catch-up.
    CatchUp(CatchUp) => catch_up: (ReplicaId, CatchUp),
}

/// "In `view` I have accepted for `slot` what its leader proposed": a vote.
///
/// It need not name the value: in one view one value is proposed for a slot (T1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Commit {
    /// The view.
    pub view: View,
    /// The slot.
    pub slot: Slot,
}

impl From<(View, Slot)> for Commit {
    fn from((view, slot): (View, Slot)) -> Self {
        Self { view, slot }
    }
}

impl SlotVote for Commit {
    type Ballot = View;

    fn slot(&self) -> Slot {
        self.slot
    }

    fn ballot(&self) -> View {
        self.view
    }
}

/// "I have entered `entered`; I want to leave for `wanted`."
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ViewRequest {
    /// The view of the sender's committer.
    pub entered: View,
    /// The view its controller asks for; not above `entered` while it asks for none.
    pub wanted: View,
}

/// How many bytes a message takes on a link, near enough for limits.
pub fn message_weight(message: &Message) -> usize {
    match message {
        Message::Forward(forward) => 64 + forward.batch.requests.bytes(),
        Message::Propose(proposal) => proposal.weight(),
        Message::Renew(Renewal { slots, .. }) | Message::Need(Need { slots }) => {
            32 + 24 * slots.len()
        }
        Message::Record(record) => 32 + 24 * record.accepted.len(),
        Message::Supply(supply) => supply.proposals.iter().map(Proposal::weight).sum(),
        Message::CatchUp(message) => message.weight(),
        _ => 32,
    }
}

/// Whether a message promises nothing that its sender must remember beyond the view it is in.
///
/// A leader proposes one value for a slot in a view, and does not lead a view again after a
/// restart, which takes the record of the view; what it has accepted itself is its vote's matter.
/// Batches on their way to a leader bear an incarnation, which is on the disk since the replica has
/// started, and so do questions of a reader. What is answered to one promises nothing.
pub(super) fn is_early(message: &Message) -> bool {
    matches!(
        message,
        Message::Forward(_)
            | Message::Announce(_)
            | Message::Propose(_)
            | Message::Renew(_)
            | Message::Ask(_)
            | Message::Index(_)
    )
}

/// How far its sender has executed, if a message carries that.
pub(super) fn executed(message: &Message) -> Option<Slot> {
    match message {
        Message::CatchUp(message) => message.executed(),
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
    match message {
        Message::Forward(forward) => forward.is_plausible(config),
        Message::Announce(announce) => announce.target.is_plausible(),
        Message::Propose(proposal) => proposal.is_plausible(config),
        Message::Renew(renewal) => renewal.is_plausible(config),
        Message::Commit(commit) => commit.view.is_plausible() && commit.slot.is_plausible(),
        Message::Record(record) => record.is_plausible(config),
        Message::Need(need) => need.is_plausible(config),
        Message::Supply(supply) => supply.proposals.iter().all(|own| own.is_plausible(config)),
        Message::View(request) => request.entered.is_plausible() && request.wanted.is_plausible(),
        Message::Ask(ask) => ask.is_plausible(),
        Message::Index(index) => index.is_plausible(),
        Message::Report(report) => report.slot.is_plausible(),
        Message::CatchUp(message) => message.is_plausible(config),
    }
}
