//! The disks of an embedded cluster.

use std::path::{Path, PathBuf};

use crate::deploy::settings::{ClusterSettings, ToleranceOf};
use crate::deploy::setup::{Plan, replica_home};
use crate::disk::{Disk, Files, Identity, MemoryDisk, ProtocolName, Store};
use crate::model::config::Config;
use crate::model::error::Error;
use crate::model::quorum::Tolerance;
use crate::model::types::ReplicaId;

/// Where the replicas of an embedded cluster keep their journals and checkpoints.
#[derive(Clone, Debug, Default)]
pub enum Storage {
    /// Nowhere: a replica that has ended cannot be started again.
    None,
    /// In memory, as long as the cluster lives.
    #[default]
    Memory,
    /// In this directory, which is made if need be: a cluster that is started again on it goes on
    /// where it was. It is laid out as that of a cluster of processes, with plain links.
    Directory(PathBuf),
}

/// The disks of all replicas, made once.
pub(super) struct Disks {
    kind: Kind,
    /// The number of the cluster.
    cluster: u64,
    protocol: ProtocolName,
}

enum Kind {
    None,
    Memory(Vec<MemoryDisk>),
    Directory(PathBuf),
}

impl Disks {
    /// The number of a cluster whose disks nobody else can reach.
    const UNREACHABLE: u64 = 1;

    /// Makes those of a cluster with these settings, or finds those that a directory holds.
    ///
    /// # Errors
    /// [`Error::Invalid`] where the directory is another cluster's, or what the disks say.
    pub fn prepare(storage: &Storage, config: &Config, protocol: &str) -> Result<Self, Error> {
        let name = ProtocolName::of(protocol);
        let unreachable = Self { kind: Kind::None, cluster: Self::UNREACHABLE, protocol: name };
        match storage {
            Storage::None => Ok(unreachable),
            Storage::Memory => {
                let mut disks: Vec<_> = (0..config.n).map(|_| MemoryDisk::default()).collect();
                for (disk, me) in disks.iter_mut().zip(0..) {
                    Store::create(disk, unreachable.owner(ReplicaId(me)))?;
                }
                Ok(Self { kind: Kind::Memory(disks), ..unreachable })
            }
            Storage::Directory(path) => {
                let cluster = find_or_make(path, config, protocol)?;
                Ok(Self { kind: Kind::Directory(path.clone()), cluster, protocol: name })
            }
        }
    }

    /// Whether what a replica has promised survives it.
    pub fn are_durable(&self) -> bool {
        !matches!(self.kind, Kind::None)
    }

    /// The number of the cluster, in hexadecimal.
    pub fn cluster_in_hex(&self) -> String {
        format!("{:016x}", self.cluster)
    }

    /// Whose the disk of a replica is.
    pub fn owner(&self, replica: ReplicaId) -> Identity {
        Identity { cluster: self.cluster, replica, protocol: self.protocol }
    }

    /// The disk of a replica, to look into.
    ///
    /// # Errors
    /// [`Error::NoDisk`], or what the system says.
    pub fn look(&self, replica: ReplicaId) -> Result<Box<dyn Disk>, Error> {
        match &self.kind {
            Kind::None => Err(Error::NoDisk { replica }),
            Kind::Memory(disks) => Ok(Box::new(disks[replica.0 as usize].clone())),
            Kind::Directory(path) => Ok(Box::new(Files::look(&data_of(path, replica))?)),
        }
    }

    /// The directory of a replica, if it has one.
    pub fn directory(&self, replica: ReplicaId) -> Option<PathBuf> {
        let Kind::Directory(path) = &self.kind else { return None };
        Some(data_of(path, replica))
    }
}

fn data_of(directory: &Path, replica: ReplicaId) -> PathBuf {
    directory.join(replica_home(replica.0 as usize)).join("data")
}

/// The number of the cluster in a directory, made there if there is none.
fn find_or_make(directory: &Path, config: &Config, protocol: &str) -> Result<u64, Error> {
    let Config { n, tolerance, .. } = *config;
    let file = directory.join("cluster.toml");
    if !file.exists() {
        let plan = Plan {
            directory: directory.to_owned(),
            protocol: protocol.to_owned(),
            tolerance,
            replicas: n,
            base_port: 7000,
            memory: false,
            plain: true,
        };
        plan.carry_out()?;
    }
    // The protocol may be one that is in no list.
    let tolerance: ToleranceOf = match tolerance {
        Tolerance::Crash => |_| Ok(Tolerance::Crash),
        Tolerance::Byzantine => |_| Ok(Tolerance::Byzantine),
    };
    let (cluster, _) = ClusterSettings::read(&file, tolerance).map_err(Error::Settings)?;
    let (replicas, spoken) = (cluster.replicas.len(), &cluster.protocol);
    if replicas != n || spoken != protocol {
        let directory = directory.display();
        return Err(Error::Invalid(format!(
            "the cluster in {directory} has {replicas} replicas that speak {spoken}, and one of {n} that \
             speak {protocol} was asked for"
        )));
    }
    Ok(cluster.id)
}
