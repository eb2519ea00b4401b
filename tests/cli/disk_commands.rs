//! `taraflow log` and `taraflow checkpoint` on a replica's data directory.

use std::path::{Path, PathBuf};
use std::process::Output;

use taraflow::disk::{Durable, Files, Identity, ProtocolName, Store};
use taraflow::engine::ordering::messages::{Promise, Proposal};
use taraflow::model::checkpoint::Cut;
use taraflow::model::types::{ReplicaId, Slot, View};

use crate::support::files::{flip, newest};
use crate::support::taraflow;

const OWNER: Identity =
    Identity { cluster: 0xabc, replica: ReplicaId(1), protocol: ProtocolName::of("tara") };

fn accepted(slot: u64) -> Durable<Promise> {
    let proposal = Proposal { view: View(3), slot: Slot(slot), value: Default::default() };
    Durable::Slot(Slot(slot), Promise::Accepted(proposal))
}

/// A directory in which a replica runs, and its store.
fn running(test: &str) -> (PathBuf, Store) {
    running_as(test, OWNER)
}

fn running_as(test: &str, owner: Identity) -> (PathBuf, Store) {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("disk-commands-{test}"));
    let _ = std::fs::remove_dir_all(&path);
    let mut files = Files::make(&path).unwrap();
    Store::create(&mut files, owner).unwrap();
    let (mut store, _) = Store::open::<Promise>(Box::new(files), owner).unwrap();
    store.write([Durable::Newest(Promise::Entered(View(3))), accepted(0), accepted(1)]).unwrap();
    store.sync().unwrap();
    let checkpoint = Cut::new(Slot(2), b"the state".to_vec());
    store.write([Durable::Checkpoint(checkpoint), accepted(2)]).unwrap();
    store.sync().unwrap();
    store.write([Durable::Forget(Slot(2)), accepted(3)]).unwrap();
    store.sync().unwrap();
    (path, store)
}

fn run(arguments: &[&str], directory: &Path) -> Output {
    taraflow().args(arguments).arg(directory).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn the_journal_of_a_running_replica_is_listed_record_by_record() {
    let (path, _store) = running("inspect");
    let output = run(&["log", "inspect", "-o", "json"], &path);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let lines: Vec<serde_json::Value> =
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kinds: Vec<&str> = lines.iter().map(|line| line["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["started", "follows", "entered", "accepted", "forgot", "accepted"]);
    assert_eq!((&lines[5]["slot"], &lines[5]["view"]), (&3.into(), &3.into()));
    let end = |line: &serde_json::Value| {
        line["offset"].as_u64().unwrap() + line["bytes"].as_u64().unwrap()
    };
    assert!(lines.windows(2).all(|pair| end(&pair[0]) == pair[1]["offset"].as_u64().unwrap()));

    let table = text(&run(&["log", "inspect"], &path).stdout);
    assert_eq!(table.lines().count(), 7, "{table}");
}

#[test]
fn a_record_that_is_being_written_is_no_damage() {
    let (path, _store) = running("writing");
    let file = newest(&path, "journal-");
    let bytes = std::fs::read(&file).unwrap();
    // The last record ends in a zero: it accepts nothing.
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 2;
    std::fs::write(&file, [&bytes[..end], &[9; 30], &bytes[end..]].concat()).unwrap();
    let output = run(&["log", "verify"], &path);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(
        text(&output.stdout).contains("replica 1 of cluster 0000000000000abc: 6 records in 1 file")
    );
}

#[test]
fn a_flip_in_a_record_is_named_with_file_and_offset() {
    let (path, store) = running("flip");
    drop(store);
    let file = newest(&path, "journal-");
    flip(&file, 60);
    let output = run(&["log", "verify"], &path);
    assert_eq!(output.status.code(), Some(7));
    let said = text(&output.stderr);
    let name = file.file_name().unwrap().to_str().unwrap();
    assert!(said.contains(name) && said.contains("is damaged at byte "), "{said}");
    assert!(said.contains("expected a record whose checksum fits"), "{said}");
}

#[test]
fn a_checkpoint_is_listed_with_what_was_written_for_it_and_where_the_rest_is() {
    let (path, _store) = running("listed");
    let table = text(&run(&["checkpoint", "list"], &path).stdout);
    let heads = "file slot age size new parts packs oldest pack digest";
    let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(table.lines().next().map(words).as_deref(), Some(heads), "{table}");
    assert!(words(&table).contains(" 159 B 9 B 1 1 2 "), "{table}");

    let listed = text(&run(&["checkpoint", "list", "-o", "json"], &path).stdout);
    let line: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!((&line["slot"], &line["new_bytes"]), (&2.into(), &9.into()));
    assert_eq!((&line["parts"], &line["packs"]), (&1.into(), &1.into()));
    assert_eq!(line["oldest_pack"], 2);
    assert!(line["bytes"].as_u64() > Some(9) && line["age_ms"].as_u64() < Some(600_000), "{line}");
    assert_eq!(line["digest"].as_str().map(str::len), Some(64));
}

#[test]
fn a_flip_in_a_checkpoint_is_named_and_the_journal_that_needs_it_is_not_whole() {
    let (path, _store) = running("checkpoint");
    let listed = text(&run(&["checkpoint", "list"], &path).stdout);
    assert!(listed.contains("checkpoint-0000000000000002") && listed.lines().count() == 2);
    assert!(run(&["checkpoint", "verify"], &path).status.success());

    let file = newest(&path, "checkpoint-");
    flip(&file, std::fs::metadata(&file).unwrap().len() - 1);
    let output = run(&["checkpoint", "verify"], &path);
    assert_eq!(output.status.code(), Some(7));
    assert!(text(&output.stderr).contains("expected a table whose digest is"));
    assert_eq!(run(&["log", "verify"], &path).status.code(), Some(7));
}

#[test]
fn a_checkpoint_of_another_replica_is_no_checkpoint_of_this_one() {
    let (path, _store) = running("own");
    let (other, _other) = running_as("foreign", Identity { replica: ReplicaId(0), ..OWNER });
    std::fs::copy(newest(&other, "checkpoint-"), newest(&path, "checkpoint-")).unwrap();
    let output = run(&["checkpoint", "verify"], &path);
    assert_eq!(output.status.code(), Some(7));
    let said = text(&output.stderr);
    assert!(
        said.contains("a file of replica 1 of cluster 0000000000000abc, found a file of replica 0"),
        "{said}"
    );
}

#[test]
fn verdicts_are_objects_for_programs() {
    let (path, _store) = running("objects");
    let verdict = |what: &str, code: i32| -> serde_json::Value {
        let output = run(&[what, "verify", "-o", "json"], &path);
        assert_eq!(output.status.code(), Some(code), "{}", text(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let journal = verdict("log", 0);
    assert_eq!((&journal["sound"], &journal["records"]), (&true.into(), &6.into()));
    assert_eq!(verdict("checkpoint", 0)["checkpoints"], 1);

    let file = newest(&path, "checkpoint-");
    flip(&file, std::fs::metadata(&file).unwrap().len() - 1);

    assert_eq!(verdict("log", 7)["sound"], false);
    let damaged = verdict("checkpoint", 7);
    assert_eq!(damaged["sound"], false);
    assert!(damaged["error"].as_str().unwrap().contains("expected a table"), "{damaged}");
}

#[test]
fn a_directory_of_something_else_is_a_mistake_of_who_names_it() {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("disk-commands-empty");
    std::fs::create_dir_all(&path).unwrap();
    for what in ["log", "checkpoint"] {
        for place in [path.clone(), path.join("missing")] {
            let output = run(&[what, "verify"], &place);
            assert_eq!(output.status.code(), Some(2));
            let said = text(&output.stderr);
            assert!(said.contains(place.to_str().unwrap()), "{said}");
        }
    }
}

#[test]
fn data_without_its_journal_or_the_checkpoint_that_the_journal_needs_is_not_sound() {
    let verify = |what: &str, path: &Path| {
        let output = run(&[what, "verify"], path);
        (output.status.code(), text(&output.stderr))
    };
    let (path, store) = running("without-checkpoint");
    drop(store);
    std::fs::remove_file(newest(&path, "checkpoint-")).unwrap();
    let (code, said) = verify("checkpoint", &path);
    assert_eq!(code, Some(7), "{said}");
    assert!(said.contains("expected a sound checkpoint of all slots below 2"), "{said}");

    std::fs::write(newest(&path, "journal-"), []).unwrap();
    let (code, said) = verify("log", &path);
    assert_eq!(code, Some(7), "{said}");
    assert!(said.contains("journal-0000000000000002 is damaged at byte 0"), "{said}");

    std::fs::remove_file(newest(&path, "journal-")).unwrap();
    let (code, said) = verify("log", &path);
    assert_eq!(
        (code, &*said),
        (Some(7), "taraflow: there is no journal beside parts-0000000000000002\n")
    );
}
