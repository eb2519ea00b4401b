//! Waits for what others do, which end in a failure.

use std::thread;
use std::time::{Duration, Instant};

/// How long anything may take on a busy machine before the test has failed.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until something holds.
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    wait_for(what, || holds().then_some(()).ok_or_else(String::new));
}

/// Waits until something is there. Of what is not, the last word is told.
pub fn wait_for<T>(what: &str, mut find: impl FnMut() -> Result<T, String>) -> T {
    let start = Instant::now();
    loop {
        match find() {
            Ok(found) => return found,
            Err(said) => {
                assert!(start.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}\n{said}");
                thread::sleep(Duration::from_millis(10));
            }
        }
    }
}
