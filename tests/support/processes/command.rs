//! The command, as a user gives it.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Output};

/// The command, without settings of the environment.
pub fn taraflow() -> Command {
    without_settings(env!("CARGO_BIN_EXE_taraflow"))
}

/// A program that reads the same settings, without those of the environment.
pub fn without_settings(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TARAFLOW_") {
            command.env_remove(name);
        }
    }
    command
}

/// The exit code of a command that has ended, and what it said on its two outputs.
pub fn told(output: Output) -> (Option<i32>, String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// Makes the files of a cluster, with further options for `cluster init`.
pub fn init(directory: &Path, options: &[&str]) {
    let mut command = taraflow();
    command.args(["cluster", "init", "--dir"]).arg(directory).args(options);
    let (code, _, said) = told(command.output().unwrap());
    assert_eq!(code, Some(0), "{said}");
}
