//! JSON answers of a node, against the schema that it gives for them.

use std::process::Command;

use crate::support::http::get;
use crate::support::{Cluster, told, wait_until};

#[test]
#[ignore = "needs python3 with the package jsonschema; `cargo test --test observe -- --ignored schema`"]
fn what_a_node_answers_follows_the_schema_it_gives() {
    let cluster = Cluster::start(3, &["--set", "observe=full"]);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/observe/schema.py");
    wait_until("each replica knows of the others", || {
        get(cluster.admin(0), "/v1/scene").matches("\"operators\":").count() == 3
    });

    let mut python = Command::new("python3");
    let (code, out, said) =
        told(python.arg(script).arg(cluster.admin(0).to_string()).output().unwrap());

    assert_eq!(code, Some(0), "{out}{said}");
    println!("{out}");
}
