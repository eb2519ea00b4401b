//! A cluster of processes among people who mean it harm: no replica dies, honest clients are served, and
//! what is refused is said in the log.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "processes take the time they take")]

mod caller;
#[path = "../cluster/mod.rs"]
mod cluster;
mod crowds;
mod frames;
mod tls;
