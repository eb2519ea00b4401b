//! Views of a cluster, which agree with what was done to it: status, findings, figures, the page.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and waits for threads and processes"
)]

#[path = "../support/lockstep.rs"]
mod lockstep;
#[allow(dead_code, unused_imports, reason = "all of it is used by `process`")]
#[path = "../support/processes/mod.rs"]
mod support;

mod answers;
mod frames;
mod inspect;
mod metrics;
mod page;
mod schema;
mod stalls;
mod status;
