//! Stream-based state-machine replication on timely dataflow.
//!
//! A replication protocol is a dataflow graph: clients' requests, ordering, execution, checkpoints and view
//! changes are operators, and every arrow of the protocol's figure is a stream. The same graph runs in a
//! simulator, as threads of one process, and as processes over sockets.
//!
//! ```
//! use taraflow::app::kv::KeyValue;
//! use taraflow::dataflows::tara;
//! use taraflow::embedded::{Cluster, Settings};
//!
//! let service = || Box::new(KeyValue::default()) as _;
//! let mut cluster = Cluster::start(Settings::new(3), tara::PROTOCOL, service)?;
//! let mut client = cluster.client();
//! client.call(b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n")?;
//!
//! cluster.kill(cluster.leader());
//! assert_eq!(client.call(b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n")?, b"$1\r\nv\r\n");
//! # Ok::<(), taraflow::error::Error>(())
//! ```
//!
//! # Where things are
//!
//! In the order in which they rest on each other:
//!
//! - **Words of the field**: [`types`], [`config`], [`quorum`], [`batch`], [`checkpoint`], [`events`],
//!   [`refused`], [`clock`], [`error`]; and the replicated service, [`app`], whose trait is
//!   [`StateMachine`](app::StateMachine).
//! - **What survives and what travels**: [`disk`] has the journal and the checkpoints, [`links`] frames,
//!   handshake and TLS between processes.
//! - **The engine**: [`role`] makes operators of handler methods, [`replica`] gives a graph its turns, [`node`]
//!   adds the disk and decides what may leave; [`operators`] are those that protocols share, [`protocol`] is
//!   what a host must know of one.
//! - **Protocols**: [`dataflows`], a folder each.
//! - **Hosts**: [`simulation`] runs a cluster from a seed and checks it, [`embedded`] as threads, [`server`] as
//!   a process; [`edge`] gathers requests, and [`client`] is the other half of a session.
//! - **Redis**: [`app::kv`] is the service, [`resp`] the format, [`redis`] a client's connection, [`commands`]
//!   a file of commands.
//! - **To look inside**: [`observe`] watches a replica and judges, [`inspect`] draws its graph, [`status`] is
//!   how it stands, [`admin`] answers over HTTP, [`page`] in a browser.
//! - **To run it**: [`settings`], [`setup`], [`supervisor`], and the commands in [`cli`].
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
