//! A clock that starts at the system's time and never goes back while the process lives.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::model::types::Millis;

/// The time of a process.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
    start_us: u64,
}

impl Clock {
    /// Starts it at the system's time.
    pub fn start() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { start: Instant::now(), start_us: since.as_micros() as u64 }
    }

    /// How long it has run.
    pub fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }

    /// Milliseconds since the Unix epoch, by the system's time at the start.
    pub fn now(&self) -> Millis {
        self.now_us() / 1_000
    }

    /// Microseconds since the Unix epoch, by the same time.
    pub fn now_us(&self) -> u64 {
        self.start_us + self.elapsed().as_micros() as u64
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::start()
    }
}
