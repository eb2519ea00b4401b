//! Redis's wire format and commands, whatever the bytes, and beside Redis itself.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a test fails by panicking, and talks to other programs in real time"
)]

#[allow(dead_code, unused_imports, reason = "all of it is used by `process`")]
#[path = "../support/processes/mod.rs"]
mod support;

mod against_redis;
mod clients;
mod connection_properties;
mod limits;
mod resp_properties;
mod service_properties;
