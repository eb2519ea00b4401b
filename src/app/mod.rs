//! The replicated application.

use crate::types::Slot;

/// Where in the agreed order a command stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct At {
    /// The slot.
    pub slot: Slot,
    /// The log's time in milliseconds: it never goes back, and is the same on every replica.
    pub time_ms: u64,
}

/// What is replicated.
pub trait StateMachine: 'static {
    /// Applies a command and appends the reply. Must depend on the state, `at` and the command only.
    fn apply(&mut self, at: At, command: &[u8], reply: &mut Vec<u8>);
    /// The state as bytes: equal states give equal bytes.
    fn snapshot(&self) -> Vec<u8>;
    /// Replaces the state by a snapshot, or leaves it untouched.
    ///
    /// # Errors
    /// Where the snapshot is damaged.
    fn restore(&mut self, snapshot: &[u8]) -> Result<(), Damaged>;
}

/// A snapshot that cannot be restored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("snapshot is damaged at byte {offset}: expected {expected}")]
pub struct Damaged {
    /// Where, in bytes.
    pub offset: usize,
    /// What should have been there.
    pub expected: &'static str,
}
