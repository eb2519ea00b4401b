//! `taraflow completions`: completion scripts for shells.

use clap_complete::Shell;

use super::output::print;
use crate::model::error::Error;

/// What `taraflow completions` is told.
#[derive(Debug, clap::Args)]
#[command(after_help = "For bash: `taraflow completions bash > \
~/.local/share/bash-completion/completions/taraflow`")]
pub struct CompletionsArgs {
    /// The shell to complete for
    shell: Shell,
}

/// Prints the script that completes `command`.
///
/// # Errors
/// What standard output says.
pub fn run(args: &CompletionsArgs, mut command: clap::Command) -> Result<(), Error> {
    let name = command.get_name().to_owned();
    // Into memory first: the generator panics where a pipe is closed early.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command, name, &mut script);
    print(&String::from_utf8_lossy(&script))
}
