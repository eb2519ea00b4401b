//! The commands, one file each.

pub mod completions;
pub mod demo;
pub mod graph;

use std::io;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

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
    /// Show the graph of a replica, as its worker builds it
    Graph(graph::GraphArgs),
    /// Print a completion script for a shell
    Completions(completions::CompletionsArgs),
}

impl Cli {
    /// Runs the command, says on standard error what it could not do, and answers what to tell the
    /// caller of the process.
    #[must_use]
    pub fn run(&self) -> ExitCode {
        let plain = |done: io::Result<()>| done.map_err(|error| (error.to_string(), 1));
        let outcome = match &self.command {
            Command::Demo(demo) => demo.run().map_err(|e| (e.to_string(), e.exit_code())),
            Command::Graph(args) => plain(graph::run(args)),
            Command::Completions(args) => plain(completions::run(args, Cli::command())),
        };
        match outcome {
            Ok(()) => ExitCode::SUCCESS,
            Err((error, code)) => {
                eprintln!("taraflow: {error}");
                ExitCode::from(code)
            }
        }
    }
}
