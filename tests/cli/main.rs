//! Commands as a user runs them, and the package that has them.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and waits for threads and processes"
)]

#[allow(dead_code, unused_imports, reason = "all of it is used by `process`")]
#[path = "../support/processes/mod.rs"]
mod support;

mod cluster_files;
mod demo;
mod demo_page;
mod disk_commands;
mod package;
mod sim;
mod submit;
