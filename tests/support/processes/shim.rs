//! Disks that fail and fill up, put under a replica by the loader.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::nodes::Nodes;

/// The library that makes disks fail.
pub struct Shim {
    home: TempDir,
}

impl Shim {
    /// Compiles it; nothing where there is no C compiler, with the reason said.
    pub fn build() -> Option<Self> {
        let home = tempfile::tempdir().unwrap();
        let source =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/processes/faulty_disk.c");
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-O1", "-o"]).arg(Self::library(home.path())).arg(source);
        match cc.arg("-ldl").output() {
            Err(error) => {
                eprintln!("skipped: no C compiler to make a disk that fails with: {error}");
                None
            }
            Ok(output) => {
                assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
                Some(Self { home })
            }
        }
    }

    fn library(home: &Path) -> PathBuf {
        home.join("faulty_disk.so")
    }

    /// Starts replica `index` on a disk that is full while [`Shim::fill`] says so, slow while
    /// [`Shim::slow`] does, and whose `count`-th sync fails, if any does.
    pub fn start(&self, nodes: &mut Nodes, index: usize, count: Option<u64>) {
        let mut command = nodes.command(index);
        command.env("LD_PRELOAD", Self::library(self.home.path()));
        command.env("FULL_WHILE", self.mark("full", index));
        command.env("SLOW_WHILE", self.mark("slow", index));
        command.envs(count.map(|count| ("FAIL_SYNC", count.to_string())));
        nodes.run(index, command);
    }

    /// Leaves the disk of replica `index` without room, or gives it back.
    pub fn fill(&self, index: usize, is_full: bool) {
        set(&self.mark("full", index), is_full);
    }

    /// Lets every sync of the disk of replica `index` take a quarter of a second, or no longer.
    pub fn slow(&self, index: usize, is_slow: bool) {
        set(&self.mark("slow", index), is_slow);
    }

    fn mark(&self, what: &str, index: usize) -> PathBuf {
        self.home.path().join(format!("{what}-{index}"))
    }
}

/// Makes a file, or removes it.
fn set(mark: &Path, is_set: bool) {
    if is_set {
        File::create(mark).unwrap();
    } else {
        fs::remove_file(mark).unwrap();
    }
}
