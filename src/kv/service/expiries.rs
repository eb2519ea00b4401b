//! The index of keys by the time of their expiry, which lets it happen at that time.

use std::collections::BTreeMap;

/// The expiry of a key that has none.
pub(super) const NEVER: u64 = u64::MAX;

/// The places of the keys that expire, by their time in milliseconds.
///
/// Holds exactly the keys of the store whose expiry is not [`NEVER`]. A place is a number, and
/// takes less memory than a key; whoever looks there finds the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Expiries {
    /// How many keys in one place expire at one time.
    by_time_ms: BTreeMap<(u64, u64), u32>,
    keys: usize,
    /// The first time in `by_time_ms`, or [`NEVER`]: looked at by every command.
    next_ms: u64,
}

impl Default for Expiries {
    fn default() -> Self {
        Self { by_time_ms: BTreeMap::new(), keys: 0, next_ms: NEVER }
    }
}

impl Expiries {
    /// Notes that a key at `place` now expires at `to_ms` and no more at `from_ms`; either may be
    /// [`NEVER`].
    #[inline]
    pub(super) fn shift(&mut self, place: u64, from_ms: u64, to_ms: u64) {
        if from_ms != to_ms {
            self.shift_to(place, from_ms, to_ms);
        }
    }

    fn shift_to(&mut self, place: u64, from_ms: u64, to_ms: u64) {
        if from_ms != NEVER {
            let keys = self.by_time_ms.get_mut(&(from_ms, place));
            let keys = keys.expect("a key leaves the time at which it was to expire");
            *keys -= 1;
            if *keys == 0 {
                self.by_time_ms.remove(&(from_ms, place));
            }
            self.keys -= 1;
        }
        if to_ms != NEVER {
            *self.by_time_ms.entry((to_ms, place)).or_default() += 1;
            self.keys += 1;
        }
        self.look_ahead();
    }

    /// Whether [`take_due`](Self::take_due) would find something.
    pub(super) fn is_due(&self, now_ms: u64) -> bool {
        self.next_ms <= now_ms
    }

    /// Takes out a key whose time came first, if it has come: its time and its place.
    pub(super) fn take_due(&mut self, now_ms: u64) -> Option<(u64, u64)> {
        if !self.is_due(now_ms) {
            return None;
        }
        let (time_ms, place) = *self.by_time_ms.first_key_value()?.0;
        self.shift(place, time_ms, NEVER);
        Some((time_ms, place))
    }

    /// How many keys expire.
    pub(super) fn len(&self) -> usize {
        self.keys
    }

    /// How many keys have expired by `now_ms` and are still here.
    pub(super) fn count_due(&self, now_ms: u64) -> usize {
        let due = self.by_time_ms.iter().take_while(|((time_ms, _), _)| *time_ms <= now_ms);
        due.map(|(_, keys)| *keys as usize).sum()
    }

    fn look_ahead(&mut self) {
        self.next_ms =
            self.by_time_ms.first_key_value().map_or(NEVER, |((time_ms, _), _)| *time_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_due_at_their_time_and_in_its_order() {
        let mut expiries = Expiries::default();
        expiries.shift(1, NEVER, 20);
        expiries.shift(2, NEVER, 10);

        assert!(!expiries.is_due(9));
        assert_eq!(expiries.take_due(9), None);
        assert!(expiries.is_due(10));
        assert_eq!(expiries.count_due(10), 1);
        assert_eq!(expiries.take_due(30), Some((10, 2)));
        assert_eq!(expiries.take_due(30), Some((20, 1)));
        assert_eq!(expiries, Expiries::default());
    }

    #[test]
    fn a_key_that_moved_is_due_once() {
        let mut expiries = Expiries::default();
        expiries.shift(1, NEVER, 10);

        expiries.shift(1, 10, 20);

        assert!(!expiries.is_due(10));
        assert_eq!(expiries.count_due(20), 1);
        expiries.shift(1, 20, NEVER);
        assert_eq!(expiries, Expiries::default());
    }

    #[test]
    fn keys_in_one_place_are_due_one_by_one() {
        let mut expiries = Expiries::default();
        expiries.shift(1, NEVER, 10);
        expiries.shift(1, NEVER, 10);

        assert_eq!((expiries.len(), expiries.count_due(10)), (2, 2));
        assert_eq!([0; 3].map(|_| expiries.take_due(10)), [Some((10, 1)), Some((10, 1)), None]);
    }

    #[test]
    #[should_panic(expected = "a key leaves the time at which it was to expire")]
    fn a_key_cannot_leave_a_time_at_which_it_is_not() {
        Expiries::default().shift(1, 10, 20);
    }
}
