//! Replicas as processes among faults: killed, paused, ended, cut off, and on disks that fail.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test fails by panicking")]
#![allow(
    clippy::disallowed_methods,
    reason = "processes take the time they take, and are disturbed from threads"
)]

mod chaos;
mod clients;
#[path = "../cluster/mod.rs"]
mod cluster;
mod disks;
mod faults;
mod leaders;
mod nodes;
mod proxy;
mod refusals;
mod requests;
#[allow(dead_code, reason = "each test file uses its part")]
mod shim;
mod submits;
