//! Events: things that happened inside a replica, for checkers and for people.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::app::Damaged;
use crate::model::batch::Value;
use crate::model::checkpoint::Digest;
use crate::model::refused::Refused;
use crate::model::types::{Millis, ReplicaId, Slot, View};

/// One thing that happened inside a replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It suspects who leads view `of`, and asks for `view`.
    Suspected {
        /// The view whose leader is suspected.
        of: View,
        /// The view asked for.
        view: View,
        /// Why.
        why: Suspicion,
    },
    /// It has left all views below this one.
    EnteredView {
        /// The view entered.
        view: View,
        /// Who is to lead it; nobody where all propose.
        leader: Option<ReplicaId>,
    },
    /// It has started, and is in the view that its disk remembers or a later one.
    Started {
        /// The view.
        view: View,
        /// Who is to lead it; nobody where all propose.
        leader: Option<ReplicaId>,
    },
    /// It leads `view` and has proposed again what earlier views left behind.
    Leads {
        /// The view led.
        view: View,
        /// The first slot it proposes for.
        base: Slot,
        /// How many slots were left behind.
        recovered: usize,
    },
    /// It has executed a slot.
    Executed {
        /// Whether its requests were applied: not those of a batch that comes a second time, or
        /// before an earlier one of its source.
        applied: bool,
        /// The slot.
        slot: Slot,
        /// What the slot held.
        value: Value,
    },
    /// A checkpoint of all slots below `slot` is due, or has come.
    Paced {
        /// The first slot that is not in it.
        slot: Slot,
        /// How many times as far away as the settings say the next one is.
        stretch: u64,
    },
    /// It has cut a checkpoint of all slots below `slot`.
    Checkpointed {
        /// The first slot that is not in the checkpoint.
        slot: Slot,
    },
    /// Its checkpoint of all slots below `slot` is durable.
    Saved {
        /// The first slot that is not in the checkpoint.
        slot: Slot,
        /// The digest of the state.
        digest: Digest,
    },
    /// `f + 1` replicas hold the same durable checkpoint.
    Stable {
        /// The first slot that is not in the checkpoint.
        slot: Slot,
    },
    /// It has taken over another replica's checkpoint.
    Installed {
        /// The first slot that is not in the checkpoint.
        slot: Slot,
    },
    /// It could not take over another replica's checkpoint, which is on its disk. Its own state is
    /// of no use any more: it must stop.
    Unrestored {
        /// The first slot that is not in the checkpoint.
        slot: Slot,
        /// What is wrong with it.
        damaged: Damaged,
    },
    /// Two replicas report different states for the same slot: the application is not
    /// deterministic, or a machine is broken.
    Diverged {
        /// The first slot that is not in the checkpoints.
        slot: Slot,
        /// A replica whose digest differs from one reported earlier.
        replica: ReplicaId,
    },
    /// The digest of its state, because it was asked.
    Digest {
        /// The first slot not executed.
        slot: Slot,
        /// The digest.
        digest: Digest,
    },
    /// Reads were answered from the state without passing the log.
    Read {
        /// The first slot that the state need not have held.
        slot: Slot,
        /// How many reads.
        count: u64,
    },
    /// Requests answered again from their session instead of being applied again.
    Duplicates {
        /// How many.
        count: u64,
    },
    /// What one of its roles has in its hands, because it was asked.
    Holds(Holding),
}

impl Event {
    /// The first slot that is not executed after this, if it tells of execution.
    pub fn executed(&self) -> Option<Slot> {
        match self {
            Self::Executed { slot, .. } => Some(slot.next()),
            Self::Installed { slot } => Some(*slot),
            _ => None,
        }
    }
}

/// Why a replica wants another leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suspicion {
    /// Requests wait too long.
    Late {
        /// The replica whose clients sent them.
        source: ReplicaId,
        /// For how long nothing of that replica's has been executed, in milliseconds.
        waited_ms: Millis,
    },
    /// Nothing is received from the leader.
    Silent {
        /// For how long, in milliseconds.
        silent_ms: Millis,
    },
    /// The leader says that no quorum answers it.
    Unanswered {
        /// For how long it has said so, or said nothing, in milliseconds.
        silent_ms: Millis,
    },
    /// It is the leader itself, and about to end.
    Resigns,
}

/// What a role still has pending.
///
/// In agreement time stands still, so no frontier shows how far it has come. Its progress is the
/// lowest slot that each role still holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holding {
    /// The role, by its operator's name.
    pub role: String,
    /// The lowest slot it has pending; nothing if it holds none, or holds no slots at all.
    pub slot: Option<Slot>,
    /// How many things it holds.
    pub held: u64,
    /// Bytes of memory that it holds, near enough.
    #[serde(default)]
    pub bytes: u64,
    /// Which of them is the first, by the role's own count, where that is not a slot: while this
    /// stays the same the role has not moved.
    pub first: u64,
    /// What it waits for before it releases the first.
    pub wait: Wait,
    /// What it has rejected since it started.
    pub refused: Refused,
}

/// What a role waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Wait {
    /// Nothing: it has passed on all it was given.
    Nothing,
    /// Another role of its replica, by name.
    Role(String),
    /// The proposal of the leader.
    Proposal(ReplicaId),
    /// A word that its protocol has a name for, such as a vote.
    Word {
        /// The name, in the singular.
        what: String,
        /// The replicas of which it has not received it.
        of: Vec<ReplicaId>,
    },
    /// The same, of a word without which its replica cannot lead.
    ToLead {
        /// The name, in the singular.
        what: String,
        /// The replicas of which it has not received it.
        of: Vec<ReplicaId>,
    },
    /// Decided slots, of the replicas that have executed them.
    Slots(Vec<ReplicaId>),
    /// The disk of its replica, which saves a checkpoint.
    Saving,
    /// Something that only a later version has a name for.
    #[serde(untagged)]
    Other(serde_json::Value),
}

impl Wait {
    /// Another role of the same replica.
    pub fn for_role(name: &str) -> Self {
        Self::Role(name.to_owned())
    }

    /// The word called `what` of some replicas.
    pub fn for_word(what: &str, of: Vec<ReplicaId>) -> Self {
        Self::Word { what: what.to_owned(), of }
    }

    /// The word called `what` of some replicas, without which its own cannot lead.
    pub fn to_lead(what: &str, of: Vec<ReplicaId>) -> Self {
        Self::ToLead { what: what.to_owned(), of }
    }

    /// The replicas whose word is missing.
    pub fn missing_word(&self) -> Option<&[ReplicaId]> {
        match self {
            Self::Word { of, .. } | Self::ToLead { of, .. } => Some(of),
            _ => None,
        }
    }
}

impl Holding {
    /// The role called `role` holds nothing and waits for nothing.
    pub fn nothing(role: &str) -> Self {
        Self {
            role: role.to_owned(),
            slot: None,
            held: 0,
            bytes: 0,
            first: 0,
            wait: Wait::Nothing,
            refused: Refused::default(),
        }
    }
}
