//! Connection of a command to a cluster of processes, as a native client.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::args;
use super::args::whole;
use super::ask::resolve;
use crate::cli::outcome::Failure;
use crate::client::Target;
use crate::dataflows;
use crate::deploy::settings::{ClusterSettings, look_up_all};
use crate::links::tls::TlsFiles;
use crate::links::tls::{CLIENT, Tls};
use crate::model::error::Error;

/// Arguments that name a cluster and the keys to it.
#[derive(Debug, Args)]
pub(super) struct ConnectArgs {
    #[arg(long, value_name = "DIR", help = args::DIR_HELP)]
    dir: Option<PathBuf>,
    /// Instead of --dir: the links addresses of all replicas, in the order of their numbers
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',', conflicts_with = "dir",
          value_parser = resolve)]
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
    #[arg(long, value_name = "SECONDS", default_value_t = 30, value_parser = whole::<u64>)]
    timeout: u64,
}

impl ConnectArgs {
    /// How long to wait for an answer.
    pub fn patience(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }

    /// What a client needs to know.
    ///
    /// # Errors
    /// Which file cannot be used.
    pub fn target(&self) -> Result<Target, Failure> {
        let (replicas, cluster, files) = match &self.addr[..] {
            [_, ..] => (self.addr.clone(), None, self.files()),
            [] => {
                let dir = args::directory(self.dir.as_deref());
                args::expect_cluster(&dir)?;
                let (cluster, _) =
                    ClusterSettings::read(&dir.join("cluster.toml"), dataflows::tolerance)
                        .map_err(Error::Settings)?;
                let file = |name| dir.join(name);
                let files = TlsFiles {
                    ca: file("ca.pem"),
                    cert: file("client.pem"),
                    key: file("client-key.pem"),
                };
                // A cluster with plain links has none.
                let files = files.ca.exists().then_some(files);
                let links = look_up_all(cluster.replicas.iter().map(|replica| &replica.links));
                (links.map_err(Failure::Names)?, Some(cluster.id), files)
            }
        };
        let tls = files.as_ref().map(keys).transpose()?;
        Ok(Target { replicas, tls, cluster, deadline: self.patience() })
    }

    fn files(&self) -> Option<TlsFiles> {
        let (ca, cert, key) = (self.ca.clone()?, self.cert.clone()?, self.key.clone()?);
        Some(TlsFiles { ca, cert, key })
    }
}

/// The keys of a client.
fn keys(files: &TlsFiles) -> Result<Tls, Failure> {
    if let Some(missing) = [&files.cert, &files.key].into_iter().find(|path| !path.exists()) {
        let missing = missing.display();
        return Err(Failure::Usage(format!(
            "there is no {missing}, and this cluster's links use TLS: copy client.pem and client-key.pem \
             from where the cluster was made"
        )));
    }
    let tls = Tls::load(files).map_err(Error::from)?;
    if tls.names(CLIENT) {
        return Ok(tls);
    }
    let cert = files.cert.display();
    Err(Failure::Usage(format!(
        "the certificate {cert} is not a client's: use client.pem and its key"
    )))
}

/// A number that no other client uses at this time.
///
/// # Errors
/// When the system has no random numbers.
pub(super) fn nonce() -> Result<u64, Failure> {
    getrandom::u64().map_err(|error| Error::Keys(error.to_string()).into())
}
