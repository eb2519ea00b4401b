//! SplitMix64: numbers that look random, follow from a seed, and stay the same in every version.

/// A sequence of numbers that a seed determines.
#[derive(Clone, Debug)]
pub struct SplitMix64(u64);

impl SplitMix64 {
    /// The sequence of `seed`.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mix(self.0)
    }
}

/// Spreads the bits of a number evenly; no two numbers give the same.
pub fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_that_were_published() {
        let mut numbers = SplitMix64::new(0);

        assert_eq!(numbers.number(), 0xe220_a839_7b1d_cdaf);
        assert_eq!(numbers.number(), 0x6e78_9e6a_a1b9_65f4);
    }
}
