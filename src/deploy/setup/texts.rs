//! The words of the files a new cluster begins with.

use super::Plan;
use crate::deploy::settings::{Addresses, ClusterSettings};
use crate::model::config::Config;
use crate::model::types::ReplicaId;

/// `cluster.toml`.
pub(super) fn cluster(plan: &Plan, id: u64) -> String {
    let format = ClusterSettings::FORMAT;
    let protocol = &plan.protocol;
    let mut text = format!(
        "# What is the same on all nodes of this cluster. Copy it, do not edit one copy only.\n\
         format = {format}\n\
         # Drawn when the cluster was made. Replicas and data of another number are refused.\n\
         id = \"{id:016x}\"\n\
         protocol = \"{protocol}\"\n"
    );
    for index in 0..plan.replicas {
        let Addresses { links, clients, admin } = plan.addresses(index);
        text += &format!(
            "\n[[replicas]]\nid = {index}\nlinks = \"{links}\"\nclients = \"{clients}\"\n\
             admin = \"{admin}\"\n"
        );
    }
    let config = Config::new(ReplicaId(0), plan.replicas);
    text += &format!(
        "\n[limits]\n\
         # How long a leader may be silent before it is suspected, in milliseconds; one that is\n\
         # heard of, and under which requests wait, has four times as long.\n\
         suspect_after_ms = {}\n\
         # Bytes of requests between two checkpoints, or half as many as the state has if that is\n\
         # more; part of what replicas must agree on.\n\
         checkpoint_bytes = {}\n\
         # Bytes of all keys and values above which writes are refused; 0 for no limit.\n\
         memory_max = {}\n\
         # All others, with their values: `taraflow config print --origin`.\n",
        config.suspect_after_ms, config.checkpoint_bytes, config.memory_max
    );
    text
}

/// `node.toml` of a replica.
pub(super) fn node(plan: &Plan, replica: ReplicaId) -> String {
    let mut text = format!(
        "# What is this node's own. Paths are seen from this file.\n\
         id = {replica}\n\
         cluster = \"../cluster.toml\"\n"
    );
    text += if plan.memory {
        "# No data is kept on disk: a replica that stops cannot rejoin.\nmemory = true\n"
    } else {
        "data = \"data\"\n"
    };
    text += if plan.plain {
        "# No TLS between replicas: all are on this machine, and any local user can connect.\n\
         links = \"plain\"\n"
    } else {
        "\n[tls]\nca = \"../ca.pem\"\ncert = \"cert.pem\"\nkey = \"key.pem\"\n"
    };
    text
}
