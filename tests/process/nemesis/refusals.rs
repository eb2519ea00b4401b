//! Directories a replica must not start from.

use std::fs;
use std::path::Path;

use crate::support::files::{copy, flip, named, newest};
use crate::support::nodes::{Nodes, REPLICAS};
use crate::support::redis::RedisConnection;
use crate::support::{taraflow, wait_until};

/// Writes through replica 0, enough for some checkpoints.
fn work(nodes: &Nodes) {
    let mut redis = RedisConnection::to(nodes.clients(0)).patient();
    for number in 0..60 {
        assert!(redis.ask(&["SET", &format!("key:{number}"), "value"]).is_some());
    }
}

fn wipe(directory: &Path) {
    fs::remove_dir_all(directory).unwrap();
    fs::create_dir(directory).unwrap();
}

/// Starts replica `index`, which has to refuse; what it says about that.
fn refusal(nodes: &mut Nodes, index: usize, code: i32) -> String {
    let before = nodes.log(index).len();
    nodes.start(index);
    let status = nodes.wait(index);
    let said = nodes.log(index)[before..].to_owned();
    assert_eq!(status.code(), Some(code), "{said}");
    said
}

#[test]
fn a_replica_with_an_empty_directory_or_that_of_another_refuses_to_start() {
    let mut nodes = Nodes::start_all(false, 16);
    work(&nodes);
    nodes.kill(2);
    let kept = nodes.directory().join("kept");
    fs::rename(nodes.data(2), &kept).unwrap();
    fs::create_dir(nodes.data(2)).unwrap();

    let said = refusal(&mut nodes, 2, 7);
    assert!(said.contains("its disk holds no journal"), "{said}");

    copy(&nodes.data(1), &nodes.data(2));
    let said = refusal(&mut nodes, 2, 7);
    assert!(said.contains("holds the data of replica 1 of cluster"), "{said}");
    assert!(said.contains("the settings are those of replica 2 of cluster"), "{said}");

    let other = Nodes::make(true, 16);
    wipe(&nodes.data(2));
    copy(&other.data(2), &nodes.data(2));
    let said = refusal(&mut nodes, 2, 7);
    assert!(said.contains("holds the data of replica 2 of cluster"), "{said}");

    nodes.all_serve();
    fs::remove_dir_all(nodes.data(2)).unwrap();
    fs::rename(kept, nodes.data(2)).unwrap();
    nodes.start(2);
    nodes.all_serve();
    nodes.all_agree();
}

#[test]
fn two_processes_cannot_be_the_same_replica() {
    let nodes = Nodes::start_all(true, 16);

    let mut second = taraflow();
    second.args(["node", "--config"]).arg(nodes.data(1).with_file_name("node.toml"));
    for port in ["links", "clients", "admin"] {
        second.args(["--set", &format!("listen.{port}=127.0.0.1:0")]);
    }
    let output = second.output().unwrap();

    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("is in use by process"), "{said}");
    assert!(nodes.serves(1));
}

/// Flips a bit in the newest of the replica's files that begin with `prefix`, so many sixteenths
/// into what it holds, and starts it. Says whether it refused; where it does not, it must come to
/// be where the others are.
fn is_refused(nodes: &mut Nodes, prefix: &str, sixteenths: u64) -> bool {
    let file = newest(&nodes.data(2), prefix);
    let held = fs::read(&file).unwrap().iter().rposition(|byte| *byte != 0).unwrap();
    let at = held as u64 * sixteenths / 16;
    flip(&file, at);
    let before = nodes.log(2).len();
    nodes.start(2);
    wait_until("it starts or refuses", || nodes.has_ended(2).is_some() || nodes.serves(2));
    if nodes.has_ended(2).is_none() {
        nodes.all_agree();
        assert!(nodes.end(2).success());
        return false;
    }
    let status = nodes.wait(2);
    let said = nodes.log(2)[before..].to_owned();
    assert_eq!(status.code(), Some(7), "{said}");
    let name = file.file_name().unwrap().to_str().unwrap();
    assert!(said.contains(&format!("{name} is damaged at byte ")), "{said}");
    flip(&file, at);
    true
}

#[test]
fn a_flipped_bit_is_refused_or_does_no_harm() {
    let mut nodes = Nodes::start_all(true, 16);
    work(&nodes);
    wait_until("a checkpoint is saved", || !named(&nodes.data(2), "checkpoint-").is_empty());
    assert!(nodes.end(2).success());

    let mut refused = [0, 0];
    for sixteenths in [0, 1, 5, 15, 16] {
        for (prefix, count) in ["journal-", "checkpoint-"].iter().zip(&mut refused) {
            *count += usize::from(is_refused(&mut nodes, prefix, sixteenths));
            assert!((0..2).all(|index| nodes.serves(index)));
        }
    }

    eprintln!("of 5 flips each, refused in journals and checkpoints: {refused:?}");
    assert!(refused[0] > 0 && refused[1] > 0, "{refused:?}");
    nodes.start(2);
    nodes.all_agree();
    assert_eq!((0..REPLICAS).filter(|index| nodes.serves(*index)).count(), REPLICAS);
}
