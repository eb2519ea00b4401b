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
//! To replicate a state machine of your own, in one process as above or in several, read the
//! [`guide`].
//!
//! # Where things are
//!
//! Each of these rooms uses only those above it in this list; a test checks that.
//!
//! - [`model`]: words of the field, such as slots, views, quorums and batches; and the trait of a
//!   replicated service, [`StateMachine`].
//! - [`disk`]: the journal and the checkpoints.
//! - [`links`]: frames, handshake and TLS between processes.
//! - [`kv`]: the key-value service, Redis's wire format ([`kv::resp`]), a Redis client's connection
//!   ([`kv::redis`]).
//! - [`engine`]: makes operators of handler methods ([`engine::role`]), runs a graph of them as a
//!   replica, and gives the replica a disk ([`engine::node`]); the operators that protocols share.
//! - [`client`]: a client's half of a session.
//! - [`observe`]: what a replica and its operators do, what is wrong with a cluster
//!   ([`observe::findings`]), and the graph, drawn.
//! - [`deploy`]: settings, keys, and the processes of a cluster.
//! - [`web`]: questions over HTTP, and the page in a browser.
//! - [`hosts`]: what runs nodes: the simulator, threads of one process, or a process each.
//! - [`dataflows`]: the protocols, a folder each, and their list.
//! - [`cli`]: the command line, a file a command, and which failure ends with which exit code.
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

pub use cli::{run, run_with};
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
