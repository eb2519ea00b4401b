//! Paxos' messages, and what an acceptor writes down before it sends them.

use serde::{Deserialize, Serialize};

use crate::disk::RecordKind;
use crate::engine::messages::messages;
use crate::engine::operators::catch_up::CatchUp;
use crate::engine::operators::checkpointer::Report;
use crate::engine::operators::reader::{Ask, Index};
use crate::engine::ordering::learner::SlotVote;
use crate::engine::protocol::{JournalRecord, Step};
use crate::model::batch::{Value, is_plausible_value, weight};
use crate::model::config::Config;
use crate::model::types::{ReplicaId, Slot};

use super::ballot::Ballot;

messages! {
    /// Everything that crosses a link between two Paxos replicas.
    pub enum Message => Received;
    /// proposer → acceptors (phase 1a).
    Prepare(Prepare) => prepares: Prepare,
    /// acceptor → proposer of the ballot (1b).
    Promise(Promised) => promises: (ReplicaId, Promised),
    /// proposer → acceptors (2a).
    Accept(Accept) => accepts: Accept,
    /// acceptor → learners (2b): a vote.
    Accepted(Accepted) => votes: (ReplicaId, Accepted),
    /// acceptor → proposer of the ballot: no, to either.
    Reject(Reject) => rejects: Reject,
    /// reader → acceptors.
    Ask(Ask) => asks: (ReplicaId, Ask),
    /// acceptor → reader that has asked.
    Index(Index) => indices: (ReplicaId, Index),
    /// checkpointer → checkpointers.
    Report(Report) => reports: (ReplicaId, Report),
    /// catch-up ↔ catch-up.
    CatchUp(CatchUp) => catch_up: (ReplicaId, CatchUp),
}

/// "Accept nothing below `ballot` for `slot`, and tell me what you have accepted."
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Prepare {
    /// The slot.
    pub slot: Slot,
    /// The ballot.
    pub ballot: Ballot,
}

/// "I accept nothing below `ballot` for `slot`, and this is what I have accepted last."
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Promised {
    /// The slot.
    pub slot: Slot,
    /// The ballot.
    pub ballot: Ballot,
    /// The value with the highest ballot in which it has accepted one, if it has.
    pub accepted: Option<(Ballot, Value)>,
}

/// "In `ballot`, let `value` have `slot`."
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Accept {
    /// The slot.
    pub slot: Slot,
    /// The ballot.
    pub ballot: Ballot,
    /// The value.
    pub value: Value,
}

/// "In `ballot` I have accepted for `slot` what its proposer proposed."
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Accepted {
    /// The slot.
    pub slot: Slot,
    /// The ballot.
    pub ballot: Ballot,
}

/// "Not in `ballot`: for `slot` I have promised a higher one."
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Reject {
    /// The slot.
    pub slot: Slot,
    /// The ballot that is rejected.
    pub ballot: Ballot,
    /// The one that was promised.
    pub promised: Ballot,
}

impl SlotVote for Accepted {
    type Ballot = Ballot;

    fn slot(&self) -> Slot {
        self.slot
    }

    fn ballot(&self) -> Ballot {
        self.ballot
    }
}

/// What an acceptor writes to the journal before it sends it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AcceptorRecord {
    /// It accepts nothing below this ballot.
    Promised(Ballot),
    /// It has accepted a value.
    Accepted {
        /// In this ballot.
        ballot: Ballot,
        /// The value.
        value: Value,
    },
    /// The slot is decided, as another replica reports.
    Learned(Value),
}

impl JournalRecord for AcceptorRecord {
    /// What another replica reports, or else what was accepted last: in no ballot above the one in
    /// which a slot was decided is anything else proposed for it.
    fn held(records: &[Self]) -> Option<&Value> {
        let learned = records.iter().find_map(|record| match record {
            Self::Learned(value) => Some(value),
            _ => None,
        });
        let accepted = records.iter().rev().find_map(|record| match record {
            Self::Accepted { value, .. } => Some(value),
            _ => None,
        });
        learned.or(accepted)
    }

    fn kind(&self) -> RecordKind {
        match self {
            Self::Promised(ballot) => RecordKind { name: "promised", view: Some(ballot.number()) },
            Self::Accepted { ballot, .. } => {
                RecordKind { name: "accepted", view: Some(ballot.number()) }
            }
            Self::Learned(_) => RecordKind { name: "learned", view: None },
        }
    }
}

/// How many bytes a message takes on a link, near enough for limits.
pub(super) fn message_weight(message: &Message) -> usize {
    match message {
        Message::Promise(Promised { accepted: Some((_, value)), .. })
        | Message::Accept(Accept { value, .. }) => 64 + weight(value),
        Message::CatchUp(message) => message.weight(),
        _ => 64,
    }
}

/// Whether a message promises nothing that its sender must remember.
///
/// A ballot is used in one life and for one value, so who proposes in it need not remember it; and
/// who is rejected learns of another's ballot, which binds nobody. Nor does what a reader asks and is
/// answered.
pub(super) fn is_early(message: &Message) -> bool {
    matches!(
        message,
        Message::Prepare(_)
            | Message::Accept(_)
            | Message::Reject(_)
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
        Message::Accept(accept) => Some(Step::Propose(accept.slot, accept.ballot.number())),
        Message::Accepted(vote) => Some(Step::Vote(vote.slot, vote.ballot.number())),
        _ => None,
    }
}

/// Whether a message from a link is within the ranges a replica can have reached.
pub(super) fn is_plausible(message: &Message, config: &Config) -> bool {
    let both = |slot: Slot, ballot: Ballot| slot.is_plausible() && ballot.is_plausible(config);
    match message {
        Message::Prepare(prepare) => both(prepare.slot, prepare.ballot),
        Message::Promise(promise) => {
            both(promise.slot, promise.ballot)
                && promise.accepted.as_ref().is_none_or(|(ballot, value)| {
                    ballot.is_plausible(config) && is_plausible_value(value, config.n)
                })
        }
        Message::Accept(accept) => {
            both(accept.slot, accept.ballot) && is_plausible_value(&accept.value, config.n)
        }
        Message::Accepted(vote) => both(vote.slot, vote.ballot),
        Message::Reject(reject) => {
            both(reject.slot, reject.ballot) && reject.promised.is_plausible(config)
        }
        Message::Ask(ask) => ask.is_plausible(),
        Message::Index(index) => index.is_plausible(),
        Message::Report(report) => report.slot.is_plausible(),
        Message::CatchUp(message) => message.is_plausible(config),
    }
}
