//! Behaviour that all disks share: memory, the simulator's, and a directory.

use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use taraflow::disk::{Disk, Files, MemoryDisk};
use taraflow::hosts::simulation::FaultyDisk;
use taraflow::model::error::Error;

/// An empty directory for one test.
fn directory(test: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("disks-{test}"));
    let _ = std::fs::remove_dir_all(&path);
    path
}

/// Has each kind of disk pass the same test.
fn on_each(test: &str, check: fn(&mut dyn Disk)) {
    check(&mut MemoryDisk::default());
    check(&mut FaultyDisk::default());
    check(&mut Files::make(&directory(test)).unwrap());
}

fn is_missing<T: std::fmt::Debug>(outcome: std::io::Result<T>) -> bool {
    outcome.is_err_and(|error| error.kind() == ErrorKind::NotFound)
}

#[test]
fn a_new_disk_is_empty() {
    on_each("empty", |disk| assert!(disk.list().unwrap().is_empty()));
}

#[test]
fn what_is_appended_is_read_in_order() {
    on_each("append", |disk| {
        disk.append("journal-1", b"one").unwrap();
        disk.append("other", b"").unwrap();
        disk.append("journal-1", b" two").unwrap();
        assert_eq!(disk.read("journal-1").unwrap(), b"one two");
        assert_eq!(disk.read("other").unwrap(), b"");
        assert_eq!(disk.list().unwrap(), ["journal-1", "other"]);
    });
}

#[test]
fn a_cut_file_goes_on_where_it_was_cut() {
    on_each("cut", |disk| {
        disk.append("file", b"one two").unwrap();
        disk.truncate("file", 4).unwrap();
        disk.truncate("file", 100).unwrap();
        assert_eq!(disk.read("file").unwrap(), b"one ");
        disk.append("file", b"three").unwrap();
        assert_eq!(disk.read("file").unwrap(), b"one three");
    });
}

#[test]
fn blocks_that_are_ready_are_no_part_of_a_file() {
    on_each("ready", |disk| {
        disk.append("file", b"one").unwrap();
        disk.prepare("file", 5_000).unwrap();
        disk.prepare("file", 9_000).unwrap();
        assert_eq!(disk.read("file").unwrap(), b"one");
        disk.append("file", b" two").unwrap();
        disk.sync("file").unwrap();
        assert_eq!(disk.read("file").unwrap(), b"one two");
        disk.truncate("file", 7).unwrap();
        assert_eq!(disk.read("file").unwrap(), b"one two");
        disk.append("file", b"!").unwrap();
        assert_eq!(disk.read("file").unwrap(), b"one two!");
    });
}

#[test]
fn a_renamed_file_takes_the_place_of_another_and_can_grow() {
    on_each("rename", |disk| {
        disk.append("new", b"new").unwrap();
        disk.append("file", b"old").unwrap();
        disk.rename("new", "file").unwrap();
        disk.append("file", b"er").unwrap();
        disk.sync("file").unwrap();
        disk.sync_names().unwrap();
        assert_eq!(disk.list().unwrap(), ["file"]);
        assert_eq!(disk.read("file").unwrap(), b"newer");
    });
}

#[test]
fn a_removed_file_is_gone_and_its_name_free() {
    on_each("remove", |disk| {
        disk.append("file", b"old").unwrap();
        disk.remove("file").unwrap();
        disk.sync_names().unwrap();
        assert!(disk.list().unwrap().is_empty() && is_missing(disk.read("file")));
        disk.append("file", b"new").unwrap();
        assert_eq!(disk.read("file").unwrap(), b"new");
    });
}

#[test]
fn only_appending_makes_a_file() {
    on_each("missing", |disk| {
        assert!(is_missing(disk.read("file")));
        assert!(is_missing(disk.truncate("file", 0)));
        assert!(is_missing(disk.prepare("file", 1)));
        assert!(is_missing(disk.sync("file")));
        assert!(is_missing(disk.rename("file", "other")));
        assert!(is_missing(disk.remove("file")));
        assert!(disk.list().unwrap().is_empty());
    });
}

#[test]
fn a_directory_is_for_one_process_and_one_user() {
    let path = directory("lock").join("made/with/parents");
    let mut files = Files::make(&path).unwrap();
    files.append("file", b"text").unwrap();
    let refused = Files::open(&path).unwrap_err();
    assert!(matches!(refused, Error::Locked { .. }), "{refused}");
    let text = refused.to_string();
    assert!(text.contains(&format!("by process {}", std::process::id())), "{text}");
    assert!(text.contains("made/with/parents"), "{text}");
    let mode = |name: &str| std::fs::metadata(path.join(name)).unwrap().permissions().mode();
    assert_eq!(
        (mode("") & 0o777, mode("file") & 0o777, mode("lock") & 0o777),
        (0o700, 0o600, 0o600)
    );

    let mut looking = Files::look(&path).unwrap();
    assert_eq!(looking.read("file").unwrap(), b"text");
    let refused = looking.append("file", b"more").unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ReadOnlyFilesystem);
    assert!(looking.remove("file").is_err() && looking.rename("file", "other").is_err());

    drop(files);
    assert_eq!(Files::open(&path).unwrap().list().unwrap(), ["file"]);
}

#[test]
fn a_discarded_file_has_no_name_on_any_disk() {
    on_each("discarded", |disk| {
        disk.append("file", b"text").unwrap();
        disk.discard("file").unwrap();
        assert!(is_missing(disk.read("file")) && is_missing(disk.discard("file")));
        disk.append("file", b"new").unwrap();
        while disk.sweep(1).unwrap() > 0 {}
        assert!(!disk.has_discarded());
        assert_eq!(disk.read("file").unwrap(), b"new");
    });
}

#[test]
fn the_bytes_of_a_discarded_file_stay_while_somebody_keeps_them_and_go_piece_by_piece() {
    let mut files = Files::make(&directory("swept")).unwrap();
    files.append("file", &[7; 10_000]).unwrap();
    let source = files.source("file").unwrap();
    let kept = Arc::clone(&source).keep().unwrap();
    files.discard("file").unwrap();

    assert_eq!((files.sweep(4_000).unwrap(), files.has_discarded()), (0, true));
    let mut room = [0; 10_000];
    kept.read_at(0, &mut room).unwrap();
    assert_eq!(room, [7; 10_000]);
    assert!(is_missing(source.read_at(0, &mut room)) && is_missing(source.keep().map(drop)));

    drop(kept);
    let given: Vec<u64> = (0..4).map(|_| files.sweep(4_000).unwrap()).collect();
    assert_eq!((given, files.has_discarded()), (vec![4_000, 4_000, 2_000, 0], false));
}

#[test]
fn after_a_kill_blocks_that_were_ready_are_found_as_zeros() {
    let path = directory("zeros");
    let mut files = Files::make(&path).unwrap();
    files.append("file", b"text").unwrap();
    files.prepare("file", 1_000).unwrap();
    drop(files);
    let mut files = Files::open(&path).unwrap();
    assert_eq!(files.read("file").unwrap(), [&b"text"[..], &[0; 1_000]].concat());
    files.truncate("file", 4).unwrap();
    assert_eq!(std::fs::read(path.join("file")).unwrap(), b"text");
}
