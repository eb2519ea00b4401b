//! A replica over HTTP: questions and orders, and the page in a browser.

#[allow(clippy::disallowed_methods, reason = "an edge: reads clocks, has a thread of its own")]
pub mod admin;
pub mod page;
