//! How a command reaches a cluster of processes as a native client.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::client::Target;
use crate::error::Error;
use crate::links::tls::Tls;
use crate::settings::{Cluster, TlsFiles, look_up_all};

/// Which cluster, and with which keys.
#[derive(Debug, Args)]
pub(super) struct Reach {
    /// The cluster's directory, as made by `taraflow cluster init`
    #[arg(long, value_name = "DIR", required_unless_present = "addr")]
    dir: Option<PathBuf>,
    /// The links addresses of all replicas, in the order of their numbers
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',', conflicts_with = "dir")]
    addr: Vec<SocketAddr>,
    /// With --addr: the certificate of the cluster's authority; without it links are plain
    #[arg(long, value_name = "FILE", requires_all = ["cert", "key"])]
    ca: Option<PathBuf>,
    /// With --ca: the client's certificate
    #[arg(long, value_name = "FILE", requires = "ca")]
    cert: Option<PathBuf>,
    /// With --ca: the client's private key
    #[arg(long, value_name = "FILE", requires = "ca")]
    key: Option<PathBuf>,
    /// How long to wait for an answer, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    timeout: u64,
}

impl Reach {
    /// How long to wait for an answer.
    pub fn patience(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }

    /// What a client needs to know.
    ///
    /// # Errors
    /// Which file cannot be used.
    pub fn target(&self) -> Result<Target, Error> {
        let (replicas, cluster, files) = match &self.dir {
            None => (self.addr.clone(), None, self.files()),
            Some(dir) => {
                let settings = dir.join("cluster.toml");
                if !settings.exists() {
                    let dir = dir.display();
                    let what = format!(
                        "there is no cluster in {dir}: no cluster.toml; `taraflow cluster up --dir {dir}` \
                         makes one and runs it"
                    );
                    return Err(Error::Usage(what));
                }
                let (cluster, _) = Cluster::read(&settings).map_err(Error::Settings)?;
                let file = |name| dir.join(name);
                let files = TlsFiles {
                    ca: file("ca.pem"),
                    cert: file("client.pem"),
                    key: file("client-key.pem"),
                };
                // A cluster with plain links has none.
                let files = files.ca.exists().then_some(files);
                let links = look_up_all(cluster.replicas.iter().map(|replica| &replica.links));
                (links.map_err(Error::Names)?, Some(cluster.id), files)
            }
        };
        let tls = files.as_ref().map(Tls::load).transpose()?;
        Ok(Target { replicas, tls, cluster, deadline: self.patience() })
    }

    fn files(&self) -> Option<TlsFiles> {
        let (ca, cert, key) = (self.ca.clone()?, self.cert.clone()?, self.key.clone()?);
        Some(TlsFiles { ca, cert, key })
    }
}

/// A number that no other client uses at this time.
///
/// # Errors
/// When the system has no random numbers.
pub(super) fn nonce() -> Result<u64, Error> {
    getrandom::u64().map_err(|error| Error::Keys(error.to_string()))
}
