//! A cluster, its clients and its misfortunes on one thread, from one seed.
//!
//! The graphs are the ones that run in production, each on a timely worker of its own; network,
//! disks and clocks are simulated. `traffic` delays, loses and repeats messages, `machines` run and
//! crash, `nemesis` does harm, `faults` has the chances of all that; `oracle` and `linearizability`
//! judge. The same seed gives the same run, byte for byte, in every build.

mod clients;
mod commands;
mod disk;
mod events;
mod faults;
#[allow(clippy::disallowed_types, reason = "looked up with a hasher of its own, never iterated")]
pub mod linearizability;
mod lines;
mod machines;
mod nemesis;
mod oracle;
mod random;
mod readers;
mod recorder;
mod reference;
mod trace;
mod traffic;
mod world;

use std::collections::BTreeMap;
use std::ops::AddAssign;
use std::rc::Rc;

use serde::Serialize;

use crate::disk::{Disk, Identity};
use crate::engine::protocol::Protocol;
use crate::engine::replica::{Inputs, Outputs};
use crate::kv::service::KeyValue;
use crate::model::app::StateMachine;
use crate::model::config::Config;

pub use commands::Sizes;
pub use disk::{DiskCounts, FaultyDisk};
pub use faults::{Act, Disks, Micros, Network, WorldSettings};
pub use oracle::Counts;
pub use random::Random;
pub use traffic::Links;
pub use world::World;

/// A protocol as a function that draws its graph.
pub type Dataflow<M, R> = Rc<dyn for<'s> Fn(Inputs<'s, M, R>, &Config) -> Outputs<'s, M, R>>;

/// What is simulated.
#[derive(Clone)]
pub struct Subject<M: Clone + 'static, R: Clone + 'static> {
    /// The protocol.
    pub protocol: Protocol<M, R>,
    /// Draws a replica's graph in place of the protocol's own.
    pub dataflow: Dataflow<M, R>,
    /// What a replica finds in the place of its simulated disk.
    pub disk: fn(FaultyDisk, Identity) -> Box<dyn Disk>,
    /// What is replicated.
    pub application: fn() -> Box<dyn StateMachine>,
}

impl<M: Clone + 'static, R: Clone + 'static> Subject<M, R> {
    /// The protocol as it is, with the key-value service.
    pub fn of(protocol: Protocol<M, R>) -> Self {
        Self {
            protocol,
            dataflow: Rc::new(protocol.dataflow),
            disk: |disk, _owner| Box::new(disk),
            application: || Box::new(KeyValue::default()),
        }
    }
}

/// How a run ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The first rule broken, and how.
    pub violation: Option<String>,
    /// Stands for everything that happened, in order.
    pub fingerprint: u64,
    /// What happened, if asked for: the last lines of it.
    pub trace: Vec<String>,
    /// How often things happened.
    pub stats: Stats,
    /// The same of what only the protocol has a name for.
    pub marks: BTreeMap<&'static str, u64>,
}

/// How often things happened in a run, or in many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Messages delivered to replicas.
    pub messages: u64,
    /// Messages sent to replicas, those to oneself included.
    pub sent: u64,
    /// Messages lost.
    pub lost: u64,
    /// Messages that arrived twice.
    pub duplicated: u64,
    /// Turns of replicas.
    pub turns: u64,
    /// Replicas that crashed.
    pub crashes: u64,
    /// Disks of which a file was harmed.
    pub harmed: u64,
    /// Replicas that would not start from a damaged disk.
    pub refused: u64,
    /// Replicas that crashed because a sync failed or the disk died.
    pub disk_failures: u64,
    /// Appends refused by a full disk.
    pub disk_full: u64,
    /// Operations answered.
    pub answered: u64,
    /// Operations given up.
    pub unknown: u64,
    /// Acts of the nemesis.
    pub acts: u64,
    /// Virtual time, in microseconds.
    pub virtual_us: u64,
    /// What the replicas did.
    #[serde(flatten)]
    pub counts: Counts,
}

impl AddAssign for Stats {
    fn add_assign(&mut self, other: Self) {
        self.messages += other.messages;
        self.sent += other.sent;
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.turns += other.turns;
        self.crashes += other.crashes;
        self.harmed += other.harmed;
        self.refused += other.refused;
        self.disk_failures += other.disk_failures;
        self.disk_full += other.disk_full;
        self.answered += other.answered;
        self.unknown += other.unknown;
        self.acts += other.acts;
        self.virtual_us += other.virtual_us;
        self.counts += other.counts;
    }
}
