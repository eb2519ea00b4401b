//! What agreement allocates does not depend on how many requests a batch holds.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test fails by panicking")]

use taraflow::dataflows::tara::{Message, Promise, dataflow};
use taraflow::engine::node::Node;
use taraflow::model::app::Nothing;
use taraflow::model::batch::{Packer, Request, Requests};
use taraflow::model::config::Config;
use taraflow::model::types::{ClientId, ReplicaId, To};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

/// Three replicas in memory, and what they have said to each other.
struct Trio {
    nodes: Vec<Node<Message, Promise>>,
    replies: usize,
}

impl Trio {
    fn start() -> Self {
        let start = |me| {
            let config = Config::new(ReplicaId(me), 3);
            Node::start(&config, None, Box::new(Nothing), dataflow).unwrap()
        };
        Self { nodes: (0..3).map(start).collect(), replies: 0 }
    }

    /// Has one batch proposed by a follower, and lets all work until nobody has anything to say.
    fn agree(&mut self, requests: Requests) {
        self.nodes[1].replica().submit(requests, 1);
        let mut moved = true;
        while moved {
            moved = false;
            for from in 0..3 {
                self.nodes[from].turn().unwrap();
                let said = self.nodes[from].take_ready();
                self.nodes[from].take_events();
                self.replies += said.replies.iter().map(|replies| replies.len()).sum::<usize>();
                let from = ReplicaId(from as u16);
                for (to, message) in said.messages {
                    moved = true;
                    self.deliver(from, to, message);
                }
            }
        }
    }

    fn deliver(&mut self, from: ReplicaId, to: To, message: Message) {
        for peer in to.replicas(from, 3) {
            self.nodes[usize::from(peer.0)].replica().deliver(from, [message.clone()]);
        }
    }
}

/// Requests of sixteen bytes, each of a line of its own, as a busy Redis port packs them.
fn batch(count: u64) -> Requests {
    let mut packer = Packer::default();
    for line in 0..count {
        let client = ClientId::of_line(line);
        packer.push(Request { client, number: 1, acknowledged: 0, command: b"0123456789abcdef" });
    }
    packer.finish()
}

/// Allocations while three replicas agree on one batch of `count` requests and execute it.
fn allocations(trio: &mut Trio, count: u64) -> u64 {
    let (requests, before) = (batch(count), trio.replies);
    let blocks = dhat::HeapStats::get().total_blocks;
    trio.agree(requests);
    let blocks = dhat::HeapStats::get().total_blocks - blocks;
    assert_eq!((trio.replies - before) as u64, count, "all are answered");
    blocks
}

#[test]
fn a_request_costs_no_allocation_on_its_way_through_three_replicas() {
    let _profiler = dhat::Profiler::builder().testing().build();
    let mut trio = Trio::start();
    // Until buffers have their sizes.
    for _ in 0..20 {
        trio.agree(batch(4096));
    }

    let (few, many) = (allocations(&mut trio, 4), allocations(&mut trio, 4096));

    println!("{few} allocations for 4 requests, {many} for 4,096");
    // Replies grow by doubling: ten times, in each of their columns.
    assert!(many <= few + 60, "{few} allocations for 4 requests, {many} for 4,096");
}
