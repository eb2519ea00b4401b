//! Rejected messages, counted by reason.

use serde::{Deserialize, Serialize};

use crate::model::types::Slot;

/// The reason for which a role rejects a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It is of a view that has been left.
    StaleView,
    /// It is for the leader of a view, who this replica is not, or is not yet.
    NotLeader,
    /// It is about a slot, or a batch, further ahead than anything is kept for.
    BeyondWindow,
    /// What it is about is decided, executed or on its way here: the last votes as a rule, and what
    /// was sent again.
    Late,
    /// It is not what is next.
    OutOfOrder,
    /// Its bytes do not have the digest it names.
    Damaged,
}

impl Refusal {
    /// All of them, in their order.
    pub const ALL: [Self; 6] = [
        Self::StaleView,
        Self::NotLeader,
        Self::BeyondWindow,
        Self::Late,
        Self::OutOfOrder,
        Self::Damaged,
    ];

    /// What it is called where counts are shown.
    pub fn name(self) -> &'static str {
        match self {
            Self::StaleView => "stale_view",
            Self::NotLeader => "not_leader",
            Self::BeyondWindow => "beyond_window",
            Self::Late => "late",
            Self::OutOfOrder => "out_of_order",
            Self::Damaged => "damaged",
        }
    }
}

/// The number of messages a role has rejected since it started, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused([u64; Refusal::ALL.len()]);

impl Refused {
    /// One more.
    pub fn add(&mut self, why: Refusal) {
        self.0[why as usize] += 1;
    }

    /// Whether a message about `slot` is one for the `window` of slots from `next` on; one that is
    /// not is rejected.
    #[must_use]
    pub fn admits(&mut self, slot: Slot, next: Slot, window: u64) -> bool {
        let why = if slot < next {
            Refusal::Late
        } else if slot.0 >= next.0 + window {
            Refusal::BeyondWindow
        } else {
            return true;
        };
        self.add(why);
        false
    }

    /// The reasons for which there were any, and how many there were.
    pub fn counts(&self) -> impl Iterator<Item = (Refusal, u64)> {
        Refusal::ALL.into_iter().zip(self.0).filter(|(_, count)| *count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_a_count_of_its_own() {
        let mut refused = Refused::default();
        for (times, why) in Refusal::ALL.into_iter().enumerate() {
            (0..times).for_each(|_| refused.add(why));
        }
        let counts: Vec<u64> = refused.counts().map(|(_, count)| count).collect();
        assert_eq!(counts, [1, 2, 3, 4, 5], "the first has none");
    }
}
