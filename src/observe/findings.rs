//! Findings: faults of a cluster, in words, seen in the latest frames of its replicas and in
//! nothing else.

mod each;
mod leading;
mod memory;
mod rules;
#[cfg(test)]
mod tests;
mod why;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::types::ReplicaId;

pub use rules::find;

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Finding {
    /// Which kind.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// The replica it is about, if it is about one.
    pub replica: Option<ReplicaId>,
    /// What is wrong, in a sentence.
    pub text: String,
    /// Why: each sentence gives the reason of the one before.
    pub because: Vec<String>,
}

impl Finding {
    /// Something about a replica that must be looked at, though requests are answered.
    fn degraded(code: Code, replica: ReplicaId, text: String, because: Vec<String>) -> Self {
        Self { code, severity: Severity::Degraded, replica: Some(replica), text, because }
    }

    /// That nobody can be asked, for these reasons.
    pub fn unreachable(why: &str) -> Self {
        Self {
            code: Code::Unreachable,
            severity: Severity::Down,
            replica: None,
            text: "nobody answers".to_owned(),
            because: vec![why.to_owned()],
        }
    }
}

/// How bad something is, the worst first.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The replicas contradict each other.
    Fatal,
    /// Requests are not answered.
    Down,
    /// Requests are answered, but something must be looked at.
    Degraded,
}

/// The kinds of things that can be wrong.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// Nobody can be asked.
    Unreachable,
    /// Replicas hold different states at the same slot.
    Diverged,
    /// Too few replicas are there for anything to be decided.
    NoQuorum,
    /// Nobody leads.
    NoLeader,
    /// The application does not go on, though requests wait.
    Stalled,
    /// A replica's thread does not come back from an operator, or from its disk.
    Stuck,
    /// A replica's process has panicked.
    Panicked,
    /// A replica is not there.
    Away,
    /// A replica sends messages, and reports nothing about itself.
    Unseen,
    /// A replica receives messages from too few others.
    CutOff,
    /// A replica waits for its disk, full or slow.
    Fenced,
    /// A disk has hardly any room left.
    LittleRoom,
    /// The state of the application has hardly any room left below its limit, or is above it.
    LittleMemory,
    /// Syncs of a disk take long.
    SlowDisk,
    /// Requests of a replica's clients end without a known outcome.
    Unanswered,
    /// A replica has no room for further clients.
    RefusesClients,
    /// A link is down, or its peer does not take what is sent.
    BadLink,
    /// Replicas have different settings.
    Differ,
    /// A replica is behind.
    Lagging,
    /// A replica is stopping.
    Draining,
    /// A later version's.
    #[serde(other)]
    Other,
}
