//! The page in a real browser.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a browser takes the time it takes"
)]

mod browser;
mod frames;
mod live;
mod recorded;
mod stub;
