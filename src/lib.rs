//! Stream-based state-machine replication on timely dataflow.
//!
//! A replication protocol is a dataflow graph: clients' requests, ordering, execution, checkpoints
//! and view changes are operators, and every arrow of the protocol's figure is a stream. The same
//! graph runs in a simulator, as threads of one process, and as processes over sockets.
//!
//! ```
//! use taraflow::dataflows::tara;
//! use taraflow::kv::service::KeyValue;
//! use taraflow::{Cluster, EmbeddedSettings};
//!
//! let settings = EmbeddedSettings::new(3);
//! let mut cluster = Cluster::start(settings, tara::PROTOCOL, KeyValue::default)?;
//! let mut client = cluster.client();
//! client.call(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n")?;
//!
//! let leader = cluster.leader().unwrap_or_default();
//! cluster.kill(leader);
//! assert_eq!(client.call(b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n")?, b"$1\r\nv\r\n");
//! # Ok::<(), taraflow::Error>(())
//! ```
//!
//! To have a state machine of your own replicated, as processes or like this, read the [`guide`].
//!
//! # Where things are
//!
//! In the order in which they rest on each other; no room knows one below it in this list, which a
//! test checks:
//!
//! - [`model`]: words of the field, such as slots, views, quorums and batches; and the trait of a replicated
//!   service, [`StateMachine`].
//! - [`disk`]: what survives, the journal and the checkpoints.
//! - [`links`]: what travels, frames, handshake and TLS between processes.
//! - [`kv`]: the key-value service, Redis's wire format, a Redis client's connection.
//! - [`engine`]: operators out of handler methods, a graph as a replica, a replica as a node with a disk.
//! - [`client`]: a client's half of a session.
//! - [`observe`]: what a replica and its operators do, and what is wrong with it; its graph, drawn.
//! - [`deploy`]: settings, keys, and the processes of a cluster.
//! - [`web`]: questions over HTTP, and the page in a browser.
//! - [`hosts`]: who runs nodes, a simulator, threads of one process, a process.
//! - [`dataflows`]: the protocols, a folder each, and their list.
//! - [`cli`]: the command line, a file a command.
#![forbid(unsafe_code)]

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
#[path = "../dataflows/mod.rs"]
pub mod dataflows;
pub mod deploy;
pub mod disk;
pub mod engine;
pub mod hosts;
pub mod kv;
pub mod links;
pub mod model;
#[allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "an edge: reads clocks")]
pub mod observe;
pub mod web;

pub use cli::run;
pub use client::{AsyncClient, Client, Target};
pub use hosts::embedded::{Cluster, EmbeddedSettings, Storage};
pub use links::tls::TlsFiles;
pub use model::app::{At, Damaged, StateMachine};
pub use model::error::Error;

/// The way to the cluster of processes whose files are in `directory`: the addresses in its
/// `cluster.toml`, with the client's keys beside it.
///
/// # Errors
/// Which file cannot be used, or which host name is not known.
pub fn target(directory: impl AsRef<std::path::Path>) -> Result<Target, Error> {
    deploy::target(directory.as_ref(), dataflows::tolerance)
}

#[doc = include_str!("../docs/library.md")]
pub mod guide {}

/// The README's example, kept true.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
