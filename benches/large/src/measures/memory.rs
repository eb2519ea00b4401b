//! Memory of each replica beside redis-server's, for the same keys.

use std::thread;
use std::time::{Duration, Instant};

use peers::servers::Running;

use crate::Bench;
use crate::commands::Keys;
use crate::pipe;
use crate::replicas::Replicas;
use crate::report::{Report, Wanted, mib};
use crate::watch::{self, Watch};
use crate::writers::{Load, Writers};

/// Of what redis-server takes.
const WANTED: Wanted = Wanted::AtMost(1.25);

/// What `memory` takes
#[derive(clap::Args)]
pub struct Options {
    /// Keys to set
    #[arg(long, default_value_t = 1_000_000)]
    keys: u64,
    /// Bytes of a value; a table for each
    #[arg(long, value_delimiter = ',', default_value = "16")]
    value: Vec<usize>,
    /// For how long to write afterwards, and longer until there have been two checkpoints
    #[arg(long, default_value_t = 15)]
    seconds: u64,
    /// Connections that write, each waiting for its answers before it goes on
    #[arg(long, default_value_t = 50)]
    clients: usize,
    /// Commands that each of them sends at once: many, so that checkpoints come soon
    #[arg(long, default_value_t = 16)]
    pipeline: usize,
}

/// What each process takes.
struct Memory {
    at_rest: Vec<u64>,
    peak: Vec<u64>,
    /// As it was seen while a checkpoint was under way.
    seen: Vec<u64>,
    checkpoints: usize,
}

pub fn measure(bench: &Bench, options: &Options) {
    for value in &options.value {
        let keys = Keys::new(options.keys, *value);
        let redis = bench.redis().map(|redis| run(&redis, &keys, options));
        let redis_of = |of: fn(&Memory) -> &Vec<u64>| Some(mib(*of(redis.as_ref()?).first()?));
        let ours = run(&bench.ours(&[]), &keys, options);
        let what = format!("memory, MiB: {} keys of {value} bytes", options.keys);
        let mut report = Report::new(&what);
        let mut rows = |what: &str, of: fn(&Memory) -> &Vec<u64>, redis: Option<f64>| {
            for (index, bytes) in of(&ours).iter().enumerate() {
                report.ratio(&format!("{what}, replica {index}"), mib(*bytes), redis, WANTED);
            }
        };
        rows("at rest", |it| &it.at_rest, redis_of(|it| &it.at_rest));
        rows("checkpoint under way", |it| &it.seen, redis_of(|it| &it.peak));
        rows("peak under writes", |it| &it.peak, redis_of(|it| &it.peak));
        report.text("checkpoints meanwhile", &ours.checkpoints.to_string(), "");
        report.print();
    }
}

fn run(running: &Running, keys: &Keys, options: &Options) -> Memory {
    pipe::fill(running.addresses[0], keys);
    let replicas = running.cluster().is_some().then_some(Replicas(running));
    if let Some(replicas) = &replicas {
        replicas.await_calm();
    }
    thread::sleep(Duration::from_secs(1));
    let pids = running.pids();
    let each = |which: &str| pids.iter().map(|pid| watch::memory(*pid, which)).collect();
    let at_rest = each("VmRSS:");
    pids.iter().for_each(|pid| watch::forget_peak(*pid));
    let done_before = replicas.as_ref().map_or(0, |it| it.checkpoints().len());
    let watch = Watch::start(running);
    let load = Load { clients: options.clients, pipeline: options.pipeline };
    let (begin, most) = (Instant::now(), Duration::from_secs(4 * options.seconds));
    let writers = Writers::start(&running.addresses, load, keys);
    thread::sleep(Duration::from_secs(options.seconds));
    let is_enough = || replicas.as_ref().is_none_or(|it| it.checkpoints().len() >= done_before + 2);
    while !is_enough() && begin.elapsed() < most {
        thread::sleep(Duration::from_millis(500));
    }
    writers.stop();
    if let Some(replicas) = &replicas {
        replicas.await_calm();
    }
    let checkpoints = replicas.as_ref().map_or(Vec::new(), Replicas::checkpoints);
    let checkpoints = &checkpoints[done_before.min(checkpoints.len())..];
    let seen = watch.stop();
    Memory {
        at_rest,
        peak: each("VmHWM:"),
        seen: seen.memory_meanwhile(&seen.under_way(checkpoints)),
        checkpoints: checkpoints.len(),
    }
}
