//! `taraflow status`: the state of a cluster and of each replica.

mod table;
mod verdict;

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

use clap::{ArgGroup, Args};

use super::ask::{TargetArgs, Targets, seconds};
use super::inspect::sources::SceneSource;
use super::output::listing::page_width;
use super::output::{OutputForm, forgive_closed_pipe, print_json};
use crate::cli::outcome::Failure;

use verdict::Overview;

/// Arguments of `taraflow status`.
#[derive(Debug, Args)]
#[command(after_help = "\
Asks all replicas at once. One that does not answer is shown as the others last saw it, if that was recently. \
The verdict is that of `taraflow doctor`. A narrow terminal shows fewer columns: starts goes first, then stable, \
up, links, lag, clients, view and executed. Exit codes: 0 healthy; 3 nobody answers; 4 requests are not \
answered; 5 they are, but the cluster needs attention; 7 replicas contradict each other.")]
#[command(group(ArgGroup::new("targets").args(["dir", "addr"])))]
pub(super) struct StatusArgs {
    #[command(flatten)]
    nodes: TargetArgs,
    #[command(flatten)]
    manner: ShowArgs,
}

/// Arguments about how to ask and how to show the answer.
#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// Ask again every second, until Ctrl-C
    #[arg(long)]
    watch: bool,
    /// How long to wait for an answer, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = seconds)]
    timeout: Duration,
    /// The form of the answer
    #[arg(short, long, value_enum, default_value_t)]
    output: OutputForm,
}

/// Asks and shows.
///
/// # Errors
/// [`Failure::Reported`] if the cluster is not healthy, once everything has been shown; [`Failure::Silent`] if
/// nobody answers.
pub(super) fn run(args: &StatusArgs) -> Result<(), Failure> {
    show(&args.nodes.targets()?, &args.manner)
}

/// Asks the cluster in `dir`.
///
/// # Errors
/// What is wrong with its settings, and as [`run`].
pub(super) fn run_in(dir: &Path, manner: &ShowArgs) -> Result<(), Failure> {
    show(&Targets::in_dir(dir)?, manner)
}

fn show(targets: &Targets, manner: &ShowArgs) -> Result<(), Failure> {
    const PAUSE: Duration = Duration::from_secs(1);
    let terminal = io::stdout().is_terminal();
    let mut source = SceneSource::of(targets.clone());
    loop {
        let seen = match manner.watch {
            true => source.scene(manner.timeout),
            false => source.scene_to_judge(manner.timeout),
        };
        let overview = match seen {
            Ok(scene) => Overview::new(&scene, &targets.replicas),
            // Whoever watches waits for them to come back.
            Err(error @ Failure::Silent { .. }) if manner.watch => {
                say!("taraflow: {error}");
                std::thread::sleep(PAUSE);
                continue;
            }
            Err(error) => {
                if let (Failure::Silent { said, .. }, OutputForm::Json) = (&error, manner.output) {
                    let overview = Overview::unreachable(targets.n, said);
                    print_json(&overview)?;
                }
                return Err(error);
            }
        };
        let text = match manner.output {
            OutputForm::Text => table::text(&overview, page_width()),
            OutputForm::Json => serde_json::to_string(&overview).map_err(io::Error::from)? + "\n",
        };
        // From the top left corner, and nothing left of what was there.
        let clear = if manner.watch && terminal { "\x1b[H\x1b[J" } else { "" };
        let written = write!(io::stdout().lock(), "{clear}{text}");
        if written.is_err() || !manner.watch {
            forgive_closed_pipe(written.map_err(Failure::from))?;
            return Failure::reported(overview.verdict.exit_code());
        }
        std::thread::sleep(PAUSE);
    }
}
