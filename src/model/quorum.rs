//! Fault models, and counting replicas that agree.

use crate::model::types::ReplicaId;

/// The fault model of a protocol: from it follows how many replicas must agree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tolerance {
    /// Faulty replicas stop, and may return with what they had on their disks: `n = 2f + 1`.
    #[default]
    Crash,
    /// Faulty replicas do and say anything: `n = 3f + 1`.
    Byzantine,
}

impl Tolerance {
    /// Replicas of `n` that may be faulty at the same time: `f`.
    pub fn faults(self, n: usize) -> usize {
        n.saturating_sub(1) / self.per_fault()
    }

    /// Replicas of `n` that decide: as many as answer when all that may be faulty do not, `n - f`.
    pub fn quorum(self, n: usize) -> usize {
        n - self.faults(n)
    }

    /// The fewest replicas that survive a fault.
    pub fn smallest(self) -> usize {
        self.per_fault() + 1
    }

    /// Whether `n` replicas survive a fault, and none of them is in excess.
    pub fn fits(self, n: usize) -> bool {
        let per_fault = self.per_fault();
        n > per_fault && n % per_fault == 1 && n <= Votes::REPLICAS_MAX
    }

    /// The sizes that [fit](Tolerance::fits), in words.
    pub fn sizes(self) -> &'static str {
        match self {
            Self::Crash => {
                "crash protocols need an odd number from 3 to 63 (3 survive one failure, 5 two, \
                 7 three)"
            }
            Self::Byzantine => {
                "Byzantine protocols need 4, 7, 10 or so on up to 61 (4 survive one failure, 7 \
                 two, 10 three)"
            }
        }
    }

    /// Replicas that each further fault takes.
    fn per_fault(self) -> usize {
        match self {
            Self::Crash => 2,
            Self::Byzantine => 3,
        }
    }
}

/// The distinct replicas that agree on one thing.
///
/// A set and not a counter: a vote that arrives twice is one vote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Votes(u64);

impl Votes {
    /// Clusters are far smaller than this; [`Config`](crate::model::config::Config) checks it.
    pub const REPLICAS_MAX: usize = 63;

    /// Adds the vote of `from`; returns whether it is new. A number no replica can have is no vote.
    pub fn add(&mut self, from: ReplicaId) -> bool {
        let before = self.0;
        if usize::from(from.0) < Self::REPLICAS_MAX {
            self.0 |= 1 << from.0;
        }
        self.0 != before
    }

    /// How many replicas have voted.
    pub fn count(self) -> usize {
        self.0.count_ones() as usize
    }

    /// The replicas of `n` that have not voted.
    pub fn missing(self, n: usize) -> Vec<ReplicaId> {
        let voted = |replica: &ReplicaId| self.0 >> replica.0 & 1 == 1;
        (0..n as u16).map(ReplicaId).filter(|replica| !voted(replica)).collect()
    }

    /// The replicas that have voted, by number.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        (0..Self::REPLICAS_MAX).filter(move |replica| self.0 >> replica & 1 == 1)
    }
}

/// The highest value that at least `quorum` replicas have reached.
///
/// Each replica's own value only grows, so a report below an earlier one is old news.
#[derive(Debug)]
pub struct Watermark<V> {
    quorum: usize,
    reached: Vec<V>,
    value: V,
}

impl<V: Copy + Ord + Default> Watermark<V> {
    /// No replica of `n` has reached anything yet.
    pub fn new(n: usize, quorum: usize) -> Self {
        assert!((1..=n).contains(&quorum), "{quorum} of {n} replicas are no quorum");
        Self { quorum, reached: vec![V::default(); n], value: V::default() }
    }

    /// How far each replica has come.
    pub fn reached(&self) -> &[V] {
        &self.reached
    }

    /// Notes that `from` has reached `value`; answers the new watermark if that moved it.
    pub fn raise(&mut self, from: ReplicaId, value: V) -> Option<V> {
        let known = self.reached.get_mut(from.0 as usize)?;
        *known = value.max(*known);
        // Sorted on a copy: the vector shows who reached what.
        let mut values = self.reached.clone();
        values.sort_unstable_by(|a, b| b.cmp(a));
        let agreed = values[self.quorum - 1];
        assert!(agreed >= self.value, "no replica takes back what it has reached");
        (agreed > self.value).then(|| {
            self.value = agreed;
            agreed
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watermark_is_the_value_a_quorum_has_reached() {
        let mut views = Watermark::new(3, 2);
        assert_eq!(views.raise(ReplicaId(0), 7), None);
        assert_eq!(views.raise(ReplicaId(1), 3), Some(3));
        assert_eq!(views.raise(ReplicaId(2), 9), Some(7));
        assert_eq!(views.raise(ReplicaId(2), 1), None);
    }

    #[test]
    fn any_two_quorums_share_a_replica_that_is_not_faulty() {
        let shared = |tolerance: Tolerance, faulty: fn(usize) -> usize| {
            let sizes: Vec<usize> = (0..=70).filter(|n| tolerance.fits(*n)).collect();
            for &n in &sizes {
                let (f, quorum) = (tolerance.faults(n), tolerance.quorum(n));
                assert!(2 * quorum - n > faulty(f), "two quorums of {quorum} in {n}");
                assert!(n - f >= quorum, "nothing is decided without {f} of {n}");
            }
            (sizes[0], sizes[1], sizes[sizes.len() - 1])
        };
        assert_eq!(shared(Tolerance::Crash, |_| 0), (3, 5, 63));
        assert_eq!(shared(Tolerance::Byzantine, |f| f), (4, 7, 61));
    }

    #[test]
    fn a_number_that_no_replica_has_does_not_vote_for_another() {
        let mut votes = Votes::default();
        assert!(!votes.add(ReplicaId(64)) && !votes.add(ReplicaId(63)));
        assert_eq!(votes.count(), 0);
    }

    #[test]
    #[should_panic(expected = "4 of 3 replicas are no quorum")]
    fn a_quorum_is_not_larger_than_the_cluster() {
        let _ = Watermark::<u64>::new(3, 4);
    }

    #[test]
    fn a_vote_that_arrives_twice_is_one_vote() {
        let mut votes = Votes::default();
        assert!(votes.add(ReplicaId(2)));
        assert!(!votes.add(ReplicaId(2)));
        assert_eq!(votes.count(), 1);
    }

    #[test]
    #[should_panic(expected = "no replica takes back what it has reached")]
    fn a_watermark_does_not_fall() {
        let mut views = Watermark::new(3, 2);
        views.value = 9;
        views.raise(ReplicaId(0), 7);
    }
}
