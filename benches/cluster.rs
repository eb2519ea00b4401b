//! Requests per second and latency of a cluster in one process, without disks: a closed loop.
//!
//! `cargo bench --bench cluster [-- SECONDS [REPLICAS]]`
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "a bench reads the clock")]

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use comfy_table::Table;
use hdrhistogram::Histogram;
use taraflow::client::RequestOutcome;
use taraflow::dataflows::tara;
use taraflow::hosts::embedded::{Client, Cluster, EmbeddedSettings, Storage};
use taraflow::kv::resp::write_command;
use taraflow::kv::service::KeyValue;
use taraflow::model::types::ReplicaId;

const OUTSTANDING: [usize; 4] = [1, 16, 256, 4096];
const VALUE_BYTES: [usize; 3] = [16, 128, 1024];
/// Keys written, over and over.
const KEYS: usize = 10_000;

fn main() {
    let numbers: Vec<u64> = std::env::args().filter_map(|word| word.parse().ok()).collect();
    let time = Duration::from_secs(numbers.first().copied().unwrap_or(2));
    let sizes = numbers.get(1).map_or(vec![3, 5], |n| vec![*n as usize]);
    let mut table = Table::new();
    table.load_style(comfy_table::presets::ASCII_MARKDOWN);
    table.set_header([
        "replicas",
        "value",
        "outstanding",
        "requests/s",
        "requests/batch",
        "p50 us",
        "p99 us",
        "max us",
        "processor us/request",
    ]);
    for n in sizes {
        for value in VALUE_BYTES {
            for outstanding in OUTSTANDING {
                table.add_row(run(n, value, outstanding, time));
            }
        }
    }
    println!("{table}");
}

fn run(n: usize, value: usize, outstanding: usize, time: Duration) -> Vec<String> {
    let mut settings = EmbeddedSettings::new(n);
    settings.storage = Storage::None;
    settings.config.client_window = outstanding as u64;
    let cluster = Cluster::start(settings, tara::PROTOCOL, KeyValue::default).expect("it starts");
    let commands: Vec<Vec<u8>> = (0..KEYS).map(|key| set(key, value)).collect();
    let mut load = Load::new(cluster.client(), outstanding, &commands);
    load.run(time / 4);
    load.forget();
    let (requests, batches) = executed(&cluster);
    let used = processor_time();
    let started = Instant::now();
    load.run(time);
    let elapsed = started.elapsed().as_secs_f64();
    let used = processor_time() - used;
    let (requests_after, batches_after) = executed(&cluster);
    let (requests, batches) = (requests_after - requests, batches_after - batches);
    let us = |quantile| load.latency_ns.value_at_quantile(quantile) as f64 / 1e3;
    vec![
        n.to_string(),
        value.to_string(),
        outstanding.to_string(),
        format!("{:.0}", load.done as f64 / elapsed),
        format!("{:.1}", requests as f64 / batches.max(1) as f64),
        format!("{:.0}", us(0.5)),
        format!("{:.0}", us(0.99)),
        format!("{:.0}", us(1.0)),
        format!("{:.2}", used * 1e6 / load.done.max(1) as f64),
    ]
}

fn set(key: usize, value: usize) -> Vec<u8> {
    let (mut command, value) = (Vec::new(), vec![b'v'; value]);
    let key = format!("key:{key:06}");
    write_command([&b"SET"[..], key.as_bytes(), &value].into_iter(), &mut command);
    command
}

fn executed(cluster: &Cluster) -> (u64, u64) {
    let replicas = (0..cluster.replicas() as u16).map(ReplicaId);
    let all = replicas.map(|replica| cluster.status(replica));
    // The slowest counts.
    all.map(|status| (status.requests, status.batches)).min().unwrap_or_default()
}

/// User and system time of this process, in seconds.
fn processor_time() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

struct Load<'a> {
    client: Client,
    outstanding: usize,
    commands: &'a [Vec<u8>],
    submitted: usize,
    /// The last number of each pack, and when it was sent.
    sent: VecDeque<(u64, Instant)>,
    latency_ns: Histogram<u64>,
    done: u64,
}

impl<'a> Load<'a> {
    fn new(client: Client, outstanding: usize, commands: &'a [Vec<u8>]) -> Self {
        let latency_ns =
            Histogram::new_with_bounds(1, 60_000_000_000, 3).expect("a minute in three digits");
        let (submitted, sent, done) = (0, VecDeque::new(), 0);
        Self { client, outstanding, commands, submitted, sent, latency_ns, done }
    }

    fn forget(&mut self) {
        self.latency_ns.reset();
        self.done = 0;
    }

    /// Keeps the window full for so long, then waits for what is open.
    fn run(&mut self, time: Duration) {
        let until = Instant::now() + time;
        loop {
            let now = Instant::now();
            let full = self.outstanding - self.client.open();
            let last = (now < until && full > 0).then(|| {
                let numbers = (0..full.min(self.client.room().max(1))).map(|_| {
                    self.submitted += 1;
                    let command = &self.commands[self.submitted % self.commands.len()];
                    self.client.submit(command).expect("there is room")
                });
                numbers.last()
            });
            if let Some(last) = last.flatten() {
                self.sent.push_back((last, now));
            }
            if self.client.open() == 0 {
                return;
            }
            let (sent, latency_ns, done) = (&mut self.sent, &mut self.latency_ns, &mut self.done);
            let mut arrived = None;
            self.client.receive(Duration::from_secs(1), |number, outcome| {
                assert!(
                    matches!(outcome, RequestOutcome::Done(_)),
                    "request {number}: {outcome:?}"
                );
                let arrived = *arrived.get_or_insert_with(Instant::now);
                while sent.front().is_some_and(|(last, _)| *last < number) {
                    sent.pop_front();
                }
                let since = sent.front().map_or(arrived, |(_, since)| *since);
                latency_ns.saturating_record((arrived - since).as_nanos() as u64);
                *done += 1;
            });
        }
    }
}
