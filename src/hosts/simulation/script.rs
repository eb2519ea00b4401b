//! Scripts: what a test may do to a world beside the acts of the nemesis, and see of it.

use std::fmt::Debug;
use std::hash::Hash;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::disk::FaultyDisk;
use super::world::World;
use crate::model::types::ReplicaId;

/// Says of a message from one replica to another whether it is lost.
pub(super) type Loss<M> = Box<dyn FnMut(ReplicaId, ReplicaId, &M) -> bool>;

impl<M, R> World<M, R>
where
    M: Clone + Debug + Hash + 'static,
    R: Clone + Serialize + DeserializeOwned + 'static,
{
    /// Loses the messages for which `is_lost` holds from now on, in place of those chosen before.
    /// What a replica says to itself is never lost.
    pub fn lose(&mut self, is_lost: impl FnMut(ReplicaId, ReplicaId, &M) -> bool + 'static) {
        self.loss = Some(Box::new(is_lost));
    }

    /// Loses no chosen messages any more.
    pub fn lose_nothing(&mut self) {
        self.loss = None;
    }

    /// Has a replica take `times` as long for its work and its syncs from now on.
    pub fn slow_down(&mut self, replica: ReplicaId, times: u64) {
        self.nodes[replica.0 as usize].slowness = times;
    }

    /// How many messages wait for a replica.
    #[must_use]
    pub fn waiting(&self, replica: ReplicaId) -> usize {
        self.nodes[replica.0 as usize].inbox.len()
    }

    /// The disk of a replica.
    #[must_use]
    pub fn disk(&self, replica: ReplicaId) -> FaultyDisk {
        self.nodes[replica.0 as usize].disk.clone()
    }
}
