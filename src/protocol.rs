//! What a host of replicas must know of a protocol.

use crate::config::Config;
use crate::replica::{Inputs, Outputs};
use crate::types::{Slot, View};

/// A protocol that replicas can speak. `M` is its message, `R` what it writes to the journal.
pub struct Protocol<M: Clone + 'static, R: Clone + 'static> {
    /// Its name.
    pub name: &'static str,
    /// Draws a replica's graph.
    pub dataflow: for<'s> fn(Inputs<'s, M, R>, &Config) -> Outputs<'s, M, R>,
    /// How many bytes a message takes, near enough for limits.
    pub weight: fn(&M) -> usize,
    /// Whether a message that came over a link can be one of a replica with these settings. What passes
    /// may be wrong, but breaks no arithmetic: slots, views and names are in their ranges.
    pub plausible: fn(&M, &Config) -> bool,
    /// The first slot its sender has not executed, if that is what a message says.
    pub executed: fn(&M) -> Option<Slot>,
    /// The step in the life of a slot that a message is, if it is one.
    pub step: fn(&M) -> Option<Step>,
}

/// A step in the life of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Its sender proposes what the slot is to hold.
    Propose(Slot, View),
    /// Its sender votes for what was proposed, and has that on its disk.
    Vote(Slot, View),
}

impl<M: Clone + 'static, R: Clone + 'static> Clone for Protocol<M, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M: Clone + 'static, R: Clone + 'static> Copy for Protocol<M, R> {}
