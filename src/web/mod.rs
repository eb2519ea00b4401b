//! A replica over HTTP: the admin API (its routes in `admin/mod.rs`), and the page in a browser.

#[allow(clippy::disallowed_methods, reason = "an edge: reads clocks, has a thread of its own")]
pub mod admin;
pub mod page;
