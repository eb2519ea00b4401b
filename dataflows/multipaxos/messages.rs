//! Multi-Paxos' messages.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::engine::messages::messages;
use crate::engine::operators::catch_up::CatchUp;
use crate::engine::operators::checkpointer::Report;
use crate::engine::operators::reader::{Ask, Index};
use crate::engine::operators::requests::Forward;
use crate::engine::ordering::learner::SlotVote;
use crate::engine::ordering::messages::{Need, Proposal, Record, Renewal, Supply};
use crate::engine::protocol::Step;
use crate::model::config::Config;
use crate::model::types::{Millis, ReplicaId, Slot, View, is_plausible as is_plausible_count};

messages! {
    /// Everything that crosses a link between two Multi-Paxos replicas.
    pub enum Message => Received;
    /// request source → proposer of the leader.
    Forward(Forward) => forwards: Forward,
    /// herald of the leader → acceptors (phase 2a), and learners.
    Accept(Accept) => accepts: Accept,
    /// proposer of a new leader → acceptors: the same for what earlier ballots leave behind.
    Renew(Renewal) => renewals: Renewal,
    /// acceptor → learner of the leader (2b): a vote.
    Accepted(Accepted) => votes: (ReplicaId, Accepted),
    /// herald of the leader → learners.
    Chosen(Chosen) => chosen: Chosen,
    /// herald of the leader → electors, and learners.
    Heartbeat(Heartbeat) => heartbeats: (ReplicaId, Heartbeat),
    /// elector → herald of the leader.
    Heard(Heard) => heard: (ReplicaId, Heard),
    /// elector → electors.
    PreVote(PreVote) => pre_votes: (ReplicaId, PreVote),
    /// elector → elector that asked.
    PreVoted(PreVoted) => pre_voted: (ReplicaId, PreVoted),
    /// elector of a candidate → acceptors (1a), by way of their electors.
    Prepare(Prepare) => prepares: (ReplicaId, Prepare),
    /// elector → elector of whoever speaks in a lower ballot.
    Reject(Reject) => rejects: Reject,
    /// herald of a leader that is about to end → elector of another replica.
    HandOver(HandOver) => hand_overs: HandOver,
    /// acceptor → recovery of the ballot's owner (1b).
    Promise(Record) => promises: (ReplicaId, Record),
    /// recovery or acceptor → acceptor that has accepted what is missing.
    Need(Need) => needs: (ReplicaId, Need),
    /// acceptor → whoever needs it.
    Supply(Supply) => supplies: Supply,
    /// reader → acceptors.
    Ask(Ask) => asks: (ReplicaId, Ask),
    /// acceptor → reader that has asked.
    Index(Index) => indices: (ReplicaId, Index),
    /// checkpointer → checkpointers.
    Report(Report) => reports: (ReplicaId, Report),
    /// catch-up ↔ catch-up.
    CatchUp(CatchUp) => catch_up: (ReplicaId, CatchUp),
}

/// "Accept this; and so much is chosen."
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Accept {
    /// What to accept.
    pub proposal: Proposal,
    /// What else to know.
    pub chosen: Chosen,
}

/// "In `ballot` I have accepted for `slot` what its leader proposed."
///
/// It need not name the value: in one ballot one value is proposed for a slot (T1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Accepted {
    /// The ballot.
    pub ballot: View,
    /// The slot.
    pub slot: Slot,
}

impl From<(View, Slot)> for Accepted {
    fn from((ballot, slot): (View, Slot)) -> Self {
        Self { ballot, slot }
    }
}

impl SlotVote for Accepted {
    type Ballot = View;

    fn slot(&self) -> Slot {
        self.slot
    }

    fn ballot(&self) -> View {
        self.ballot
    }
}

/// The commit index: "a quorum has accepted in `ballot` for each slot from `from` to the one before
/// `upto`."
///
/// It names its ballot, and where it begins, because it says nothing of what was accepted in
/// another (MP-4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Chosen {
    /// The ballot.
    pub ballot: View,
    /// The first slot.
    pub from: Slot,
    /// The first slot of which this is not known.
    pub upto: Slot,
}

impl Chosen {
    /// The slots.
    pub fn slots(self) -> Range<Slot> {
        self.from..self.upto
    }

    fn is_plausible(self) -> bool {
        self.ballot.is_plausible() && self.from <= self.upto && self.upto.is_plausible()
    }
}

/// "I lead the ballot of `chosen`, and so much is chosen in it."
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Heartbeat {
    /// The commit index, which may have been lost.
    pub chosen: Chosen,
    /// Whether a quorum has heard the leader of late: one that it does not hear is of no use.
    pub is_heard: bool,
    /// When it was sent, by the leader's clock.
    pub sent_ms: Millis,
}

/// "I have heard your heartbeat", and what was on its way to my disk before is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Heard {
    /// The ballot of the heartbeat.
    pub ballot: View,
    /// When that was sent, by the leader's clock.
    pub sent_ms: Millis,
}

/// "I do not hear the leader. Do you, or may I prepare `ballot`?"
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PreVote {
    /// The ballot.
    pub ballot: View,
}

/// "I do not hear it either."
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PreVoted {
    /// The ballot.
    pub ballot: View,
}

/// "Accept nothing below `ballot`, and tell me what you have accepted."
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Prepare {
    /// The ballot.
    pub ballot: View,
}

/// "Not in this ballot: I have promised a higher one."
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Reject {
    /// The one that was promised.
    pub promised: View,
}

/// "I lead `ballot`, and am about to end: prepare one of yours."
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HandOver {
    /// The ballot.
    pub ballot: View,
}

/// How many bytes a message takes on a link, near enough for limits.
pub(super) fn message_weight(message: &Message) -> usize {
    match message {
        Message::Forward(forward) => 64 + forward.batch.requests.bytes(),
        Message::Accept(accept) => 32 + accept.proposal.weight(),
        Message::Renew(Renewal { slots, .. }) | Message::Need(Need { slots }) => {
            32 + 24 * slots.len()
        }
        Message::Promise(record) => 32 + 24 * record.accepted.len(),
        Message::Supply(supply) => supply.proposals.iter().map(Proposal::weight).sum(),
        Message::CatchUp(message) => message.weight(),
        _ => 32,
    }
}

/// Whether a message promises nothing that its sender must remember beyond the ballot it is in.
///
/// A leader proposes one value for a slot in a ballot, and does not lead a ballot again after a
/// restart, which takes the record of the ballot; what is chosen is on the disks of a quorum; and
/// who misses a leader may think otherwise later.
///
/// A heartbeat promises nothing, and waits all the same: a leader whose disk hangs must fall silent,
/// and so must an acceptor whose disk does.
pub(super) fn is_early(message: &Message) -> bool {
    match message {
        Message::Forward(_)
        | Message::Accept(_)
        | Message::Renew(_)
        | Message::Chosen(_)
        | Message::PreVote(_)
        | Message::PreVoted(_)
        | Message::Prepare(_)
        | Message::Reject(_)
        | Message::HandOver(_)
        | Message::Ask(_)
        | Message::Index(_) => true,
        Message::Accepted(_)
        | Message::Promise(_)
        | Message::Heartbeat(_)
        | Message::Heard(_)
        | Message::Need(_)
        | Message::Supply(_)
        | Message::Report(_)
        | Message::CatchUp(_) => false,
    }
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
        Message::Accept(Accept { proposal: Proposal { view, slot, .. }, .. }) => {
            Some(Step::Propose(*slot, *view))
        }
        Message::Accepted(vote) => Some(Step::Vote(vote.slot, vote.ballot)),
        _ => None,
    }
}

/// Whether a message from a link is within the ranges a replica can have reached.
pub(super) fn is_plausible(message: &Message, config: &Config) -> bool {
    match message {
        Message::Forward(forward) => forward.is_plausible(config),
        Message::Accept(accept) => {
            accept.proposal.is_plausible(config) && accept.chosen.is_plausible()
        }
        Message::Renew(renewal) => renewal.is_plausible(config),
        Message::Accepted(vote) => vote.ballot.is_plausible() && vote.slot.is_plausible(),
        Message::Chosen(chosen) => chosen.is_plausible(),
        Message::Heartbeat(beat) => beat.chosen.is_plausible() && is_plausible_count(beat.sent_ms),
        Message::Heard(heard) => heard.ballot.is_plausible() && is_plausible_count(heard.sent_ms),
        Message::PreVote(PreVote { ballot })
        | Message::PreVoted(PreVoted { ballot })
        | Message::Prepare(Prepare { ballot })
        | Message::Reject(Reject { promised: ballot })
        | Message::HandOver(HandOver { ballot }) => ballot.is_plausible(),
        Message::Promise(record) => record.is_plausible(config),
        Message::Need(need) => need.is_plausible(config),
        Message::Supply(supply) => supply.proposals.iter().all(|own| own.is_plausible(config)),
        Message::Ask(ask) => ask.is_plausible(),
        Message::Index(index) => index.is_plausible(),
        Message::Report(report) => report.slot.is_plausible(),
        Message::CatchUp(message) => message.is_plausible(config),
    }
}
