//! Lists, pushed and popped at both ends.

use std::ops::Range;

use crate::kv::resp::{integer, write_integer, write_null, write_null_array, write_ok};

use super::replies::{write_bulks, write_option};
use super::store::{List, Store};
use super::{Call, Done, Refusal};

fn list<'s>(store: &'s Store, call: &Call<'_>) -> Result<Option<&'s List>, Refusal> {
    store.get::<List>(call.key(), call.now_ms)
}

/// The place that `index` means, which counts from the end if it is below zero.
fn place(index: i64, length: usize) -> Option<usize> {
    let from_start = if index < 0 { index + length as i64 } else { index };
    usize::try_from(from_start).ok().filter(|place| *place < length)
}

/// The places from `start` to `stop`, both included, as far as they exist.
pub(super) fn range(start: i64, stop: i64, length: usize) -> Range<usize> {
    let from_start = |index: i64| if index < 0 { index + length as i64 } else { index };
    let start = from_start(start).clamp(0, length as i64) as usize;
    let end = from_start(stop).saturating_add(1).clamp(0, length as i64) as usize;
    start..end.max(start)
}

pub(super) fn lpush(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let list = store.get_or_new::<List>(call.key())?;
    call.from(2).for_each(|element| list.push_front(element.into()));
    write_integer(list.len() as i64, reply);
    Ok(())
}

/// LPUSHX: no list is made.
pub(super) fn lpushx(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    if list(store, call)?.is_some() {
        return lpush(store, call, reply);
    }
    write_integer(0, reply);
    Ok(())
}

/// RPUSHX: no list is made.
pub(super) fn rpushx(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    if list(store, call)?.is_some() {
        return rpush(store, call, reply);
    }
    write_integer(0, reply);
    Ok(())
}

pub(super) fn rpush(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let list = store.get_or_new::<List>(call.key())?;
    list.extend(call.from(2).map(Box::from));
    write_integer(list.len() as i64, reply);
    Ok(())
}

pub(super) fn lpop(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let walk = |list: &List, count, reply: &mut Vec<u8>| {
        write_bulks(list.iter().take(count).map(|element| &element[..]), reply)
    };
    pop(store, call, reply, List::pop_front, walk)
}

pub(super) fn rpop(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let walk = |list: &List, count, reply: &mut Vec<u8>| {
        write_bulks(list.iter().rev().take(count).map(|element| &element[..]), reply)
    };
    pop(store, call, reply, List::pop_back, walk)
}

/// Pops from the end that `take` takes from; `walk` writes what it would take.
fn pop(
    store: &mut Store,
    call: &Call<'_>,
    reply: &mut Vec<u8>,
    take: impl Fn(&mut List) -> Option<Box<[u8]>>,
    walk: impl Fn(&List, usize, &mut Vec<u8>) -> Done,
) -> Done {
    if call.len() == 2 {
        let popped = store.edit(call.key(), |list: &mut List| take(list))?.flatten();
        write_option(popped.as_deref(), reply);
        return Ok(());
    }
    if call.len() > 3 {
        return Err(Refusal::Arity);
    }
    let count = integer(call.argument(2)).and_then(|count| usize::try_from(count).ok());
    let count = count.ok_or(Refusal::NOT_POSITIVE)?;
    let Some(list) = list(store, call)? else {
        write_null_array(reply);
        return Ok(());
    };
    let count = count.min(list.len());
    walk(list, count, reply)?;
    store.edit(call.key(), |list: &mut List| (0..count).map_while(|_| take(list)).count())?;
    Ok(())
}

pub(super) fn llen(store: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    write_integer(list(store, call)?.map_or(0, List::len) as i64, reply);
    Ok(())
}

pub(super) fn lrange(store: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let (start, stop) = (call.integer(2)?, call.integer(3)?);
    let list = list(store, call)?;
    let elements = list.map(|list| list.range(range(start, stop, list.len())));
    write_bulks(elements.into_iter().flatten().map(|element| &element[..]), reply)
}

pub(super) fn lindex(store: &Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    // Redis looks at the index only if there is a list.
    let Some(list) = list(store, call)? else {
        write_null(reply);
        return Ok(());
    };
    let place = place(call.integer(2)?, list.len());
    write_option(place.and_then(|place| list.get(place)).map(|element| &element[..]), reply);
    Ok(())
}

pub(super) fn lset(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let length = list(store, call)?.ok_or(Refusal::NO_KEY)?.len();
    let place = place(call.integer(2)?, length);
    let place = place.ok_or(Refusal::Text("ERR index out of range"))?;
    store.edit(call.key(), |list: &mut List| list[place] = call.argument(3).into())?;
    write_ok(reply);
    Ok(())
}

pub(super) fn ltrim(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let (start, stop) = (call.integer(2)?, call.integer(3)?);
    store.edit(call.key(), |list: &mut List| {
        let kept = range(start, stop, list.len());
        list.truncate(kept.end);
        list.drain(..kept.start);
    })?;
    write_ok(reply);
    Ok(())
}

/// Removes the elements that equal the argument: the first so many, the last so many if the count is
/// below zero, or all if it is zero.
pub(super) fn lrem(store: &mut Store, call: &Call<'_>, reply: &mut Vec<u8>) -> Done {
    let (count, unwanted) = (call.integer(2)?, call.argument(3));
    let removed = store.edit(call.key(), |list: &mut List| {
        let found = list.iter().filter(|element| ***element == *unwanted).count();
        let most = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
        let removed = if count == 0 { found } else { found.min(most) };
        let passed_over = if count < 0 { found - removed } else { 0 };
        let mut seen = 0;
        list.retain(|element| {
            let matches = **element == *unwanted;
            seen += usize::from(matches);
            !(matches && seen > passed_over && seen <= passed_over + removed)
        });
        removed
    })?;
    write_integer(removed.unwrap_or(0) as i64, reply);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kv::service::tests::check_replies;

    #[test]
    fn lists_grow_and_shrink_at_both_ends() {
        check_replies(&[
            ("RPUSH l c d", ":2"),
            ("LPUSH l b a", ":4"),
            ("LRANGE l 0 -1", "[$a $b $c $d]"),
            ("LLEN l", ":4"),
            ("LPOP l", "$a"),
            ("RPOP l", "$d"),
            ("RPOP l 0", "[]"),
            ("RPOP l 5", "[$c $b]"),
            ("EXISTS l", ":0"),
            ("LPUSHX l a", ":0"),
            ("RPUSHX l a", ":0"),
            ("LPOP l", "$-"),
            ("LPOP l 1", "[-]"),
            ("LPOP l -1", "-ERR value is out of range, must be positive"),
            ("LPOP l 1 2", "-ERR wrong number of arguments for 'lpop' command"),
        ]);
    }

    #[test]
    fn elements_are_read_and_set_by_place() {
        check_replies(&[
            ("RPUSH l a b c", ":3"),
            ("LINDEX l 0", "$a"),
            ("LINDEX l -1", "$c"),
            ("LINDEX l 3", "$-"),
            ("LINDEX l -4", "$-"),
            ("LSET l -1 z", "+OK"),
            ("LSET l 3 z", "-ERR index out of range"),
            ("LSET none 0 z", "-ERR no such key"),
            ("LRANGE l 1 100", "[$b $z]"),
            ("LRANGE l 2 1", "[]"),
            ("LTRIM l 1 1", "+OK"),
            ("LRANGE l 0 -1", "[$b]"),
            ("LTRIM l 5 9", "+OK"),
            ("EXISTS l", ":0"),
        ]);
    }

    #[test]
    fn equal_elements_are_removed_from_the_side_asked_for() {
        for (count, removed, left) in [
            ("2", ":2", "[$b $b $a]"),
            ("-2", ":2", "[$a $b $b]"),
            ("0", ":3", "[$b $b]"),
            ("-9223372036854775808", ":3", "[$b $b]"),
        ] {
            check_replies(&[
                ("RPUSH l a b a b a", ":5"),
                (&format!("LREM l {count} a"), removed),
                ("LRANGE l 0 -1", left),
            ]);
        }
    }

    #[test]
    fn ranges_stay_within_the_list_whatever_the_numbers() {
        for start in [i64::MIN, -4, -1, 0, 1, 4, i64::MAX] {
            for stop in [i64::MIN, -4, -1, 0, 1, 4, i64::MAX] {
                let range = range(start, stop, 3);
                assert!(range.start <= range.end && range.end <= 3, "{start} {stop}");
            }
        }
    }
}
