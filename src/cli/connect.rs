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
use crate::links::tls::TlsFiles;

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
        let target = match &self.addr[..] {
            [_, ..] => {
                let target = Target::new(self.addr.clone());
                self.files().map_or(Ok(target.clone()), |files| target.with_keys(&files))?
            }
            [] => crate::target(&args::cluster(self.dir.as_deref())?)?,
        };
        Ok(Target { deadline: self.patience(), ..target })
    }

    fn files(&self) -> Option<TlsFiles> {
        let (ca, cert, key) = (self.ca.clone()?, self.cert.clone()?, self.key.clone()?);
        Some(TlsFiles { ca, cert, key })
    }
}
