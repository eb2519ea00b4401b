//! The command line, a file a command.
//!
//! `program` puts the commands together, `args` has options that several share, `ask` queries admin
//! ports, `output` prints, and `outcome` gives each failure its words and its exit code.

// Messages go through `say`, and results through a locked standard output: a closed pipe or a full
// disk must not end a process with a panic.
#![deny(clippy::print_stderr, clippy::print_stdout)]

/// Prints a line for people on standard error. Whether anybody reads it changes nothing.
macro_rules! say {
    ($($words:tt)*) => {{
        use std::io::Write as _;
        let words = format!($($words)*);
        let _ = writeln!(std::io::stderr(), "{}", crate::cli::program::named(&words));
    }};
}

mod args;
mod ask;
mod call;
mod checkpoint;
mod cluster;
mod completions;
mod config;
mod connect;
mod demo;
mod doctor;
mod graph;
mod inspect;
mod kv;
mod log;
mod metrics;
mod node;
mod outcome;
mod output;
mod panics;
mod program;
mod reply;
mod sim;
mod status;
mod submit;
mod trace;

use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::cli::outcome::Failure;
use crate::model::app::StateMachine;
use crate::model::config::Config;

use program::Program;

/// Stream-based state-machine replication.
#[derive(Debug, Parser)]
#[command(
    name = "taraflow",
    version,
    arg_required_else_help = true,
    after_help = "\
Start here:
  taraflow demo                     three replicas in one process, one is killed
  taraflow cluster up               three processes, in ./cluster, until Ctrl-C
  taraflow kv set greeting hello    from another terminal, as with redis-cli
  taraflow status                   who leads, and how far each replica is
  taraflow doctor                   what is wrong, and why

Each command's --help has examples; README.md, with the sources, has the rest."
)]
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
    /// Show the state of a cluster
    Status(status::StatusArgs),
    /// Show what the replicas do: operators, streams, slots, and who waits for whom
    Inspect(inspect::InspectArgs),
    /// Report what is wrong with a cluster, and why
    Doctor(doctor::DoctorArgs),
    /// Show the life of one request, on all replicas
    Trace(trace::TraceArgs),
    /// Print Prometheus alert rules or a Grafana dashboard
    Metrics(metrics::MetricsArgs),
    /// Check or print a node's settings
    Config(config::ConfigArgs),
    /// Send a file of commands, each applied exactly once, and print the replies
    Submit(submit::SubmitArgs),
    /// Run one command, exactly once
    Kv(kv::KvArgs),
    /// Have the state machine apply one command, exactly once
    Call(call::CallArgs),
    /// Print the dataflow graph of a replica, as its worker builds it
    Graph(graph::GraphArgs),
    /// Run simulated clusters under faults, one a seed
    Sim(sim::SimArgs),
    /// List or verify the journal in a replica's data directory
    Log(log::LogArgs),
    /// List or verify the checkpoints in a replica's data directory
    Checkpoint(checkpoint::CheckpointArgs),
    /// Print a completion script for a shell
    Completions(completions::CompletionsArgs),
}

/// A flag that is set once SIGTERM or SIGINT has come. The second one ends the process at once,
/// which loses nothing that was answered.
fn told_to_end() -> io::Result<Arc<AtomicBool>> {
    let ending = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        signal_hook::flag::register_conditional_shutdown(signal, 1, Arc::clone(&ending))?;
        signal_hook::flag::register(signal, Arc::clone(&ending))?;
    }
    Ok(ending)
}

/// Makes a program of a state machine: does what the command line of this process says, about
/// clusters that replicate what `service` makes.
///
/// The program has all of taraflow's commands. `cluster up` runs replicas as processes of the same
/// program, with sessions, TLS between them and a page; `call` asks them, `status` and `doctor` say
/// how they are.
///
/// ```no_run
/// use std::process::ExitCode;
/// use taraflow::{At, Damaged, StateMachine};
/// # #[derive(Default)]
/// # struct Counter(u64);
/// # impl StateMachine for Counter {
/// #     fn apply(&mut self, _at: At, _command: &[u8], _reply: &mut Vec<u8>) {}
/// #     fn snapshot(&self) -> Vec<u8> { Vec::new() }
/// #     fn restore(&mut self, _snapshot: &[u8]) -> Result<(), Damaged> { Ok(()) }
/// # }
///
/// fn main() -> ExitCode {
///     taraflow::run(Counter::default)
/// }
/// ```
pub fn run<S: StateMachine>(service: impl Fn() -> S + Send + Sync + 'static) -> ExitCode {
    run_with(move |_| service())
}

/// The same for a state machine that depends on the settings of its cluster, such as
/// [`Config::memory_max`]. These must be the same on all replicas.
pub fn run_with<S: StateMachine>(
    service: impl Fn(&Config) -> S + Send + Sync + 'static,
) -> ExitCode {
    let program = Program::new(Arc::new(move |config| Box::new(service(config))));
    // A number below zero is a value that is out of range, and no option.
    let command = with_negative_numbers(program.commands(Cli::command()));
    let parsed = command.try_get_matches().and_then(|matches| {
        let name = matches.subcommand_name().unwrap_or_default().to_owned();
        Cli::from_arg_matches(&matches).map(|cli| (name, cli))
    });
    match parsed {
        Ok((name, cli)) => cli.run(&name, &program),
        Err(error) => refuse(&error),
    }
}

fn with_negative_numbers(command: clap::Command) -> clap::Command {
    let command = command.mut_args(|arg| match arg.get_action().takes_values() {
        true if !arg.is_allow_hyphen_values_set() => arg.allow_negative_numbers(true),
        _ => arg,
    });
    command.mut_subcommands(with_negative_numbers)
}

/// Reports a command line that is wrong like any other failure, or prints the help asked for.
fn refuse(error: &clap::Error) -> ExitCode {
    let text = error.render().to_string();
    match text.strip_prefix("error: ") {
        Some(what) => say!("{}: {}", program::name(), what.trim_end()),
        // Help and version, on the stream they belong on. Nobody may be there to read them.
        None => drop(error.print()),
    }
    ExitCode::from(error.exit_code() as u8)
}

impl Cli {
    /// Runs the command of this name, reports on standard error what it could not do, and returns
    /// the exit code.
    fn run(&self, name: &str, program: &Program) -> ExitCode {
        let outcome = program.expect(name).and_then(|()| self.run_for(program));
        match outcome {
            Ok(()) => ExitCode::SUCCESS,
            Err(Failure::Reported { code }) => ExitCode::from(code),
            Err(error) => {
                say!("{}: {error}", program::name());
                ExitCode::from(error.exit_code())
            }
        }
    }

    fn run_for(&self, program: &Program) -> Result<(), Failure> {
        match &self.command {
            Command::Demo(demo) => demo.run(program),
            Command::Cluster(args) => cluster::run(args, program),
            Command::Node(args) => node::run(args, program),
            Command::Status(args) => status::run(args),
            Command::Inspect(args) => inspect::run(args),
            Command::Doctor(args) => doctor::run(args),
            Command::Trace(args) => trace::run(args),
            Command::Metrics(args) => metrics::run(args),
            Command::Config(args) => config::run(args),
            Command::Submit(args) => submit::run(args),
            Command::Kv(args) => kv::run(args),
            Command::Call(args) => call::run(args),
            Command::Sim(args) => sim::run(args),
            Command::Graph(args) => graph::run(args),
            Command::Log(args) => log::run(args),
            Command::Checkpoint(args) => checkpoint::run(args),
            Command::Completions(args) => completions::run(args, program.commands(Cli::command())),
        }
    }
}
