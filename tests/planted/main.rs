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
mod threads;
