//! What a replica receives until it has caught up, when it was stopped for a while under writes.

use std::collections::BTreeMap;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use peers::servers::signal;
use rustix::process::Signal;

use super::Size;
use crate::Bench;
use crate::pipe;
use crate::replicas::{LINKS_ABOVE, Replicas, await_some};
use crate::report::{Report, Wanted, mib};
use crate::writers::{Load, Writers};

/// What `away` takes
#[derive(clap::Args)]
pub struct Options {
    #[command(flatten)]
    size: Size,
    #[command(flatten)]
    load: Load,
    /// For how long the replica is stopped
    #[arg(long, default_value_t = 10)]
    seconds: u64,
}

pub fn measure(bench: &Bench, options: &Options) {
    let keys = options.size.keys();
    let ours = bench.ours(&[]);
    pipe::fill(ours.addresses[0], &keys);
    let replicas = Replicas(&ours);
    replicas.await_calm();
    let leader = replicas.await_leader();
    // A follower: without a leader there would be nothing to write.
    let away = (leader + 1) % ours.addresses.len();
    let pid = ours.pids()[away];
    let mut others = ours.addresses.clone();
    let links = others.remove(away).port() + LINKS_ABOVE;
    let mut received = Received::default();
    received.look(links);
    let (received_before, given_before) = (received.bytes(), replicas.sent_to(away));
    let checkpoints_before = replicas.checkpoints().len();

    signal(pid, Signal::STOP);
    let writers = Writers::start(&others, options.load, &keys);
    thread::sleep(Duration::from_secs(options.seconds));
    let written = writers.stop();
    let executed = replicas.executed(leader);
    received.look(links);
    signal(pid, Signal::CONT);
    let begin = Instant::now();
    await_some("the replica to catch up", || {
        received.look(links);
        (replicas.executed(away) >= executed).then_some(())
    });
    let seconds = begin.elapsed().as_secs_f64();
    received.look(links);

    let bytes = written.outcomes.done * keys.pair_bytes();
    let mut report = Report::new(&options.size.text("away"));
    let of = |part: u64, whole: u64| Some(part as f64 / whole as f64);
    report.text("for, s", &options.seconds.to_string(), "");
    report.text("writes meanwhile", &written.outcomes.done.to_string(), "");
    report.text("errors meanwhile", &written.outcomes.text(), "");
    report.share("written meanwhile, MiB, of the state", mib(bytes), of(bytes, keys.bytes()), NONE);
    for (what, count) in [
        ("received", received.bytes().saturating_sub(received_before)),
        ("given to its links", replicas.sent_to(away) - given_before),
    ] {
        if count > 0 {
            let row = format!("{what}, MiB, of what was written");
            report.share(&row, mib(count), of(count, bytes), NONE);
            let row = format!("{what}, MiB, of the state");
            report.share(&row, mib(count), of(count, keys.bytes()), NONE);
        }
    }
    report.figure("caught up after, s", seconds, None, NONE);
    let cut = replicas.checkpoints().len() - checkpoints_before;
    report.text("checkpoints meanwhile", &cut.to_string(), "");
    let installed = replicas.status(away).and_then(|it| it["checkpoints_installed"].as_u64());
    report.text("checkpoints taken over", &installed.unwrap_or(0).to_string(), "");
    report.print();
}

const NONE: Wanted = Wanted::Nothing;

/// Bytes that came over connections to a port, as the system counts them.
#[derive(Default)]
struct Received(BTreeMap<String, u64>);

impl Received {
    /// Asks `ss`; where it is not installed nothing is counted.
    fn look(&mut self, port: u16) {
        let asked = Command::new("ss").args(["-Htin", &format!("sport = :{port}")]).output();
        let text = asked.map(|it| String::from_utf8_lossy(&it.stdout).into_owned());
        let mut peer = String::new();
        for line in text.unwrap_or_default().lines() {
            if !line.starts_with(char::is_whitespace) {
                peer = line.split_whitespace().nth(4).unwrap_or_default().to_owned();
            }
            let count = line.split_whitespace().find_map(|it| it.strip_prefix("bytes_received:"));
            if let Some(count) = count.and_then(|count| count.parse().ok()) {
                self.0.insert(peer.clone(), count);
            }
        }
    }

    fn bytes(&self) -> u64 {
        self.0.values().sum()
    }
}
