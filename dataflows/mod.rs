//! The protocols, and what can be done with each of them.
//!
//! `docs/new-protocol.md` is the way to another one.

pub mod multipaxos;
pub mod paxos;
pub mod tara;

use std::fmt::Debug;
use std::hash::Hash;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::deploy::settings::NodeSettings;
use crate::disk::{self, Disk, RecordLine, Verified};
use crate::engine::protocol::{JournalRecord, Protocol};
use crate::hosts::embedded::{Application, Cluster, EmbeddedSettings};
use crate::hosts::server;
use crate::hosts::simulation::{self, Outcome, Subject, World};
use crate::model::app::StateMachine;
use crate::model::config::Config;
use crate::model::error::Error;
use crate::model::quorum::Tolerance;
use crate::model::types::ReplicaId;
use crate::observe::board::Board;
use crate::observe::graph::{self, OperatorGraph};

/// The protocols: this is the only list. The first is spoken where none is named.
static ALL: [&dyn AnyProtocol; 3] = [&tara::PROTOCOL, &paxos::PROTOCOL, &multipaxos::PROTOCOL];

/// The names of the protocols.
pub fn names() -> Vec<&'static str> {
    ALL.iter().map(|protocol| protocol.name()).collect()
}

/// The name of the protocol that is spoken where none is named.
pub fn usual() -> &'static str {
    ALL[0].name()
}

/// The protocol of this name.
///
/// # Errors
/// [`Error::Protocol`] if there is none.
pub fn find(name: &str) -> Result<&'static dyn AnyProtocol, Error> {
    let found = ALL.iter().find(|protocol| protocol.name() == name);
    let unknown = || Error::Protocol { name: name.to_owned(), known: names().join(", ") };
    found.copied().ok_or_else(unknown)
}

/// What replicas tolerate that speak the protocol of this name.
///
/// # Errors
/// [`Error::Protocol`] if there is none.
pub fn tolerance(name: &str) -> Result<Tolerance, Error> {
    find(name).map(AnyProtocol::tolerance)
}

/// The graph of the protocol of this name, if there is one.
pub fn graph(name: &str) -> Option<OperatorGraph> {
    let protocol = find(name).ok()?;
    let n = protocol.tolerance().smallest();
    Some(protocol.graph(&Config::new(ReplicaId(0), n)))
}

/// A protocol whatever its messages and records are. A [`Protocol`] is one.
pub trait AnyProtocol: Sync {
    /// Its name.
    fn name(&self) -> &'static str;

    /// What its replicas tolerate.
    fn tolerance(&self) -> Tolerance;

    /// What must have happened in many simulated runs, beside what must in those of all protocols.
    fn marks(&self) -> &'static [&'static str];

    /// The graph of one replica, as a worker builds it.
    fn graph(&self, config: &Config) -> OperatorGraph;

    /// Hands each record of a journal to `each`, and judges all the files.
    ///
    /// # Errors
    /// See [`disk::records`].
    fn records(
        &self,
        disk: &dyn Disk,
        each: &mut dyn FnMut(RecordLine) -> Result<(), Error>,
    ) -> Result<Verified, Error>;

    /// Runs the simulated world of `seed`.
    fn simulate(&self, seed: u64, keep_trace: bool) -> Outcome;

    /// The same, recorded, a [frame](crate::observe::frame::Frame) a line.
    fn record(&self, seed: u64) -> (Outcome, String);

    /// Starts a cluster in this process.
    ///
    /// # Errors
    /// See [`Cluster::start`].
    fn embed(&self, settings: EmbeddedSettings, app: Arc<Application>) -> Result<Cluster, Error>;

    /// Runs a replica as a process until `ending` is set.
    ///
    /// # Errors
    /// See [`server::run`].
    fn serve(
        &self,
        settings: &NodeSettings,
        application: Box<dyn StateMachine>,
        boards: Vec<Board>,
        ending: Arc<AtomicBool>,
    ) -> Result<(), Error>;
}

impl<M, R> AnyProtocol for Protocol<M, R>
where
    M: Clone + Debug + Hash + Send + Serialize + DeserializeOwned + 'static,
    R: JournalRecord,
{
    fn name(&self) -> &'static str {
        self.name
    }

    fn tolerance(&self) -> Tolerance {
        self.tolerance
    }

    fn marks(&self) -> &'static [&'static str] {
        self.marks
    }

    fn graph(&self, config: &Config) -> OperatorGraph {
        graph::graph(config, self.dataflow)
    }

    fn records(
        &self,
        disk: &dyn Disk,
        each: &mut dyn FnMut(RecordLine) -> Result<(), Error>,
    ) -> Result<Verified, Error> {
        disk::records(disk, R::kind, each)
    }

    fn simulate(&self, seed: u64, keep_trace: bool) -> Outcome {
        World::run(
            &Subject::of(*self),
            seed,
            simulation::WorldSettings::swarm(seed, self.tolerance),
            keep_trace,
        )
    }

    fn record(&self, seed: u64) -> (Outcome, String) {
        World::record(
            &Subject::of(*self),
            seed,
            simulation::WorldSettings::swarm(seed, self.tolerance),
        )
    }

    fn embed(&self, settings: EmbeddedSettings, app: Arc<Application>) -> Result<Cluster, Error> {
        Cluster::start_any(settings, *self, app)
    }

    fn serve(
        &self,
        settings: &NodeSettings,
        application: Box<dyn StateMachine>,
        boards: Vec<Board>,
        ending: Arc<AtomicBool>,
    ) -> Result<(), Error> {
        server::run(settings, *self, application, boards, ending)
    }
}
