//! How durations are spread, in constant memory.

use std::time::Duration;

use super::frame::Spread;

/// Buckets of durations, four for each doubling, from a nanosecond to hours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Buckets {
    counts: Vec<u64>,
    /// The sum of all durations.
    pub total: Duration,
}

impl Default for Buckets {
    fn default() -> Self {
        Self { counts: vec![0; Self::COUNT], total: Duration::ZERO }
    }
}

impl Buckets {
    /// How many buckets there are.
    pub const COUNT: usize = 4 * 44;

    /// Adds a duration.
    pub fn add(&mut self, time: Duration) {
        self.counts[Self::bucket(time)] += 1;
        self.total += time;
    }

    /// The bucket of a duration.
    #[must_use]
    pub fn bucket(time: Duration) -> usize {
        let ns = (time.as_nanos() as u64).max(4);
        let octave = ns.ilog2() as usize;
        let quarter = (ns >> (octave - 2)) as usize & 3;
        (4 * (octave - 2) + quarter).min(Self::COUNT - 1)
    }

    /// How many more durations each bucket holds than it did `before`, but for those that hold no more.
    pub fn beyond(&self, before: &Self) -> impl Iterator<Item = (usize, u64)> {
        let more = self.counts.iter().zip(&before.counts).map(|(now, before)| now - before);
        more.enumerate().filter(|(_, count)| *count > 0)
    }

    /// How many durations each bucket holds, but for empty ones.
    pub fn filled(&self) -> impl Iterator<Item = (usize, u64)> {
        self.counts.iter().copied().enumerate().filter(|(_, count)| *count > 0)
    }
}

/// The longest duration of a bucket, in microseconds, rounded up.
#[must_use]
pub fn longest_us(bucket: usize) -> u64 {
    let (octave, quarter) = (bucket / 4 + 2, bucket as u64 % 4);
    ((quarter + 5) << (octave - 2)).div_ceil(1_000)
}

/// The power of two that all durations of a bucket are below, in nanoseconds.
#[must_use]
pub fn octave_ns(bucket: usize) -> u64 {
    1 << (bucket / 4 + 3)
}

impl Spread {
    /// The spread of durations of which each bucket, in ascending order, holds so many.
    #[must_use]
    pub fn of(buckets: &[(usize, u64)]) -> Self {
        let count: u64 = buckets.iter().map(|(_, count)| count).sum();
        let quantile = |of_100: u64| {
            let rank = (count * of_100).div_ceil(100);
            let mut seen = 0;
            let holds = |(_, count): &&(usize, u64)| {
                seen += count;
                seen >= rank
            };
            buckets.iter().find(holds).map_or(0, |(bucket, _)| longest_us(*bucket))
        };
        Self { count, p50_us: quantile(50), p99_us: quantile(99), max_us: quantile(100) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_at_most_a_quarter_too_high() {
        for us in [1, 2, 3, 7, 10, 99, 100, 1_000, 12_345, 1_000_000, 3_600_000_000] {
            let longest = longest_us(Buckets::bucket(Duration::from_micros(us)));
            assert!(longest >= us && longest <= us + us / 4 + 1, "{us}: {longest}");
        }
    }

    #[test]
    fn quantiles_are_those_of_the_durations() {
        let mut buckets = Buckets::default();
        (1..=100).for_each(|us| buckets.add(Duration::from_micros(us)));
        let spread = Spread::of(&buckets.filled().collect::<Vec<_>>());
        assert_eq!(spread.count, 100);
        assert!((50..=62).contains(&spread.p50_us), "{spread:?}");
        assert!((99..=124).contains(&spread.p99_us), "{spread:?}");
        assert!((100..=125).contains(&spread.max_us), "{spread:?}");
    }

    #[test]
    fn the_shortest_and_the_longest_have_a_bucket() {
        let mut buckets = Buckets::default();
        buckets.add(Duration::ZERO);
        buckets.add(Duration::MAX / 2);
        assert_eq!(buckets.filled().count(), 2);
    }
}
