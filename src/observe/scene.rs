//! All replicas of a cluster, each as it was last seen.

use serde::{Deserialize, Serialize};

use super::findings::Finding;
use super::frame::Frame;
use crate::types::ReplicaId;

/// What is known of a cluster, by one of its replicas or by somebody who asked all of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scene {
    /// The version of the [format](super::frame::VERSION).
    pub version: u32,
    /// When this was put together, by the clock of whoever did.
    pub at_us: u64,
    /// Each replica of the cluster, in order.
    pub replicas: Vec<Sighting>,
    /// What is wrong, the worst first; empty if nothing is.
    pub findings: Vec<Finding>,
}

/// A replica as it was last seen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sighting {
    /// The replica.
    pub replica: ReplicaId,
    /// Its latest frame; nothing if it was never seen.
    pub frame: Option<Frame>,
    /// How long ago that frame arrived, in microseconds.
    pub age_us: u64,
    /// Why there is no frame, or none that is fresh.
    pub silence: Option<String>,
}
