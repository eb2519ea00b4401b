//! What is not safe to start.
//!
//! A replica takes what reaches its links for its peers' word, and what reaches its clients' port for
//! commands. So nothing that other machines can reach is open by accident.

use super::cluster::Cluster;
use super::node::{Node, Transport};
use super::source::Source;

/// Notes each address that would be open to more than it should be.
pub(super) fn check(source: &mut Source<'_>, cluster: &Cluster, node: &Node) {
    let Some(listen) = node.listen else { return };
    if node.transport == Transport::Plain {
        let all = cluster.replicas.iter().map(|replica| replica.links).chain([listen.links]);
        if let Some(address) = all.into_iter().find(|address| !address.ip().is_loopback()) {
            let what = format!(
                "plain links are for replicas on one machine, and {address} is not a loopback \
                 address: set tls.ca, tls.cert and tls.key, and remove `links = \"plain\"`"
            );
            source.problem("links", what);
        }
    }
    if !listen.clients.ip().is_loopback() && node.password.is_none() {
        let what = format!(
            "clients are served on {}, which other machines may reach, and anybody there could read \
             and write: set clients.password_file",
            listen.clients
        );
        source.problem("listen.clients", what);
    }
    if !listen.admin.ip().is_loopback() {
        let what = format!(
            "questions are answered on {}, which other machines may reach, and nobody is asked who \
             he is: set listen.admin to a loopback address, like 127.0.0.1:{}",
            listen.admin,
            listen.admin.port()
        );
        source.problem("listen.admin", what);
    }
}
