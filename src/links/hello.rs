//! The handshake: who speaks, to whom, and under which settings.
//!
//! The end that dials sends [`Hello`]; the other answers [`HelloReply`]. A replica is let in only
//! with the same cluster, replicated settings, protocol and version; a client may come from
//! anywhere that has a valid certificate, or reaches a plain port.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::links::client_messages::ClientLimits;
use crate::model::types::ReplicaId;

/// The version of everything that crosses a link.
pub const VERSION: u32 = 3;

const MAGIC: [u8; 8] = *b"taraflow";

/// Bytes of a frame before the peer is let in.
pub const HELLO_BYTES_MAX: usize = 4096;

/// Settings that replicas share.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shared {
    /// What the replicated state and the sizes of messages depend on: replicas that differ in one
    /// of them must not exchange a message.
    pub binding: BTreeMap<String, u64>,
    /// Paces and limits of one's own. They are to be changed one node at a time, so replicas may
    /// differ for a while.
    pub other: BTreeMap<String, u64>,
}

/// The facts that all replicas of a cluster have in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Common {
    /// The number drawn when the cluster was made.
    pub cluster: u64,
    /// What `cluster.toml` says that is the same on all replicas, by name.
    pub settings: Shared,
    /// The name of the protocol.
    pub protocol: String,
}

/// The end that dials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Peer {
    /// A replica, to send its messages.
    Replica(ReplicaId),
    /// A client, to ask and be answered.
    Client,
}

/// The first frame on a link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    magic: [u8; 8],
    version: u32,
    /// The end that dials.
    pub from: Peer,
    /// Who is meant; a client that was given an address only does not know.
    pub to: Option<ReplicaId>,
    /// The cluster meant; a client may not know it.
    pub cluster: Option<u64>,
    /// What replicas must agree on.
    pub common: Option<Common>,
}

impl Hello {
    /// What replica `from` sends to replica `to`.
    pub fn of_replica(from: ReplicaId, to: ReplicaId, common: &Common) -> Self {
        let (from, cluster) = (Peer::Replica(from), Some(common.cluster));
        let (to, common) = (Some(to), Some(common.clone()));
        Self { magic: MAGIC, version: VERSION, from, to, cluster, common }
    }

    /// What a client sends to a replica.
    pub fn of_client(to: Option<ReplicaId>, cluster: Option<u64>) -> Self {
        let (from, common) = (Peer::Client, None);
        Self { magic: MAGIC, version: VERSION, from, to, cluster, common }
    }

    /// Why replica `me` of a cluster with `n` replicas and these settings does not let it in, if
    /// so.
    pub fn objection(&self, me: ReplicaId, n: usize, common: &Common) -> Option<String> {
        if self.magic != MAGIC {
            return Some(NO_LINK.to_owned());
        }
        if self.version != VERSION {
            return Some(other_version(self.version));
        }
        if let Some(to) = self.to.filter(|to| *to != me) {
            return Some(format!("this is replica {me}, but replica {to} was meant"));
        }
        if let Some(cluster) = self.cluster.filter(|cluster| *cluster != common.cluster) {
            let ours = common.cluster;
            return Some(format!(
                "this is cluster {ours:016x}, but cluster {cluster:016x} was meant"
            ));
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
            return Some(format!("replica {from} speaks {theirs}, but this one {ours}"));
        }
        let differ = differences(&theirs.settings.binding, &common.settings.binding, from, me);
        (!differ.is_empty()).then(|| format!("cluster.toml must be the same: {differ}"))
    }

    /// Settings of a replica that has been let in and of replica `me` that differ, in words, if
    /// some do.
    pub fn differs(&self, me: ReplicaId, common: &Common) -> Option<String> {
        let (Peer::Replica(from), Some(theirs)) = (self.from, &self.common) else { return None };
        let differ = differences(&theirs.settings.other, &common.settings.other, from, me);
        (!differ.is_empty()).then_some(differ)
    }

    /// Reads the first frame of a peer.
    ///
    /// # Errors
    /// Why it cannot be understood; of another version not more can be read than that.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let begins = postcard::take_from_bytes::<([u8; 8], u32)>(bytes);
        match begins {
            Ok(((MAGIC, VERSION), _)) => {}
            Ok(((MAGIC, theirs), _)) => return Err(other_version(theirs)),
            _ => return Err(NO_LINK.to_owned()),
        }
        postcard::from_bytes(bytes).map_err(|_| NO_LINK.to_owned())
    }
}

const NO_LINK: &str = "this is a port for replicas and native clients of taraflow";

fn other_version(theirs: u32) -> String {
    format!("the other end speaks link version {theirs}, this one {VERSION}: use the same release")
}

/// What differs between the settings of replica `from` and those of replica `me`.
fn differences(
    theirs: &BTreeMap<String, u64>,
    ours: &BTreeMap<String, u64>,
    from: ReplicaId,
    me: ReplicaId,
) -> String {
    let names: BTreeSet<&String> = theirs.keys().chain(ours.keys()).collect();
    let word = |value: Option<&u64>| value.map_or("unknown".to_owned(), u64::to_string);
    let differ = names.into_iter().filter(|name| theirs.get(*name) != ours.get(*name));
    let each = differ.map(|name| {
        let (theirs, ours) = (word(theirs.get(name)), word(ours.get(name)));
        format!("{name} is {theirs} on replica {from} and {ours} on replica {me}")
    });
    // The words of a peer have an end, whatever names it makes up.
    each.take(DIFFERENCES_MAX).collect::<Vec<_>>().join(", ")
}

/// Differences that are named.
const DIFFERENCES_MAX: usize = 8;

/// The first frame back.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum HelloReply {
    /// The link stands.
    Welcome {
        /// Who answers.
        me: ReplicaId,
        /// Its cluster.
        cluster: u64,
        /// What a client must know of the cluster.
        limits: ClientLimits,
    },
    /// It does not for now, and this is why.
    Refused(String),
    /// It never will, and this is why.
    Mismatch(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn common() -> Common {
        let named = |name: &str| BTreeMap::from([(name.to_owned(), 5)]);
        let (binding, other) = (named("limits.window"), named("limits.tick_ms"));
        Common { cluster: 7, settings: Shared { binding, other }, protocol: "tara".to_owned() }
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
            (objection(|hello| hello.magic[0] = 0), "a port for replicas"),
            (objection(|hello| hello.version = 1), "version 1"),
            (objection(|hello| hello.to = Some(ReplicaId(2))), "replica 2 was meant"),
            (objection(|hello| hello.cluster = Some(8)), "cluster 0000000000000008 was meant"),
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
                objection(|hello| {
                    let settings = &mut hello.common.as_mut().unwrap().settings;
                    settings.binding.insert("limits.window".to_owned(), 4);
                }),
                "limits.window is 4 on replica 0 and 5 on replica 1",
            ),
            (
                objection(|hello| {
                    hello.common.as_mut().unwrap().settings.binding.clear();
                }),
                "limits.window is unknown on replica 0 and 5 on replica 1",
            ),
        ];
        for (text, wanted) in told {
            assert!(text.as_ref().is_some_and(|text| text.contains(wanted)), "{text:?}, {wanted}");
        }
    }

    #[test]
    fn paces_may_differ_and_which_is_told() {
        let mut hello = Hello::of_replica(ReplicaId(0), ReplicaId(1), &common());
        assert_eq!(hello.differs(ReplicaId(1), &common()), None);
        let settings = &mut hello.common.as_mut().unwrap().settings;
        settings.other.insert("limits.tick_ms".to_owned(), 9);

        assert_eq!(hello.objection(ReplicaId(1), 3, &common()), None);
        let told = hello.differs(ReplicaId(1), &common()).unwrap();
        assert_eq!(told, "limits.tick_ms is 9 on replica 0 and 5 on replica 1");
    }

    #[test]
    fn what_is_said_first_in_another_version_or_by_no_peer_is_told_apart() {
        let mut hello = Hello::of_client(None, None);
        let read = |hello: &Hello| Hello::read(&postcard::to_stdvec(hello).unwrap());
        assert_eq!(read(&hello).as_ref(), Ok(&hello));
        hello.version = 2;
        assert!(read(&hello).unwrap_err().contains("link version 2"));
        let old = [postcard::to_stdvec(&hello).unwrap(), vec![9; 40]].concat();
        assert!(Hello::read(&old).unwrap_err().contains("link version 2"));
        assert!(Hello::read(b"PING\r\n").unwrap_err().contains("a port for replicas"));
    }

    #[test]
    fn a_client_need_not_know_whom_it_has_reached() {
        let hello = Hello::of_client(None, None);
        assert_eq!(hello.objection(ReplicaId(1), 3, &common()), None);
        let hello = Hello::of_client(Some(ReplicaId(0)), None);
        assert!(hello.objection(ReplicaId(1), 3, &common()).is_some());
    }
}
