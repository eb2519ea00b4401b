//! The `taraflow` command.

use std::process::ExitCode;

use taraflow::kv::service::KeyValue;
use taraflow::model::config::Config;

fn main() -> ExitCode {
    taraflow::run_with(service)
}

/// What the replicas of a cluster with these settings hold.
fn service(config: &Config) -> KeyValue {
    match config.memory_limit() {
        Some(bytes) => KeyValue::default().with_memory_max(bytes),
        None => KeyValue::default(),
    }
}
