//! Whether a large state is carried well: the real `taraflow cluster up` with three durable
//! replicas beside one `redis-server` that syncs always, in one run, each measurement by itself.
//!
//! - `cargo run --release -p large -- load --keys 2000000 --value 16`: all keys over one connection,
//!   and by `taraflow submit`. Keys, and bytes of a value.
//! - `... memory --keys 1000000 --value 16,100,1000`: each replica at rest and under writes, a table
//!   for each size of a value. `--seconds` of writes by `--clients`, each of which sends `--pipeline`
//!   commands at once; longer until there have been two checkpoints.
//! - `... pause --mib 1024 --value 1000 --seconds 20 --clients 50 --pipeline 1`: what clients feel of
//!   checkpoints, of which there are to be as many as `--checkpoints`, 3; `--probe` is the replica
//!   that is asked every `--probe-ms`, 2.
//! - `... restart --mib 1024 --value 1000`: stopped and killed, until a GET is answered.
//! - `... away --mib 1024 --value 1000 --seconds 10 --clients 50 --pipeline 1`: what a follower
//!   receives that was stopped so long under writes, until it has executed them all.
//! - `... every --slots 1024 --mib 1024 --value 1000 --seconds 10 --clients 1`: bytes that frequent
//!   checkpoints write.
//!
//! These are the defaults, but for the sizes of `memory`. All take `--set NAME=VALUE` for settings
//! of ours, those of cluster.toml included, as in `--set limits.checkpoint_bytes=268435456`, and
//! `--alone` to leave redis-server out. `TARAFLOW` names our program, otherwise it is the one that
//! was built beside this:
//! `TARAFLOW=/opt/old/taraflow cargo run --release -p large -- pause --mib 64 --alone`.
//!
//! A checkpoint is under way from the moment that the first replica cuts it until the last one knows
//! it to be stable, as their events tell, and for as long as some file of one is unfinished.
//!
//! A machine's disk and neighbours change from minute to minute: ratios of one run are what counts.
//! Everything is in a directory under `TMPDIR` and goes away with its processes, on Ctrl-C as well.
#![allow(clippy::disallowed_methods, reason = "a bench reads the clock")]

mod clock;
mod commands;
mod measures;
mod pipe;
mod probe;
mod replicas;
mod report;
mod watch;
mod writers;

use clap::{Parser, Subcommand};
use peers::servers::{self, Running, Server, Site};

use crate::measures::{away, every, load, memory, pause, restart};
use crate::replicas::Replicas;

/// Whether a large state is carried well, beside redis-server
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    measure: Measure,
    /// A setting of ours, of node.toml or of cluster.toml
    #[arg(long = "set", global = true, value_name = "NAME=VALUE")]
    settings: Vec<String>,
    /// Leave redis-server out
    #[arg(long, global = true)]
    alone: bool,
}

#[derive(Subcommand)]
enum Measure {
    /// Seconds to take all keys, errors and view changes meanwhile
    Load(load::Options),
    /// Memory of each replica at rest and while checkpoints are under way
    Memory(memory::Options),
    /// What clients feel of checkpoints
    Pause(pause::Options),
    /// Seconds until a GET is answered
    Restart(restart::Options),
    /// Bytes that a replica receives that was stopped for a while
    Away(away::Options),
    /// Bytes that frequent checkpoints write
    Every(every::Options),
}

/// Whom to start, and how.
pub struct Bench {
    settings: Vec<String>,
    with_redis: bool,
}

impl Bench {
    /// Our cluster, once it has a leader.
    pub fn ours(&self, more: &[String]) -> Running {
        // The later ones win.
        let settings = [more, &self.settings].concat();
        let running = Site::new(Server::Durable, &settings).start();
        running.await_listeners();
        Replicas(&running).await_leader();
        running
    }

    /// redis-server, unless it is left out.
    pub fn redis(&self) -> Option<Running> {
        let running = self.with_redis.then(|| Site::new(Server::Redis, &[]).start());
        running.inspect(Running::await_listeners)
    }
}

fn main() {
    let Arguments { measure, settings, alone } = Arguments::parse();
    servers::end_on_signals();
    if !Server::Durable.is_installed() {
        std::process::exit(1);
    }
    let bench = Bench { settings, with_redis: !alone && Server::Redis.is_installed() };
    match measure {
        Measure::Load(options) => load::measure(&bench, &options),
        Measure::Memory(options) => memory::measure(&bench, &options),
        Measure::Pause(options) => pause::measure(&bench, &options),
        Measure::Restart(options) => restart::measure(&bench, &options),
        Measure::Away(options) => away::measure(&bench, &options),
        Measure::Every(options) => every::measure(&bench, &options),
    }
}
