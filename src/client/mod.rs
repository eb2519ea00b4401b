//! The native client: sessions, in which each request takes effect once.
//!
//! A [`Session`] is what a client knows, without a thread, a clock or a connection. A [`Client`]
//! drives one through a [`Transport`], which leads to the replicas: by channels in an embedded
//! cluster, by TCP to one of [processes](TcpTransport). An [`AsyncClient`] is one on a thread of
//! its own, for asynchronous callers.

mod calls;
mod concurrent;
mod session;
mod tcp;

pub use calls::{Client, Sending, Transport};
pub use concurrent::AsyncClient;
pub use session::{Pack, RequestOutcome, Session, SubmitError};
pub use tcp::{Target, TcpTransport};
