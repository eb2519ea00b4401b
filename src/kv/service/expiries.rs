//! The index of keys by the time of their expiry, which lets it happen at that time.

use std::collections::BTreeSet;

/// The expiry of a key that has none.
pub(super) const NEVER: u64 = u64::MAX;

/// The keys that expire, by their time in milliseconds.
///
/// Holds exactly the keys of the store whose expiry is not [`NEVER`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Expiries {
    by_time_ms: BTreeSet<(u64, Box<[u8]>)>,
    /// The first time in `by_time_ms`, or [`NEVER`]: looked at by every command.
    next_ms: u64,
}

impl Default for Expiries {
    fn default() -> Self {
        Self { by_time_ms: BTreeSet::new(), next_ms: NEVER }
    }
}

impl Expiries {
    /// Notes that `key` now expires at `to_ms` and no more at `from_ms`; either may be [`NEVER`].
    pub(super) fn shift(&mut self, key: &[u8], from_ms: u64, to_ms: u64) {
        if from_ms == to_ms {
            return;
        }
        let mut entry = (from_ms, Box::from(key));
        if from_ms != NEVER {
            let was_there = self.by_time_ms.remove(&entry);
            assert!(was_there, "a key leaves the time at which it was to expire");
        }
        if to_ms != NEVER {
            entry.0 = to_ms;
            let is_new = self.by_time_ms.insert(entry);
            assert!(is_new, "a key expires once");
        }
        self.look_ahead();
    }

    /// Whether [`take_due`](Self::take_due) would find something.
    pub(super) fn is_due(&self, now_ms: u64) -> bool {
        self.next_ms <= now_ms
    }

    /// Takes out the key whose time came first, if it has come.
    pub(super) fn take_due(&mut self, now_ms: u64) -> Option<Box<[u8]>> {
        if !self.is_due(now_ms) {
            return None;
        }
        let (_, key) = self.by_time_ms.pop_first()?;
        self.look_ahead();
        Some(key)
    }

    /// How many keys expire.
    pub(super) fn len(&self) -> usize {
        self.by_time_ms.len()
    }

    /// How many keys have expired by `now_ms` and are still here.
    pub(super) fn count_due(&self, now_ms: u64) -> usize {
        self.by_time_ms.iter().take_while(|(time_ms, _)| *time_ms <= now_ms).count()
    }

    fn look_ahead(&mut self) {
        self.next_ms = self.by_time_ms.first().map_or(NEVER, |(time_ms, _)| *time_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_due_at_their_time_and_in_its_order() {
        let mut expiries = Expiries::default();
        expiries.shift(b"late", NEVER, 20);
        expiries.shift(b"soon", NEVER, 10);

        assert!(!expiries.is_due(9));
        assert_eq!(expiries.take_due(9), None);
        assert!(expiries.is_due(10));
        assert_eq!(expiries.count_due(10), 1);
        assert_eq!(expiries.take_due(30).unwrap()[..], b"soon"[..]);
        assert_eq!(expiries.take_due(30).unwrap()[..], b"late"[..]);
        assert_eq!(expiries, Expiries::default());
    }

    #[test]
    fn a_key_that_moved_is_due_once() {
        let mut expiries = Expiries::default();
        expiries.shift(b"k", NEVER, 10);

        expiries.shift(b"k", 10, 20);

        assert!(!expiries.is_due(10));
        assert_eq!(expiries.count_due(20), 1);
        expiries.shift(b"k", 20, NEVER);
        assert_eq!(expiries, Expiries::default());
    }

    #[test]
    #[should_panic(expected = "a key leaves the time at which it was to expire")]
    fn a_key_cannot_leave_a_time_at_which_it_is_not() {
        Expiries::default().shift(b"k", 10, 20);
    }

    #[test]
    #[should_panic(expected = "a key expires once")]
    fn a_key_cannot_expire_twice_at_a_time() {
        let mut expiries = Expiries::default();
        expiries.shift(b"k", NEVER, 10);
        expiries.shift(b"k", NEVER, 10);
    }
}
