//! The `taraflow` command.

fn main() {}
