//! The admin ports to query.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use super::{NoAnswer, TOKEN};
use crate::cli::args;
use crate::cli::outcome::Failure;
use crate::dataflows;
use crate::deploy::settings::{ClusterSettings, Secret, look_up_all, secret_file};
use crate::model::error::Error;
use crate::model::types::ReplicaId;
use crate::observe::status::ReplicaStatus;

/// Arguments that name the replicas to ask.
#[derive(Debug, Args)]
pub(in crate::cli) struct TargetArgs {
    #[arg(long, value_name = "DIR", help = args::DIR_HELP)]
    dir: Option<PathBuf>,
    /// The admin addresses of replicas, with commas between them
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',', value_parser = resolve)]
    addr: Vec<SocketAddr>,
    #[command(flatten)]
    token: TokenArgs,
}

/// Argument that names the token for admin ports.
#[derive(Debug, Args)]
pub(in crate::cli) struct TokenArgs {
    /// A file with the token for admin ports that require one [default: DIR/admin.token, if it exists]
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

impl TokenArgs {
    /// Sends the token with all requests from now on, if one is named.
    ///
    /// # Errors
    /// Why its file cannot be used.
    pub fn show(&self) -> Result<(), Failure> {
        self.token_file.as_deref().map_or(Ok(()), show)
    }
}

impl TargetArgs {
    /// The replicas that are named.
    ///
    /// # Errors
    /// What is wrong with the cluster's settings.
    pub fn targets(&self) -> Result<Targets, Failure> {
        self.token.show()?;
        match &self.dir {
            None if !self.addr.is_empty() => Ok(Targets::at(&self.addr)),
            dir => Targets::in_dir(&args::cluster(dir.as_deref())?),
        }
    }
}

/// Replicas to ask, and what is known of them beforehand.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Targets {
    /// The number of each, if it is known, and its admin address.
    pub replicas: Vec<(Option<ReplicaId>, SocketAddr)>,
    /// The cluster's number, if it is known.
    pub cluster: Option<String>,
    /// How many replicas there are, if it is known.
    pub n: Option<usize>,
    /// The cluster's directory, if that is how it was named.
    pub directory: Option<PathBuf>,
}

impl Targets {
    /// The replicas of the cluster in `dir`.
    ///
    /// # Errors
    /// What is wrong with its settings.
    pub fn in_dir(dir: &Path) -> Result<Self, Failure> {
        let (cluster, _) = ClusterSettings::read(&dir.join("cluster.toml"), dataflows::tolerance)
            .map_err(Error::Settings)?;
        let token = dir.join("admin.token");
        if token.exists() {
            show(&token)?;
        }
        let admins = look_up_all(cluster.replicas.iter().map(|replica| &replica.admin));
        let admins = admins.map_err(Error::Names)?;
        let replicas: Vec<_> = (0..).map(|number| Some(ReplicaId(number))).zip(admins).collect();
        let n = Some(replicas.len());
        let (cluster, directory) = (format!("{:016x}", cluster.id), Some(dir.to_owned()));
        Ok(Self { replicas, cluster: Some(cluster), n, directory })
    }

    /// Replicas at these addresses.
    fn at(addresses: &[SocketAddr]) -> Self {
        let replicas = addresses.iter().map(|address| (None, *address)).collect();
        Self { replicas, cluster: None, n: None, directory: None }
    }

    /// Puts `question` to all at once, so that one that is silent costs no more than its patience.
    pub fn ask<T: Send>(
        &self,
        question: impl Fn(Option<ReplicaId>, SocketAddr) -> Result<T, NoAnswer> + Sync,
    ) -> Vec<Result<T, NoAnswer>> {
        let question = &question;
        std::thread::scope(|scope| {
            let asking: Vec<_> = (self.replicas.iter())
                .map(|&(replica, address)| scope.spawn(move || question(replica, address)))
                .collect();
            asking.into_iter().map(|asking| asking.join().expect("it handles all errors")).collect()
        })
    }
}

/// Sends the token in a file with all requests from now on, unless another has been named before.
fn show(path: &Path) -> Result<(), Failure> {
    let text = secret_file(path).map_err(Failure::Usage)?;
    let token = text.lines().next().unwrap_or_default().to_owned();
    TOKEN.get_or_init(|| Secret::new(token));
    Ok(())
}

/// What answers in place of replica `replica` of the cluster called `cluster`, if these are known and it
/// is something else: others may listen on its address.
pub(in crate::cli) fn unexpected_identity(
    status: &ReplicaStatus,
    cluster: Option<&str>,
    replica: Option<ReplicaId>,
) -> Option<String> {
    match (cluster, replica) {
        (Some(cluster), _) if cluster != status.cluster => Some(of_another(&status.cluster)),
        (_, Some(replica)) if replica != status.replica => {
            Some(format!("another replica, {}, answers there", status.replica))
        }
        _ => None,
    }
}

/// That a replica of this cluster answers, which is not the one that is meant.
pub(in crate::cli) fn of_another(cluster: &str) -> String {
    format!("a replica of another cluster, {cluster}, answers there")
}

/// An admin address on a command line.
pub(in crate::cli) fn resolve(text: &str) -> Result<SocketAddr, String> {
    let mut found = text.to_socket_addrs().map_err(|error| error.to_string())?;
    found.next().ok_or_else(|| "has no address".to_owned())
}

/// A time on a command line.
pub(in crate::cli) fn seconds(text: &str) -> Result<Duration, String> {
    let wish = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    wish.filter(|wish| !wish.is_zero()).ok_or_else(|| "must be a number above 0".to_owned())
}
