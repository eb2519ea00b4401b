//! The `taraflow` command.

use std::process::ExitCode;

use clap::Parser;
use taraflow::cli::Cli;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("taraflow: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
