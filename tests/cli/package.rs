//! The package that ships: its dependencies and its symbols.

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

#[test]
fn what_ships_is_stripped_and_its_symbols_can_be_had() {
    let manifest = include_str!("../../Cargo.toml");
    let manifest: toml::Table = manifest.parse().unwrap();
    let profile = |name: &str| manifest["profile"][name].as_table().unwrap().clone();
    assert_eq!(profile("release")["strip"].as_str(), Some("debuginfo"));
    assert_eq!(profile("symbols")["inherits"].as_str(), Some("release"));
    assert_eq!(profile("symbols")["strip"].as_str(), Some("none"));
}
