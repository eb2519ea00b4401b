//! Tests of a node.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::dataflows::tara;
use crate::engine::ordering::messages::Promise;
use crate::model::app::Nothing;

fn node() -> Node<tara::Message, Promise> {
    let config = Config::new(ReplicaId(0), 3);
    Node::start(&config, None, Box::new(Nothing), tara::dataflow).unwrap()
}

#[test]
#[should_panic(expected = "nothing leaves before what it rests on is on the disk")]
fn what_a_turn_says_does_not_leave_before_the_turn_is_synced() {
    let mut node = node();
    node.turn().unwrap();
    node.release(node.synced + 1);
}

#[test]
#[should_panic(expected = "what is synced stays so")]
fn no_more_is_synced_than_there_was() {
    let mut node = node();
    node.synced = node.turn + 9;
    let _ = node.turn();
}

#[test]
#[should_panic(expected = "turns are in order")]
fn no_record_is_of_a_turn_to_come() {
    let mut node = node();
    node.kept_newest = node.turn + 9;
    let _ = node.turn();
}
