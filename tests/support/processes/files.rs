//! Files of replicas, and what is done to them.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// The files in a directory whose names begin so and that are complete, in the order of their
/// names.
pub fn named(directory: &Path, prefix: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let fits = |path: &PathBuf| {
        path.extension().is_none()
            && path.file_name().unwrap().to_str().unwrap().starts_with(prefix)
    };
    let mut paths: Vec<_> = entries.filter(fits).collect();
    paths.sort();
    paths
}

/// The last of them.
pub fn newest(directory: &Path, prefix: &str) -> PathBuf {
    named(directory, prefix).pop().unwrap()
}

/// Flips a bit of a file.
pub fn flip(file: &Path, at: u64) {
    let file = OpenOptions::new().read(true).write(true).open(file).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 4], at).unwrap();
}

/// Copies all files in a directory, and in those below it.
pub fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to),
            false => drop(fs::copy(entry.path(), to).unwrap()),
        }
    }
}
