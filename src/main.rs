//! The `taraflow` command.

use std::process::ExitCode;

use clap::Parser;
use taraflow::cli::Cli;

fn main() -> ExitCode {
    Cli::parse().run()
}
