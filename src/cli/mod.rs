//! The commands, one file each.

pub mod completions;
pub mod graph;

use std::io;

use clap::{CommandFactory, Parser, Subcommand};

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
    /// Print a completion script for a shell
    Completions(completions::CompletionsArgs),
}

impl Cli {
    /// Runs the command.
    ///
    /// # Errors
    /// What the command could not do.
    pub fn run(&self) -> io::Result<()> {
        match &self.command {
            Command::Graph(args) => graph::run(args),
            Command::Completions(args) => completions::run(args, Cli::command()),
        }
    }
}
