//! The page in a real browser.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a browser takes the time it takes"
)]

mod browser;
#[path = "../cluster/mod.rs"]
mod cluster;
mod frames;
mod live;
mod recorded;
mod running;
mod stub;
