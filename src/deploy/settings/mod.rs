//! Settings of a process of a cluster: two files, the environment and the command line.
//!
//! `cluster.toml` is the same on all nodes: who the replicas are, and what they must agree on.
//! Nothing overrides it, because replicas that differ in it would part without noticing; [what is
//! shared](ClusterSettings::shared) is compared when they meet. `node.toml` is a node's own: where
//! its data and keys are. Each of its settings may also come from the environment or the command
//! line; the nearest wins: flag, environment, file, default. [`Found`] says which it was. Secrets
//! come from files only, because the environment and the command line of a process are no secret.

mod cluster;
mod endpoint;
mod limits;
mod node;
mod secret;
mod source;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::disk::{Identity, ProtocolName};
use crate::links::hello::Shared;
use crate::links::tls::TlsFiles;
use crate::model::config::Config;
use crate::model::error::Error;
use crate::model::quorum::Tolerance;
use crate::observe::frame::Level;

pub use cluster::ClusterSettings;
pub use endpoint::{Endpoint, look_up_all};
pub use node::{LogLevel, read};
pub use secret::{Secret, secret_file};
pub(crate) use source::nearest;
pub use source::{DIRECTORY, Found, Layers, Origin, PREFIX};

/// Tells what replicas tolerate that speak the protocol of a name, or that there is no such
/// protocol.
pub type ToleranceOf = fn(&str) -> Result<Tolerance, Error>;

/// The settings of one node, read and checked.
#[derive(Clone, Debug)]
pub struct NodeSettings {
    /// What the roles are told.
    pub config: Config,
    /// The protocol all replicas speak.
    pub protocol: String,
    /// The number drawn when the cluster was made.
    pub cluster: u64,
    /// What replicas compare when they meet; see [`ClusterSettings::shared`].
    pub shared: Shared,
    /// The directory of journal and checkpoints; none: nothing is kept.
    pub data: Option<PathBuf>,
    /// Where this node listens.
    pub listen: Addresses,
    /// Where each replica is reached by the others, this one included.
    pub peers: Vec<Endpoint>,
    /// Where each replica serves clients, this one included.
    pub clients_of: Vec<Endpoint>,
    /// Where each replica can be asked how it is, this one included.
    pub admins: Vec<Endpoint>,
    /// The keys of the links; none: links are plain, and all of them on this machine.
    pub tls: Option<TlsFiles>,
    /// Whether Redis clients are served.
    pub redis: bool,
    /// What clients must say before anything else.
    pub password: Option<Secret>,
    /// What whoever asks the admin port must show; none: nothing, and the port is for this machine
    /// only.
    pub token: Option<Secret>,
    /// Client connections at a time; one more is refused.
    pub clients_max: usize,
    /// What is logged.
    pub log: LogLevel,
    /// How closely the replica is watched.
    pub observe: Level,
}

impl NodeSettings {
    /// Whose files the data directory must hold.
    pub fn identity(&self) -> Identity {
        let protocol = ProtocolName::of(&self.protocol);
        Identity { cluster: self.cluster, replica: self.config.me, protocol }
    }
}

/// The endpoints at which a replica is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplicaEndpoints {
    /// By the other replicas.
    pub links: Endpoint,
    /// By clients that speak Redis's protocol.
    pub clients: Endpoint,
    /// With questions about the node itself.
    pub admin: Endpoint,
}

impl ReplicaEndpoints {
    /// The three, with the names they have in the files.
    pub fn named(&self) -> [(&'static str, &Endpoint); 3] {
        [("links", &self.links), ("clients", &self.clients), ("admin", &self.admin)]
    }
}

/// The addresses at which a node listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// For the other replicas.
    pub links: SocketAddr,
    /// For clients that speak Redis's protocol.
    pub clients: SocketAddr,
    /// For questions about the node itself.
    pub admin: SocketAddr,
}

impl Addresses {
    /// The three, with the names they have in the files.
    pub fn named(&self) -> [(&'static str, SocketAddr); 3] {
        [("links", self.links), ("clients", self.clients), ("admin", self.admin)]
    }
}
