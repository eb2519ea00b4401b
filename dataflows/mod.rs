//! The protocols.

pub mod tara;

use crate::config::Config;
use crate::inspect::{self, Graph};

/// The names of the protocols.
pub const NAMES: [&str; 1] = ["tara"];

/// The graph of one replica that speaks the protocol called `name`, as a worker builds it.
#[must_use]
pub fn graph(name: &str, config: &Config) -> Option<Graph> {
    match name {
        "tara" => Some(inspect::graph(config, tara::dataflow)),
        _ => None,
    }
}
