//! The `taraflow` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    taraflow::cli::main()
}
