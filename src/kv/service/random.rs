//! Deterministic randomness, seeded by the slot, and a hash of names that is the same for ever.

use crate::model::random::{SplitMix64, mix};

/// Numbers that look random and follow from the slot.
///
/// They reach replies and the state, so they must stay the same in every version of the program.
pub(super) struct SlotRandom(SplitMix64);

impl SlotRandom {
    /// The numbers of a slot.
    pub(super) fn of(slot: u64) -> Self {
        Self(SplitMix64::new(slot))
    }

    /// Draws a number below `count`, which is above zero. The lowest are preferred, by no more than
    /// `count` in 2^64.
    pub(super) fn below(&mut self, count: usize) -> usize {
        (self.0.number() % count.max(1) as u64) as usize
    }

    /// Draws one of `keys`, in whatever order they come, in one pass and without copying them: the
    /// one whose hash, mixed with the slot, is least.
    pub(super) fn one_of<'a>(&mut self, keys: impl Iterator<Item = &'a [u8]>) -> Option<&'a [u8]> {
        let draw = self.0.number();
        keys.min_by_key(|key| (mix(hash(key) ^ draw), *key))
    }
}

/// A number for a name, evenly spread and the same for ever.
pub(super) fn spread(name: &[u8]) -> u64 {
    mix(hash(name))
}

/// FNV-1a: unlike the store's own hash, fixed for ever.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_stays_the_same_for_ever() {
        assert_eq!(hash(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn the_order_of_the_keys_does_not_matter() {
        let keys: Vec<_> = (0..100u8).map(|key| [key]).collect();

        for slot in 0..100 {
            let forth = SlotRandom::of(slot).one_of(keys.iter().map(|key| &key[..]));
            let back = SlotRandom::of(slot).one_of(keys.iter().rev().map(|key| &key[..]));
            assert_eq!(forth, back);
        }
    }

    #[test]
    fn every_key_has_its_chance() {
        let keys: Vec<_> = (0..10u8).map(|key| [key]).collect();
        let mut drawn = [0; 10];

        for slot in 0..1000 {
            let key = SlotRandom::of(slot).one_of(keys.iter().map(|key| &key[..])).unwrap();
            drawn[usize::from(key[0])] += 1;
        }

        assert!(drawn.iter().all(|times| (60..=140).contains(times)), "{drawn:?}");
    }
}
