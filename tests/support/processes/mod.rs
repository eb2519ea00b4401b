//! Clusters of processes, and what is done to them.

pub mod cluster;
pub mod nodes;
pub mod proxy;
pub mod requests;
pub mod shim;
