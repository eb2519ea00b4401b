//! What one command costs the service: nanoseconds for SET, GET and their like, with
//! few keys and many; the memory of a key, and what a checkpoint costs.
//!
//! Commands are prepared beforehand; a run walks the keys in a scattered order, parses, applies and
//! writes the reply, as a replica does. The median of the rounds is printed, and the fastest.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "a bench reads the clock")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use taraflow::kv::redis::{RedisConnection, RedisSettings, ServerInfo};
use taraflow::kv::resp::{Arguments, RespLimits, write_command};
use taraflow::kv::service::KeyValue;
use taraflow::model::app::{At, StateMachine};
use taraflow::model::parts::PartSet;
use taraflow::model::types::Slot;

const KEYS: usize = 100_000;
const ROUNDS: usize = 15;
/// A checkpoint is made bytes in pieces of this size.
const PIECE_BYTES: usize = 256 << 10;

fn command(words: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    write_command(words.iter().copied(), &mut bytes);
    bytes
}

/// Times one call of `step` per command, in nanoseconds.
fn measure(name: &str, commands: &[Vec<u8>], mut step: impl FnMut(u64, &[u8])) {
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            for (slot, command) in (1..).zip(commands) {
                step(slot, command);
            }
            start.elapsed().as_nanos() as f64 / commands.len() as f64
        })
        .collect();
    rounds.sort_by(f64::total_cmp);
    println!("{name:34} {:6.1} ns median {:6.1} ns best", rounds[ROUNDS / 2], rounds[0]);
}

fn main() {
    let key = |index: usize| format!("key:{index:012}").into_bytes();
    // A stride without a common divisor visits each key once, far from the last.
    let scattered = (0..KEYS).map(|step| step * 61_803 % KEYS);
    let prepare = |words: &dyn Fn(usize) -> Vec<u8>| -> Vec<Vec<u8>> {
        scattered.clone().map(words).collect()
    };
    let value = b"0123456789abcdef";
    let sets = prepare(&|index| command(&[b"SET", &key(index), value]));

    let (mut arguments, limits) = (Arguments::default(), RespLimits::default());
    measure("parse SET, same bytes", &vec![sets[0].clone(); 1000], |_, bytes| {
        black_box(arguments.parse(black_box(bytes), &limits)).ok();
    });
    measure("parse SET, scattered bytes", &sets, |_, bytes| {
        black_box(arguments.parse(black_box(bytes), &limits)).ok();
    });

    let mut line = RedisConnection::new(1, Arc::new(RedisSettings::default()));
    let (world, mut last) = (ServerInfo::default(), 0);
    measure("line SET and its reply, one by one", &sets, |_, bytes| {
        line.on_bytes(black_box(bytes), &world, &mut |_, number, _| last = number);
        line.on_reply(last, b"+OK\r\n");
        line.sent(black_box(line.output()).len());
    });
    let pipelines: Vec<_> = sets.chunks(100).map(|commands| commands.concat()).collect();
    measure("line SET and its reply, 100 at once", &pipelines, |_, bytes| {
        let first = last + 1;
        line.on_bytes(black_box(bytes), &world, &mut |_, number, _| last = number);
        (first..=last).for_each(|number| line.on_reply(number, b"+OK\r\n"));
        line.sent(black_box(line.output()).len());
    });

    for (keys, value) in
        [(100, 16), (KEYS, 16), (20 * KEYS, 16), (20 * KEYS, 100), (5 * KEYS, 1000)]
    {
        measure_service(keys, &vec![b'v'; value]);
    }
}

/// What commands cost, and what a checkpoint does, with so many keys of this value.
fn measure_service(keys: usize, value: &[u8]) {
    let key = |index: usize| format!("key:{index:012}").into_bytes();
    // A stride without a common divisor visits each key once, far from the last.
    let scattered = (0..keys.max(1000)).map(|step| step * 61_803 % keys);
    let prepare = |words: &dyn Fn(usize) -> Vec<u8>| -> Vec<Vec<u8>> {
        scattered.clone().take(200_000).map(words).collect()
    };
    let sets = prepare(&|index| command(&[b"SET", &key(index), value]));
    let gets = prepare(&|index| command(&[b"GET", &key(index)]));
    let timed = prepare(&|index| command(&[b"SET", &key(index), value, b"PX", b"60000"]));
    let counts = prepare(&|index| command(&[b"INCR", &format!("n:{}", index % 100).into_bytes()]));

    println!("\n{keys} keys of {} bytes", value.len());
    let before = resident_bytes();
    let mut service = KeyValue::default();
    let mut reply = Vec::new();
    let apply = |service: &mut KeyValue, reply: &mut Vec<u8>, slot, bytes: &[u8]| {
        reply.clear();
        service.apply(At { slot: Slot(slot), time_ms: slot }, bytes, reply);
        black_box(reply);
    };
    // In another order than the runs': else the heap would lie just as they walk it.
    let start = Instant::now();
    (0..keys).for_each(|index| {
        apply(&mut service, &mut reply, 1, &command(&[b"SET", &key(index), value]));
    });
    let each = start.elapsed().as_nanos() as usize / keys;
    let resident = resident_bytes().saturating_sub(before);
    println!("filled: {each} ns a key, {} bytes resident a key", resident / keys);

    let mut run = |name: &str, commands: &[Vec<u8>]| {
        measure(name, commands, |slot, bytes| apply(&mut service, &mut reply, slot, bytes));
    };
    run("apply PING", &vec![command(&[b"PING"]); 1000]);
    run("apply SET, one key", &vec![sets[0].clone(); 1000]);
    run("apply SET, scattered", &sets);
    run("apply GET, scattered", &gets);
    run("apply INCR, 100 keys", &counts);

    let start = Instant::now();
    let mut frozen = service.freeze(&PartSet::all(service.parts()));
    println!("freeze: {:.1?}", start.elapsed());
    let mut slowest = Duration::ZERO;
    let start = Instant::now();
    for bytes in &sets {
        let begun = Instant::now();
        apply(&mut service, &mut reply, 1, bytes);
        slowest = slowest.max(begun.elapsed());
    }
    let each = start.elapsed().as_nanos() as usize / sets.len();
    let copied = Arc::get_mut(&mut frozen).map_or(0, |frozen| {
        frozen.next_copied();
        frozen.copied_bytes()
    });
    println!(
        "SET while a state is frozen: {each} ns, the slowest {slowest:.1?}, {copied} bytes copied"
    );
    drop(frozen);

    let frozen = service.freeze(&PartSet::all(service.parts()));
    let (start, mut piece, mut bytes) = (Instant::now(), Vec::new(), 0);
    for part in 0..service.parts() {
        if piece.len() > PIECE_BYTES {
            piece.clear();
        }
        let before = piece.len();
        frozen.write(part, &mut piece);
        bytes += black_box(&piece).len() - before;
    }
    let written = start.elapsed();
    println!("{bytes} bytes of a frozen state written in {written:.1?}, part by part");
    drop(frozen);

    measure("apply SET PX, scattered", &timed, |slot, bytes| {
        apply(&mut service, &mut reply, slot, bytes);
    });

    let start = Instant::now();
    let snapshot = service.snapshot();
    let written = start.elapsed();
    let start = Instant::now();
    KeyValue::default().restore(&snapshot).expect("a snapshot can be restored");
    let (count, bytes) = (service.len(), snapshot.len());
    println!(
        "snapshot of {count} keys, {bytes} bytes: {written:.1?}, back: {:.1?}",
        start.elapsed()
    );
}

/// The memory of this process, where the system tells.
fn resident_bytes() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let resident = pages.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok());
    resident.unwrap_or(0) * 4096
}
