//! `taraflow sim`: simulated worlds, one a seed.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use clap::Args;
use crossbeam_channel::{Sender, unbounded};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::args::ProtocolArgs;
use super::args::at_least_one;
use super::output::{OutputForm, print, print_json};
use crate::cli::outcome::Failure;
use crate::dataflows::{self, AnyProtocol};
use crate::hosts::simulation::{Outcome, Stats};
use crate::model::error::Error;
use crate::web::page;

/// Simulated clusters under loss, reordering, partitions, crashes and disk faults, each drawn from a
/// seed and checked against the protocol's invariants and for linearizability.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  taraflow sim --seeds 0..1000          a thousand worlds; the same ones on every machine
  taraflow sim --seeds 927 --trace      one world, with the last lines of what happened in it
  taraflow sim --seeds 927 --page p.html   the same, to watch in a browser
  taraflow sim --seeds 0..1000 -o json  the summary as one JSON object

Exit code 7 if a rule is broken; the seed and the command that replays it are printed.")]
pub(super) struct SimArgs {
    #[command(flatten)]
    spoken: ProtocolArgs,
    /// Seeds, as A..B (without B) or a single one; each makes a world
    #[arg(long, default_value = "0..200", value_parser = seeds)]
    seeds: Range<u64>,
    /// How many worlds run at a time, each on its own thread [default: one per processor]
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    jobs: Option<u64>,
    /// Print the last lines of what happened in each world
    #[arg(long)]
    trace: bool,
    /// Write a recording of the one seed, for `taraflow inspect --recording FILE`
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Write a page that plays the one seed in a browser
    #[arg(long, value_name = "FILE")]
    page: Option<PathBuf>,
    /// The form of the summary
    #[arg(short, long, value_enum, default_value_t)]
    output: OutputForm,
}

fn seeds(text: &str) -> Result<Range<u64>, String> {
    let number = |text: &str| {
        text.parse::<u64>().map_err(|_| format!("`{text}` is not a seed: write A..B or a number"))
    };
    match text.split_once("..") {
        None => number(text).map(|seed| seed..seed + 1),
        Some((from, to)) => {
            let (from, to) = (number(from)?, number(to)?);
            if from < to { Ok(from..to) } else { Err(format!("{from}..{to} contains no seed")) }
        }
    }
}

/// What all worlds together came to.
#[derive(Debug, Default, Serialize)]
struct Summary {
    protocol: String,
    seeds: u64,
    violations: u64,
    /// The first seeds that break a rule.
    broken: Vec<u64>,
    /// What never happened in any world: a rule about it has not been tried.
    not_covered: Vec<&'static str>,
    #[serde(flatten)]
    stats: Stats,
    #[serde(flatten)]
    marks: BTreeMap<&'static str, u64>,
    seconds: f64,
}

/// Seeds named in a summary.
const NAMED: usize = 20;

/// Runs the command.
///
/// # Errors
/// [`Failure::Violations`] if a rule is broken.
pub(super) fn run(args: &SimArgs) -> Result<(), Failure> {
    let protocol = args.spoken.protocol()?;
    record(args, protocol)?;
    let summary = simulate(args, protocol)?;
    match args.output {
        OutputForm::Json => print_json(&summary),
        OutputForm::Text => print(&table(protocol, &summary)),
    }?;
    match summary.broken.first() {
        None => Ok(()),
        Some(&first) => {
            let Summary { protocol, violations, seeds, .. } = summary;
            Err(Failure::Violations { protocol, violations, seeds, first })
        }
    }
}

/// Leaves the files that were asked for.
fn record(args: &SimArgs, protocol: &dyn AnyProtocol) -> Result<(), Failure> {
    if args.record.is_none() && args.page.is_none() {
        return Ok(());
    }
    let seed = args.seeds.start;
    if args.seeds.end > seed + 1 {
        let why = "--record and --page need a single seed, as in `--seeds 42`";
        return Err(Failure::Usage(why.to_owned()));
    }
    let (_, recording) = protocol.record(seed);
    let write =
        |path: &PathBuf, text: &str| std::fs::write(path, text).map_err(Error::file("write", path));
    if let Some(path) = &args.record {
        write(path, &recording)?;
    }
    if let Some(path) = &args.page {
        let title = format!("taraflow sim: {}, seed {seed}", protocol.name());
        write(path, &page::replay(&title, &recording, dataflows::graph))?;
    }
    Ok(())
}

/// Has the seeds run, and adds up what comes of them.
fn simulate(args: &SimArgs, protocol: &dyn AnyProtocol) -> Result<Summary, Failure> {
    let total = args.seeds.end - args.seeds.start;
    let bar = progress(total);
    let begun = Instant::now();
    let next = AtomicU64::new(args.seeds.start);
    let stop = AtomicBool::new(false);
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = args.jobs.map_or(processors, |jobs| jobs as usize);
    let mut summary = Summary { protocol: protocol.name().to_owned(), ..Summary::default() };
    let (done, outcomes) = unbounded();
    let written = std::thread::scope(|scope| {
        for _ in 0..jobs {
            let done = done.clone();
            scope.spawn(|| work(args, protocol, &next, &stop, done));
        }
        drop(done);
        for (seed, outcome) in outcomes {
            let written = take(args, protocol, &mut summary, seed, outcome, &bar);
            if written.is_err() {
                stop.store(true, Ordering::Relaxed);
                return written;
            }
        }
        Ok(())
    });
    bar.finish_and_clear();
    written?;
    summary.broken.sort_unstable();
    summary.broken.truncate(NAMED);
    summary.not_covered = marks(protocol, &summary)
        .filter(|(name, count)| *count == 0 && *name != "violations")
        .map(|(name, _)| name)
        .collect();
    summary.seconds = begun.elapsed().as_secs_f64();
    Ok(summary)
}

fn work(
    args: &SimArgs,
    protocol: &dyn AnyProtocol,
    next: &AtomicU64,
    stop: &AtomicBool,
    done: Sender<(u64, Outcome)>,
) {
    while !stop.load(Ordering::Relaxed) {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= args.seeds.end {
            return;
        }
        if done.send((seed, protocol.simulate(seed, args.trace))).is_err() {
            return;
        }
    }
}

fn take(
    args: &SimArgs,
    protocol: &dyn AnyProtocol,
    summary: &mut Summary,
    seed: u64,
    outcome: Outcome,
    bar: &ProgressBar,
) -> Result<(), Failure> {
    summary.seeds += 1;
    summary.stats += outcome.stats;
    for (name, count) in outcome.marks {
        *summary.marks.entry(name).or_default() += count;
    }
    bar.inc(1);
    let mut err = std::io::stderr().lock();
    if args.trace {
        for line in &outcome.trace {
            writeln!(err, "{line}")?;
        }
        writeln!(err, "seed {seed}: fingerprint {:016x}", outcome.fingerprint)?;
    }
    let Some(why) = outcome.violation else { return Ok(()) };
    summary.violations += 1;
    summary.broken.push(seed);
    // The run was not traced; the same seed gives the same run, so that its end can be had now.
    if !args.trace && summary.violations == 1 {
        for line in protocol.simulate(seed, true).trace {
            writeln!(err, "{line}")?;
        }
    }
    let protocol = protocol.name();
    writeln!(err, "seed {seed}: {why}")?;
    writeln!(err, "replay: taraflow sim --protocol {protocol} --seeds {seed} --trace")?;
    Ok(())
}

fn progress(total: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {human_pos}/{human_len} worlds, {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(total).with_style(style)
}

/// What the text shows, and what must have happened in some world, by the names in the JSON object;
/// in between is what the protocol adds.
const MARKS: [&str; 2] = [
    "seeds messages lost duplicated acts crashes disk_failures disk_full harmed refused answered \
     unknown duplicates executed",
    "checkpoints stable checkpoints_installed violations",
];

/// What was counted, in the order of [`MARKS`].
fn marks(
    protocol: &dyn AnyProtocol,
    summary: &Summary,
) -> impl Iterator<Item = (&'static str, u64)> {
    let counted = serde_json::to_value(summary).unwrap_or_default();
    let [before, after] = MARKS.map(|names| names.split(' '));
    let names = before.chain(protocol.marks().iter().copied()).chain(after);
    names.map(move |name| (name, counted[name].as_u64().unwrap_or_default()))
}

fn table(protocol: &dyn AnyProtocol, summary: &Summary) -> String {
    let Summary { stats, seeds, seconds, .. } = summary;
    let (broken, worlds) = (summary.violations, if *seeds == 1 { "world" } else { "worlds" });
    let mut text = match broken {
        0 => format!("no rule broken in {seeds} {worlds} of {}\n", summary.protocol),
        _ => format!("RULES BROKEN in {broken} of {seeds} {worlds} of {}\n", summary.protocol),
    };
    for (name, value) in marks(protocol, summary) {
        text += &format!("{name:<22} {value:>14}\n");
    }
    if !summary.not_covered.is_empty() {
        text += &format!("never happened: {}\n", summary.not_covered.join(", "));
    }
    let rate = |count: u64| count as f64 / seconds.max(1e-9);
    text += &format!(
        "{:.1} s: {:.1} seeds/s, {:.0} messages/s, {:.0} s of virtual time\n",
        seconds,
        rate(*seeds),
        rate(stats.messages),
        stats.virtual_us as f64 / 1e6
    );
    text
}
