//! Hosts: who runs nodes.
//!
//! [`simulation`] runs a cluster on one thread from a seed and checks it, [`embedded`] as threads of a
//! process, [`server`] one replica as a process. [`edge`] gathers what clients ask.

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
#[allow(clippy::disallowed_methods, reason = "an edge: reads clocks")]
mod publisher;
#[allow(clippy::disallowed_methods, reason = "an edge: reads clocks")]
mod seat;
#[allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "an edge: reads clocks, starts threads"
)]
pub mod server;
pub mod simulation;
