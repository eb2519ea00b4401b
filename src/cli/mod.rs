//! The command line.

mod demo;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// State-machine replication whose protocols are dataflows.
#[derive(Debug, Parser)]
#[command(version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(demo::Demo),
}

/// Runs the command line this process was started with.
#[must_use]
pub fn run() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Demo(demo) => demo.run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("taraflow: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
