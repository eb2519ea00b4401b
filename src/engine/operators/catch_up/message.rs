//! Messages between replicas that catch up.

use serde::{Deserialize, Serialize};

use crate::engine::operators::transfer::{GroupDigests, Offer, Piece};
use crate::model::batch::{Value, is_plausible_value, weight};
use crate::model::checkpoint::Digest;
use crate::model::config::Config;
use crate::model::types::{Slot, is_plausible};

/// Messages between replicas to catch up.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CatchUp {
    /// "I have executed all slots below this one."
    Executed(Slot),
    /// "Send me what comes at `from` and after."
    Fetch {
        /// The first slot the asker has not executed.
        from: Slot,
    },
    /// "Send me the digests of the parts in these groups of your checkpoint before `slot`."
    FetchGroups {
        /// The first slot that is not in the checkpoint.
        slot: Slot,
        /// The groups.
        groups: Vec<u32>,
    },
    /// "Send me these parts of it, of the first of them what comes at `offset` and after."
    FetchParts {
        /// The first slot that is not in the checkpoint.
        slot: Slot,
        /// The parts.
        parts: Vec<u32>,
        /// How many bytes of the first one are known.
        offset: u64,
    },
    /// "From `from` on, this was decided."
    Decided {
        /// The first slot.
        from: Slot,
        /// Its value and those after it.
        values: Vec<Value>,
    },
    /// "What you miss is in this checkpoint."
    Offer(Offer),
    /// Digests of parts of the sender's checkpoint.
    Groups {
        /// The first slot that is not in the checkpoint.
        slot: Slot,
        /// Some of the groups asked for.
        groups: Vec<GroupDigests>,
    },
    /// Bytes of parts of the sender's checkpoint.
    Pieces {
        /// The first slot that is not in the checkpoint.
        slot: Slot,
        /// Some of what was asked for, in its order.
        pieces: Vec<Piece>,
    },
}

impl CatchUp {
    /// Whether a message that came from outside can be one of a replica with these settings.
    pub fn is_plausible(&self, config: &Config) -> bool {
        match self {
            Self::Executed(slot) | Self::Fetch { from: slot } => slot.is_plausible(),
            Self::FetchGroups { slot, .. } | Self::Groups { slot, .. } => slot.is_plausible(),
            Self::FetchParts { slot, offset, .. } => slot.is_plausible() && is_plausible(*offset),
            Self::Offer(offer) => offer.is_plausible(),
            Self::Decided { from, values } => {
                let fits = |value: &Value| is_plausible_value(value, config.n);
                from.is_plausible() && values.iter().all(fits)
            }
            Self::Pieces { slot, pieces } => {
                let fits = |piece: &Piece| is_plausible(piece.total) && is_plausible(piece.offset);
                slot.is_plausible() && pieces.iter().all(fits)
            }
        }
    }

    /// How far its sender has executed, if that is what it says.
    pub fn executed(&self) -> Option<Slot> {
        match self {
            Self::Executed(slot) => Some(*slot),
            _ => None,
        }
    }

    /// How many bytes it takes on a link, near enough for limits.
    pub fn weight(&self) -> usize {
        const DIGEST: usize = size_of::<Digest>() + 4;
        match self {
            Self::Executed(_) | Self::Fetch { .. } => 32,
            Self::FetchGroups { groups: numbers, .. } | Self::FetchParts { parts: numbers, .. } => {
                32 + size_of::<u32>() * numbers.len()
            }
            Self::Decided { values, .. } => values.iter().map(weight).sum(),
            Self::Offer(offer) => 64 + DIGEST * offer.groups.len(),
            Self::Groups { groups, .. } => {
                groups.iter().map(|group| 8 + DIGEST * group.parts.len()).sum()
            }
            Self::Pieces { pieces, .. } => pieces.iter().map(|piece| 24 + piece.bytes.len()).sum(),
        }
    }
}
