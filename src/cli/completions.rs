//! `taraflow completions`: completion scripts for shells.

use clap_complete::Shell;

use super::output::print;
use crate::cli::outcome::Failure;

/// Arguments of `taraflow completions`.
#[derive(Debug, clap::Args)]
#[command(after_help = "For bash: `taraflow completions bash > \
~/.local/share/bash-completion/completions/taraflow`")]
pub(super) struct CompletionsArgs {
    /// The shell to complete for
    shell: Shell,
}

/// Prints the script that completes `command`.
///
/// # Errors
/// What standard output says.
pub(super) fn run(args: &CompletionsArgs, mut command: clap::Command) -> Result<(), Failure> {
    let name = command.get_name().to_owned();
    // Into memory first: the generator panics where a pipe is closed early.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, name, &mut script);
    print(&String::from_utf8_lossy(&script))
}
