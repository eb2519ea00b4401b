//! `taraflow status`: how a cluster is, as its replicas say.

mod table;
mod verdict;

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

use clap::{ArgGroup, Args};

use super::ask::{Nodes, Whom, seconds};
use super::inspect::sources::Source;
use super::output::listing::page_width;
use super::output::{Form, forgive_closed_pipe, print_json};
use crate::model::error::Error;

use verdict::Overview;

/// What `taraflow status` is told.
#[derive(Debug, Args)]
#[command(after_help = "\
All replicas are asked at once, and those that do not answer are shown, too: by what others have heard of \
them, as far as that is fresh. The verdict is that of `taraflow doctor`. A narrow terminal shows fewer \
columns: first starts goes, then stable, up, links, lag, clients, view and executed. Exit codes: 0 healthy; \
3 nobody answers; 4 requests are not answered; 5 they are, and something must be looked at; 7 replicas \
contradict each other.")]
#[command(group(ArgGroup::new("whom").args(["dir", "addr"])))]
pub struct StatusArgs {
    #[command(flatten)]
    nodes: Nodes,
    #[command(flatten)]
    manner: Manner,
}

/// How to ask and how to show it.
#[derive(Debug, Args)]
pub(super) struct Manner {
    /// Ask again every second, until Ctrl-C
    #[arg(long)]
    watch: bool,
    /// How long to wait for an answer, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "2", value_parser = seconds)]
    timeout: Duration,
    /// The form of the answer
    #[arg(short, long, value_enum, default_value_t)]
    output: Form,
}

/// Asks and shows.
///
/// # Errors
/// [`Error::Judged`] if the cluster is not healthy, once everything has been shown; [`Error::Silent`] if
/// nobody answers.
pub fn run(args: &StatusArgs) -> Result<(), Error> {
    show(&args.nodes.whom()?, &args.manner)
}

/// Asks the cluster in `dir`.
///
/// # Errors
/// What is wrong with its settings, and as [`run`].
pub(super) fn run_in(dir: &Path, manner: &Manner) -> Result<(), Error> {
    show(&Whom::in_dir(dir)?, manner)
}

fn show(whom: &Whom, manner: &Manner) -> Result<(), Error> {
    const PAUSE: Duration = Duration::from_secs(1);
    let terminal = io::stdout().is_terminal();
    let mut source = Source::of(whom.clone());
    loop {
        let seen = match manner.watch {
            true => source.scene(manner.timeout),
            false => source.scene_to_judge(manner.timeout),
        };
        let overview = match seen {
            Ok(scene) => Overview::new(&scene, &whom.replicas),
            // Whoever watches waits for them to come back.
            Err(error @ Error::Silent { .. }) if manner.watch => {
                say!("taraflow: {error}");
                std::thread::sleep(PAUSE);
                continue;
            }
            Err(error) => {
                if let (Error::Silent { said, .. }, Form::Json) = (&error, manner.output) {
                    let overview = Overview::unreachable(whom.n, said);
                    print_json(&overview)?;
                }
                return Err(error);
            }
        };
        let text = match manner.output {
            Form::Text => table::text(&overview, page_width()),
            Form::Json => serde_json::to_string(&overview).map_err(io::Error::from)? + "\n",
        };
        // From the top left corner, and nothing left of what was there.
        let clear = if manner.watch && terminal { "\x1b[H\x1b[J" } else { "" };
        let written = write!(io::stdout().lock(), "{clear}{text}");
        if written.is_err() || !manner.watch {
            forgive_closed_pipe(written.map_err(Error::from))?;
            return Error::judged(overview.verdict.exit_code());
        }
        std::thread::sleep(PAUSE);
    }
}
