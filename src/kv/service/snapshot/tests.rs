use std::sync::Arc;

use super::reader::ROOM_BYTES;
use super::*;
use crate::kv::resp::write_command;
use crate::kv::service::entries::Place;
use crate::kv::service::expiries::NEVER;
use crate::kv::service::store::{Hash, List, Set};
use crate::kv::service::zset::Zset;
use crate::model::app::{At, StateMachine};
use crate::model::random::SplitMix64;
use crate::model::types::Slot;

fn service(store: &Store) -> KeyValue {
    KeyValue { store: store.clone(), ..KeyValue::default() }
}

fn write(store: &Store) -> Vec<u8> {
    service(store).snapshot()
}

fn read(snapshot: &[u8]) -> Result<Store, Damaged> {
    let mut restored = KeyValue::default();
    restored.restore(snapshot)?;
    Ok(restored.store)
}

fn sample() -> Store {
    let mut store = Store::default();
    store.advance(5);
    store.set(b"text", b"value", NEVER);
    store.set(b"brief", b"", 9);
    store.set(b"long", &[b'x'; 700], 19);
    for (key, length) in [(&b"list"[..], 1), (b"long list", 90)] {
        store
            .edit_or_new(key, |list: &mut List| {
                list.push_back(b"b"[..].into());
                list.push_back(vec![b'a'; length].into());
                list.push_back(vec![b'a'; length].into());
            })
            .unwrap();
    }
    for (key, length) in [(&b"hash"[..], 1), (b"long hash", 190)] {
        store.edit_or_new(key, |hash: &mut Hash| hash.put(b"f", &vec![b'v'; length])).unwrap();
        store.edit_or_new(key, |hash: &mut Hash| hash.put(b"e", b"")).unwrap();
    }
    for (key, more) in [(&b"zset"[..], &b"b"[..]), (b"long zset", &[b'm'; 200])] {
        store
            .edit_or_new(key, |zset: &mut Zset| {
                for (member, score) in [(&b"y"[..], 1.5), (b"x", 1.5), (b"a", 2.0), (more, -1.0)] {
                    zset.insert(member, score);
                }
            })
            .unwrap();
    }
    for (key, more) in [(&b"set"[..], &b"z"[..]), (b"long set", &[b'm'; 200])] {
        store
            .edit_or_new(key, |set: &mut Set| {
                set.insert(b"y") && set.insert(b"x") && set.insert(more)
            })
            .unwrap();
    }
    store.expire(b"long hash", 77);
    for key in [&b"gone"[..], b"text", b"none"] {
        store.watched_mut().watch(key);
    }
    store.set(b"gone", b"", NEVER);
    store.remove(b"gone");
    store
}

/// The parts that have bytes, with their numbers.
fn parts(store: &Store) -> Vec<(usize, Vec<u8>)> {
    let snapshot = Snapshot::of(store, &PartSet::all(PARTS));
    let bytes = |part| {
        let mut bytes = Vec::new();
        snapshot.write(part, &mut bytes);
        (part, bytes)
    };
    (0..PARTS).map(bytes).filter(|(_, bytes)| !bytes.is_empty()).collect()
}

#[test]
fn a_state_is_read_as_it_was_written() {
    let store = sample();
    let read = read(&write(&store)).unwrap();
    assert!(read == store && read.bytes() == store.bytes() && read.counts() == store.counts());
}

#[test]
fn every_cut_of_a_part_is_refused_within_it_or_is_another_part() {
    for (part, bytes) in parts(&sample()) {
        for end in 0..bytes.len() {
            let mut store = Store::default();
            match restore_part(&mut store, part, &bytes[..end]) {
                Ok(()) => assert!(part > 0 && end == 0),
                Err(damaged) => assert!(damaged.offset <= end, "{part} cut at {end}: {damaged}"),
            }
        }
    }
}

#[test]
fn a_changed_byte_of_a_part_is_refused_or_is_another_state() {
    for (part, bytes) in parts(&sample()) {
        for at in 0..bytes.len() {
            for flip in [1, 2, 4, 8, 16, 0x20, 0x40, 0x80, 0xff] {
                let mut changed = bytes.clone();
                changed[at] ^= flip;
                let mut store = Store::default();
                if restore_part(&mut store, part, &changed).is_ok() {
                    let mut again = Vec::new();
                    Snapshot::of(&store, &PartSet::all(PARTS)).write(part, &mut again);
                    assert_eq!(again, changed, "byte {at} of {part} changed by {flip}");
                }
            }
        }
    }
}

#[test]
fn a_part_is_of_no_use_in_the_place_of_another() {
    for (part, bytes) in parts(&sample()) {
        for other in [0, 1, part + 1, PARTS - 1] {
            let is_taken = restore_part(&mut Store::default(), other, &bytes).is_ok();
            assert_eq!(is_taken, part == other);
        }
    }
}

#[test]
fn parts_in_any_order_and_over_any_other_state_give_the_state() {
    let store = sample();
    let written = parts(&store);
    for start in 0..written.len() {
        let mut other = sample();
        other.advance(8);
        (0..2000u32).for_each(|key| other.set(&key.to_be_bytes(), b"other", 10 + u64::from(key)));
        other.set(b"text", b"another", 30);
        other.set(b"long", b"short", NEVER);
        other.remove(b"list");

        // One that is not among those written is empty.
        let empty = (1..PARTS).filter(|part| written.iter().all(|(number, _)| number != part));
        empty.for_each(|part| restore_part(&mut other, part, b"").unwrap());
        for (part, bytes) in written[start..].iter().chain(&written[..start]) {
            restore_part(&mut other, *part, bytes).unwrap();
        }

        assert!(other == store && other.bytes() == store.bytes());
        assert!(other.counts() == store.counts());
        other.advance(1000);
        let mut later = store.clone();
        later.advance(1000);
        assert!(other == later);
    }
}

#[test]
fn a_key_that_had_expired_when_its_part_was_restored_is_dropped_with_the_next_command() {
    let mut store = Store::default();
    store.set(b"k", b"v", 10);
    let written = parts(&store);
    let mut later = Store::default();
    later.advance(20);

    for (part, bytes) in &written[1..] {
        restore_part(&mut later, *part, bytes).unwrap();
    }

    assert_eq!((later.len(20), later.entry(b"k", 20)), (0, None));
    later.advance(20);
    assert_eq!((later.counts(), later.bytes()), ((0, 0), 0));
}

#[test]
fn what_is_no_snapshot_is_refused_and_nothing_changes() {
    let mut service = service(&sample());
    let before = service.clone();
    let snapshot = service.snapshot();
    let behind = [&snapshot[..], b"x"].concat();
    for bytes in [&b""[..], b"\0", b"\x05", &snapshot[..snapshot.len() - 1], &behind, b"\x04"] {
        assert!(service.restore(bytes).is_err());
        assert!(service == before);
    }
}

#[test]
fn only_what_was_changed_counts_as_changed() {
    let mut store = sample();
    assert!(take_changed(&mut store).contains(0));
    assert!(take_changed(&mut store).is_empty());

    store.set(b"text", b"value", NEVER);
    assert_eq!(take_changed(&mut store).iter().filter(|part| *part > 0).count(), 1);
    store.advance(6);
    assert_eq!(take_changed(&mut store).iter().collect::<Vec<_>>(), [0]);
    store.watched_mut().watch(b"more");
    assert_eq!(take_changed(&mut store).iter().collect::<Vec<_>>(), [0]);
    let keys = store.counts().0;
    store.clear();
    assert_eq!(take_changed(&mut store).iter().filter(|part| *part > 0).count(), keys);
}

#[test]
fn what_is_written_late_is_the_state_at_which_it_was_frozen() {
    let mut store = sample();
    let before = crate::model::app::written(&Snapshot::of(&store, &PartSet::all(PARTS)));
    let snapshot = Snapshot::of(&store, &PartSet::all(PARTS));

    store.set(b"text", b"another", NEVER);
    store.edit(b"list", |list: &mut List| list.keep(0..0)).unwrap();
    store.edit(b"long list", |list: &mut List| list.set(1, b"x")).unwrap();
    store.edit_or_new(b"long hash", |hash: &mut Hash| hash.put(b"f", b"w")).unwrap();
    store.text_mut(b"long").unwrap().unwrap().write(3, b"yy");
    store.advance(100);

    assert_eq!(crate::model::app::written(&snapshot), before);
    assert_ne!(write(&store)[1..], before);
}

/// A state as versions before 4 have written it.
fn written_before(version: u8, keys: &[&[u8]]) -> Vec<u8> {
    let mut snapshot = vec![version];
    write_number(5, &mut snapshot);
    if version > 1 {
        write_watched(sample().watched(), &mut snapshot);
    }
    write_number(keys.len() as u64, &mut snapshot);
    for key in keys {
        write_bytes(key, &mut snapshot);
        write_number(if key.len() == 1 { NEVER } else { 100 }, &mut snapshot);
        let elements: &[&[u8]] = match key[0] {
            b'a' => {
                snapshot.push(0);
                write_bytes(&vec![b'v'; 10 * ROOM_BYTES / 4], &mut snapshot);
                continue;
            }
            b'b' => {
                snapshot.push(1);
                &[b"y", b"x"]
            }
            b'c' => {
                snapshot.push(2);
                &[b"f", b"v", b"g", b""]
            }
            _ => {
                snapshot.push(3);
                &[b"x", b"y"]
            }
        };
        write_number(2, &mut snapshot);
        elements.iter().for_each(|element| write_bytes(element, &mut snapshot));
    }
    snapshot
}

/// The same state.
fn before() -> Store {
    let mut store = Store::default();
    store.set(b"a", &vec![b'v'; 10 * ROOM_BYTES / 4], NEVER);
    let push = |list: &mut List| [b"y", b"x"].map(|it| list.push_back(it[..].into())).len();
    store.edit_or_new(b"b", push).unwrap();
    store
        .edit_or_new(b"c", |hash: &mut Hash| [hash.put(b"f", b"v"), hash.put(b"g", b"")].len())
        .unwrap();
    store.edit_or_new(b"dd", |set: &mut Set| [set.insert(b"x"), set.insert(b"y")].len()).unwrap();
    store.expire(b"dd", 100);
    store.advance(5);
    store
}

#[test]
fn states_that_earlier_versions_have_written_are_read() {
    let mut keys: Vec<&[u8]> = vec![b"a", b"b", b"c", b"dd"];
    assert!(read(&written_before(1, &keys)) == Ok(before()));
    let mut expected = before();
    let mut watched = Watched::after(3);
    watched.remember(b"text", 2);
    watched.remember(b"none", 3);
    expected.restore_rest(5, watched, Leases::default());
    assert!(read(&written_before(2, &keys)) == Ok(expected.clone()));
    keys.sort_by_key(|key| (crate::kv::service::random::spread(key) >> 52, *key));
    assert!(read(&written_before(3, &keys)) == Ok(expected));
}

#[test]
fn what_no_earlier_version_has_written_is_refused_where_it_shows() {
    let keys: Vec<&[u8]> = vec![b"b", b"c", b"dd"];
    let snapshot = written_before(1, &keys);
    for end in 0..snapshot.len() {
        let damaged = read(&snapshot[..end]).expect_err("a part is no snapshot");
        assert!(damaged.offset <= end, "cut at {end}: {damaged}");
    }
    let mut counted = snapshot.clone();
    counted[9..17].fill(0xff);
    let damaged = read(&counted).unwrap_err();
    assert_eq!((damaged.offset, damaged.expected), (snapshot.len(), "a length"));
    assert!(read(&written_before(1, &[b"c", b"b"])).is_err());
}

#[test]
fn the_state_before_a_refused_part_stays() {
    let mut store = sample();
    let before = store.clone();
    for (part, bytes) in parts(&sample()) {
        assert!(restore_part(&mut store, part, &bytes[..bytes.len() - 1]).is_err());
    }
    assert!(store == before && store.bytes() == before.bytes());
}

/// Commands on keys (K) of one part, with some words (W) and numbers (N).
const COMMANDS: [&str; 32] = [
    "SET K W",
    "SET K W",
    "SET K W PX N",
    "SET K W KEEPTTL GET",
    "APPEND K W",
    "SETRANGE K N W",
    "SETBIT K N 1",
    "INCRBY K N",
    "GETDEL K",
    "GETEX K PX N",
    "MSET K W K W",
    "DEL K K",
    "RENAME K K",
    "COPY K K REPLACE",
    "PEXPIRE K N",
    "PERSIST K",
    "PTTL K",
    "TYPE K",
    "GET K",
    "RPUSH K W W",
    "LPOP K",
    "LRANGE K 0 -1",
    "HSET K W W",
    "HDEL K W",
    "SADD K W W W",
    "SREM K W",
    "SMOVE K K W",
    "ZADD K N W",
    "ZPOPMIN K",
    "SCAN 0 COUNT 100000",
    "RANDOMKEY",
    "DBSIZE",
];

#[test]
fn a_service_that_is_frozen_again_and_again_answers_as_one_that_never_is() {
    let part = Place::of(b"").part;
    let keys = (0..).map(u32::to_be_bytes).filter(|key| Place::of(key).part == part);
    let keys: Vec<_> = keys.take(48).collect();
    let bytes_of = |service: &KeyValue| {
        let mut bytes = Vec::new();
        service.freeze(&PartSet::all(PARTS)).write(1 + part, &mut bytes);
        bytes
    };
    for seed in 0..6 {
        let mut random = SplitMix64::new(seed);
        let [mut frozen, mut other] = [KeyValue::default(), KeyValue::default()];
        let mut held = Vec::new();
        for step in 0..2000_u64 {
            let word = |random: &mut SplitMix64, letter: &str| match letter {
                "K" => keys[random.number() as usize % keys.len()].to_vec(),
                "N" => (random.number() % 300).to_string().into_bytes(),
                "W" => match random.number() % 32 {
                    0 => vec![b'l'; 600],
                    number => vec![b'a' + number as u8 % 8; 40],
                },
                word => word.as_bytes().to_vec(),
            };
            // Strings for a beginning, so that the part is large enough not to be copied at once.
            let which = random.number() as usize % if step < 100 { 2 } else { COMMANDS.len() };
            let words: Vec<_> =
                COMMANDS[which].split(' ').map(|letter| word(&mut random, letter)).collect();
            let mut command = Vec::new();
            write_command(words.iter().map(|word| &word[..]), &mut command);
            let at = At { slot: Slot(step), time_ms: step };
            let replies = [&mut frozen, &mut other].map(|service| {
                let mut reply = Vec::new();
                service.apply(at, &command, &mut reply);
                (reply, service.memory())
            });
            assert!(replies[0] == replies[1], "seed {seed}, step {step}: {}", COMMANDS[which]);
            match random.number() % 32 {
                0..3 => held.push((frozen.freeze(&PartSet::all(PARTS)), bytes_of(&other))),
                3..6 if !held.is_empty() => {
                    let index = random.number() as usize % held.len();
                    let (state, bytes): (Arc<dyn Frozen>, _) = held.swap_remove(index);
                    let mut late = Vec::new();
                    state.write(1 + part, &mut late);
                    assert!(late == bytes, "seed {seed}, step {step}");
                }
                _ => {}
            }
        }
        assert!(frozen == other && frozen.snapshot() == other.snapshot(), "seed {seed}");
    }
}

#[test]
fn a_head_has_leases_once_one_was_given_and_each_broken_rule_of_theirs_is_refused() {
    let mut store = sample();
    assert_eq!(parts(&store)[0].1[0], 4);
    store.leases.acquire(b"job", b"me", 100);
    store.leases.acquire(b"other", b"you", 100);
    let head = parts(&store)[0].1.clone();
    assert_eq!(head[0], 5);
    assert!(reader::read_head(&head).unwrap().2 == store.leases);

    // The last lease: name, owner, token, expiry.
    let (name, token, expiry) = (head.len() - 32, head.len() - 16, head.len() - 8);
    for (at, byte) in [(name + 4, b'a'), (token, 0), (token, 1), (token, 3), (expiry, 5)] {
        let mut broken = head.clone();
        broken[at] = byte;
        assert!(reader::read_head(&broken).is_err(), "{byte} at {at}");
    }
    for length in 0..head.len() {
        assert!(reader::read_head(&head[..length]).is_err(), "{length} bytes");
    }
}
