//! Ranges of sorted sets by rank, by score and by member.

use std::cmp::Ordering;
use std::ops::Range;

use crate::kv::resp::integer;
use crate::kv::service::lists::range as range_of_places;
use crate::kv::service::replies::write_bulks;
use crate::kv::service::store::Store;
use crate::kv::service::{Call, Done, Refusal, floats};

use super::{Scored, Zset};

/// The members from one bound to another.
pub(super) struct Interval<'a> {
    min: Bound<'a>,
    max: Bound<'a>,
}

/// A bound of an interval; one that is open leaves out what lies on it.
struct Bound<'a> {
    place: Place<'a>,
    is_open: bool,
}

/// A place in the order of a sorted set.
enum Place<'a> {
    Score(f64),
    /// Of a member, in a set whose scores are all the same.
    Member(&'a [u8]),
    /// Before all members, and behind all.
    Start,
    End,
}

impl<'a> Interval<'a> {
    pub(super) fn of_scores(min: &[u8], max: &[u8]) -> Result<Self, Refusal> {
        let bound = |text: &[u8]| {
            let (text, is_open) = match text {
                [b'(', rest @ ..] => (rest, true),
                all => (all, false),
            };
            let score = floats::float(text).ok_or(Refusal::Text("ERR min or max is not a float"));
            Ok(Bound { place: Place::Score(score?), is_open })
        };
        Ok(Self { min: bound(min)?, max: bound(max)? })
    }

    pub(super) fn of_members(min: &'a [u8], max: &'a [u8]) -> Result<Self, Refusal> {
        let bound = |text: &'a [u8]| {
            let (place, is_open) = match text {
                b"-" => (Place::Start, false),
                b"+" => (Place::End, false),
                [b'[', rest @ ..] => (Place::Member(rest), false),
                [b'(', rest @ ..] => (Place::Member(rest), true),
                _ => return Err(Refusal::Text("ERR min or max not valid string range item")),
            };
            Ok(Bound { place, is_open })
        };
        Ok(Self { min: bound(min)?, max: bound(max)? })
    }

    pub(super) fn ranks(&self, zset: &Zset) -> Range<usize> {
        let start = zset.rank_where(|one| match self.min.place.order_of(one) {
            Ordering::Equal => self.min.is_open,
            order => order.is_lt(),
        });
        let end = zset.rank_where(|one| match self.max.place.order_of(one) {
            Ordering::Equal => !self.max.is_open,
            order => order.is_lt(),
        });
        start..end.max(start)
    }
}

impl Place<'_> {
    /// Where a member stands to this place.
    fn order_of(&self, one: &Scored) -> Ordering {
        match self {
            // Zero may have a sign here, and has none in a set.
            Self::Score(score) => one.score.total_cmp(&(score + 0.0)),
            Self::Member(member) => (*one.member).cmp(member),
            Self::Start => Ordering::Greater,
            Self::End => Ordering::Less,
        }
    }
}

/// The measure that the bounds of a range are given in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum By {
    Rank,
    Score,
    Lex,
}

/// The bounds of a range.
enum Bounds<'a> {
    Ranks(i64, i64),
    Interval(Interval<'a>),
}

/// A range that a client asks for.
struct Asked {
    by: By,
    reverse: bool,
    with_scores: bool,
    limit: Option<(i64, i64)>,
}

impl Asked {
    /// Reads the options behind the bounds; `fixed` says that the command's name has decided what
    /// ZRANGE leaves to options.
    fn parse(call: &Call<'_>, by: By, reverse: bool, fixed: bool) -> Result<Self, Refusal> {
        let mut asked = Self { by, reverse, with_scores: false, limit: None };
        let mut words = call.from(4);
        while let Some(word) = words.next() {
            match word.to_ascii_lowercase().as_slice() {
                b"withscores" => asked.with_scores = true,
                b"limit" => {
                    let (Some(offset), Some(count)) = (words.next(), words.next()) else {
                        return Err(Refusal::SYNTAX);
                    };
                    let number = |text| integer(text).ok_or(Refusal::NOT_INTEGER);
                    asked.limit = Some((number(offset)?, number(count)?));
                }
                b"rev" if !fixed => asked.reverse = true,
                b"byscore" if !fixed => asked.by = By::Score,
                b"bylex" if !fixed => asked.by = By::Lex,
                _ => return Err(Refusal::SYNTAX),
            }
        }
        if asked.limit.is_some() && asked.by == By::Rank {
            return Err(Refusal::Text(
                "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or \
                 BYLEX",
            ));
        }
        if asked.with_scores && asked.by == By::Lex {
            return Err(Refusal::Text(
                "ERR syntax error, WITHSCORES not supported in combination with BYLEX",
            ));
        }
        Ok(asked)
    }

    /// Reads the bounds, which in reverse come the higher first.
    fn bounds<'a>(&self, call: &Call<'a>) -> Result<Bounds<'a>, Refusal> {
        let (mut min, mut max) = (call.argument(2), call.argument(3));
        if self.reverse {
            (min, max) = (max, min);
        }
        Ok(match self.by {
            By::Rank => Bounds::Ranks(call.integer(2)?, call.integer(3)?),
            By::Score => Bounds::Interval(Interval::of_scores(min, max)?),
            By::Lex => Bounds::Interval(Interval::of_members(min, max)?),
        })
    }

    fn answer(&self, store: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
        // Bounds are looked at before the key, as in Redis.
        let bounds = self.bounds(call)?;
        let Some(zset) = call.value::<Zset>(store)? else { return write_bulks([""; 0], reply) };
        let ranks = self.cut(match bounds {
            Bounds::Interval(interval) => interval.ranks(&zset),
            Bounds::Ranks(start, stop) => {
                let range = range_of_places(start, stop, zset.len());
                if self.reverse { zset.len() - range.end..zset.len() - range.start } else { range }
            }
        });
        if self.reverse {
            self.write(zset.range(ranks).rev(), reply)
        } else {
            self.write(zset.range(ranks), reply)
        }
    }

    /// Leaves of the ranks what LIMIT asks for.
    fn cut(&self, ranks: Range<usize>) -> Range<usize> {
        let Some((offset, count)) = self.limit else { return ranks };
        let Ok(offset) = usize::try_from(offset) else { return 0..0 };
        let offset = offset.min(ranks.len());
        let count = usize::try_from(count).unwrap_or(usize::MAX).min(ranks.len() - offset);
        if self.reverse {
            ranks.end - offset - count..ranks.end - offset
        } else {
            ranks.start + offset..ranks.start + offset + count
        }
    }

    fn write<'s>(
        &self,
        members: impl Iterator<Item = &'s Scored> + Clone,
        reply: &mut Vec<u8>,
    ) -> Done {
        if self.with_scores {
            write_scored(members, reply)
        } else {
            write_bulks(members.map(|one| &one.member), reply)
        }
    }
}

/// Appends members, each followed by its score.
pub(super) fn write_scored<'s>(
    members: impl Iterator<Item = &'s Scored> + Clone,
    reply: &mut Vec<u8>,
) -> Done {
    let scores: Vec<_> = members.clone().map(|one| floats::shown(one.score)).collect();
    let pairs = members.zip(&scores);
    write_bulks(pairs.flat_map(|(one, score)| [&one.member[..], score.as_bytes()]), reply)
}

pub(crate) fn zrange(store: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    Asked::parse(call, By::Rank, false, false)?.answer(store, call, reply)
}

pub(crate) fn zrevrange(store: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    Asked::parse(call, By::Rank, true, true)?.answer(store, call, reply)
}

pub(crate) fn zrangebyscore(store: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    Asked::parse(call, By::Score, false, true)?.answer(store, call, reply)
}

pub(crate) fn zrevrangebyscore(store: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    Asked::parse(call, By::Score, true, true)?.answer(store, call, reply)
}

pub(crate) fn zrangebylex(store: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    Asked::parse(call, By::Lex, false, true)?.answer(store, call, reply)
}

pub(crate) fn zrevrangebylex(store: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    Asked::parse(call, By::Lex, true, true)?.answer(store, call, reply)
}

#[cfg(test)]
mod tests {
    use crate::kv::service::tests::check_replies;

    #[test]
    fn ranges_by_rank_count_from_either_end() {
        check_replies(&[
            ("ZADD z 1 a 2 b 3 c 4 d", ":4"),
            ("ZRANGE z 0 -1", "[$a $b $c $d]"),
            ("ZRANGE z 1 2 WITHSCORES", "[$b $2 $c $3]"),
            ("ZRANGE z 0 1 REV", "[$d $c]"),
            ("ZREVRANGE z 0 -2 withscores", "[$d $4 $c $3 $b $2]"),
            ("ZRANGE z 5 9", "[]"),
            ("ZRANGE z -2 1", "[]"),
            ("ZRANGE none 0 -1", "[]"),
            ("ZRANGE z 0 x", "-ERR value is not an integer or out of range"),
            (
                "ZRANGE z 0 1 LIMIT 0 1",
                concat!(
                    "-ERR syntax error, LIMIT is only supported in combination with either BYSCORE or ",
                    "BYLEX"
                ),
            ),
            ("ZREVRANGE z 0 1 REV", "-ERR syntax error"),
        ]);
    }

    #[test]
    fn ranges_by_score_know_open_bounds_and_limits() {
        check_replies(&[
            ("ZADD z 1 a 2 b 3 c 4 d", ":4"),
            ("ZRANGEBYSCORE z 2 3", "[$b $c]"),
            ("ZRANGEBYSCORE z (1 +inf LIMIT 1 1", "[$c]"),
            ("ZRANGEBYSCORE z -inf (3 WITHSCORES LIMIT 0 -1", "[$a $1 $b $2]"),
            ("ZREVRANGEBYSCORE z 4 (1 LIMIT 1 2", "[$c $b]"),
            ("ZRANGE z 3 1 BYSCORE REV", "[$c $b $a]"),
            ("ZRANGE z 1 3 BYSCORE LIMIT -1 2", "[]"),
            ("ZRANGEBYSCORE z 3 2", "[]"),
            ("ZRANGEBYSCORE z x 2", "-ERR min or max is not a float"),
        ]);
    }

    #[test]
    fn ranges_by_member_need_a_bracket() {
        check_replies(&[
            ("ZADD z 0 a 0 b 0 c 0 d", ":4"),
            ("ZRANGE z [b [c BYLEX", "[$b $c]"),
            ("ZRANGEBYLEX z - (c", "[$a $b]"),
            ("ZRANGE z + (a BYLEX REV LIMIT 0 2", "[$d $c]"),
            ("ZREVRANGEBYLEX z [c -", "[$c $b $a]"),
            ("ZRANGE z b c BYLEX", "-ERR min or max not valid string range item"),
            (
                "ZRANGE z - + BYLEX WITHSCORES",
                "-ERR syntax error, WITHSCORES not supported in combination with BYLEX",
            ),
        ]);
    }
}
