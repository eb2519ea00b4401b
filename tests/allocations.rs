//! Allocations of agreement, which do not depend on how many requests a batch holds.
//!
//! A program of its own: its allocator counts for all of it, whatever runs beside.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/lockstep.rs"]
mod lockstep;

use lockstep::{Director, Lockstep, TaraNode, batch};
use taraflow::dataflows::tara::dataflow;
use taraflow::engine::node::Node;
use taraflow::model::app::Nothing;
use taraflow::model::batch::{Replies, Requests};
use taraflow::model::config::Config;
use taraflow::model::types::{ClientId, ReplicaId};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

/// Counts replies.
#[derive(Default)]
struct Counting {
    replies: usize,
}

impl Director for Counting {
    fn on_replies(&mut self, _at: ReplicaId, replies: &Replies) {
        self.replies += replies.len();
    }
}

/// Three replicas in memory.
fn start() -> Lockstep<Counting> {
    let start = |me| -> Option<TaraNode> {
        let config = Config::new(ReplicaId(me), 3);
        Some(Node::start(&config, None, Box::new(Nothing), dataflow).unwrap())
    };
    Lockstep { nodes: (0..3).map(start).collect(), director: Counting::default() }
}

/// Has one batch proposed by a follower, and lets all work until nobody has anything to send.
fn agree(trio: &mut Lockstep<Counting>, requests: Requests) {
    trio.nodes[1].as_mut().unwrap().submit(requests, 1);
    trio.settle();
}

/// Requests of sixteen bytes, each of a connection of its own, as a busy Redis port packs them.
fn requests(count: u64) -> Requests {
    batch((0..count).map(|number| (ClientId::of_line(number), 1, &b"0123456789abcdef"[..])))
}

/// Allocations while three replicas agree on one batch of `count` requests and execute it.
fn allocations(trio: &mut Lockstep<Counting>, count: u64) -> u64 {
    let (requests, before) = (requests(count), trio.director.replies);
    let blocks = dhat::HeapStats::get().total_blocks;
    agree(trio, requests);
    let blocks = dhat::HeapStats::get().total_blocks - blocks;
    assert_eq!((trio.director.replies - before) as u64, count, "all are answered");
    blocks
}

#[test]
fn a_request_costs_no_allocation_on_its_way_through_three_replicas() {
    let _profiler = dhat::Profiler::builder().testing().build();
    let mut trio = start();
    // Until buffers have their sizes.
    for _ in 0..20 {
        agree(&mut trio, requests(4096));
    }

    let (few, many) = (allocations(&mut trio, 4), allocations(&mut trio, 4096));

    println!("{few} allocations for 4 requests, {many} for 4,096");
    // Replies grow by doubling: ten times, in each of their columns.
    assert!(many <= few + 60, "{few} allocations for 4 requests, {many} for 4,096");
}
