use std::collections::BTreeMap;

use super::*;
use crate::kv::service::expiries::NEVER;
use crate::kv::service::store::{List, Set};
use crate::kv::service::values::Value;
use size::Size;

fn set(entries: &mut Entries, key: &[u8], text: &[u8]) {
    entries.put_text(entries.find(key), key, text, NEVER);
}

fn text<'e>(entries: &'e Entries, key: &[u8]) -> Option<&'e [u8]> {
    entries.get(key).map(|entry| entry.text().unwrap())
}

fn remove(entries: &mut Entries, key: &[u8]) -> bool {
    entries.remove(entries.find(key), key).is_some()
}

/// A key for each number.
fn key(number: u32) -> [u8; 4] {
    number.to_be_bytes()
}

/// Some keys of one part.
fn neighbours(count: usize) -> Vec<[u8; 4]> {
    let all = (0..).map(key);
    all.filter(|it| Place::of(it).part == Place::of(&key(0)).part).take(count).collect()
}

fn parts(frozen: &FrozenEntries) -> Vec<Vec<u8>> {
    let bytes = |part| {
        let mut bytes = Vec::new();
        frozen.write(part, &mut bytes);
        bytes
    };
    (0..PARTS).map(bytes).collect()
}

#[test]
fn whatever_comes_and_goes_in_a_part_is_found_as_in_a_map() {
    let keys = neighbours(40);
    let (mut entries, mut model) = (Entries::default(), BTreeMap::new());
    let part = Place::of(&key(0)).part;
    let bytes_of = |frozen: &FrozenEntries| {
        let mut bytes = Vec::new();
        frozen.write(part, &mut bytes);
        bytes
    };
    let mut held: Vec<(FrozenEntries, Vec<u8>)> = Vec::new();
    for step in 0..20_000u64 {
        match crate::model::random::mix(step + 20_000) % 200 {
            0 => {
                let frozen = entries.freeze(&PartSet::all(PARTS));
                let bytes = bytes_of(&frozen);
                held.push((frozen, bytes));
            }
            number @ (1 | 2) if !held.is_empty() => {
                let index = (step / 7) as usize % held.len();
                let (frozen, bytes) = &mut held[index];
                assert!(bytes_of(frozen) == *bytes, "step {step}");
                frozen.forget(part);
                if number == 1 {
                    held.swap_remove(index);
                } else {
                    *bytes = bytes_of(frozen);
                }
            }
            _ => {}
        }
        let number = crate::model::random::mix(step);
        let key = &keys[number as usize % keys.len()][..];
        let found = entries.find(key);
        match (number >> 32) % 8 {
            0 => assert_eq!(remove(&mut entries, key), model.remove(key).is_some()),
            1 => {
                let expires_ms = number % 2;
                let old = entries.set_expiry(found, key, expires_ms);
                assert_eq!(old.is_some(), model.contains_key(key));
                model.entry(key).and_modify(|(_, old)| *old = expires_ms);
            }
            2 if found.is_there() => {
                let (from, bytes) = ((number >> 40) as usize % 600, &[7; 9][..]);
                entries.write_text(found, key, from, bytes);
                let (text, _): &mut (Vec<u8>, u64) = model.get_mut(key).unwrap();
                text.resize(text.len().max(from + 9), 0);
                text[from..from + 9].fill(7);
            }
            _ => {
                let text = vec![number as u8; (number >> 40) as usize % 700];
                entries.put_text(found, key, &text, NEVER);
                model.insert(key, (text, NEVER));
            }
        }
        let bytes: usize = entries.from(0).map(|(key, entry)| entries.bytes_of(key, &entry)).sum();
        assert_eq!((entries.len(), entries.bytes()), (model.len(), bytes));
    }
    for key in &keys {
        let found =
            entries.get(key).map(|entry| (entry.text().unwrap().to_vec(), entry.expires_ms));
        assert_eq!(found, model.get(&key[..]).cloned());
    }
    let order: Vec<_> = entries.from(0).map(|(key, _)| (Place::of(key).number(), key)).collect();
    assert!(order.is_sorted());

    drop(held);
    set(&mut entries, &keys[0], b"one again");
    let bytes = bytes_of(&entries.freeze(&PartSet::all(PARTS)));
    let mut restored = Entries::default();
    restored.restore(part, &bytes).unwrap();
    assert!(restored == entries && restored.bytes() == entries.bytes());
    assert!(entries.part(part).unwrap().idle_bytes() < bytes.len() / 2 + 64);
    for key in &keys {
        entries.remove(entries.find(key), key);
    }
    assert!(entries.groups.iter().all(Option::is_none));
    assert_eq!(entries.bytes(), 0);
}

#[test]
fn keys_in_one_place_are_told_apart() {
    let mut records = Records::default();
    let keys: Vec<[u8; 4]> = (0..2000).map(key).collect();
    // All have one hash, and come in no order.
    for number in 0..2000 {
        let key = &keys[number * 797 % 2000];
        let found = records.find(5, key);
        assert!(found.is_err());
        records.put_text(found, (5, key), NEVER, key);
    }
    for hash in [0, 4, 6, u32::MAX] {
        assert_eq!(records.find(hash, b"").unwrap_err(), if hash < 5 { 0 } else { 2000 });
    }
    assert!(
        keys.iter()
            .all(|key| records.entry(records.find(5, key).unwrap()).1.text() == Ok(&key[..]))
    );
    for (index, key) in keys.iter().enumerate() {
        assert_eq!(records.find(5, key), Ok(0), "{index}");
        records.remove(0);
    }
    assert_eq!(records.size(), Size::default());
}

#[test]
fn what_is_changed_in_one_copy_stays_in_the_other() {
    let mut entries = Entries::default();
    (0..30_000).for_each(|number| set(&mut entries, &key(number), b"before"));
    let (copy, frozen) = (entries.clone(), entries.freeze(&PartSet::all(PARTS)));
    let before = parts(&frozen);

    for number in 0..10_000 {
        set(&mut entries, &key(number), b"after");
        remove(&mut entries, &key(number + 10_000));
        let key = key(number + 20_000);
        entries.set_expiry(entries.find(&key), &key, 7);
    }

    assert_eq!((copy.len(), entries.len()), (30_000, 20_000));
    assert!((0..30_000).all(|number| text(&copy, &key(number)) == Some(b"before")));
    assert!(parts(&frozen) == before && parts(&copy.freeze(&PartSet::all(PARTS))) == before);
}

#[test]
fn to_look_at_a_part_or_to_miss_a_key_in_it_copies_nothing() {
    let mut entries = Entries::default();
    let keys = neighbours(2);
    set(&mut entries, &keys[0], b"");
    let mut frozen = entries.freeze(&PartSet::all(PARTS));
    entries.take_changed();

    assert!(entries.get(&keys[0]).is_some());
    let absent = entries.find(&keys[1]);
    assert!(entries.remove(absent, &keys[1]).is_none());
    assert!(entries.set_expiry(absent, &keys[1], 5).is_none());

    assert_eq!((frozen.next_copied(), frozen.copied_bytes()), (None, 0));
    assert!(entries.take_changed().is_empty());
}

#[test]
fn a_part_that_was_copied_is_named_once_and_not_if_it_was_forgotten() {
    let mut entries = Entries::default();
    (0..3).for_each(|number| set(&mut entries, &key(number), b"before"));
    let part = |number| Place::of(&key(number)).part;
    let (mut frozen, mut other) =
        (entries.freeze(&PartSet::all(PARTS)), entries.freeze(&PartSet::all(PARTS)));

    frozen.forget(part(0));
    (0..2).for_each(|number| set(&mut entries, &key(number), b"after"));
    set(&mut entries, &key(1), b"again");

    assert_eq!((frozen.next_copied(), frozen.next_copied()), (Some(part(1)), None));
    assert_eq!([0; 3].map(|_| other.next_copied()), [Some(part(0)), Some(part(1)), None]);
    assert!(frozen.copied_bytes() > 0);
    drop(other);
    (0..2).for_each(|number| frozen.forget(part(number)));
    assert_eq!(frozen.copied_bytes(), 0);
}

#[test]
fn what_is_told_of_a_part_is_what_has_changed_there_until_that_is_much() {
    let mut entries = Entries::default();
    let keys = neighbours(64);
    keys.iter().for_each(|key| set(&mut entries, key, &[b'a'; 100]));
    let (mut frozen, part) = (entries.freeze(&PartSet::all(PARTS)), Place::of(&keys[0]).part);
    let mut told = Vec::new();
    for key in &keys[..33] {
        set(&mut entries, key, &[b'b'; 100]);
        frozen.next_copied();
        told.push(frozen.copied_bytes());
    }

    let whole = entries.part(part).unwrap().copied_bytes();
    assert!(told.is_sorted() && told[0] > 0 && told[0] < whole / 16, "{told:?}");
    assert!(told[7] > 4 * 100 && told[7] < whole / 4, "{told:?}");
    assert!(told[31] > 16 * 100 && told[31] < whole * 3 / 4 && told[32] == whole, "{told:?}");
    frozen.forget(part);
    assert_eq!(frozen.copied_bytes(), 0);
}

#[test]
fn what_was_forgotten_is_not_copied() {
    let mut entries = Entries::default();
    (0..60_000).for_each(|number| set(&mut entries, &key(number), b"before"));
    let mut frozen = entries.freeze(&PartSet::all(PARTS));
    // Of a group that is not shared any more each part goes at once, of another one the last.
    let touched = Place::of(&key(0)).part / GROUP;
    set(&mut entries, &key(0), b"after");
    let bytes = frozen.copied_bytes();
    for part in touched * GROUP..(touched + 1) * GROUP - 1 {
        frozen.forget(part);
    }
    let other = usize::from(touched == 0);
    for part in other * GROUP..(other + 1) * GROUP {
        frozen.forget(part);
    }

    let is_forgotten = |part: usize| {
        part / GROUP == other || (part / GROUP == touched && part % GROUP < GROUP - 1)
    };
    for number in (1..60_000).filter(|number| is_forgotten(Place::of(&key(*number)).part)) {
        set(&mut entries, &key(number), b"after");
    }

    assert!(frozen.copied_bytes() <= bytes);
}

#[test]
fn parts_that_are_not_wanted_are_not_held() {
    let mut entries = Entries::default();
    (0..60_000).for_each(|number| set(&mut entries, &key(number), b"before"));
    let mut wanted = PartSet::none(PARTS);
    let part = |number| Place::of(&key(number)).part;
    wanted.insert(part(0));
    let mut frozen = entries.freeze(&wanted);

    (0..60_000).filter(|number| part(*number) != part(0)).for_each(|number| {
        set(&mut entries, &key(number), b"after");
    });
    assert_eq!(frozen.copied_bytes(), 0);

    set(&mut entries, &key(0), b"after");
    let mut bytes = Vec::new();
    frozen.write(part(0), &mut bytes);
    assert_eq!(frozen.next_copied(), Some(part(0)));
    assert!(frozen.copied_bytes() > 0 && bytes.windows(6).any(|word| word == b"before"));
}

#[test]
fn long_values_are_shared_when_their_part_is_copied() {
    let mut entries = Entries::default();
    let keys = neighbours(3);
    set(&mut entries, &keys[0], &[b'x'; 5000]);
    let list: List = {
        let mut list = List::default();
        (0..500).for_each(|_| list.push_back(b"element"[..].into()));
        list
    };
    entries.put(entries.find(&keys[1]), &keys[1], Owned::new(list.into_value(), NEVER));
    let mut frozen = entries.freeze(&PartSet::all(PARTS));

    set(&mut entries, &keys[2], b"");

    assert!(frozen.next_copied().is_some());
    assert!(frozen.copied_bytes() < 500, "{}", frozen.copied_bytes());
    drop(frozen);
}

#[test]
fn what_grows_byte_by_byte_is_seldom_copied() {
    let mut entries = Entries::default();
    set(&mut entries, b"k", b"");
    let mut rooms = std::collections::BTreeSet::new();
    for length in 0..20_000 {
        entries.write_text(entries.find(b"k"), b"k", length, b"x");
        rooms.extend(text(&entries, b"k").filter(|it| it.len() > 600).map(<[u8]>::as_ptr));
    }
    assert!(text(&entries, b"k").unwrap().iter().eq([b'x'; 20_000].iter()));
    assert!(rooms.len() <= 8, "{} rooms", rooms.len());
}

#[test]
fn a_collection_is_kept_by_its_size_and_not_by_its_past() {
    let mut entries = Entries::default();
    let add = |set: &mut Set, range: std::ops::Range<u32>| {
        range.filter(|number| set.insert(&key(*number))).count()
    };
    let put = |entries: &mut Entries, value: Value| {
        entries.put(entries.find(b"s"), b"s", Owned::new(value, NEVER));
    };
    let mut members = Set::default();
    add(&mut members, 0..10);
    put(&mut entries, members.into_value());
    let small = entries.bytes();
    let found = entries.find(b"s");

    entries.edit(found, b"s", |set: &mut Set| add(set, 10..100));
    let large = entries.bytes();
    assert!(large > small + 90 * 5);
    entries.edit(found, b"s", |set: &mut Set| {
        (10..100).filter(|number| set.remove(&key(*number))).count()
    });

    assert_eq!(entries.bytes(), small);
    let mut members = Set::default();
    add(&mut members, 0..100);
    put(&mut entries, members.into_value());
    assert_eq!(entries.bytes(), large);
}
