//! Failures are planted in clusters that run, and `taraflow doctor` must name the cause of each.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a test fails by panicking, and waits for processes"
)]

#[path = "../cluster/mod.rs"]
mod cluster;
mod doctor;
mod machines;
#[allow(dead_code, reason = "each test file uses its part")]
#[path = "../nemesis/nodes.rs"]
mod nodes;
mod processes;
#[allow(dead_code, reason = "each test file uses its part")]
#[path = "../nemesis/proxy.rs"]
mod proxy;
#[allow(dead_code, reason = "each test file uses its part")]
#[path = "../nemesis/requests.rs"]
mod requests;
#[allow(dead_code, reason = "each test file uses its part")]
#[path = "../nemesis/shim.rs"]
mod shim;
mod threads;
