//! `taraflow graph`: the graph of a protocol, as a worker builds it.

use clap::ValueEnum;

use super::args::ProtocolArgs;
use super::output::print;
use crate::cli::outcome::Failure;
use crate::model::config::Config;
use crate::model::types::ReplicaId;

/// Arguments of `taraflow graph`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  taraflow graph                               every arrow, a line each
  taraflow graph -o svg > tara.svg             a picture
  taraflow graph -o dot | dot -Tpdf > tara.pdf

In text, `->` is a stream inside the replica, `=>` a message over links, and `~>` a back edge \
inside the replica.")]
pub(super) struct GraphArgs {
    #[command(flatten)]
    spoken: ProtocolArgs,
    /// The form of the graph
    #[arg(short, long, value_enum, default_value_t)]
    output: Drawing,
    /// Show clock, events and the ends of links, too
    #[arg(long)]
    all: bool,
}

/// The form of a graph.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Drawing {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
    /// For Graphviz
    Dot,
    /// A picture
    Svg,
}

/// Prints the graph.
///
/// # Errors
/// What standard output says.
pub(super) fn run(args: &GraphArgs) -> Result<(), Failure> {
    // The graph is the same for every replica and every size of cluster.
    let config = Config::new(ReplicaId(0), 3);
    let protocol = args.spoken.protocol()?;
    let graph = protocol.graph(&config);
    let graph = if args.all { graph } else { graph.figure() };
    print(&match args.output {
        Drawing::Text => graph.text(),
        Drawing::Json => graph.json() + "\n",
        Drawing::Dot => graph.dot(),
        Drawing::Svg => graph.svg(&format!("A replica that speaks {}", protocol.name())),
    })
}
