//! Stream-based state-machine replication on timely dataflow.
#![forbid(unsafe_code)]

pub mod app;
pub mod batch;
pub mod checkpoint;
pub mod cli;
pub mod client;
pub mod commands;
pub mod config;
#[path = "../dataflows/mod.rs"]
pub mod dataflows;
pub mod disk;
pub mod embedded;
pub mod error;
pub mod events;
pub mod inspect;
pub mod node;
pub mod operators;
pub mod quorum;
pub mod replica;
pub mod resp;
pub mod role;
pub mod simulation;
pub mod types;
