//! Clusters of processes, the commands around them, and what is done to them.

pub mod cluster;
pub mod command;
pub mod files;
pub mod http;
pub mod machine;
pub mod nodes;
pub mod proxy;
pub mod redis;
pub mod shim;
pub mod site;
pub mod system;
pub mod wait;

pub use cluster::Cluster;
pub use command::{init, taraflow, told};
pub use wait::{PATIENCE, wait_for, wait_until};
