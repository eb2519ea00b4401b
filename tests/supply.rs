//! What ships, and what must not.
#![allow(clippy::unwrap_used)]

use std::process::Command;

/// The packages that the package `taraflow` is built from, tests and benches left out.
fn shipped() -> String {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--package", "taraflow", "--edges", "normal,build", "--prefix", "none"])
        .args(["--all-features", "--target", "all", "--locked"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    String::from_utf8(tree.stdout).unwrap()
}

#[test]
fn no_shipped_target_depends_on_abomonation() {
    let shipped = shipped();
    assert!(shipped.lines().any(|line| line.starts_with("timely ")), "{shipped}");
    assert!(!shipped.contains("abomonation"), "{shipped}");
}
