//! The graph of a replica as its worker really built it, and pictures of it.
//!
//! Nothing here knows what a protocol looks like: [`Log`] listens to what timely logs while a
//! graph is built, and [`OperatorGraph`] is read off that. So the picture cannot drift from the
//! code, and a test holds the figure in each protocol's module doc against it.
//!
//! A graph is drawn in the words of the wiring. Timely's own operators (`Map`, `Concatenate`) are
//! part of an edge; an [inlet](crate::engine::role::inlet) that is
//! [connected](crate::engine::role::connect) is a back edge; and a message that leaves one role's replica and reaches another role elsewhere is an edge over a link.

mod labels;
mod layout;
mod log;
mod picture;
mod svg;
mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use timely::WorkerConfig;
use timely::communication::Allocator;
use timely::communication::allocator::Thread;
use timely::worker::Worker;

use crate::disk::Recovered;
use crate::engine::operators::executor::Executor;
use crate::engine::replica::{Inputs, Outputs, Replica};
use crate::model::app::Nothing;
use crate::model::config::Config;

pub use log::Log;
pub use picture::{Head, Net, Picture, PictureNode, PicturePoint};
pub(crate) use svg::escaped;

/// Where messages from peers come in.
const LINKS_IN: &str = "links_in";
/// Where messages to peers leave.
const LINKS_OUT: &str = "links_out";
/// The doors a figure shows.
const DOORS: [&str; 4] = ["clients_in", "reads_in", "clients_out", "journal"];
/// The doors it does not: those of links, which it draws as edges, and those nearly every role has.
const HOST_PORTS: [&str; 10] = [
    LINKS_IN,
    LINKS_OUT,
    "clock",
    "digests",
    "events",
    "looks",
    "read_room",
    "resign",
    "room",
    "saved",
];

/// What an operator is there for.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum OperatorKind {
    /// Owns a part of the protocol's state.
    Role,
    /// Sorts what came over the links, or addresses what leaves over them.
    #[serde(rename = "post")]
    Router,
    /// Where records enter or leave the graph.
    #[serde(rename = "door")]
    Boundary,
}

/// What an edge stands for.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum EdgeKind {
    /// A stream inside the replica.
    Forward,
    /// A kind of message, over the links.
    Link,
    /// A stream inside the replica that leads back to an earlier operator: no progress is tracked
    /// along it.
    Back,
}

/// An operator, known by its name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct GraphOperator {
    /// Its name in the wiring.
    pub name: String,
    /// Where it is: the number of each scope in its dataflow, and its own.
    pub address: Vec<usize>,
    /// What it is there for.
    pub kind: OperatorKind,
}

/// An edge between two operators.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Edge {
    /// Who writes.
    pub from: String,
    /// Who reads.
    pub to: String,
    /// What the edge stands for.
    pub kind: EdgeKind,
    /// The name of a back edge; otherwise the record's type, if that has a name.
    pub label: Option<String>,
}

/// The operators of a replica and the edges between them, both sorted.
///
/// ```
/// use taraflow::model::config::Config;
/// use taraflow::model::types::ReplicaId;
///
/// let config = Config::new(ReplicaId(0), 3);
/// let graph = taraflow::observe::graph::graph(&config, taraflow::dataflows::tara::dataflow);
/// assert!(graph.figure().text().contains("committer => learner (Commit)\n"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OperatorGraph {
    /// The operators.
    pub operators: Vec<GraphOperator>,
    /// The edges.
    pub edges: Vec<Edge>,
}

/// A graph, and the outputs that its edges come from.
#[derive(Clone, Debug)]
pub struct Wiring {
    /// The graph.
    pub graph: OperatorGraph,
    ports: BTreeMap<Edge, BTreeSet<usize>>,
}

/// The graph of one replica that speaks `protocol`.
///
/// The replica is built as in a running cluster, and dropped.
pub fn graph<M: Clone + 'static, R: Clone + 'static>(
    config: &Config,
    protocol: impl for<'s> FnOnce(Inputs<'s, M, R>, &Config) -> Outputs<'s, M, R>,
) -> OperatorGraph {
    wiring(config, protocol).graph
}

/// The same with the outputs that edges come from.
pub fn wiring<M: Clone + 'static, R: Clone + 'static>(
    config: &Config,
    protocol: impl for<'s> FnOnce(Inputs<'s, M, R>, &Config) -> Outputs<'s, M, R>,
) -> Wiring {
    let worker = logging_worker();
    let log = Log::watch(&worker).expect("a worker with a clock keeps a log");
    let executor = Executor::new(Box::new(Nothing), config);
    drop(Replica::start(worker, config, Recovered::nothing(), executor, protocol));
    log.wiring()
}

/// A worker that keeps a log. It has a clock for that; nothing in a graph depends on it.
pub fn logging_worker() -> Worker {
    let thread = Allocator::Thread(Thread::default());
    Worker::new(WorkerConfig::default(), thread, Some(Instant::now()))
}

impl Wiring {
    /// The wiring that `ways` between operators at `addresses` make.
    fn of(addresses: BTreeMap<String, Vec<usize>>, ways: &BTreeSet<log::Way>) -> Self {
        let kinds: BTreeMap<_, _> =
            addresses.keys().map(|name| (name.as_str(), kind(name, ways))).collect();
        let inside = ways.iter().map(|way| (edge(way, kinds[&*way.from]), way.port));
        let mut ports: BTreeMap<Edge, BTreeSet<usize>> = BTreeMap::new();
        for (edge, port) in inside.chain(links(ways, &kinds)) {
            ports.entry(edge).or_default().insert(port);
        }
        let operator = |(name, address): (&String, &Vec<usize>)| GraphOperator {
            name: name.clone(),
            address: address.clone(),
            kind: kinds[&**name],
        };
        let operators = addresses.iter().map(operator).collect();
        Self { graph: OperatorGraph { operators, edges: ports.keys().cloned().collect() }, ports }
    }

    /// The outputs of its writer that an edge of this graph comes from.
    pub fn ports(&self, edge: &Edge) -> impl Iterator<Item = usize> {
        self.ports.get(edge).into_iter().flatten().copied()
    }
}

impl OperatorGraph {
    /// What a figure in a paper would show: without plumbing, and links as edges only.
    pub fn figure(&self) -> Self {
        let shown = |operator: &&GraphOperator| match operator.kind {
            OperatorKind::Role => true,
            OperatorKind::Boundary => !HOST_PORTS.contains(&operator.name.as_str()),
            OperatorKind::Router => false,
        };
        self.only(shown)
    }

    /// The roles alone.
    pub fn roles(&self) -> Self {
        self.only(|operator| operator.kind == OperatorKind::Role)
    }

    fn only(&self, keep: impl Fn(&&GraphOperator) -> bool) -> Self {
        let operators: Vec<_> = self.operators.iter().filter(keep).cloned().collect();
        let kept: BTreeSet<_> = operators.iter().map(|operator| &operator.name).collect();
        let inside = |edge: &&Edge| kept.contains(&edge.from) && kept.contains(&edge.to);
        let edges = self.edges.iter().filter(inside).cloned().collect();
        Self { operators, edges }
    }
}

/// An operator that reads nothing but what came over the links sorts it; one that writes to nothing
/// but the links addresses it.
fn kind(name: &str, ways: &BTreeSet<log::Way>) -> OperatorKind {
    let mut incoming = ways.iter().filter(|way| way.to == name).peekable();
    let mut outgoing = ways.iter().filter(|way| way.from == name).peekable();
    if DOORS.contains(&name) || HOST_PORTS.contains(&name) {
        OperatorKind::Boundary
    } else if incoming.peek().is_some() && incoming.all(|way| way.from == LINKS_IN)
        || outgoing.peek().is_some() && outgoing.all(|way| way.to == LINKS_OUT)
    {
        OperatorKind::Router
    } else {
        OperatorKind::Role
    }
}

/// An edge inside a replica. What leaves where messages are sorted is a message, though no more than a
/// part of it may be read.
fn edge(way: &log::Way, from: OperatorKind) -> Edge {
    let (kind, label) = match &way.back {
        Some(name) => (EdgeKind::Back, Some(name.clone())),
        None if from == OperatorKind::Router => (EdgeKind::Forward, way.sent.clone()),
        None => (EdgeKind::Forward, way.read.clone()),
    };
    Edge { from: way.from.clone(), to: way.to.clone(), kind, label }
}

/// The edges over links: who gives a type of record to be addressed sends it to whoever reads that
/// type where messages are sorted. Two kinds of message with one type of record would be taken for
/// one.
fn links(ways: &BTreeSet<log::Way>, kinds: &BTreeMap<&str, OperatorKind>) -> Vec<(Edge, usize)> {
    let sorted = |way: &&log::Way| kinds[&*way.from] == OperatorKind::Router && way.to != LINKS_OUT;
    let addressed =
        |way: &&log::Way| kinds[&*way.to] == OperatorKind::Router && way.from != LINKS_IN;
    let mut readers: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for way in ways.iter().filter(sorted) {
        if let Some(message) = &way.sent {
            readers.entry(message).or_default().push(&way.to);
        }
    }
    let mut edges = Vec::new();
    for way in ways.iter().filter(addressed) {
        let Some(message) = &way.read else { continue };
        for reader in readers.get(message.as_str()).into_iter().flatten() {
            let edge = Edge {
                from: way.from.clone(),
                to: (*reader).to_owned(),
                kind: EdgeKind::Link,
                label: Some(message.clone()),
            };
            edges.push((edge, way.port));
        }
    }
    edges
}
