//! A protocol, as far as a host of replicas must know it.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::disk::{RecordKind, Recovered};
use crate::engine::replica::{Inputs, Outputs};
use crate::model::batch::Value;
use crate::model::config::Config;
use crate::model::events::Event;
use crate::model::quorum::Tolerance;
use crate::model::types::{ReplicaId, Slot, To, View};

/// A protocol that replicas can speak. `M` is its message, `R` what it writes to the journal.
pub struct Protocol<M: Clone + 'static, R: Clone + 'static> {
    /// Its name.
    pub name: &'static str,
    /// What its replicas tolerate, from which follow the sizes of clusters and quorums.
    pub tolerance: Tolerance,
    /// Draws a replica's graph.
    pub dataflow: for<'s> fn(Inputs<'s, M, R>, &Config) -> Outputs<'s, M, R>,
    /// How many bytes a message takes, near enough for limits.
    pub weight: fn(&M) -> usize,
    /// Whether a message that came over a link can be one of a replica with these settings. What
    /// passes may be wrong, but breaks no arithmetic: slots, views and names are in their ranges.
    pub plausible: fn(&M, &Config) -> bool,
    /// The first slot its sender has not executed, if a message carries that.
    pub executed: fn(&M) -> Option<Slot>,
    /// The step in the life of a slot that a message is, if it is one.
    pub step: fn(&M) -> Option<Step>,
    /// The name of a message's kind.
    pub kind: fn(&M) -> &'static str,
    /// All kinds of messages there are.
    pub kinds: &'static [&'static str],
    /// What must have happened in many simulated runs, or some of its rules have not been tried: by
    /// the names of what is counted in all of them, or of its oracle's [marks](Oracle::marks).
    pub marks: &'static [&'static str],
    /// Its invariants, to be checked in a simulated run.
    pub oracle: fn(&Config) -> Box<dyn Oracle<M, R>>,
}

/// What a protocol writes to the journal.
pub trait JournalRecord: Clone + Serialize + DeserializeOwned + Send + 'static {
    /// What a slot holds that is decided, by all records about it in the order in which they were
    /// written; nothing if they do not say.
    fn held(records: &[Self]) -> Option<&Value>;

    /// What it is called where a journal is listed.
    fn kind(&self) -> RecordKind;
}

/// A step in the life of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Its sender proposes what the slot is to hold.
    Propose(Slot, View),
    /// Its sender votes for what was proposed, and has that on its disk. With the votes of a quorum
    /// the slot is decided.
    Vote(Slot, View),
}

impl<M: Clone + 'static, R: Clone + 'static> Clone for Protocol<M, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M: Clone + 'static, R: Clone + 'static> Copy for Protocol<M, R> {}

/// A protocol's own invariants. An error names the rule and what broke it. What is not written
/// out holds no rule.
pub trait Oracle<M, R> {
    /// A replica starts from what its disk holds; something there may have `rotten`.
    ///
    /// # Errors
    /// What it had sent and now does not know.
    fn on_start(
        &mut self,
        me: ReplicaId,
        recovered: &Recovered<R>,
        rotten: bool,
    ) -> Result<(), String> {
        let _ = (me, recovered, rotten);
        Ok(())
    }

    /// A message leaves a replica.
    ///
    /// # Errors
    /// The rule it breaks.
    fn on_sent(&mut self, from: ReplicaId, to: To, message: &M) -> Result<(), String> {
        let _ = (from, to, message);
        Ok(())
    }

    /// Something happened inside a replica.
    ///
    /// # Errors
    /// The rule it breaks.
    fn on_event(&mut self, me: ReplicaId, event: &Event) -> Result<(), String> {
        let _ = (me, event);
        Ok(())
    }

    /// How often something happened of which only the protocol knows, by name.
    fn marks(&self) -> BTreeMap<&'static str, u64> {
        BTreeMap::new()
    }
}
