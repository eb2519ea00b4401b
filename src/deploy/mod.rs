//! A cluster's files and processes: settings, keys, and a supervisor that restarts replicas.

mod reach;
pub mod settings;
#[allow(clippy::disallowed_types, reason = "certificates are valid from now on")]
pub mod setup;
#[allow(
    clippy::disallowed_methods,
    reason = "an edge: reads clocks, waits for processes, starts a thread for signals"
)]
pub mod supervisor;

pub use reach::target;
