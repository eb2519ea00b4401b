//! State machines that do what they must not.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use taraflow::model::app::{At, Damaged, StateMachine};

/// Where a command waits that does not come back; by default nobody waits.
#[derive(Clone, Default)]
pub struct Gate(Arc<(Mutex<bool>, Condvar)>);

impl Gate {
    /// Lets those who come wait, or lets them all go on.
    pub fn close(&self, closed: bool) {
        *self.0.0.lock().unwrap() = closed;
        self.0.1.notify_all();
    }

    fn pass(&self) {
        let closed = self.0.0.lock().unwrap();
        drop(self.0.1.wait_while(closed, |closed| *closed).unwrap());
    }
}

/// Opens gates in the end, however that comes: a cluster is dropped once its threads have come
/// back.
pub struct Opened<'a>(pub &'a [Gate]);

impl Drop for Opened<'_> {
    fn drop(&mut self) {
        self.0.iter().for_each(|gate| gate.close(false));
    }
}

/// A flag that is raised in the end, however that comes.
pub struct Raised<'a>(pub &'a AtomicBool);

impl Drop for Raised<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A counter that waits at a gate before it counts, takes its time, and counts in its own steps.
pub struct Counter {
    pub gate: Gate,
    pub takes: Duration,
    pub step: u64,
    pub count: u64,
}

impl Counter {
    /// One that does what it should, behind a gate.
    pub fn behind(gate: &Gate) -> Self {
        Self { gate: gate.clone(), takes: Duration::ZERO, step: 1, count: 0 }
    }
}

impl StateMachine for Counter {
    fn apply(&mut self, _at: At, _command: &[u8], reply: &mut Vec<u8>) {
        self.gate.pass();
        std::thread::sleep(self.takes);
        self.count += self.step;
        reply.extend_from_slice(self.count.to_string().as_bytes());
    }

    fn snapshot(&self) -> Vec<u8> {
        self.count.to_le_bytes().to_vec()
    }

    fn restore(&mut self, snapshot: &[u8]) -> Result<(), Damaged> {
        let damaged = Damaged { offset: 0, expected: "eight bytes" };
        self.count = u64::from_le_bytes(snapshot.try_into().map_err(|_| damaged)?);
        Ok(())
    }
}
