//! The directory of a new cluster, and its making.
//!
//! ```text
//! cluster.toml                  the same on all nodes
//! ca.pem  ca-key.pem            signs the certificates; its key is needed by no replica
//! client.pem  client-key.pem    for clients that speak the links' protocol
//! replica-0/                    node.toml  cert.pem  key.pem  data/
//! ```
//!
//! `replica-0/`, `cluster.toml` and `ca.pem`, laid out like this, are all that a machine needs.
//! What exists is never written over. `cluster.toml` is written last: where it stands, the rest
//! does too.

mod keys;
mod texts;

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::deploy::settings::Addresses;
use crate::disk::{Files, Identity, ProtocolName, Store};
use crate::links::tls::{CLIENT, name_of};
use crate::model::config::Config;
use crate::model::error::Error;
use crate::model::quorum::Tolerance;
use crate::model::types::ReplicaId;

use keys::Authority;

/// A cluster to be made, on this machine.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where its files go.
    pub directory: PathBuf,
    /// The protocol they speak.
    pub protocol: String,
    /// What they tolerate.
    pub tolerance: Tolerance,
    /// How many replicas.
    pub replicas: usize,
    /// The port of replica 0's clients.
    pub base_port: u16,
    /// Whether replicas keep nothing.
    pub memory: bool,
    /// Whether links have no keys.
    pub plain: bool,
}

/// A file or directory to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Item {
    Directory,
    Public(String),
    Secret(String),
    /// A replica's journal, in which it has never voted.
    Disk(Identity),
}

impl Plan {
    /// Where replica `index` listens: clients on the base port and up, links 100 and admin 200
    /// above.
    pub fn addresses(&self, index: usize) -> Addresses {
        let port = |above: usize| {
            let port = self.base_port as usize + above + index;
            // Checked by `check`, which everything that makes files begins with.
            SocketAddr::from((Ipv4Addr::LOCALHOST, port as u16))
        };
        Addresses { links: port(100), clients: port(0), admin: port(200) }
    }

    /// The files and directories that are to be made, in their order.
    ///
    /// # Errors
    /// [`Error::Replicas`], or [`Error::Invalid`] for ports that do not exist, or for what exists;
    /// [`Error::Keys`] when no keys can be made.
    pub fn check(&self) -> Result<Vec<PathBuf>, Error> {
        Ok(self.checked(0)?.into_iter().map(|(path, _)| path).collect())
    }

    /// What the cluster of this number is made of, unless that cannot be made.
    fn checked(&self, cluster: u64) -> Result<Vec<(PathBuf, Item)>, Error> {
        let usual = Config::new(ReplicaId(0), self.replicas);
        Config { tolerance: self.tolerance, ..usual }.check()?;
        let last = usize::from(u16::MAX) - 200 - self.replicas;
        if self.base_port == 0 || usize::from(self.base_port) > last {
            let base = self.base_port;
            let what = format!("--base-port {base}: must be from 1 to {last}");
            return Err(Error::Invalid(what));
        }
        let mut items = self.items(cluster)?;
        for (path, _) in &mut items {
            *path = self.directory.join(&path);
            if path.symlink_metadata().is_ok() {
                let what = format!(
                    "{} exists already, and nothing is written over; choose another --dir, or \
                     remove it",
                    path.display()
                );
                return Err(Error::Invalid(what));
            }
        }
        Ok(items)
    }

    /// Makes the cluster.
    ///
    /// # Errors
    /// What [`Plan::check`] refuses, or what the system says.
    pub fn carry_out(&self) -> Result<(), Error> {
        let cluster = getrandom::u64().map_err(|error| Error::Keys(error.to_string()))?;
        let items = self.checked(cluster)?;
        let fail = |doing| Error::file(doing, &self.directory);
        fs::create_dir_all(&self.directory).map_err(fail("make directory"))?;
        for (path, item) in items {
            make(&path, &item)?;
        }
        File::open(&self.directory).and_then(|dir| dir.sync_all()).map_err(fail("sync directory"))
    }

    /// The same with paths inside the directory, whether it can be made or not.
    fn items(&self, cluster: u64) -> Result<Vec<(PathBuf, Item)>, Error> {
        let mut items: Vec<(PathBuf, Item)> = Vec::new();
        let authority = if self.plain { None } else { Some(Authority::new(cluster)?) };
        if let Some(authority) = &authority {
            items.push(("ca.pem".into(), Item::Public(authority.certificate())));
            items.push(("ca-key.pem".into(), Item::Secret(authority.key())));
            let client = authority.sign(CLIENT)?;
            items.push(("client.pem".into(), Item::Public(client.certificate)));
            items.push(("client-key.pem".into(), Item::Secret(client.key)));
        }
        for replica in (0..self.replicas as u16).map(ReplicaId) {
            let home = replica_home(replica.0.into());
            items.push((home.clone(), Item::Directory));
            items.push((home.join("node.toml"), Item::Public(texts::node(self, replica))));
            if let Some(authority) = &authority {
                let signed = authority.sign(&name_of(replica))?;
                items.push((home.join("cert.pem"), Item::Public(signed.certificate)));
                items.push((home.join("key.pem"), Item::Secret(signed.key)));
            }
            if !self.memory {
                let protocol = ProtocolName::of(&self.protocol);
                let owner = Identity { cluster, replica, protocol };
                items.push((home.join("data"), Item::Disk(owner)));
            }
        }
        items.push(("cluster.toml".into(), Item::Public(texts::cluster(self, cluster))));
        Ok(items)
    }
}

/// The directory of a replica inside that of its cluster.
pub fn replica_home(replica: usize) -> PathBuf {
    PathBuf::from(format!("replica-{replica}"))
}

fn make(path: &Path, item: &Item) -> Result<(), Error> {
    let (text, mode) = match item {
        Item::Disk(owner) => return Store::create(&mut Files::make(path)?, *owner),
        Item::Directory => {
            let made = DirBuilder::new().mode(0o700).create(path);
            return made.map_err(Error::file("make directory", path));
        }
        Item::Public(text) => (text, 0o644),
        Item::Secret(text) => (text, 0o600),
    };
    let written = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    written().map_err(Error::file("write", path))
}
