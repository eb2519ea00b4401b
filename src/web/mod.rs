//! A replica over HTTP: the admin API, and the page in a browser.

#[allow(clippy::disallowed_methods, reason = "an edge: reads clocks, has a thread of its own")]
pub mod admin;
pub mod page;
