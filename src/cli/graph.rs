//! `taraflow graph`: the graph of a protocol, as a worker builds it.

use std::io::{self, Write};

use clap::ValueEnum;

use super::protocol::Spoken;
use crate::model::config::Config;
use crate::model::error::Error;
use crate::model::types::ReplicaId;

/// What `taraflow graph` is told.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  taraflow graph                               every arrow, a line each
  taraflow graph -o svg > tara.svg             a picture
  taraflow graph -o dot | dot -Tpdf > tara.pdf

In text, `->` is a stream inside the replica, `=>` a message over links, and `~>` an edge that runs \
against the grain.")]
pub struct GraphArgs {
    #[command(flatten)]
    spoken: Spoken,
    /// The form of the graph
    #[arg(short, long, value_enum, default_value_t)]
    output: Form,
    /// Show clock, events and the ends of links, too
    #[arg(long)]
    all: bool,
}

/// The form of a graph.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Form {
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
pub fn run(args: &GraphArgs) -> Result<(), Error> {
    // The graph is the same for every replica and every size of cluster.
    let config = Config::new(ReplicaId(0), 3);
    let protocol = args.spoken.protocol()?;
    let graph = protocol.graph(&config);
    let graph = if args.all { graph } else { graph.figure() };
    let text = match args.output {
        Form::Text => graph.text(),
        Form::Json => graph.json() + "\n",
        Form::Dot => graph.dot(),
        Form::Svg => graph.svg(&format!("A replica that speaks {}", protocol.name())),
    };
    match io::stdout().lock().write_all(text.as_bytes()) {
        // The reader has seen enough, as `head` has.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => Ok(outcome?),
    }
}
