//! `taraflow doctor`, as a test asks it.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{PATIENCE, taraflow};

/// Whom it asks.
pub struct Doctor {
    whom: [OsString; 2],
}

impl Doctor {
    /// One replica, about all of them.
    pub fn at(address: SocketAddr) -> Self {
        Self { whom: ["--addr".into(), address.to_string().into()] }
    }

    /// All replicas of the cluster in `directory`, each about itself.
    pub fn of(directory: &Path) -> Self {
        Self { whom: ["--dir".into(), directory.into()] }
    }

    /// The exit code, and what is said.
    pub fn ask(&self) -> (Option<i32>, String) {
        let output =
            taraflow().args(["doctor", "--timeout", "1"]).args(&self.whom).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout) + &text(output.stderr))
    }

    /// The findings, as programs see them.
    pub fn findings(&self) -> Value {
        let mut command = taraflow();
        let output = command.args(["doctor", "-o", "json"]).args(&self.whom).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_default()
    }

    /// Waits until it ends with `code` and all of `words` are in what it says, which is answered.
    pub fn until(&self, code: i32, words: &[&str]) -> String {
        let start = Instant::now();
        loop {
            let (ended, said) = self.ask();
            if ended == Some(code) && words.iter().all(|word| said.contains(word)) {
                eprintln!("after {:?}:\n{said}", start.elapsed());
                return said;
            }
            let late = start.elapsed() > PATIENCE;
            assert!(!late, "not {code} with {words:?} within {PATIENCE:?}, but {ended:?}:\n{said}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Waits until nothing is wrong.
    pub fn until_well(&self) {
        self.until(0, &["nothing is wrong"]);
    }
}
