//! The memory of a search: the places it has been.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hash, Hasher};

use crate::model::random::mix;

/// The configurations entered so far.
///
/// The set of answered operations placed is kept as a fingerprint: the exclusive or of a fixed
/// 128-bit number for each. A key has the same size however long the history, where the bit set
/// of the papers grows with it. Two sets share a fingerprint with probability 2^-128; only then
/// could a legal history be refused.
///
/// Of two configurations with the same answered operations placed and the same state, the one that
/// has used fewer unanswered ones can do all the other can. So what is looked for is a subset.
pub(super) struct Memory<S> {
    plain: HashSet<(u128, S), FixedState>,
    /// Configurations that used unanswered operations; the numbers are places in the
    /// list of sets that `is_new` is given.
    using: HashMap<(u128, S), Vec<u32>, FixedState>,
}

impl<S: Clone + Eq + Hash> Memory<S> {
    pub(super) fn new() -> Self {
        Memory { plain: HashSet::default(), using: HashMap::default() }
    }

    /// Whether this configuration is worth entering; if so it is remembered.
    pub(super) fn is_new(
        &mut self,
        placed: u128,
        state: &S,
        used: u32,
        sets: &[Box<[u64]>],
    ) -> bool {
        let key = (placed, state.clone());
        if used == 0 {
            return self.plain.insert(key);
        }
        if self.plain.contains(&key) {
            return false;
        }
        let known = self.using.entry(key).or_default();
        let set = &sets[used as usize];
        let is_subset =
            |&other: &u32| sets[other as usize].iter().zip(set.iter()).all(|(o, s)| o & !s == 0);
        let is_new = !known.iter().any(is_subset);
        if is_new {
            known.push(used);
        }
        is_new
    }
}

/// A fixed number for each place, as scattered as a random one (the finalizer of SplitMix64).
pub(super) fn fingerprint(i: u32) -> u128 {
    let half = |seed| mix((u64::from(i) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ seed);
    u128::from(half(0x2545_f491_4f6c_dd1d)) << 64 | u128::from(half(0xd6e8_feb8_6659_fd93))
}

/// Makes hashers without a random seed, so that a run takes the same steps every time. Tables with
/// it are only asked "is it in?": nothing walks over them.
pub(super) type FixedState = BuildHasherDefault<FixedHasher>;

/// Folds each word in with a wide multiplication.
#[derive(Default)]
pub(super) struct FixedHasher(u64);

impl Hasher for FixedHasher {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u32(&mut self, word: u32) {
        self.write_u64(u64::from(word));
    }

    fn write_u64(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word ^ 0x9e37_79b9_7f4a_7c15) * 0xd6e8_feb8_6659_fd93;
        self.0 = (product as u64) ^ (product >> 64) as u64;
    }

    fn write_u128(&mut self, word: u128) {
        self.write_u64(word as u64);
        self.write_u64((word >> 64) as u64);
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
