//! A state machine of one's own, as a durable cluster of processes: `counter cluster up`.

use std::process::ExitCode;

use taraflow::{At, Damaged, StateMachine};

/// Adds up the numbers it is sent.
#[derive(Default)]
struct Counter(u64);

impl StateMachine for Counter {
    fn apply(&mut self, _at: At, command: &[u8], reply: &mut Vec<u8>) {
        let number = str::from_utf8(command).ok().and_then(|text| text.parse::<u64>().ok());
        self.0 = self.0.wrapping_add(number.unwrap_or(0));
        reply.extend_from_slice(self.0.to_string().as_bytes());
    }

    fn snapshot(&self) -> Vec<u8> {
        self.0.to_le_bytes().to_vec()
    }

    fn restore(&mut self, snapshot: &[u8]) -> Result<(), Damaged> {
        let damaged = Damaged { offset: 0, expected: "eight bytes" };
        self.0 = u64::from_le_bytes(snapshot.try_into().map_err(|_| damaged)?);
        Ok(())
    }
}

fn main() -> ExitCode {
    taraflow::run(Counter::default)
}
