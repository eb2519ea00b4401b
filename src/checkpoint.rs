//! A replica's replicated state at a slot, as bytes.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::types::Slot;

/// The BLAKE3 digest of a checkpoint's bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }
}

impl std::fmt::Display for Digest {
    /// The first eight bytes, enough for a person to compare.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0[..8].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

/// Application, sessions and progress after all slots below `slot`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The first slot that is not in it.
    pub slot: Slot,
    /// The digest of `state`: equal on all replicas.
    pub digest: Digest,
    /// The state, shared.
    pub state: Arc<Vec<u8>>,
}

impl Checkpoint {
    /// The checkpoint at `slot` with the given bytes.
    #[must_use]
    pub fn new(slot: Slot, state: Vec<u8>) -> Self {
        Self { slot, digest: Digest::of(&state), state: Arc::new(state) }
    }
}
