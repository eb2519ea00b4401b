//! `taraflow status`: how a cluster is, as its replicas say.

mod table;
mod verdict;

use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use clap::{ArgGroup, Args};

use super::ask::{self, Nodes, Whom, seconds};
use super::log::{Form, quietly};
use crate::error::Error;

use verdict::{Overview, Seen};

/// What `taraflow status` is told.
#[derive(Debug, Args)]
#[command(after_help = "\
All replicas are asked at once, and those that do not answer are shown, too. Exit codes: 0 the cluster \
serves, be it with fewer replicas; 3 no replica answers; 4 too few replicas work.")]
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
/// [`Error::NobodyAnswers`] and [`Error::TooFewWork`], once everything has been shown.
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
    loop {
        let overview = overview(whom, manner.timeout);
        let text = match manner.output {
            Form::Table => table::text(&overview),
            Form::Json => serde_json::to_string(&overview).map_err(io::Error::from)? + "\n",
        };
        // From the top left corner, and nothing left of what was there.
        let clear = if manner.watch && terminal { "\x1b[H\x1b[J" } else { "" };
        let written = write!(io::stdout().lock(), "{clear}{text}");
        if written.is_err() || !manner.watch {
            quietly(written.map_err(Error::from))?;
            return overview.outcome();
        }
        std::thread::sleep(PAUSE);
    }
}

fn overview(whom: &Whom, patience: Duration) -> Overview {
    let answers = whom.ask(|address| ask::get(address, "/v1/status", patience));
    let seen = |((replica, address), answer): (&(_, SocketAddr), Result<_, ask::Silence>)| {
        let (status, error) = match answer {
            Ok(status) => (Some(status), None),
            Err(silence) => (None, Some(silence.to_string())),
        };
        Seen { replica: *replica, address: *address, status, error }
    };
    let replicas: Vec<_> = whom.replicas.iter().zip(answers).map(seen).collect();
    // Where nobody has said which cluster is meant, it is that of the first who answers.
    let first = || replicas.iter().find_map(|seen| Some(seen.status.as_ref()?.cluster.clone()));
    let cluster = whom.cluster.clone().or_else(first);
    let checked = replicas.into_iter().map(|seen| seen.checked(cluster.as_deref())).collect();
    Overview::new(checked, whom.n)
}
