//! What clients feel of checkpoints of a large state.

use std::thread;
use std::time::{Duration, Instant};

use peers::servers::Running;

use super::Size;
use crate::Bench;
use crate::clock::{Spans, now_us};
use crate::commands::Keys;
use crate::pipe;
use crate::probe::{Latencies, Probe, Spread};
use crate::replicas::{Checkpoint, Replicas};
use crate::report::{Report, Wanted, mib, number};
use crate::watch::{Seen, Watch};
use crate::writers::{Load, Writers, Written};

/// Milliseconds that nobody is to wait longer because of a checkpoint.
const MAX_MS: f64 = 50.0;
/// Of the throughput without a checkpoint.
const THROUGHPUT: f64 = 0.85;
/// How long the first checkpoint's neighbours, connections and views, are left alone.
const WARM_UP: Duration = Duration::from_secs(1);

/// What `pause` takes
#[derive(clap::Args)]
pub struct Options {
    #[command(flatten)]
    size: Size,
    #[command(flatten)]
    load: Load,
    /// For how long to write, and longer until there have been enough checkpoints
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Checkpoints that there must be, within four times as long
    #[arg(long, default_value_t = 3)]
    checkpoints: usize,
    /// The replica that is probed
    #[arg(long, default_value_t = 0)]
    probe: usize,
    /// Milliseconds between two commands of the probe
    #[arg(long, default_value_t = 2)]
    probe_ms: u64,
}

/// What was measured of one server.
struct Measured {
    latencies: Latencies,
    written: Written,
    seen: Seen,
    checkpoints: Vec<Checkpoint>,
    under_way: Spans,
    new_views: u64,
}

pub fn measure(bench: &Bench, options: &Options) {
    let keys = options.size.keys();
    let redis = bench.redis().map(|redis| run(&redis, &keys, options));
    let ours = run(&bench.ours(&[]), &keys, options);
    let what = options.size.text("pause");
    let mut report = Report::new(&format!("{what}, {} clients", options.load.clients));
    let redis_spread = redis.map(|redis| {
        let (_, rate) = redis.written.per_second(&redis.under_way);
        (redis.latencies.spread(&redis.under_way, false), rate)
    });
    let redis = |of: fn(&Spread) -> f64| redis_spread.as_ref().map(|(it, _)| of(it));
    let outside = ours.latencies.spread(&ours.under_way, false);
    let inside = ours.latencies.spread(&ours.under_way, true);
    for (what, it, most) in [
        ("outside checkpoints", &outside, Wanted::Nothing),
        ("inside checkpoints", &inside, Wanted::AtMost(MAX_MS)),
    ] {
        if it.count == 0 {
            report.text(&format!("probe {what}"), "never", "");
            continue;
        }
        report.figure(&format!("probe {what}, p50 ms"), it.p50, redis(|r| r.p50), Wanted::Nothing);
        report.figure(&format!("probe {what}, p99 ms"), it.p99, redis(|r| r.p99), Wanted::Nothing);
        report.figure(&format!("probe {what}, max ms"), it.max, redis(|r| r.max), most);
        let redis = redis_spread.as_ref().map_or("", |(it, _)| &it.worst_three);
        report.text(&format!("probe {what}, worst three ms"), &it.worst_three, redis);
    }
    let (inside, outside) = ours.written.per_second(&ours.under_way);
    let redis = redis_spread.as_ref().and_then(|(_, rate)| *rate);
    if let Some(outside) = outside {
        report.figure("writes/s outside checkpoints", outside, redis, Wanted::Nothing);
    }
    if let Some(inside) = inside {
        report.figure("writes/s inside checkpoints", inside, redis, Wanted::Nothing);
    }
    if let (Some(inside), Some(outside)) = (inside, outside) {
        let wanted = Wanted::AtLeast(THROUGHPUT);
        report.share("writes/s inside, of outside", inside, Some(inside / outside), wanted);
    }
    let mut outcomes = ours.written.outcomes.clone();
    outcomes.add(&ours.latencies.outcomes);
    report.figure("errors", outcomes.errors() as f64, None, Wanted::AtMost(0.0));
    if outcomes.errors() > 0 {
        report.text("errors, which", &outcomes.text(), "");
    }
    report.figure("new views", ours.new_views as f64, None, Wanted::AtMost(0.0));
    report.text("checkpoints", &ours.checkpoints.len().to_string(), "");
    for (index, it) in ours.checkpoints.iter().enumerate() {
        let next = ours.checkpoints.get(index + 1).map_or(u64::MAX, |next| next.begin_us);
        let seconds = number((it.end_us - it.begin_us) as f64 / 1e6);
        // The replicas other than the first enough of them may write a little longer.
        let bytes = number(mib(ours.seen.written(it.begin_us, next)));
        let what = format!("checkpoint before slot {}, s and MiB", it.slot);
        report.text(&what, &format!("{seconds}, {bytes}"), "");
    }
    report.print();
}

fn run(running: &Running, keys: &Keys, options: &Options) -> Measured {
    let started = Instant::now();
    pipe::fill(running.addresses[0], keys);
    let replicas = running.cluster().is_some().then_some(Replicas(running));
    if let Some(replicas) = &replicas {
        replicas.await_calm();
    }
    eprintln!("filled in {:.1} s", started.elapsed().as_secs_f64());
    let view = || replicas.as_ref().map_or(0, Replicas::view);
    let view_before = view();
    let writers = Writers::start(&running.addresses, options.load, keys);
    thread::sleep(WARM_UP);
    let (begin_us, begin) = (now_us(), Instant::now());
    let watch = Watch::start(running);
    let probed = running.addresses[options.probe.min(running.addresses.len() - 1)];
    let probe = Probe::start(probed, Duration::from_millis(options.probe_ms), keys);
    let (least, most) =
        (Duration::from_secs(options.seconds), Duration::from_secs(4 * options.seconds));
    let since = |it: &Checkpoint| it.begin_us >= begin_us;
    let is_enough = || {
        let is_whole = |it: &&Checkpoint| since(it) && it.end_us < now_us();
        let count = |it: &Replicas<'_>| it.checkpoints().iter().filter(is_whole).count();
        replicas.as_ref().is_none_or(|it| count(it) >= options.checkpoints)
    };
    thread::sleep(least);
    while !is_enough() && begin.elapsed() < most {
        thread::sleep(Duration::from_secs(1));
    }
    let latencies = probe.stop();
    let end_us = now_us();
    let written = writers.stop();
    if let Some(replicas) = &replicas {
        replicas.await_calm();
    }
    let seen = watch.stop();
    let all = replicas.as_ref().map_or(Vec::new(), Replicas::checkpoints);
    let under_way = seen.under_way(&all);
    let counts = |it: &Checkpoint| since(it) && it.begin_us < end_us;
    let checkpoints = all.into_iter().filter(counts).collect();
    let new_views = view() - view_before;
    Measured { latencies, written, seen, checkpoints, under_way, new_views }
}
