//! Sets of the parts of a state.

use std::ops::Range;

/// Some of the parts that a state is kept in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartSet {
    parts: usize,
    /// A bit a part.
    words: Vec<u64>,
}

impl PartSet {
    const BITS: usize = u64::BITS as usize;

    /// None of so many parts.
    pub fn none(parts: usize) -> Self {
        Self { parts, words: vec![0; parts.div_ceil(Self::BITS)] }
    }

    /// All of so many parts.
    pub fn all(parts: usize) -> Self {
        let mut all = Self { parts, words: vec![u64::MAX; parts.div_ceil(Self::BITS)] };
        let beyond = all.words.len() * Self::BITS - parts;
        if let Some(last) = all.words.last_mut() {
            *last >>= beyond;
        }
        all
    }

    /// Of how many parts some are in it.
    pub fn parts(&self) -> usize {
        self.parts
    }

    /// Adds a part.
    ///
    /// # Panics
    /// When there is no such part.
    #[inline]
    pub fn insert(&mut self, part: usize) {
        assert!(part < self.parts, "there are {} parts, and not {part}", self.parts);
        self.words[part / Self::BITS] |= 1 << (part % Self::BITS);
    }

    /// Takes a part out. Says whether it was in.
    pub fn remove(&mut self, part: usize) -> bool {
        let is_in = self.contains(part);
        if is_in {
            self.words[part / Self::BITS] &= !(1 << (part % Self::BITS));
        }
        is_in
    }

    /// Whether a part is in it.
    pub fn contains(&self, part: usize) -> bool {
        let word = self.words.get(part / Self::BITS);
        word.is_some_and(|word| word & (1 << (part % Self::BITS)) != 0)
    }

    /// Adds all of `other`, whose first part is number `first` here.
    ///
    /// # Panics
    /// When there are not so many parts.
    pub fn extend(&mut self, first: usize, other: &Self) {
        assert!(first + other.parts <= self.parts, "{} parts hold others", self.parts);
        let (skipped, shift) = (first / Self::BITS, first % Self::BITS);
        for (index, word) in other.words.iter().enumerate().filter(|(_, word)| **word != 0) {
            self.words[skipped + index] |= word << shift;
            let over = word.checked_shr((Self::BITS - shift) as u32).unwrap_or(0);
            if over != 0 {
                self.words[skipped + index + 1] |= over;
            }
        }
    }

    /// Those from `first` on, which becomes the first part.
    pub fn from(&self, first: usize) -> Self {
        let mut rest = Self::none(self.parts.saturating_sub(first));
        let (skipped, shift) = (first / Self::BITS, first % Self::BITS);
        let word = |index: usize| self.words.get(skipped + index).copied().unwrap_or(0);
        for (index, to) in rest.words.iter_mut().enumerate() {
            let over = word(index + 1).checked_shl((Self::BITS - shift) as u32).unwrap_or(0);
            *to = word(index) >> shift | over;
        }
        rest
    }

    /// Those that are not in it.
    pub fn others(&self) -> Self {
        let mut others = Self::all(self.parts);
        others.words.iter_mut().zip(&self.words).for_each(|(other, word)| *other &= !word);
        others
    }

    /// How many are in it.
    pub fn len(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// Whether none is in it.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// The first one that is not below `from`.
    pub fn next(&self, from: usize) -> Option<usize> {
        let first = from / Self::BITS;
        let below = (1 << (from % Self::BITS)) - 1;
        let mut words = self.words.iter().enumerate().skip(first);
        let (index, word) = words.next()?;
        let rest = std::iter::once((index, *word & !below)).chain(words.map(|(i, w)| (i, *w)));
        let (index, word) = rest.into_iter().find(|(_, word)| *word != 0)?;
        Some(index * Self::BITS + word.trailing_zeros() as usize)
    }

    /// Those in it within a range, ascending.
    pub fn within(&self, range: Range<usize>) -> impl Iterator<Item = usize> + Clone {
        let first = self.next(range.start);
        let all = std::iter::successors(first, |last| self.next(last + 1));
        all.take_while(move |part| *part < range.end)
    }

    /// Those in it, ascending.
    pub fn iter(&self) -> impl Iterator<Item = usize> {
        std::iter::successors(self.next(0), |last| self.next(last + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_in_is_found_in_order() {
        let mut set = PartSet::none(300);
        for part in [299, 0, 64, 63, 128] {
            set.insert(part);
        }

        assert_eq!(set.iter().collect::<Vec<_>>(), [0, 63, 64, 128, 299]);
        assert_eq!((set.len(), set.next(65), set.next(300)), (5, Some(128), None));
        assert!(set.remove(64) && !set.remove(64) && !set.contains(64) && set.contains(63));
    }

    #[test]
    fn all_are_as_many_as_there_are() {
        for parts in [0, 1, 63, 64, 65, 300] {
            let all = PartSet::all(parts);
            assert_eq!((all.len(), all.iter().count()), (parts, parts));
            assert_eq!(all.is_empty(), parts == 0);
            assert_eq!((all.others(), PartSet::none(parts).others()), (PartSet::none(parts), all));
        }
    }

    #[test]
    fn sets_of_neighbours_are_joined_at_their_places() {
        let mut set = PartSet::none(70);
        set.extend(3, &PartSet::all(2));
        set.extend(0, &PartSet::all(1));
        set.extend(63, &PartSet::all(7));
        assert_eq!(set.iter().collect::<Vec<_>>(), [0, 3, 4, 63, 64, 65, 66, 67, 68, 69]);
        assert_eq!(set.from(4).iter().collect::<Vec<_>>(), [0, 59, 60, 61, 62, 63, 64, 65]);
        for first in 0..70 {
            let rest = set.from(first);
            let expected = set.iter().filter(|part| *part >= first).map(|part| part - first);
            assert!(rest.iter().eq(expected) && rest.parts() == 70 - first, "from {first}");
        }
    }

    #[test]
    #[should_panic(expected = "2 parts hold others")]
    fn a_set_does_not_reach_beyond_the_last_part() {
        PartSet::none(2).extend(1, &PartSet::none(2));
    }

    #[test]
    #[should_panic(expected = "there are 2 parts, and not 2")]
    fn there_is_no_part_beyond_the_last() {
        PartSet::none(2).insert(2);
    }
}
