//! Counting what replicas say.

use crate::model::types::ReplicaId;

/// The smallest group of a `2f + 1` cluster that meets every other such group.
#[must_use]
pub fn majority(n: usize) -> usize {
    n / 2 + 1
}

/// The distinct replicas that said one thing.
///
/// A set and not a counter: a vote that arrives twice is one vote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Votes(u64);

impl Votes {
    /// Clusters are far smaller than this; [`Config`](crate::model::config::Config) checks it.
    pub const REPLICAS_MAX: usize = 63;

    /// Adds the vote of `from`; says whether it is new.
    pub fn add(&mut self, from: ReplicaId) -> bool {
        let before = self.0;
        self.0 |= 1 << (from.0 & 63);
        self.0 != before
    }

    /// How many replicas have voted.
    #[must_use]
    pub fn count(self) -> usize {
        self.0.count_ones() as usize
    }

    /// The replicas of `n` that have not voted.
    #[must_use]
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
    #[must_use]
    pub fn new(n: usize, quorum: usize) -> Self {
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
        // Sorted on a copy: the vector says who reached what.
        let mut values = self.reached.clone();
        values.sort_unstable_by(|a, b| b.cmp(a));
        let agreed = values[self.quorum - 1];
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
    fn a_vote_that_arrives_twice_is_one_vote() {
        let mut votes = Votes::default();
        assert!(votes.add(ReplicaId(2)));
        assert!(!votes.add(ReplicaId(2)));
        assert_eq!(votes.count(), 1);
    }
}
