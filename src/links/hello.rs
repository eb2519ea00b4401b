//! The handshake: who speaks, to whom, and under which settings.
//!
//! The end that dials says [`Hello`]; the other answers [`Answer`]. A replica is let in only with the
//! same cluster, replicated settings, protocol and version; a client may come from anywhere that has a
//! valid certificate, or reaches a plain port.

use serde::{Deserialize, Serialize};

use crate::client::Limits;
use crate::types::ReplicaId;

/// The version of everything that crosses a link.
pub const VERSION: u32 = 2;

const MAGIC: [u8; 8] = *b"taraflow";

/// Bytes of a frame before the peer is let in.
pub const HELLO_BYTES_MAX: usize = 1024;

/// What all replicas of a cluster have in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Common {
    /// The number drawn when the cluster was made.
    pub cluster: u64,
    /// The digest of the replicated settings.
    pub settings: [u8; 32],
    /// The name of the protocol.
    pub protocol: String,
}

/// Who dials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Peer {
    /// A replica, to say what its turns say.
    Replica(ReplicaId),
    /// A client, to ask and be answered.
    Client,
}

/// The first frame on a link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    magic: [u8; 8],
    version: u32,
    /// Who speaks.
    pub from: Peer,
    /// Who is meant; a client that was given an address only does not know.
    pub to: Option<ReplicaId>,
    /// The cluster meant; a client may not know it.
    pub cluster: Option<u64>,
    /// What replicas must agree on.
    pub common: Option<Common>,
}

impl Hello {
    /// What replica `from` says to replica `to`.
    #[must_use]
    pub fn of_replica(from: ReplicaId, to: ReplicaId, common: &Common) -> Self {
        let (from, cluster) = (Peer::Replica(from), Some(common.cluster));
        let (to, common) = (Some(to), Some(common.clone()));
        Self { magic: MAGIC, version: VERSION, from, to, cluster, common }
    }

    /// What a client says to a replica.
    #[must_use]
    pub fn of_client(to: Option<ReplicaId>, cluster: Option<u64>) -> Self {
        let (from, common) = (Peer::Client, None);
        Self { magic: MAGIC, version: VERSION, from, to, cluster, common }
    }

    /// Why replica `me` of a cluster with `n` replicas and these settings does not let it in, if so.
    #[must_use]
    pub fn objection(&self, me: ReplicaId, n: usize, common: &Common) -> Option<String> {
        if self.magic != MAGIC {
            return Some("this is a taraflow link".to_owned());
        }
        if self.version != VERSION {
            let theirs = self.version;
            return Some(format!("link version {theirs}, and this replica speaks {VERSION}"));
        }
        if let Some(to) = self.to.filter(|to| *to != me) {
            return Some(format!("replica {to} was meant, and this is replica {me}"));
        }
        if let Some(cluster) = self.cluster.filter(|cluster| *cluster != common.cluster) {
            let ours = common.cluster;
            return Some(format!("cluster {cluster:x} was meant, and this is {ours:x}"));
        }
        let Peer::Replica(from) = self.from else { return None };
        let Some(theirs) = &self.common else {
            return Some("a replica must name its settings".to_owned());
        };
        if from == me || from.0 as usize >= n {
            return Some(format!("replica {from} is no peer of replica {me}"));
        }
        if theirs.protocol != common.protocol {
            let (theirs, ours) = (&theirs.protocol, &common.protocol);
            return Some(format!("replica {from} speaks {theirs}, and this one {ours}"));
        }
        (theirs.settings != common.settings).then(|| {
            format!("the replicated settings of replica {from} differ; compare cluster.toml")
        })
    }
}

/// The first frame back.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Answer {
    /// The link stands.
    Welcome {
        /// Who answers.
        me: ReplicaId,
        /// Its cluster.
        cluster: u64,
        /// What a client must know of the cluster.
        limits: Limits,
    },
    /// It does not, and this is why.
    Refused(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn common() -> Common {
        Common { cluster: 7, settings: [1; 32], protocol: "tara".to_owned() }
    }

    fn objection(change: impl FnOnce(&mut Hello)) -> Option<String> {
        let mut hello = Hello::of_replica(ReplicaId(0), ReplicaId(1), &common());
        change(&mut hello);
        hello.objection(ReplicaId(1), 3, &common())
    }

    #[test]
    fn a_peer_of_the_same_cluster_is_let_in() {
        assert_eq!(objection(|_| {}), None);
    }

    #[test]
    fn a_peer_that_differs_in_anything_is_told_so() {
        let told = [
            (objection(|hello| hello.magic[0] = 0), "taraflow link"),
            (objection(|hello| hello.version = 1), "version 1"),
            (objection(|hello| hello.to = Some(ReplicaId(2))), "replica 2 was meant"),
            (objection(|hello| hello.cluster = Some(8)), "cluster 8 was meant"),
            (objection(|hello| hello.common = None), "must name its settings"),
            (objection(|hello| hello.from = Peer::Replica(ReplicaId(1))), "no peer"),
            (objection(|hello| hello.from = Peer::Replica(ReplicaId(3))), "no peer"),
            (
                objection(|hello| {
                    hello.common.as_mut().unwrap().protocol = "mencius".to_owned();
                }),
                "speaks mencius",
            ),
            (
                objection(|hello| hello.common.as_mut().unwrap().settings[0] = 0),
                "replicated settings",
            ),
        ];
        for (text, wanted) in told {
            assert!(text.as_ref().is_some_and(|text| text.contains(wanted)), "{text:?}, {wanted}");
        }
    }

    #[test]
    fn a_client_need_not_know_whom_it_has_reached() {
        let hello = Hello::of_client(None, None);
        assert_eq!(hello.objection(ReplicaId(1), 3, &common()), None);
        let hello = Hello::of_client(Some(ReplicaId(0)), None);
        assert!(hello.objection(ReplicaId(1), 3, &common()).is_some());
    }
}
