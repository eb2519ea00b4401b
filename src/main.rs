//! The `taraflow` command.

use std::process::ExitCode;

use taraflow::kv::service::KeyValue;

fn main() -> ExitCode {
    taraflow::run(KeyValue::default)
}
