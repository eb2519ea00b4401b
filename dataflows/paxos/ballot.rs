//! Ballots: attempts at a slot, of which no two are alike (PX-5).

use serde::{Deserialize, Serialize};

use crate::engine::ordering::learner::AnyBallot;
use crate::model::config::Config;
use crate::model::types::{ReplicaId, View, is_plausible};

/// One attempt of one proposer at a slot. The default is below all of them.
///
/// It names the life of its proposer, which is on the disk before anything leaves the replica. So a
/// proposer keeps nothing of what it has tried, and never tries again after a restart with what it
/// had used before it, perhaps for another value.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Ballot {
    /// What a proposer raises to outbid others. It comes first, so that any of them can be outbid
    /// by any proposer, however often either has started.
    pub round: u64,
    /// How often the proposer had started.
    pub life: u64,
    /// Who proposes in it.
    pub proposer: ReplicaId,
}

impl Ballot {
    /// Whether a ballot that came from outside can be one.
    pub fn is_plausible(self, config: &Config) -> bool {
        self.round < ROUND_MAX && is_plausible(self.life) && usize::from(self.proposer.0) < config.n
    }

    /// A number for those who watch: later for a later round, and for no two proposers the same.
    pub fn number(self) -> View {
        View(self.round << REPLICA_BITS | u64::from(self.proposer.0))
    }
}

/// Bits of the largest number of a replica.
const REPLICA_BITS: u32 = 6;
/// No round in a running system comes near this one, and none below it is too large for a number.
const ROUND_MAX: u64 = 1 << 56;

impl AnyBallot for Ballot {
    fn proposer(self, _n: usize) -> ReplicaId {
        self.proposer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ballot(round: u64, life: u64, proposer: u16) -> Ballot {
        Ballot { round, life, proposer: ReplicaId(proposer) }
    }

    #[test]
    fn a_later_round_outbids_whoever_has_started_more_often() {
        let sorted = [
            Ballot::default(),
            ballot(1, 1, 0),
            ballot(1, 1, 2),
            ballot(1, 9, 0),
            ballot(2, 1, 0),
            ballot(3, 1, 1),
        ];
        assert!(sorted.is_sorted());
    }

    #[test]
    fn two_lives_of_a_replica_have_no_ballot_in_common() {
        assert_ne!(ballot(1, 1, 0), ballot(1, 2, 0));
    }

    #[test]
    fn the_number_of_a_ballot_orders_rounds_and_tells_proposers_apart() {
        let numbers = [ballot(0, 0, 0), ballot(1, 7, 62), ballot(2, 1, 0), ballot(2, 1, 1)];
        let numbers = numbers.map(Ballot::number);
        assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    }
}
