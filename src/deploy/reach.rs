//! The way to a cluster of processes, read from its directory.

use std::path::Path;

use super::settings::{ClusterSettings, ToleranceOf, look_up_all};
use crate::client::Target;
use crate::links::tls::TlsFiles;
use crate::model::error::Error;

/// How the cluster in `directory` is reached: by the addresses in its `cluster.toml`, with the
/// client's keys beside it. Resolves host names. `tolerance` knows the protocols.
///
/// # Errors
/// Which file cannot be used, or which name is not known.
pub fn target(directory: &Path, tolerance: ToleranceOf) -> Result<Target, Error> {
    let file = |name| directory.join(name);
    let cluster = ClusterSettings::read(&file("cluster.toml"), tolerance);
    let (cluster, _) = cluster.map_err(Error::Settings)?;
    let links = look_up_all(cluster.replicas.iter().map(|replica| &replica.links));
    let target = Target::new(links.map_err(Error::Names)?);
    let target = Target { cluster: Some(cluster.id), ..target };
    let (ca, cert, key) = (file("ca.pem"), file("client.pem"), file("client-key.pem"));
    // A cluster with plain links has none.
    if ca.exists() { target.with_keys(&TlsFiles { ca, cert, key }) } else { Ok(target) }
}
