//! The engine: a protocol's graph as a replica, and the replica as a node with a disk.
//!
//! [`role`] makes operators of handler methods, [`replica`] gives a graph its turns, [`node`] adds the disk
//! and decides what may leave. [`operators`] are those that all protocols share, [`ordering`] has
//! those of protocols with views and leaders, and [`protocol`] is what a host must know of one.

#[allow(clippy::disallowed_methods, reason = "measures how long a thread has been at something")]
pub mod activity;
pub mod direct;
pub(crate) mod messages;
#[allow(clippy::disallowed_methods, reason = "measures operators, which do not see it")]
pub mod meter;
pub mod node;
pub mod operators;
pub mod ordering;
pub mod protocol;
pub mod replica;
pub mod role;
mod unsaved;
pub mod watcher;
