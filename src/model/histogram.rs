//! Durations in buckets: how they are spread, in constant memory.

use std::time::Duration;

/// Buckets of durations, four for each doubling, from a nanosecond to hours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Buckets {
    counts: Vec<u64>,
    /// The sum of all durations.
    pub total: Duration,
    /// The longest of them.
    pub longest: Duration,
}

impl Default for Buckets {
    fn default() -> Self {
        let (total, longest) = (Duration::ZERO, Duration::ZERO);
        Self { counts: vec![0; Self::COUNT], total, longest }
    }
}

impl Buckets {
    /// How many buckets there are.
    pub const COUNT: usize = 4 * 44;

    /// Adds a duration.
    pub fn add(&mut self, time: Duration) {
        self.counts[Self::bucket(time)] += 1;
        self.total = self.total.saturating_add(time);
        self.longest = time.max(self.longest);
    }

    /// The bucket of a duration.
    pub fn bucket(time: Duration) -> usize {
        let ns = (time.as_nanos() as u64).max(4);
        let octave = ns.ilog2() as usize;
        let quarter = (ns >> (octave - 2)) as usize & 3;
        (4 * (octave - 2) + quarter).min(Self::COUNT - 1)
    }

    /// How many more durations each bucket holds than it did `before`, but for those that hold no
    /// more.
    pub fn beyond(&self, before: &Self) -> impl Iterator<Item = (usize, u64)> {
        let counts = self.counts.iter().zip(&before.counts);
        let more = counts.map(|(now, before)| now.saturating_sub(*before));
        more.enumerate().filter(|(_, count)| *count > 0)
    }

    /// How many durations each bucket holds, but for empty ones.
    pub fn filled(&self) -> impl Iterator<Item = (usize, u64)> {
        self.counts.iter().copied().enumerate().filter(|(_, count)| *count > 0)
    }

    /// How many durations there are.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Their mean, in microseconds; 0 if there are none.
    pub fn mean_us(&self) -> u64 {
        (self.total.as_micros() as u64).checked_div(self.count()).unwrap_or(0)
    }

    /// What so many of 100 took no more than, in microseconds, at most a quarter too high.
    pub fn quantile_us(&self, of_100: u64) -> u64 {
        let filled: Vec<_> = self.filled().collect();
        quantile_us(&filled, of_100).min(self.longest.as_micros() as u64)
    }
}

/// What so many of 100 durations took no more than, in microseconds, at most a quarter too high,
/// where each bucket, in ascending order, holds so many.
pub fn quantile_us(buckets: &[(usize, u64)], of_100: u64) -> u64 {
    let count: u64 = buckets.iter().map(|(_, count)| count).sum();
    let rank = (count * of_100).div_ceil(100);
    let mut seen = 0;
    let holds = |(_, count): &&(usize, u64)| {
        seen += count;
        seen >= rank
    };
    buckets.iter().find(holds).map_or(0, |(bucket, _)| longest_us(*bucket))
}

/// The longest duration of a bucket, in microseconds, rounded up.
fn longest_us(bucket: usize) -> u64 {
    let (octave, quarter) = (bucket / 4 + 2, bucket as u64 % 4);
    ((quarter + 5) << (octave - 2)).div_ceil(1_000)
}

/// The power of two that all durations of a bucket are below, in nanoseconds.
pub fn octave_ns(bucket: usize) -> u64 {
    1 << (bucket / 4 + 3)
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
        assert_eq!((buckets.count(), buckets.mean_us()), (100, 50));
        assert!((50..=62).contains(&buckets.quantile_us(50)), "{buckets:?}");
        assert_eq!((buckets.quantile_us(99), buckets.quantile_us(100)), (100, 100));
        let empty = Buckets::default();
        assert_eq!((empty.mean_us(), empty.quantile_us(99)), (0, 0));
    }

    #[test]
    fn the_shortest_and_the_longest_have_a_bucket() {
        let mut buckets = Buckets::default();
        buckets.add(Duration::ZERO);
        buckets.add(Duration::MAX / 2);
        assert_eq!(buckets.filled().count(), 2);
    }
}
