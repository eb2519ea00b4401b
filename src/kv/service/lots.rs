//! Drawing lots that every replica draws alike: the slot is the only chance there is.

/// A sequence of numbers that look random and follow from the slot.
///
/// They reach replies and the state, so they must stay the same in every version of the program:
/// this is SplitMix64, written out.
pub(super) struct Lots(u64);

impl Lots {
    /// The sequence of a slot.
    pub(super) fn of(slot: u64) -> Self {
        Self(slot)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }

    /// Draws a number below `count`, which is above zero. The lowest are preferred, by no more than
    /// `count` in 2^64.
    pub(super) fn below(&mut self, count: usize) -> usize {
        (self.next() % count.max(1) as u64) as usize
    }

    /// Draws one of `keys`, in whatever order they come, in one pass and without copying them: the
    /// one whose hash, mixed with the slot, is least.
    pub(super) fn one_of<'a>(&mut self, keys: impl Iterator<Item = &'a [u8]>) -> Option<&'a [u8]> {
        let draw = self.next();
        keys.min_by_key(|key| (mix(hash(key) ^ draw), *key))
    }
}

fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
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
    fn lots_stay_the_same_for_ever() {
        let mut lots = Lots::of(0);

        assert_eq!(lots.next(), 0xe220_a839_7b1d_cdaf);
        assert_eq!(hash(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn the_order_of_the_keys_does_not_matter() {
        let keys: Vec<_> = (0..100u8).map(|key| [key]).collect();

        for slot in 0..100 {
            let forth = Lots::of(slot).one_of(keys.iter().map(|key| &key[..]));
            let back = Lots::of(slot).one_of(keys.iter().rev().map(|key| &key[..]));
            assert_eq!(forth, back);
        }
    }

    #[test]
    fn every_key_has_its_chance() {
        let keys: Vec<_> = (0..10u8).map(|key| [key]).collect();
        let mut drawn = [0; 10];

        for slot in 0..1000 {
            let key = Lots::of(slot).one_of(keys.iter().map(|key| &key[..])).unwrap();
            drawn[usize::from(key[0])] += 1;
        }

        assert!(drawn.iter().all(|times| (60..=140).contains(times)), "{drawn:?}");
    }
}
