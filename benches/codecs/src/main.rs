//! What it costs to read a batch of 64 requests from bytes, by codec.
//!
//! Each decodes what it has encoded itself, and adds up all numbers and command bytes, so that nothing
//! is left unread. Best of many rounds, because other work shares the machine.
#![allow(clippy::disallowed_methods)] // it measures
#![allow(unsafe_code)] // abomonation's interface is unsafe; that is the point of the comparison.

use std::hint::black_box;
use std::time::Instant;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use taraflow::model::batch::{Packer, Request, Requests};
use taraflow::model::types::ClientId;

const REQUESTS: u64 = 64;

#[derive(Serialize, Deserialize)]
struct Row {
    client: u64,
    number: u64,
    acknowledged: u64,
    command: ByteBuf,
}

type Plain = (u64, u64, u64, Vec<u8>);

fn main() {
    println!(
        "{:<12} {:>8} {:>12} {:>12} {:>8}",
        "codec", "command", "encode ns", "decode ns", "bytes"
    );
    for size in [16, 256] {
        let rows: Vec<Plain> =
            (0..REQUESTS).map(|row| (7, row, row / 2, vec![row as u8; size])).collect();
        columnar(&rows, size);
        postcard(&rows, size);
        abomonation(&rows, size);
    }
}

fn columnar(rows: &[Plain], size: usize) {
    let pack = || {
        let mut packer = Packer::default();
        for (client, number, acknowledged, command) in rows {
            let client = ClientId(*client);
            packer.push(Request { client, number: *number, acknowledged: *acknowledged, command });
        }
        packer.finish()
    };
    let words = pack().words().to_vec();
    let encode = best(|| drop(black_box(pack())));
    // A block is taken over as it is: what is timed is the check of it, and the reading.
    let decode = best_with(
        || words.clone(),
        |words| {
            let requests = Requests::from_words(words).expect("it was packed just now");
            black_box(requests.iter().map(|r| r.number + sum(r.command)).sum::<u64>());
            requests
        },
    );
    print("columnar", size, encode, decode, words.len() * 8);
}

fn postcard(rows: &[Plain], size: usize) {
    let rows: Vec<Row> = rows
        .iter()
        .map(|(client, number, acknowledged, command)| Row {
            client: *client,
            number: *number,
            acknowledged: *acknowledged,
            command: ByteBuf::from(command.clone()),
        })
        .collect();
    let bytes = postcard::to_stdvec(&rows).expect("plain data encodes");
    let encode = best(|| drop(black_box(postcard::to_stdvec(&rows))));
    let decode = best(|| {
        let rows: Vec<Row> = postcard::from_bytes(&bytes).expect("it was encoded just now");
        black_box(rows.iter().map(|row| row.number + sum(&row.command)).sum::<u64>());
    });
    print("postcard", size, encode, decode, bytes.len());
}

fn abomonation(rows: &Vec<Plain>, size: usize) {
    let mut bytes = Vec::new();
    // SAFETY: plain integers and vectors of them, encoded and decoded in this process.
    unsafe { abomonation::encode(rows, &mut bytes) }.expect("a vector takes all bytes");
    let mut out = Vec::with_capacity(bytes.len());
    let encode = best(|| {
        out.clear();
        // SAFETY: as above.
        drop(black_box(unsafe { abomonation::encode(rows, &mut out) }));
    });
    // It decodes in place and once only, so each round starts from a copy, as bytes from a socket would.
    let mut copy = bytes.clone();
    let decode = best(|| {
        copy.copy_from_slice(&bytes);
        // SAFETY: as above; the copy is aligned as the allocator aligns it, to 16 bytes.
        let decoded = unsafe { abomonation::decode::<Vec<Plain>>(&mut copy) };
        let (rows, _) = decoded.expect("it was encoded just now");
        black_box(rows.iter().map(|row| row.1 + sum(&row.3)).sum::<u64>());
    });
    print("abomonation", size, encode, decode, bytes.len());
}

/// Touches a command without reading all of it: reading costs the same in every codec.
fn sum(command: &[u8]) -> u64 {
    command.len() as u64 + u64::from(command.first().copied().unwrap_or_default())
}

fn best(mut work: impl FnMut()) -> f64 {
    best_with(|| (), |()| work())
}

/// The least time of a call, in nanoseconds, over rounds of a thousand.
///
/// What the calls take and give is made before and dropped after the clock runs.
fn best_with<T, U>(mut prepare: impl FnMut() -> T, mut work: impl FnMut(T) -> U) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..50 {
        let prepared: Vec<T> = (0..1000).map(|_| prepare()).collect();
        let mut kept = Vec::with_capacity(1000);
        let begun = Instant::now();
        kept.extend(prepared.into_iter().map(&mut work));
        best = best.min(begun.elapsed().as_nanos() as f64 / 1000.0);
    }
    best
}

fn print(codec: &str, size: usize, encode: f64, decode: f64, bytes: usize) {
    println!("{codec:<12} {size:>6} B {encode:>12.0} {decode:>12.0} {bytes:>8}");
}
