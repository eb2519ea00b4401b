//! The protocols in the simulator, and on links that obey a test.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/lockstep.rs"]
mod lockstep;
mod onlooker;
mod spoken;

mod arrows;
mod bounds;
mod determinism;
mod graphs;
mod message_counts;
mod mutants;
mod recovery_traffic;
mod scenarios;
