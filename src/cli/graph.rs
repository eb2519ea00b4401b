//! `taraflow graph`: the graph of a protocol, as a worker builds it.

use std::io::{self, Write};

use clap::builder::PossibleValuesParser;

use crate::config::Config;
use crate::dataflows;
use crate::types::ReplicaId;

/// What `taraflow graph` is told.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
In text, `->` is a stream inside the replica, `=>` a message over links, and `~>` an edge that runs \
against the grain. Other forms: `taraflow graph --svg > tara.svg`, `taraflow graph --dot | dot -Tpdf`.")]
pub struct GraphArgs {
    /// The protocol to draw
    #[arg(long, default_value = "tara", value_parser = PossibleValuesParser::new(dataflows::NAMES))]
    protocol: String,
    /// Print it for Graphviz
    #[arg(long, group = "form")]
    dot: bool,
    /// Print it as a picture
    #[arg(long, group = "form")]
    svg: bool,
    /// Print it as JSON
    #[arg(long, group = "form")]
    json: bool,
    /// Show clock, events and the ends of links, too
    #[arg(long)]
    all: bool,
}

/// Prints the graph.
///
/// # Errors
/// What standard output says.
pub fn run(args: &GraphArgs) -> io::Result<()> {
    // The graph is the same for every replica and every size of cluster.
    let config = Config::new(ReplicaId(0), 3);
    let graph = dataflows::graph(&args.protocol, &config)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no such protocol"))?;
    let graph = if args.all { graph } else { graph.figure() };
    let text = if args.dot {
        graph.dot()
    } else if args.svg {
        graph.svg(&format!("A replica that speaks {}", args.protocol))
    } else if args.json {
        graph.json() + "\n"
    } else {
        graph.text()
    };
    match io::stdout().lock().write_all(text.as_bytes()) {
        // The reader has seen enough, as `head` has.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        outcome => outcome,
    }
}
