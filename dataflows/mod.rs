//! The protocols.

pub mod tara;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use crate::app::StateMachine;
use crate::config::Config;
use crate::disk::{self, Disk, Line, Verified};
use crate::embedded::{Cluster, Settings};
use crate::error::Error;
use crate::inspect::{self, Graph};
use crate::observe::board::Board;
use crate::server;
use crate::settings::NodeSettings;
use crate::simulation::{self, Outcome, World};

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

/// Hands to `each` the records of a journal that the protocol called `name` has written.
#[must_use]
pub fn records(
    name: &str,
    disk: &dyn Disk,
    each: &mut dyn FnMut(Line) -> Result<(), Error>,
) -> Option<Result<Verified, Error>> {
    match name {
        "tara" => Some(disk::records(disk, tara::Promise::kind, each)),
        _ => None,
    }
}

/// Runs the simulated world of `seed` with the protocol called `name`.
#[must_use]
pub fn simulate(name: &str, seed: u64, keep_trace: bool) -> Option<Outcome> {
    match name {
        "tara" => {
            let subject = tara::invariants::subject();
            Some(World::run(&subject, seed, simulation::Settings::swarm(seed), keep_trace))
        }
        _ => None,
    }
}

/// Runs the simulated world of `seed` with the protocol called `name`, and records it, a
/// [frame](crate::observe::frame::Frame) a line.
#[must_use]
pub fn record(name: &str, seed: u64) -> Option<(Outcome, String)> {
    match name {
        "tara" => {
            let (subject, settings) =
                (tara::invariants::subject(), simulation::Settings::swarm(seed));
            Some(World::record(&subject, seed, settings, name))
        }
        _ => None,
    }
}

/// Runs a replica as a process until `ending` is set; `None` when no protocol has the name in `settings`.
///
/// # Errors
/// Why it cannot start, or why it has ended.
#[must_use]
pub fn serve(
    settings: &NodeSettings,
    application: Box<dyn StateMachine>,
    boards: Vec<Board>,
    ending: Arc<AtomicBool>,
) -> Option<Result<(), Error>> {
    match settings.protocol.as_str() {
        "tara" => Some(server::run(settings, tara::PROTOCOL, application, boards, ending)),
        _ => None,
    }
}

impl Cluster {
    /// Starts a cluster that speaks Tara.
    ///
    /// # Errors
    /// What is wrong with the settings.
    pub fn start(
        settings: Settings,
        application: impl Fn() -> Box<dyn StateMachine> + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        Self::launch(settings, tara::PROTOCOL, application)
    }
}
