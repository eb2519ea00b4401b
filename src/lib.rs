//! Stream-based state-machine replication on timely dataflow.
#![forbid(unsafe_code)]

#[allow(clippy::disallowed_methods, reason = "an edge: reads clocks, has a thread of its own")]
pub mod admin;
pub mod app;
pub mod batch;
pub mod checkpoint;
#[allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "an edge: reads clocks, starts threads"
)]
pub mod cli;
#[allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "an edge: reads clocks, waits"
)]
pub mod client;
#[allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "the one place that asks")]
pub mod clock;
pub mod commands;
pub mod config;
#[path = "../dataflows/mod.rs"]
pub mod dataflows;
pub mod direct;
pub mod disk;
#[allow(
    clippy::disallowed_types,
    reason = "no operator: nothing here reaches the log in map order"
)]
pub mod edge;
#[allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "an edge: reads clocks, starts threads"
)]
pub mod embedded;
pub mod error;
pub mod events;
#[allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "an edge: reads clocks")]
pub mod inspect;
pub mod links;
pub mod node;
#[allow(clippy::disallowed_methods, reason = "an edge: reads clocks")]
pub mod observe;
pub mod operators;
pub mod page;
pub mod protocol;
pub mod quorum;
pub mod redis;
pub mod refused;
pub mod replica;
pub mod resp;
pub mod role;
#[allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "an edge: reads clocks, starts threads"
)]
pub mod server;
pub mod settings;
#[allow(clippy::disallowed_types, reason = "certificates are valid from now on")]
pub mod setup;
pub mod simulation;
pub mod status;
#[allow(
    clippy::disallowed_methods,
    reason = "an edge: reads clocks, waits for processes, starts a thread for signals"
)]
pub mod supervisor;
pub mod types;

/// The README's example, kept true.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
