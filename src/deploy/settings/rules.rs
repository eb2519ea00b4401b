//! What is not safe to start.
//!
//! A replica takes what reaches its links for its peers' word, and what reaches its clients' port for
//! commands. So nothing that other machines can reach is open by accident.

use super::Endpoint;
use super::cluster::ClusterSettings;
use super::node::{LinkSecurity, Node};
use super::source::Source;
use crate::links::tls::TlsFiles;
use crate::links::tls::{CLIENT, Tls, Unusable, name_of};
use crate::model::quorum::Votes;
use crate::model::types::ReplicaId;

/// Notes keys with which no link could be made.
pub(super) fn check_keys(source: &mut Source<'_>, me: ReplicaId, files: &TlsFiles) {
    let tls = match Tls::load(files) {
        Ok(tls) => tls,
        Err(Unusable { setting, why }) => return source.problem(setting, why),
    };
    let (mine, path) = (name_of(me), files.cert.display());
    if tls.names(&mine) {
        return;
    }
    let others = (0..Votes::REPLICAS_MAX as u16).map(ReplicaId);
    let other = others.map(name_of).chain([CLIENT.to_owned()]).find(|name| tls.names(name));
    let whose = other.map_or(String::new(), |name| format!(", but {name}'s"));
    let what = format!("the certificate {path} is not {mine}'s{whose}: take that of this replica");
    source.problem("tls.cert", what);
}

/// Notes each address that would be open to more than it should be.
pub(super) fn check(source: &mut Source<'_>, cluster: &ClusterSettings, node: &Node) {
    let Some(listen) = node.listen else { return };
    if node.transport == LinkSecurity::Plain {
        let own = Endpoint::from(listen.links);
        let mut all = cluster.replicas.iter().map(|replica| &replica.links).chain([&own]);
        if let Some(address) = all.find(|address| !address.is_loopback()) {
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
    if !listen.admin.ip().is_loopback() && node.token.is_none() {
        let what = format!(
            "questions are answered on {}, which other machines may reach, and nobody is asked who \
             he is: set admin.token_file, or listen.admin to a loopback address, like 127.0.0.1:{}",
            listen.admin,
            listen.admin.port()
        );
        source.problem("listen.admin", what);
    }
}
