//! The client's half of exactly-once.
//!
//! A [`Session`] is what a client knows, without a thread, a clock or a connection. A [`Client`] drives
//! one through a [`Door`], which leads to the replicas: by channels in an embedded cluster, by TCP to
//! one of [processes](Remote).

mod calls;
mod remote;
mod session;

pub use calls::{Client, Door, Sending};
pub use remote::{Remote, Target};
pub use session::{Outcome, Pack, Refused, Session};
