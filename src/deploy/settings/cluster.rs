//! `cluster.toml`: the settings that are the same on all nodes.

use std::collections::BTreeMap;
use std::path::Path;

use super::limits::{self, LIMITS};
use super::source::{Found, Layers, SettingsFile};
use super::{Endpoint, ReplicaEndpoints, ToleranceOf};
use crate::links::hello::Shared;
use crate::model::config::Config;
use crate::model::error::{Error, Problem, Problems};
use crate::model::quorum::Tolerance;
use crate::model::types::ReplicaId;

/// A cluster: its replicas, and the settings that all of them share.
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
        let mut source =
            SettingsFile::open(path, &layers).map_err(|problem| Problems(vec![problem]))?;
        let format = source.required::<u64>("format");
        if let Some(format) = format.filter(|format| *format != Self::FORMAT) {
            let known = Self::FORMAT;
            let what =
                format!("this program reads format {known}, not {format}; use another version");
            source.problem("format", what);
        }
        let id = source.required::<String>("id").and_then(|written| {
            let id = u64::from_str_radix(&written, 16);
            let what = "`id` must be up to 16 hexadecimal digits in quotes";
            id.map_err(|_| source.problem("id", what)).ok()
        });
        let protocol = source.required::<String>("protocol");
        let tolerance = protocol.as_deref().map_or(Ok(Tolerance::default()), tolerance);
        let tolerance = tolerance.unwrap_or_else(|error| {
            source.problem("protocol", error.to_string());
            Tolerance::default()
        });
        let replicas = replicas(&mut source);
        let config = config(&mut source, replicas.len(), tolerance);
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

    /// What replicas compare when they meet: what the replicated state and the sizes of messages
    /// depend on, in which they must not differ, and their paces and limits, in which they may for
    /// a while, so that these can be changed one node at a time. Addresses are nobody else's
    /// matter.
    pub fn shared(&self) -> Shared {
        let mut binding = limits::named(&self.config, true);
        binding.insert("format".to_owned(), Self::FORMAT);
        binding.insert("the number of replicas".to_owned(), self.replicas.len() as u64);
        Shared { binding, other: limits::named(&self.config, false) }
    }
}

fn replicas(source: &mut SettingsFile<'_>) -> Vec<ReplicaEndpoints> {
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
fn endpoint(source: &mut SettingsFile<'_>, name: &str, field: &str) -> Option<Endpoint> {
    let endpoint: Endpoint = source.required(name)?;
    if endpoint.port() == 0 {
        let what = format!("`{name}` is {endpoint}, and port 0 cannot be reached: write the port");
        source.problem(name, what);
    } else if endpoint.is_unspecified() {
        let what = format!(
            "`{name}` is {endpoint}, which other machines cannot connect to: write this machine's \
             name or address here, and `{field} = \"{endpoint}\"` under [listen] in its node.toml \
             (`listen.{field}`)"
        );
        source.problem(name, what);
    }
    Some(endpoint)
}

fn config(source: &mut SettingsFile<'_>, n: usize, tolerance: Tolerance) -> Config {
    let mut config = Config { tolerance, ..Config::new(ReplicaId(0), n) };
    let count = source.tables("replicas");
    for limit in LIMITS {
        let value = source.within(limit.name, (limit.get)(&config), limit.range.clone());
        (limit.set)(&mut config, value);
    }
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

/// Addresses that two would listen on. A replica that others reach over the network may be on a
/// machine of its own, and its loopback addresses then are, too.
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
