//! Status, findings, figures and the page: views of a cluster that agree with what was done to it.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and waits for threads and processes"
)]

#[path = "../support/lockstep.rs"]
mod lockstep;
#[allow(dead_code, reason = "`process` uses all of it")]
#[path = "../support/processes/mod.rs"]
mod support;

mod frames;
mod inspect;
mod metrics;
mod page;
mod stalls;
mod status;
