use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::kv::service::entry::{Content, Owned};
use crate::kv::service::expiries::NEVER;
use crate::kv::service::packed::write_length;
use crate::kv::service::store::Set;
use crate::kv::service::values::{Kind, Tag};
use crate::model::random::SplitMix64;

use super::super::records::New;
use super::super::size::bytes_of;

/// What a key stands for, to compare with.
#[derive(Clone, Debug)]
enum Plain {
    Text(Vec<u8>),
    Members(BTreeSet<[u8; 4]>),
}

/// What a part holds, and how it is written.
#[derive(Clone, Default)]
struct Model(BTreeMap<(u32, [u8; 2]), (Plain, u64)>);

impl Model {
    fn written(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for ((_, key), (value, expires_ms)) in &self.0 {
            let (tag, value) = match value {
                Plain::Text(text) => (Tag::Text, text.clone()),
                Plain::Members(members) => {
                    (Tag::Set, members.iter().flat_map(|it| [&[4][..], it].concat()).collect())
                }
            };
            out.push(tag as u8 | if *expires_ms == NEVER { 0 } else { 8 });
            write_length(key.len(), &mut out);
            write_length(value.len(), &mut out);
            if *expires_ms != NEVER {
                out.extend_from_slice(&expires_ms.to_le_bytes());
            }
            out.extend_from_slice(key);
            out.extend_from_slice(&value);
        }
        out
    }

    fn any(&self, random: &mut SplitMix64) -> Option<[u8; 2]> {
        let nth = random.number() as usize % self.0.len().max(1);
        self.0.keys().nth(nth).map(|(_, key)| *key)
    }
}

/// The place of a key: several have one hash.
fn place(key: [u8; 2]) -> Place {
    Place { part: 7, hash: u32::from(key[0] % 32) * 0x0700_0000 }
}

fn written(part: &Part) -> Vec<u8> {
    let mut out = Vec::new();
    part.write(&mut out);
    out
}

fn own<'p>(part: &'p mut Arc<Part>, key: &[u8; 2]) -> (&'p mut Records, Result<usize, usize>, u32) {
    let found = part.find(place(*key), key);
    let (records, index) = Part::own(part, found, key, &Copies::default());
    (records, index, found.place.hash)
}

fn put(part: &mut Arc<Part>, key: &[u8; 2], entry: Owned) {
    let (records, index, hash) = own(part, key);
    let kind = (entry.tag, entry.expires_ms);
    match entry.content {
        Content::Packed(bytes) => records.put(index, (hash, key), kind, New::Packed(&bytes)),
        Content::Apart(value) => records.put(index, (hash, key), kind, New::Apart(value)),
    }
}

/// Does something to both; says nothing if that is not to be done to this key.
fn step(part: &mut Arc<Part>, model: &mut Model, random: &mut SplitMix64) -> Option<()> {
    let (what, number) = (random.number() % 16, random.number());
    let key = match what {
        // Keys come and go, but most that are there are changed.
        0..4 => [number as u8, (number >> 8) as u8 % 4],
        _ => model.any(random)?,
    };
    let at = (place(key).hash, key);
    let length = (number >> 16) as usize % if number.is_multiple_of(4) { 700 } else { 9 };
    let member = [0, 0, 0, (number >> 24) as u8 % 40];
    match (what, model.0.get_mut(&at)) {
        (0..8, _) => {
            let expires_ms = if number.is_multiple_of(3) { number % 5 } else { NEVER };
            let text = vec![number as u8; length];
            let (records, index, hash) = own(part, &key);
            records.put_text(index, (hash, &key), expires_ms, &text);
            model.0.insert(at, (Plain::Text(text), expires_ms));
        }
        (8, _) => {
            let members = BTreeSet::from_iter((0..member[3]).map(|last| [0, 0, 0, last]));
            let members = if members.is_empty() { BTreeSet::from([member]) } else { members };
            let boxed = members.iter().map(|it| it[..].into()).collect::<BTreeSet<Box<[u8]>>>();
            put(part, &key, Owned::new(Set::from(boxed).into_value(), NEVER));
            model.0.insert(at, (Plain::Members(members), NEVER));
        }
        (9, Some((Plain::Text(text), _))) => {
            text.resize(text.len().max(length + 3), 0);
            text[length..length + 3].fill(7);
            let (records, index, hash) = own(part, &key);
            records.write_text(index.unwrap(), (hash, &key), length, &[7; 3]);
        }
        (9..12, Some((Plain::Members(members), expires_ms))) => {
            let is_added = what < 11;
            let is_change = if is_added { members.insert(member) } else { members.remove(&member) };
            let gone = members.is_empty().then_some(*expires_ms);
            let (records, index, hash) = own(part, &key);
            let edit =
                |set: &mut Set| if is_added { set.insert(&member) } else { set.remove(&member) };
            let edited = records.edit(index.unwrap(), (hash, &key), edit);
            assert_eq!(edited, (is_change, gone));
            if gone.is_some() {
                model.0.remove(&at);
            }
        }
        (12..14, Some((_, expires_ms))) => {
            let before_ms = std::mem::replace(expires_ms, number % 5);
            let (records, index, _) = own(part, &key);
            assert_eq!(records.set_expiry(index.unwrap(), number % 5), before_ms);
        }
        (14.., Some(_)) => {
            let (_, expires_ms) = model.0.remove(&at).unwrap();
            let (records, index, _) = own(part, &key);
            assert_eq!(records.remove(index.unwrap()), expires_ms);
        }
        _ => {}
    }
    Some(())
}

/// Whatever can be asked is answered as the model says.
fn check(part: &Part, model: &Model, hint: (u64, u32)) {
    let entries: Vec<_> = part.entries(0).collect();
    let weight: usize = entries.iter().map(|(key, entry)| bytes_of(key, entry)).sum();
    assert_eq!((part.size().keys, part.size().weight()), (model.0.len(), weight), "{hint:?}");
    assert!(entries.iter().map(|(key, _)| *key).eq(model.0.keys().map(|(_, key)| key)), "{hint:?}");
    assert!(written(part) == model.written(), "{hint:?}");
    for number in 0..1024_u16 {
        let key = [number as u8, (number >> 8) as u8];
        let is_there = model.0.contains_key(&(place(key).hash, key));
        let found = part.find(place(key), &key);
        assert_eq!((found.is_there(), part.at(found).is_some()), (is_there, is_there), "{hint:?}");
    }
    for (from, expires_ms) in (0..32).flat_map(|it| (0..5).map(move |ms| (it, ms))) {
        let hash = from * 0x0700_0000;
        let run = model.0.range((hash, [0, 0])..=(hash, [255, 255]));
        let first = run.into_iter().find(|(_, (_, its_ms))| *its_ms == expires_ms);
        let first = first.map(|((_, key), _)| &key[..]);
        assert_eq!(part.find_expiring(hash, expires_ms), first, "{hint:?}");
        let rest = model.0.range((hash, [0, 0])..).map(|((_, key), _)| &key[..]);
        assert!(part.entries(hash).map(|(key, _)| key).eq(rest), "{hint:?}");
    }
}

#[test]
fn whatever_shares_a_part_it_and_all_that_share_it_are_what_they_were_made() {
    let (mut shared, mut layered_twice) = (0, 0);
    for seed in 0..12 {
        let mut random = SplitMix64::new(seed);
        let (mut part, mut model) = (Arc::new(Part::default()), Model::default());
        let mut held: Vec<(Arc<Part>, Model)> = Vec::new();
        for number in 0..1500 {
            step(&mut part, &mut model, &mut random);
            match random.number() % 64 {
                0 => {
                    layered_twice += usize::from(part.below.is_some());
                    held.push((Arc::clone(&part), model.clone()));
                }
                1 | 2 if !held.is_empty() => {
                    let (one, its) = held.swap_remove(random.number() as usize % held.len());
                    check(&one, &its, (seed, number));
                }
                4 => check(&part, &model, (seed, number)),
                _ => {}
            }
            shared += usize::from(part.below.is_some());
        }
        check(&part, &model, (seed, 1500));
        held.iter().for_each(|(one, its)| check(one, its, (seed, 1501)));
        let mut alone = Arc::new(Part { own: Records::default(), below: None });
        for (key, entry) in part.entries(0) {
            put(&mut alone, key.first_chunk().unwrap(), entry.to_owned());
        }
        assert!(alone.below.is_none() && alone == part && written(&alone) == written(&part));
    }
    assert!(shared > 1000 && layered_twice > 20, "{shared} and {layered_twice} times");
}

/// Keys of two bytes, each a string.
fn part_of(keys: u16, text: &[u8]) -> Arc<Part> {
    let mut part = Arc::new(Part::default());
    (0..keys).for_each(|key| set(&mut part, key, text));
    part
}

fn set(part: &mut Arc<Part>, key: u16, text: &[u8]) {
    let key = key.to_le_bytes();
    let (records, index, hash) = own(part, &key);
    records.put_text(index, (hash, &key), NEVER, text);
}

#[test]
fn what_changes_in_a_shared_part_is_copied_and_not_the_part() {
    let mut part = part_of(400, &[b'a'; 100]);
    let frozen = Arc::clone(&part);
    let before = written(&frozen);
    set(&mut part, 7, &[b'b'; 100]);

    assert!(part.copied_bytes() < 500, "{} bytes", part.copied_bytes());
    assert!(Arc::ptr_eq(&part.below.as_ref().unwrap().part, &frozen));
    assert!(written(&frozen) == before && part.size() == frozen.size() && part != frozen);
}

#[test]
fn a_part_is_one_again_once_nobody_shares_it() {
    let mut part = part_of(400, b"a");
    let frozen = Arc::clone(&part);
    set(&mut part, 7, b"other");
    let (key, bytes) = (8_u16.to_le_bytes(), written(&part));
    let (records, index, _) = own(&mut part, &key);
    records.remove(index.unwrap());
    drop(frozen);
    assert!(part.below.is_some());
    set(&mut part, 8, b"a");

    assert!(part.below.is_none() && written(&part) == bytes);
}

#[test]
fn a_part_of_which_much_has_changed_is_copied_whoever_shares_it() {
    for (keys, most) in [(7, 4), (64, 33), (2000, 33)] {
        let mut part = part_of(keys, &[b'a'; 300]);
        let frozen = Arc::clone(&part);
        let changes = (0..keys).position(|key| {
            set(&mut part, key, b"b");
            part.below.is_none()
        });
        assert_eq!(changes.map(|before| before + 1), Some(most), "{keys} keys");
        assert!(written(&frozen) == written(&part_of(keys, &[b'a'; 300])));
    }
    let mut part = part_of(8, &[b'a'; 30]);
    let _frozen = Arc::clone(&part);
    set(&mut part, 0, b"b");
    assert!(part.below.is_none(), "so little is copied at once");
    // To take keys out is a change as well.
    let mut part = part_of(64, &[b'a'; 300]);
    let frozen = Arc::clone(&part);
    for key in (0..33_u16).map(u16::to_le_bytes) {
        let (records, index, _) = own(&mut part, &key);
        records.remove(index.unwrap());
    }
    assert!(part.below.is_none() && part.size().keys == 31 && frozen.size().keys == 64);
}

#[test]
fn a_part_that_is_shared_again_while_it_lies_on_another_shares_that_too() {
    let mut part = part_of(400, &[b'a'; 100]);
    let first = Arc::clone(&part);
    set(&mut part, 1, &[b'b'; 100]);
    let second = Arc::clone(&part);
    let before = written(&second);
    set(&mut part, 2, &[b'c'; 100]);

    assert!(Arc::ptr_eq(&part.below.as_ref().unwrap().part, &first));
    assert!(part.copied_bytes() < 700, "{} bytes", part.copied_bytes());
    assert!(written(&second) == before);
    drop(first);
    set(&mut part, 3, &[b'd'; 100]);
    assert!(part.below.is_some(), "the second shares it with the first");
    drop(second);
    set(&mut part, 4, &[b'e'; 100]);
    assert!(part.below.is_none());
}

#[test]
fn what_is_changed_again_and_again_is_told_as_seldom_as_what_is_changed_once() {
    let (copies, mut part) = (Copies::default(), part_of(400, &[b'a'; 100]));
    let (told, _frozen) = (copies.listen(), Arc::clone(&part));
    for key in (0..4_u16).map(u16::to_le_bytes) {
        for _ in 0..100 {
            let found = part.find(place(key), &key);
            let (records, index) = Part::own(&mut part, found, &key, &copies);
            records.put_text(index, (found.place.hash, &key), NEVER, &[b'b'; 100]);
        }
    }
    assert_eq!(told.len(), 3, "with the first, the second and the fourth key");
}
