//! What it costs to be watched: requests per second at each level, as a share of those without.
//!
//! `cargo bench --bench observe [-- SECONDS [ROUNDS]]`: in a round each level has its turn for so long, in
//! an order that changes; the ratios to the unwatched turn of the same round are compared, and their median
//! is what counts.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "a bench reads the clock")]

use std::time::{Duration, Instant};

use comfy_table::Table;
use taraflow::client::RequestOutcome;
use taraflow::dataflows::tara;
use taraflow::hosts::embedded::{Client, Cluster, EmbeddedSettings};
use taraflow::kv::resp::write_command;
use taraflow::kv::service::KeyValue;
use taraflow::observe::frame::Level;

const OUTSTANDING: [usize; 3] = [16, 256, 4096];
const LEVELS: [Level; 3] = [Level::Off, Level::Basic, Level::Full];

fn main() {
    let numbers: Vec<u64> = std::env::args().filter_map(|word| word.parse().ok()).collect();
    let time = Duration::from_secs(numbers.first().copied().unwrap_or(2));
    let rounds = numbers.get(1).copied().unwrap_or(5) as usize;
    let mut table = Table::new();
    table.load_style(comfy_table::presets::ASCII_MARKDOWN);
    table.set_header(["outstanding", "off, requests/s", "basic / off", "full / off"]);
    for outstanding in OUTSTANDING {
        let mut unwatched = Vec::new();
        let mut ratios = [Vec::new(), Vec::new()];
        for round in 0..rounds {
            let mut rates = [0.0; LEVELS.len()];
            for turn in 0..LEVELS.len() {
                let level = (round + turn) % LEVELS.len();
                rates[level] = run(LEVELS[level], outstanding, time);
            }
            unwatched.push(rates[0]);
            ratios[0].push(rates[1] / rates[0]);
            ratios[1].push(rates[2] / rates[0]);
        }
        let share = |of: &mut Vec<f64>| {
            let (median, least) = (median(of), of[0]);
            format!("{median:.3} (least {least:.3})")
        };
        table.add_row([
            outstanding.to_string(),
            format!("{:.0}", median(&mut unwatched)),
            share(&mut ratios[0]),
            share(&mut ratios[1]),
        ]);
    }
    println!("{table}");
}

fn median(of: &mut [f64]) -> f64 {
    of.sort_by(f64::total_cmp);
    of[of.len() / 2]
}

/// Requests a second, of a client that keeps so many open.
fn run(level: Level, outstanding: usize, time: Duration) -> f64 {
    let mut settings = EmbeddedSettings::new(3);
    settings.observe = level;
    settings.config.client_window = outstanding as u64;
    let cluster = Cluster::start(settings, tara::PROTOCOL, KeyValue::default).expect("it starts");
    let mut client = cluster.client();
    let mut command = Vec::new();
    let words: [&[u8]; 3] = [b"SET", b"key:000001", b"sixteen bytes..."];
    write_command(words.into_iter(), &mut command);
    serve(&mut client, outstanding, &command, time / 4);
    let started = Instant::now();
    let done = serve(&mut client, outstanding, &command, time);
    done as f64 / started.elapsed().as_secs_f64()
}

/// Keeps so many requests open for so long; answers how many were done.
fn serve(client: &mut Client, outstanding: usize, command: &[u8], time: Duration) -> u64 {
    let until = Instant::now() + time;
    let mut done = 0;
    loop {
        if Instant::now() < until {
            let free = outstanding.saturating_sub(client.open()).min(client.room());
            for _ in 0..free {
                client.submit(command).expect("there is room");
            }
        } else if client.open() == 0 {
            return done;
        }
        client.receive(Duration::from_secs(1), |number, outcome| {
            assert!(matches!(outcome, RequestOutcome::Done(_)), "request {number}: {outcome:?}");
            done += 1;
        });
    }
}
