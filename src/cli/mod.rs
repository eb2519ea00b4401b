//! The commands, one file each.

mod ask;
pub mod checkpoint;
pub mod cluster;
pub mod completions;
pub mod config;
pub mod demo;
pub mod doctor;
pub mod graph;
pub mod inspect;
pub mod kv;
pub mod log;
pub mod metrics;
pub mod node;
mod reach;
mod reply;
pub mod sim;
pub mod status;
pub mod submit;
pub mod trace;

use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::{CommandFactory, Parser, Subcommand};
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::error::Error;

/// Stream-based state-machine replication.
#[derive(Debug, Parser)]
#[command(name = "taraflow", version, arg_required_else_help = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Demo),
    /// Make and run a cluster of processes on this machine
    Cluster(cluster::ClusterArgs),
    /// Run one replica
    Node(node::RunArgs),
    /// Show how a cluster is
    Status(status::StatusArgs),
    /// Show what the replicas do: operators, streams, slots, and who waits for whom
    Inspect(inspect::InspectArgs),
    /// Say what is wrong with a cluster, and why
    Doctor(doctor::DoctorArgs),
    /// Show the life of one request, on all replicas
    Trace(trace::TraceArgs),
    /// Print alert rules and a dashboard for the figures of the nodes
    Metrics(metrics::MetricsArgs),
    /// Check or print what a node is told
    Config(config::ConfigArgs),
    /// Have a stream of commands applied, each once, and print the replies
    Submit(submit::SubmitArgs),
    /// Have one command applied, once
    Kv(kv::KvArgs),
    /// Show the graph of a replica, as its worker builds it
    Graph(graph::GraphArgs),
    /// Run simulated clusters under faults, one a seed
    Sim(sim::SimArgs),
    /// Look into the journal in a replica's data directory
    Log(log::LogArgs),
    /// Look into the checkpoints in a replica's data directory
    Checkpoint(checkpoint::CheckpointArgs),
    /// Print a completion script for a shell
    Completions(completions::CompletionsArgs),
}

/// What is set once SIGTERM or SIGINT has come. The second one ends the process at once, which loses nothing
/// that was answered.
fn told_to_end() -> io::Result<Arc<AtomicBool>> {
    let ending = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        signal_hook::flag::register_conditional_shutdown(signal, 1, Arc::clone(&ending))?;
        signal_hook::flag::register(signal, Arc::clone(&ending))?;
    }
    Ok(ending)
}

impl Cli {
    /// Runs the command, says on standard error what it could not do, and answers what to tell the
    /// caller of the process.
    #[must_use]
    pub fn run(&self) -> ExitCode {
        let outcome = match &self.command {
            Command::Demo(demo) => demo.run(),
            Command::Cluster(args) => cluster::run(args),
            Command::Node(args) => node::run(args),
            Command::Status(args) => status::run(args),
            Command::Inspect(args) => inspect::run(args),
            Command::Doctor(args) => doctor::run(args),
            Command::Trace(args) => trace::run(args),
            Command::Metrics(args) => metrics::run(args).map_err(Error::from),
            Command::Config(args) => config::run(args),
            Command::Submit(args) => submit::run(args),
            Command::Kv(args) => kv::run(args),
            Command::Sim(args) => sim::run(args),
            Command::Graph(args) => graph::run(args).map_err(Error::from),
            Command::Log(args) => log::run(args),
            Command::Checkpoint(args) => checkpoint::run(args),
            Command::Completions(args) => {
                completions::run(args, Cli::command()).map_err(Error::from)
            }
        };
        match outcome {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("taraflow: {error}");
                ExitCode::from(error.exit_code())
            }
        }
    }
}
