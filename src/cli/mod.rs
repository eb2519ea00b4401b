//! The commands, one file each.

pub mod completions;
pub mod graph;
pub mod sim;

use clap::{CommandFactory, Parser, Subcommand};

use crate::error::Error;

/// Stream-based state-machine replication.
#[derive(Debug, Parser)]
#[command(name = "taraflow", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the graph of a replica, as its worker builds it
    Graph(graph::GraphArgs),
    /// Run simulated clusters under faults, one a seed
    Sim(sim::SimArgs),
    /// Print a completion script for a shell
    Completions(completions::CompletionsArgs),
}

impl Cli {
    /// Runs the command.
    ///
    /// # Errors
    /// What the command could not do.
    pub fn run(&self) -> Result<(), Error> {
        match &self.command {
            Command::Sim(args) => sim::run(args),
            Command::Graph(args) => Ok(graph::run(args)?),
            Command::Completions(args) => Ok(completions::run(args, Cli::command())?),
        }
    }
}
