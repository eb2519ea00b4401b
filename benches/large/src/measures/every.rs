//! Bytes that checkpoints write when there is one every few slots.

use std::thread;
use std::time::Duration;

use super::Size;
use crate::Bench;
use crate::clock::now_us;
use crate::pipe;
use crate::replicas::Replicas;
use crate::report::{Report, Wanted, mib};
use crate::watch::Watch;
use crate::writers::{Load, Writers};

/// What `every` takes
#[derive(clap::Args)]
pub struct Options {
    #[command(flatten)]
    size: Size,
    /// Slots between two checkpoints
    #[arg(long, default_value_t = 1024)]
    slots: u64,
    /// Connections that write, each waiting for its answer before it goes on
    #[arg(long, default_value_t = 1)]
    clients: usize,
    /// For how long to write
    #[arg(long, default_value_t = 60)]
    seconds: u64,
}

pub fn measure(bench: &Bench, options: &Options) {
    let keys = options.size.keys();
    let ours = bench.ours(&[format!("limits.checkpoint_every={}", options.slots)]);
    pipe::fill(ours.addresses[0], &keys);
    let replicas = Replicas(&ours);
    replicas.await_calm();
    let watch = Watch::start(&ours);
    let begin_us = now_us();
    let load = Load { clients: options.clients, pipeline: 1 };
    let writers = Writers::start(&ours.addresses, load, &keys);
    thread::sleep(Duration::from_secs(options.seconds));
    let written = writers.stop();
    replicas.await_calm();
    let mut cut = replicas.checkpoints();
    cut.retain(|it| it.begin_us >= begin_us);
    thread::sleep(Duration::from_millis(200));
    // Of those that fall due while one is saved only the newest is written.
    let mut saved: Vec<u64> = cut.iter().map(|it| it.end_us).collect();
    saved.dedup();
    // The first has what was changed before, too.
    let bytes = watch.stop().written(saved.first().copied().unwrap_or(begin_us), u64::MAX);
    let between_us = match (cut.first(), cut.last()) {
        (Some(first), Some(last)) => {
            (last.begin_us - first.begin_us) / (saved.len() as u64 - 1).max(1)
        }
        _ => 0,
    };

    let what = options.size.text(&format!("every {} slots", options.slots));
    let mut report = Report::new(&what);
    let count = (saved.len() as u64).saturating_sub(1).max(1);
    let changed = written.outcomes.done * between_us / (options.seconds * 1_000_000);
    let each = bytes / count;
    report.text("checkpoints cut, saved", &format!("{}, {}", cut.len(), saved.len()), "");
    report.text("writes", &written.outcomes.done.to_string(), "");
    report.text("keys changed for each", &changed.to_string(), "");
    let share = each as f64 / keys.bytes() as f64;
    report.share("written for each, MiB, of the state", mib(each), Some(share), Wanted::Nothing);
    let share = each as f64 / (changed.max(1) * keys.pair_bytes()) as f64;
    report.share("the same, of the keys changed", mib(each), Some(share), Wanted::Nothing);
    report.share("written in all, MiB", mib(bytes), None, Wanted::Nothing);
    let seconds = |it: &crate::replicas::Checkpoint| (it.end_us - it.begin_us) as f64 / 1e6;
    let mean = cut.iter().map(seconds).sum::<f64>() / cut.len().max(1) as f64;
    report.figure("from the cut until it is stable, s", mean, None, Wanted::Nothing);
    report.print();
}
