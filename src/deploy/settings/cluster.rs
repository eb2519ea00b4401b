//! `cluster.toml`: what is the same on all nodes.

use std::collections::BTreeMap;
use std::path::Path;

use super::source::{Found, Layers, Source};
use super::{Endpoint, ReplicaEndpoints, ToleranceOf};
use crate::links::hello::Shared;
use crate::model::config::Config;
use crate::model::error::Error;
use crate::model::error::{Problem, Problems};
use crate::model::quorum::Tolerance;
use crate::model::types::ReplicaId;

/// The limits in `cluster.toml`, which are no settings of a node.
pub(super) const LIMITS: [&str; 14] = [
    "limits.tick_ms",
    "limits.gossip_every_ms",
    "limits.retry_after_ms",
    "limits.suspect_after_ms",
    "limits.checkpoint_every",
    "limits.checkpoint_bytes",
    "limits.window",
    "limits.window_bytes",
    "limits.batches_in_flight",
    "limits.batch_requests_max",
    "limits.batch_bytes_max",
    "limits.client_window",
    "limits.sessions_max",
    "limits.chunk_bytes",
];

/// A cluster: who is in it, and what all agree on.
#[derive(Clone, Debug)]
pub struct ClusterSettings {
    /// A number drawn when the cluster was made.
    pub id: u64,
    /// The protocol all speak.
    pub protocol: String,
    /// Where each replica is reached.
    pub replicas: Vec<ReplicaEndpoints>,
    /// The limits, for a replica whose number is not yet filled in.
    pub config: Config,
}

impl ClusterSettings {
    /// The format of the file this program reads and writes.
    pub const FORMAT: u64 = 1;

    /// Reads the file, and says where each value came from. `tolerance` knows the protocols.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn read(path: &Path, tolerance: ToleranceOf) -> Result<(Self, Vec<Found>), Problems> {
        let layers = Layers::default();
        let mut source = Source::open(path, &layers).map_err(|problem| Problems(vec![problem]))?;
        let format = source.required::<u64>("format");
        if let Some(format) = format.filter(|format| *format != Self::FORMAT) {
            let known = Self::FORMAT;
            let what =
                format!("this program reads format {known}, not {format}; use another version");
            source.problem("format", what);
        }
        let id = source.required::<String>("id").and_then(|written| {
            let id = u64::from_str_radix(&written, 16).ok();
            if id.is_none() {
                source.problem("id", "`id` must be up to 16 hexadecimal digits in quotes");
            }
            id
        });
        let protocol = source.required::<String>("protocol");
        let tolerance =
            protocol.as_deref().map(tolerance).unwrap_or_else(|| Ok(Tolerance::default()));
        let tolerance = tolerance.unwrap_or_else(|error| {
            source.problem("protocol", error.to_string());
            Tolerance::default()
        });
        let replicas = replicas(&mut source);
        let config = limits(&mut source, replicas.len(), tolerance);
        let place = path.display().to_string();
        let (found, mut problems) = source.finish(&super::node::NAMES, "node.toml");
        problems.0.extend(shared(&replicas, &place));
        match (id, protocol) {
            (Some(id), Some(protocol)) if problems.0.is_empty() => {
                Ok((Self { id, protocol, replicas, config }, found))
            }
            _ => Err(problems),
        }
    }

    /// What replicas compare when they meet: what the replicated state and the sizes of messages depend on,
    /// in which they must not differ, and their paces and limits, in which they may for a while, so that
    /// these can be changed one node at a time. Addresses are nobody else's matter.
    #[must_use]
    pub fn shared(&self) -> Shared {
        let Config { checkpoint_every, checkpoint_bytes, window, .. } = self.config;
        let Config { client_window, sessions_max, .. } = self.config;
        let Config { batch_requests_max, batch_bytes_max, .. } = self.config;
        let Config { command_bytes_max, chunk_bytes, .. } = self.config;
        let Config { tick_ms, gossip_every_ms, retry_after_ms, suspect_after_ms, .. } = self.config;
        let Config { window_bytes, batches_in_flight, .. } = self.config;
        let binding = [
            ("format", Self::FORMAT),
            ("the number of replicas", self.replicas.len() as u64),
            ("limits.checkpoint_every", checkpoint_every),
            ("limits.checkpoint_bytes", checkpoint_bytes as u64),
            ("limits.window", window),
            ("limits.client_window", client_window),
            ("limits.sessions_max", sessions_max as u64),
            ("limits.batch_requests_max", batch_requests_max as u64),
            ("limits.batch_bytes_max", batch_bytes_max as u64),
            ("limits.command_bytes_max", command_bytes_max as u64),
            ("limits.chunk_bytes", chunk_bytes as u64),
        ];
        let other = [
            ("limits.tick_ms", tick_ms),
            ("limits.gossip_every_ms", gossip_every_ms),
            ("limits.retry_after_ms", retry_after_ms),
            ("limits.suspect_after_ms", suspect_after_ms),
            ("limits.window_bytes", window_bytes as u64),
            ("limits.batches_in_flight", batches_in_flight as u64),
        ];
        Shared { binding: named(&binding), other: named(&other) }
    }
}

fn named(settings: &[(&str, u64)]) -> BTreeMap<String, u64> {
    settings.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect()
}

fn replicas(source: &mut Source<'_>) -> Vec<ReplicaEndpoints> {
    let mut replicas = Vec::new();
    let count = source.tables("replicas");
    if count == 0 {
        source.problem("replicas", "no `[[replicas]]`: write one for each replica");
    }
    for index in 0..count {
        let name = |field: &str| format!("replicas[{index}].{field}");
        if source.required::<u64>(&name("id")).is_some_and(|id| id != index as u64) {
            let what =
                format!("replicas are numbered in their order: this one's `id` must be {index}");
            source.problem(&name("id"), what);
        }
        let [links, clients, admin] =
            ["links", "clients", "admin"].map(|field| endpoint(source, &name(field), field));
        if let (Some(links), Some(clients), Some(admin)) = (links, clients, admin) {
            replicas.push(ReplicaEndpoints { links, clients, admin });
        }
    }
    replicas
}

/// Where others reach one port of a replica.
fn endpoint(source: &mut Source<'_>, name: &str, field: &str) -> Option<Endpoint> {
    let endpoint: Endpoint = source.required(name)?;
    if endpoint.port() == 0 {
        source.problem(name, format!("`{name}` is {endpoint}, and nobody is reached at port 0"));
    } else if endpoint.is_unspecified() {
        let what = format!(
            "`{name}` is {endpoint}, at which no other machine reaches this one: write its name or \
             address here, and `{field} = \"{endpoint}\"` under [listen] in its node.toml; that is \
             `listen.{field}`"
        );
        source.problem(name, what);
    }
    Some(endpoint)
}

fn limits(source: &mut Source<'_>, n: usize, tolerance: Tolerance) -> Config {
    let mut config = Config { tolerance, ..Config::new(ReplicaId(0), n) };
    let count = source.tables("replicas");
    config.tick_ms = source.within("limits.tick_ms", config.tick_ms, 1..=1_000);
    config.gossip_every_ms =
        source.within("limits.gossip_every_ms", config.gossip_every_ms, 1..=10_000);
    config.retry_after_ms =
        source.within("limits.retry_after_ms", config.retry_after_ms, 1..=60_000);
    config.suspect_after_ms =
        source.within("limits.suspect_after_ms", config.suspect_after_ms, 10..=600_000);
    config.checkpoint_every =
        source.within("limits.checkpoint_every", config.checkpoint_every, 1..=1 << 32);
    config.checkpoint_bytes =
        source.within("limits.checkpoint_bytes", config.checkpoint_bytes, 1 << 10..=64 << 30);
    config.window = source.within("limits.window", config.window, 2..=1 << 20);
    config.window_bytes =
        source.within("limits.window_bytes", config.window_bytes, 1 << 10..=256 << 30);
    config.batches_in_flight =
        source.within("limits.batches_in_flight", config.batches_in_flight, 1..=1_024);
    config.batch_requests_max =
        source.within("limits.batch_requests_max", config.batch_requests_max, 1..=1 << 20);
    config.batch_bytes_max =
        source.within("limits.batch_bytes_max", config.batch_bytes_max, 1 << 10..=256 << 20);
    config.command_bytes_max =
        source.within("limits.command_bytes_max", config.command_bytes_max, 1 << 10..=256 << 20);
    config.client_window = source.within("limits.client_window", config.client_window, 1..=65_536);
    config.sessions_max = source.within("limits.sessions_max", config.sessions_max, 1..=10_000_000);
    config.chunk_bytes =
        source.within("limits.chunk_bytes", config.chunk_bytes, 1 << 10..=256 << 20);
    match config.check() {
        Err(Error::Settings(Problems(problems))) => {
            for Problem { place, what } in problems {
                source.problem(&format!("limits.{place}"), format!("`{place}` {what}"));
            }
        }
        // Some replica has no address, which has been said.
        Err(_) if n != count || count == 0 => {}
        Err(error) => source.problem("replicas", error.to_string()),
        Ok(()) => {}
    }
    config
}

/// Addresses that two would listen on. A replica that others reach over the network may be on a machine
/// of its own, and its loopback addresses then are, too.
fn shared(replicas: &[ReplicaEndpoints], place: &str) -> Vec<Problem> {
    let mut owners = BTreeMap::new();
    let mut problems = Vec::new();
    for (index, addresses) in replicas.iter().enumerate() {
        let elsewhere = !addresses.links.is_loopback();
        for (name, address) in addresses.named() {
            if elsewhere && address.is_loopback() {
                continue;
            }
            let owner = format!("`{name}` of replica {index}");
            if let Some(other) = owners.insert(address, owner.clone()) {
                let what = format!("{other} and {owner} are both {address}; each needs its own");
                problems.push(Problem::new(place, what));
            }
        }
    }
    problems
}
