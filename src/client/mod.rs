//! The client's half of exactly-once.
//!
//! A [`Session`] is what a client knows, without a thread, a clock or a connection. A [`Client`] drives
//! one through a [`Door`], which leads to the replicas.

mod calls;
mod session;

pub use calls::{Client, Door, Sending};
pub use session::{Limits, Outcome, Pack, Refused, Session};
