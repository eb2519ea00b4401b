//! SCAN and its relatives: a walk in parts that the next command goes on with.
//!
//! The order is that of a hash which is fixed for ever, and the cursor is the hash to go on from;
//! so a walk meets everything that is there from its beginning to its end exactly once, whatever
//! else comes and goes, on whichever replica. Keys lie in this order; of the elements
//! of a collection each part looks at all, which is why it has no less than a share of the whole,
//! however few a client asks for.

use crate::kv::resp::{integer, write_array, write_bulk};

use super::entry::Entry;
use super::replies::{BULK_OVERHEAD_BYTES, write_bulks};
use super::store::{Hash, Set, Store};
use super::zset::Zset;
use super::{Call, Done, Refusal, floats, glob, random};

/// What a score takes, at most.
const SCORE_BYTES: usize = 24;

/// No walk has more parts than about this many.
const PARTS_MAX: usize = 256;

/// Bytes of a part, after which it ends however much a client asks for.
const PART_BYTES_MAX: usize = 1 << 20;

/// How many a client is given that does not say.
const COUNT: usize = 10;

/// The options that a client gives behind the cursor.
struct Asked<'a> {
    cursor: u64,
    count: usize,
    pattern: Option<&'a [u8]>,
    kind: Option<Vec<u8>>,
}

impl<'a> Asked<'a> {
    /// Reads the cursor at `index` and the options behind it.
    fn parse(call: &Call<'a>, index: usize) -> Result<Self, Refusal> {
        let cursor = std::str::from_utf8(call.argument(index)).ok();
        let cursor = cursor.and_then(|text| text.parse().ok());
        let cursor = cursor.ok_or(Refusal::Text("ERR invalid cursor"))?;
        let mut asked = Self { cursor, count: COUNT, pattern: None, kind: None };
        let mut words = call.from(index + 1);
        while let Some(word) = words.next() {
            let value = words.next().ok_or(Refusal::SYNTAX)?;
            match word.to_ascii_lowercase().as_slice() {
                b"count" => {
                    let count = integer(value).ok_or(Refusal::NOT_INTEGER)?;
                    let count = usize::try_from(count).ok().filter(|count| *count > 0);
                    asked.count = count.ok_or(Refusal::SYNTAX)?;
                }
                b"match" if value.len() > glob::PATTERN_BYTES_MAX => {
                    return Err(Refusal::PATTERN_BYTES);
                }
                b"match" => asked.pattern = Some(value),
                // Only keys have types.
                b"type" if index == 1 => asked.kind = Some(value.to_ascii_lowercase()),
                _ => return Err(Refusal::SYNTAX),
            }
        }
        Ok(asked)
    }

    /// The names wanted in the next part of `names`, in whose order nothing lies, and the cursor
    /// behind it, zero at the end. The size of the part does not depend on the pattern; `weight` says
    /// how many bytes are sent besides a name.
    fn part<'s, T>(
        &self,
        names: impl Iterator<Item = (&'s [u8], T)>,
        total: usize,
        weight: impl Fn(&T) -> usize,
    ) -> (u64, Vec<(&'s [u8], T)>) {
        let (next, mut part) = self.first(self.count.max(total / PARTS_MAX), names, weight);
        part.retain(|(name, _)| self.wants(name));
        (next, part)
    }

    /// The same with `count` names, or more where several are in one place.
    fn first<'s, T>(
        &self,
        count: usize,
        names: impl Iterator<Item = (&'s [u8], T)>,
        weight: impl Fn(&T) -> usize,
    ) -> (u64, Vec<(&'s [u8], T)>) {
        let placed = names.map(|(name, value)| (place(name), name, value));
        let mut left: Vec<_> = placed.filter(|(place, ..)| *place >= self.cursor).collect();
        let mut next = 0;
        if count < left.len() {
            left.select_nth_unstable_by_key(count, |(place, ..)| *place);
            // Those in one place are told together, or a cursor could not stand between them.
            let bound = left[count].0;
            let last = left[..count].iter().map(|(place, ..)| *place).max().unwrap_or(0);
            let end = if last == bound { bound + 1 } else { bound };
            let behind = left.iter().map(|(place, ..)| *place).filter(|place| *place >= end);
            next = behind.min().unwrap_or(0);
            left.retain(|(place, ..)| *place < end);
        }
        left.sort_unstable_by_key(|(place, name, _)| (*place, *name));
        let mut bytes = 0;
        let too_much = left.iter().position(|(_, name, value)| {
            let full = bytes > PART_BYTES_MAX;
            bytes += name.len() + weight(value) + BULK_OVERHEAD_BYTES;
            full
        });
        if let Some(at) = too_much {
            // Again those in one place stay together.
            let before = left[at - 1].0;
            let end = left.partition_point(|(place, ..)| *place <= before);
            if end < left.len() {
                next = left[end].0;
                left.truncate(end);
            }
        }
        (next, left.into_iter().map(|(_, name, value)| (name, value)).collect())
    }

    fn wants(&self, name: &[u8]) -> bool {
        self.pattern.is_none_or(|pattern| glob::matches(pattern, name))
    }
}

/// The place of a name in the walk. Cursors of 48 bits are numbers to every client.
fn place(name: &[u8]) -> u64 {
    random::spread(name) >> CURSOR_SHIFT
}

const CURSOR_SHIFT: u32 = 16;

fn write_part(
    next: u64,
    items: impl Iterator<Item: AsRef<[u8]>> + Clone,
    reply: &mut Vec<u8>,
) -> Done {
    write_array(2, reply);
    write_bulk(next.to_string().as_bytes(), reply);
    write_bulks(items, reply)
}

pub(super) fn scan(store: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let asked = Asked::parse(call, 1)?;
    // The map is in the order of the walk. What is asked for, and of what comes then all that is in
    // the place of the first: it says where to go on.
    let is_place = asked.cursor < 1 << (u64::BITS - CURSOR_SHIFT);
    let mut keys: Vec<(&[u8], Entry<'_>)> = Vec::new();
    for (key, entry) in store.from(asked.cursor, call.now_ms).filter(|_| is_place) {
        let is_enough = keys.len() > asked.count;
        if is_enough && keys.last().is_some_and(|(last, _)| place(last) != place(key)) {
            break;
        }
        keys.push((key, entry));
    }
    let (next, mut part) = asked.first(asked.count, keys.into_iter(), |_| 0);
    part.retain(|(key, entry)| {
        asked.wants(key)
            && asked.kind.as_ref().is_none_or(|kind| *kind == entry.tag.word().as_bytes())
    });
    write_part(next, part.iter().map(|(key, _)| *key), reply)
}

pub(super) fn sscan(store: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let asked = Asked::parse(call, 2)?;
    let set = call.value::<Set>(store)?;
    let set = set.as_deref();
    let members = set.into_iter().flat_map(|set| set.iter()).map(|member| (&member[..], ()));
    let (next, part) = asked.part(members, set.map_or(0, |set| set.len()), |()| 0);
    write_part(next, part.iter().map(|(member, ())| member), reply)
}

pub(super) fn hscan(store: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let asked = Asked::parse(call, 2)?;
    let hash = call.value::<Hash>(store)?;
    let hash = hash.as_deref();
    let fields = hash.into_iter().flat_map(|hash| hash.iter());
    let fields = fields.map(|(field, value)| (&field[..], &value[..]));
    let weight = |value: &&[u8]| value.len() + BULK_OVERHEAD_BYTES;
    let (next, part) = asked.part(fields, hash.map_or(0, |hash| hash.len()), weight);
    write_part(next, part.iter().flat_map(|(field, value)| [*field, *value]), reply)
}

pub(super) fn zscan(store: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let asked = Asked::parse(call, 2)?;
    let zset = call.value::<Zset>(store)?;
    let zset = zset.as_deref();
    let members = zset.into_iter().flat_map(Zset::iter).map(|one| (&one.member[..], one.score));
    let (next, part) =
        asked.part(members, zset.map_or(0, Zset::len), |_| SCORE_BYTES + BULK_OVERHEAD_BYTES);
    let shown: Vec<_> =
        part.iter().map(|(member, score)| (*member, floats::shown(*score))).collect();
    write_part(next, shown.iter().flat_map(|(member, score)| [*member, score.as_bytes()]), reply)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::kv::service::KeyValue;
    use crate::kv::service::tests::{ask, check_replies, command};
    use crate::model::app::At;
    use crate::model::types::Slot;

    #[test]
    fn a_walk_meets_each_key_once() {
        let names: Vec<_> = (0..5000u32).map(|name| name.to_be_bytes()).collect();
        let mut asked = Asked { cursor: 0, count: 7, pattern: None, kind: None };
        let mut met = Vec::new();
        let mut parts = 0;
        loop {
            let items = names.iter().map(|name| (&name[..], ()));
            let (next, part) = asked.part(items, names.len(), |()| 0);
            met.extend(part.iter().map(|(name, ())| name.to_vec()));
            parts += 1;
            asked.cursor = next;
            if next == 0 {
                break;
            }
        }
        met.sort_unstable();
        assert!(met.iter().map(Vec::as_slice).eq(names.iter().map(|name| &name[..])));
        assert!((PARTS_MAX..=PARTS_MAX + 30).contains(&parts), "{parts} parts");
    }

    #[test]
    fn a_part_ends_early_when_it_is_long_and_the_walk_still_meets_all() {
        let long = vec![b'x'; 1000];
        let names: Vec<_> = (0..5000u32).map(|name| name.to_be_bytes()).collect();
        let mut asked = Asked { cursor: 0, count: 1_000_000, pattern: None, kind: None };
        let mut met = Vec::new();
        let mut parts = 0;
        loop {
            let items = names.iter().map(|name| (&name[..], &long[..]));
            let (next, part) = asked.part(items, names.len(), |long| long.len());
            assert!(part.len() * 1000 <= PART_BYTES_MAX + 2000, "{}", part.len());
            met.extend(part.iter().map(|(name, _)| name.to_vec()));
            parts += 1;
            asked.cursor = next;
            if next == 0 {
                break;
            }
        }
        met.sort_unstable();
        assert!(met.iter().map(Vec::as_slice).eq(names.iter().map(|name| &name[..])));
        assert_eq!(parts, 5);
    }

    #[test]
    fn a_walk_over_keys_meets_each_that_stays_once_and_no_more_at_a_time_than_asked_for() {
        let mut service = KeyValue::default();
        let at = At { slot: Slot(1), time_ms: 0 };
        let mut run = |line: &str| ask(&mut service, at, &command(line));
        (0..20_000).for_each(|key| drop(run(&format!("SET k{key} v"))));
        let (mut cursor, mut met, mut parts) = (String::from("0"), Vec::new(), 0);
        loop {
            let told = run(&format!("SCAN {cursor} COUNT 100"));
            let (next, keys) = told[2..].split_once(" [").unwrap();
            let keys: Vec<_> = keys.trim_end_matches("]]").split(' ').map(String::from).collect();
            assert!(keys.len() <= 100);
            met.extend(keys);
            run(&format!("SET new{parts} v"));
            cursor = next.to_owned();
            parts += 1;
            if cursor == "0" {
                break;
            }
        }
        met.retain(|key| key.starts_with("$k"));
        assert_eq!(met.len(), 20_000);
        assert_eq!(met.iter().collect::<BTreeSet<_>>().len(), 20_000);
        assert!((200..=206).contains(&parts), "{parts} parts");
        assert_eq!(run("SCAN 281474976710656"), "[$0 []]");
    }

    #[test]
    fn options_narrow_what_is_told() {
        check_replies(&[
            ("SCAN 0", "[$0 []]"),
            ("MSET a 1 ab 2 b 3", "+OK"),
            ("SADD s m", ":1"),
            ("SCAN 0 MATCH a*", "[$0 [$a $ab]]"),
            ("SCAN 0 TYPE set COUNT 5", "[$0 [$s]]"),
            ("SCAN 0 COUNT 0", "-ERR syntax error"),
            ("SCAN x", "-ERR invalid cursor"),
            ("SCAN 0 TYPE", "-ERR syntax error"),
            ("SSCAN s 0", "[$0 [$m]]"),
            ("SSCAN s 0 TYPE set", "-ERR syntax error"),
            ("HSET h f v", ":1"),
            ("HSCAN h 0 MATCH *", "[$0 [$f $v]]"),
            ("ZADD z 1.5 m", ":1"),
            ("ZSCAN z 0", "[$0 [$m $1.5]]"),
            ("ZSCAN none 0", "[$0 []]"),
            ("HSCAN s 0", "-WRONGTYPE Operation against a key holding the wrong kind of value"),
        ]);
    }
}
