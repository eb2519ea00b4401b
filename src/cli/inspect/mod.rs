//! `taraflow inspect`: the operators, streams and slots of a cluster's replicas.

#[cfg(test)]
pub(super) mod example;
mod history;
mod listings;
mod once;
mod recording;
pub(super) mod sources;
mod watch;

use std::io::{self, IsTerminal};

use clap::Args;

use super::output::{OutputForm, print, print_json};
use crate::cli::outcome::Failure;
use crate::model::types::ReplicaId;
use crate::observe::scene::Scene;

pub(super) use once::findings;
use sources::SourceArgs;

/// Arguments of `taraflow inspect`.
#[derive(Debug, Args)]
#[command(after_help = "\
With --dir, each replica is asked about itself. With --addr, one address is enough: the replicas there are \
asked what they know about all, which is up to a second old. On a terminal the view stays open: ? shows its keys. Exit codes: 2 there is no such replica or operator, or the recording cannot be \
used; 3 nobody answers; 7 the recording is damaged.")]
pub(super) struct InspectArgs {
    #[command(flatten)]
    place: SourceArgs,
    /// Print what is there now and end; the default where the output is no terminal
    #[arg(long, conflicts_with = "watch")]
    once: bool,
    /// Stay and follow, with keys; the default on a terminal
    #[arg(long, conflicts_with_all = ["output", "operator"])]
    watch: bool,
    /// Show only this replica
    #[arg(long, value_name = "NUMBER")]
    replica: Option<u16>,
    /// Show all that is known of one operator, on all replicas
    #[arg(long, value_name = "NAME")]
    operator: Option<String>,
    /// List timely's own operators, too
    #[arg(long)]
    all: bool,
    /// The form of what is printed: a table, or the scene as JSON
    #[arg(short, long, value_enum)]
    output: Option<OutputForm>,
}

/// Shows the cluster.
///
/// # Errors
/// [`Failure::Silent`] if nobody answers; [`Failure::Usage`] if what is asked for is not there.
pub(super) fn run(args: &InspectArgs) -> Result<(), Failure> {
    let terminal = io::stdout().is_terminal();
    if args.watch && !terminal {
        let what = "--watch needs a terminal to draw on: use --once, or -o json for programs";
        return Err(Failure::Usage(what.to_owned()));
    }
    let ends = args.once || args.output.is_some() || args.operator.is_some();
    if terminal && !ends {
        return watch::run(&args.place, args.replica.map(ReplicaId), args.all);
    }
    show(args.place.source()?.scene(args.place.patience())?, args)
}

fn show(mut scene: Scene, args: &InspectArgs) -> Result<(), Failure> {
    if let Some(number) = args.replica {
        let n = scene.replicas.len();
        scene.replicas.retain(|seen| seen.replica.0 == number);
        if scene.replicas.is_empty() {
            return Err(Failure::Usage(format!(
                "there is no replica {number}: the cluster has {n}"
            )));
        }
    }
    if let Some(name) = &args.operator {
        once::only(&mut scene, name)?;
    }
    match (args.output, &args.operator) {
        (Some(OutputForm::Json), _) => print_json(&scene),
        (_, Some(name)) => print(&once::operator(&scene, name)),
        (_, None) => print(&once::text(&scene, args.all)),
    }
}
