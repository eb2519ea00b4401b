//! Sorted sets: members in the order of their scores, found by either, and by rank.

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use super::packed::piece_bytes;

pub(super) mod add;
pub(super) mod range;
pub(super) mod remove;
pub(super) mod score;

/// The most members of a block. Small enough that shifting its members costs about what finding the
/// place does, and large enough that the blocks of a million members are counted in a microsecond.
const BLOCK_MAX: usize = 256;

/// A member and its score, which is a number and not minus zero.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Scored {
    pub(super) score: f64,
    pub(super) member: Arc<[u8]>,
}

impl Scored {
    /// Where this stands to a member with a score: by score, and among equal scores by member.
    fn compare(&self, score: f64, member: &[u8]) -> Ordering {
        self.score.total_cmp(&score).then_with(|| (*self.member).cmp(member))
    }
}

/// A sorted set value.
///
/// The order is kept in blocks, none of them empty. Along with them go their lengths, in one piece,
/// so that a rank is a sum over few bytes. The map finds a member's score; its own order is never
/// shown.
#[derive(Clone, Debug, Default)]
pub(super) struct Zset {
    scores: HashMap<Arc<[u8]>, f64, RandomState>,
    blocks: Vec<Vec<Scored>>,
    lengths: Vec<u32>,
    packed_bytes: usize,
}

impl Zset {
    pub(super) fn len(&self) -> usize {
        self.scores.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.scores.is_empty()
    }

    /// How many bytes it has when it is written.
    pub(super) fn packed_bytes(&self) -> usize {
        self.packed_bytes
    }

    pub(super) fn score(&self, member: &[u8]) -> Option<f64> {
        self.scores.get(member).copied()
    }

    /// Gives `member` this score, whether it is there or not. The score is a number.
    pub(super) fn insert(&mut self, member: &[u8], score: f64) {
        assert!(!score.is_nan(), "a score is a number");
        // Zero has one form, so that equal states have equal bytes.
        let score = score + 0.0;
        let member = match self.scores.get_key_value_mut(member) {
            Some((_, old)) if *old == score => return,
            Some((member, old)) => {
                let (member, old) = (member.clone(), std::mem::replace(old, score));
                self.displace(old, &member);
                member
            }
            None => {
                let member: Arc<[u8]> = member.into();
                self.packed_bytes += packed_bytes(&member);
                self.scores.insert(member.clone(), score);
                member
            }
        };
        self.place(Scored { score, member });
    }

    /// Takes `member` out; returns whether it was there.
    pub(super) fn remove(&mut self, member: &[u8]) -> bool {
        let Some(score) = self.scores.remove(member) else { return false };
        self.packed_bytes -= packed_bytes(member);
        self.displace(score, member);
        true
    }

    /// How many members stand before `member`.
    pub(super) fn rank(&self, member: &[u8]) -> Option<usize> {
        let score = self.score(member)?;
        Some(self.rank_where(|scored| scored.compare(score, member).is_lt()))
    }

    /// How many members are `before` some place; all that are come first.
    pub(super) fn rank_where(&self, before: impl Fn(&Scored) -> bool) -> usize {
        let block = self.blocks.partition_point(|block| block.last().is_some_and(&before));
        let within = self.blocks.get(block).map_or(0, |block| block.partition_point(before));
        self.count(block) + within
    }

    /// The members with ranks in `range`, as far as they exist.
    pub(super) fn range(
        &self,
        range: Range<usize>,
    ) -> impl DoubleEndedIterator<Item = &Scored> + Clone {
        let end = range.end.min(self.len());
        let start = range.start.min(end);
        let ((first, from), (last, to)) = (self.place_of(start), self.place_of(end));
        let (head, middle, tail) = if first == last {
            (self.part(first, from..to), &[][..], &[][..])
        } else {
            let head = self.part(first, from..self.lengths[first] as usize);
            (head, &self.blocks[first + 1..last], self.part(last, 0..to))
        };
        head.iter().chain(middle.iter().flatten()).chain(tail)
    }

    /// All members in order.
    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = &Scored> + Clone {
        self.range(0..self.len())
    }

    /// Takes out the members with ranks in `range`.
    pub(super) fn remove_range(&mut self, range: Range<usize>) {
        let gone: Vec<_> = self.range(range).map(|scored| scored.member.clone()).collect();
        for member in gone {
            self.remove(&member);
        }
    }

    /// A part of a block; nothing of the one behind the last.
    fn part(&self, block: usize, range: Range<usize>) -> &[Scored] {
        self.blocks.get(block).map_or(&[], |block| &block[range])
    }

    /// How many members the blocks before `block` have.
    fn count(&self, block: usize) -> usize {
        self.lengths[..block].iter().map(|length| *length as usize).sum()
    }

    /// The block that holds this rank, and the place in it; behind the last for the rank that is
    /// the length.
    fn place_of(&self, rank: usize) -> (usize, usize) {
        let mut left = rank;
        for (block, length) in self.lengths.iter().enumerate() {
            if left < *length as usize {
                return (block, left);
            }
            left -= *length as usize;
        }
        (self.lengths.len(), 0)
    }

    fn place(&mut self, scored: Scored) {
        let is_before = |other: &Scored| other.compare(scored.score, &scored.member).is_lt();
        let last = self.blocks.len().saturating_sub(1);
        let at = self.blocks.partition_point(|block| block.last().is_some_and(is_before)).min(last);
        let Some(block) = self.blocks.get_mut(at) else {
            self.blocks.push(vec![scored]);
            self.lengths.push(1);
            return;
        };
        block.insert(block.partition_point(is_before), scored);
        self.lengths[at] += 1;
        if block.len() > BLOCK_MAX {
            let upper = block.split_off(BLOCK_MAX / 2);
            self.lengths[at] = block.len() as u32;
            self.lengths.insert(at + 1, upper.len() as u32);
            self.blocks.insert(at + 1, upper);
        }
    }

    fn displace(&mut self, score: f64, member: &[u8]) {
        let is_before = |other: &Scored| other.compare(score, member).is_lt();
        let at = self.blocks.partition_point(|block| block.last().is_some_and(is_before));
        let block = &mut self.blocks[at];
        let gone = block.remove(block.partition_point(is_before));
        let is_same = gone.compare(score, member).is_eq();
        assert!(is_same, "the order has a member where its score says");
        self.lengths[at] -= 1;
        if block.is_empty() {
            self.blocks.remove(at);
            self.lengths.remove(at);
        } else {
            self.join(at);
        }
    }

    /// Joins a block that has become small with a small neighbour, so that blocks stay few.
    fn join(&mut self, at: usize) {
        let at = at.min(self.blocks.len().saturating_sub(2));
        let [Some(left), Some(right)] = [self.lengths.get(at), self.lengths.get(at + 1)] else {
            return;
        };
        if left + right <= (BLOCK_MAX / 4) as u32 {
            self.lengths[at] += self.lengths.remove(at + 1);
            let right = self.blocks.remove(at + 1);
            self.blocks[at].extend(right);
        }
    }
}

/// What a member takes with its score when it is written.
fn packed_bytes(member: &[u8]) -> usize {
    size_of::<f64>() + piece_bytes(member.len())
}

/// Equal members with equal scores are equal, however they lie in blocks.
impl PartialEq for Zset {
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.iter().eq(other.iter())
    }
}

impl Eq for Zset {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that look random.
    fn scattered(count: u64) -> impl Iterator<Item = u64> {
        (0..count).map(|step| step.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40)
    }

    #[test]
    fn members_stand_in_the_order_of_scores_whatever_was_done() {
        let mut zset = Zset::default();
        let mut model = std::collections::BTreeMap::new();
        for (step, number) in scattered(20_000).enumerate() {
            let (member, score) = ((number % 3000).to_string(), (number % 77) as f64);
            if step % 3 == 2 || step > 17_000 {
                assert_eq!(zset.remove(member.as_bytes()), model.remove(&member).is_some());
            } else {
                zset.insert(member.as_bytes(), score);
                model.insert(member, score);
            }
        }
        let mut expected: Vec<_> = model.into_iter().collect();
        expected.sort_by(|left, right| left.1.total_cmp(&right.1).then(left.0.cmp(&right.0)));

        assert!(
            zset.iter()
                .map(|scored| (scored.score, &scored.member[..]))
                .eq(expected.iter().map(|(member, score)| (*score, member.as_bytes())))
        );
        for (rank, (member, _)) in expected.iter().enumerate() {
            assert_eq!(zset.rank(member.as_bytes()), Some(rank));
            assert_eq!(*zset.range(rank..rank + 1).next().unwrap().member, *member.as_bytes());
        }
        assert!(zset.blocks.iter().all(|block| (1..=BLOCK_MAX).contains(&block.len())));
        assert!(zset.blocks.len() < zset.len() / 16 + 2, "{} blocks", zset.blocks.len());
    }

    #[test]
    fn ranges_cross_blocks_in_both_directions() {
        let mut zset = Zset::default();
        (0..1000u32).for_each(|number| zset.insert(&number.to_be_bytes(), f64::from(number)));

        for (start, end) in [(0, 1000), (100, 900), (127, 129), (999, 5000), (1000, 1000), (5, 5)] {
            let forth: Vec<_> =
                zset.range(start..end).map(|scored| scored.score as usize).collect();
            let mut back: Vec<_> =
                zset.range(start..end).rev().map(|scored| scored.score as usize).collect();
            back.reverse();
            assert_eq!(forth, (start..end.min(1000)).collect::<Vec<_>>());
            assert_eq!(back, forth);
        }
    }

    #[test]
    fn zero_has_one_form() {
        let [mut plus, mut minus] = [Zset::default(), Zset::default()];

        plus.insert(b"m", 0.0);
        minus.insert(b"m", -0.0);

        assert!(plus == minus && minus.score(b"m").unwrap().is_sign_positive());
    }

    #[test]
    fn an_emptied_set_equals_a_new_one() {
        let mut zset = Zset::default();
        (0..1000u32).for_each(|number| zset.insert(&number.to_be_bytes(), 1.0));

        zset.remove_range(0..1000);

        assert!(zset == Zset::default() && zset.blocks.is_empty() && zset.lengths.is_empty());
    }

    #[test]
    #[should_panic(expected = "a score is a number")]
    fn what_is_no_number_is_no_score() {
        Zset::default().insert(b"m", f64::NAN);
    }

    #[test]
    #[should_panic(expected = "the order has a member where its score says")]
    fn a_member_whose_score_was_changed_behind_its_back_is_noticed() {
        let mut zset = Zset::default();
        zset.insert(b"a", 1.0);
        zset.insert(b"b", 2.0);
        zset.scores.insert(b"a"[..].into(), 1.5);
        zset.remove(b"a");
    }
}
