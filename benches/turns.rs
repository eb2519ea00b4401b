//! The cost of a turn of one Tara replica, in processor time, by how closely it is watched: nothing
//! to do but the tick, one request, a full batch.
//!
//! The replica leads a cluster of three whose followers exist only as their votes. A request takes
//! the leader three turns: it proposes, hears votes, and has executed.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "a bench reads the clock")]

use std::sync::OnceLock;
use std::time::Instant;

use taraflow::dataflows::tara::{self, Commit, Message};
use taraflow::engine::node::Node;
use taraflow::engine::ordering::messages::Promise;
use taraflow::engine::replica::Outgoing;
use taraflow::kv::resp::write_command;
use taraflow::kv::service::KeyValue;
use taraflow::model::batch::{Packer, Request, Requests};
use taraflow::model::clock::Clock;
use taraflow::model::config::Config;
use taraflow::model::types::{ClientId, ReplicaId, To};
use taraflow::observe::frame::Level;
use taraflow::observe::monitor::Monitor;

const ROUNDS: u32 = 20_000;

fn main() {
    println!("| watched | turn                       | us     | us/request |");
    println!("|---------|----------------------------|--------|------------|");
    for level in [Level::Off, Level::Basic, Level::Full] {
        let mut leader = Leader::start(level);
        let level = format!("{level:?}");
        let mut now = 1_000;
        let idle = timed(ROUNDS, || {
            now += 10;
            leader.node.tick(now);
            leader.turn();
        });
        println!("| {level:7} | the tick, nothing else     | {idle:6.2} |            |");
        for (requests, rounds) in [(1, ROUNDS), (100, ROUNDS / 4), (4096, ROUNDS / 100)] {
            let mut turns = 0;
            let round = timed(rounds, || turns += leader.round(requests));
            let turns = f64::from(turns) / f64::from(rounds);
            let each = round / f64::from(requests);
            println!(
                "| {level:7} | {requests:4} requests, {turns:.1} turns   | {:6.2} | {each:10.3} |",
                round / turns
            );
            println!("| {level:7} |   all of them              | {round:6.2} |            |");
        }
    }
}

/// Microseconds of processor time a call.
fn timed(rounds: u32, mut work: impl FnMut()) -> f64 {
    for _ in 0..rounds / 10 {
        work();
    }
    let start = processor_us();
    for _ in 0..rounds {
        work();
    }
    (processor_us() - start) / f64::from(rounds)
}

/// How long this thread has run, in microseconds; where the system does not say, the time it is.
fn processor_us() -> f64 {
    let times = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let running = times.split(' ').next().and_then(|ns| ns.parse::<f64>().ok());
    static START: OnceLock<Instant> = OnceLock::new();
    running.map_or_else(
        || START.get_or_init(Instant::now).elapsed().as_secs_f64() * 1e6,
        |ns| ns / 1e3,
    )
}

struct Leader {
    node: Node<Message, Promise>,
    number: u64,
    outgoing: Outgoing<Message>,
    own: Vec<Message>,
}

impl Leader {
    fn start(level: Level) -> Self {
        let mut config = Config::new(ReplicaId(0), 3);
        config.client_window = 1 << 20;
        let protocol = tara::PROTOCOL;
        let clock = Clock::start();
        let (worker, observer) = Monitor::of_new_worker(level, &config, protocol, clock);
        let application = Box::new(KeyValue::default());
        let node = Node::start_on(worker, &config, None, application, protocol.dataflow);
        let mut node = node.expect("it starts");
        if let Some(observer) = observer {
            observer.watch(&mut node, protocol.step);
        }
        let (number, outgoing, own) = (0, Outgoing::default(), Vec::new());
        let mut leader = Self { node, number, outgoing, own };
        let mut packer = Packer::default();
        let client = ClientId(0);
        packer.push(Request { client, number: 0, acknowledged: 0, command: b"" });
        leader.execute(packer.finish());
        leader
    }

    fn round(&mut self, requests: u32) -> u32 {
        let mut packer = Packer::default();
        let mut command = Vec::new();
        let acknowledged = self.number;
        for _ in 0..requests {
            self.number += 1;
            command.clear();
            let key = format!("key:{:06}", self.number % 10_000);
            let words = [&b"SET"[..], key.as_bytes(), b"sixteen bytes...."];
            write_command(words.into_iter(), &mut command);
            let (client, number) = (ClientId(0), self.number);
            packer.push(Request { client, number, acknowledged, command: &command });
        }
        self.execute(packer.finish())
    }

    /// Proposes a batch and turns until its replies are there; answers how many turns that took.
    fn execute(&mut self, requests: Requests) -> u32 {
        self.node.submit(requests, 0);
        let mut turns = 0;
        loop {
            self.turn();
            turns += 1;
            self.own.clear();
            let mut votes: Vec<Message> = Vec::new();
            for (to, message) in self.outgoing.messages.drain(..) {
                match &message {
                    Message::Propose(proposal) => {
                        let (view, slot) = (proposal.view, proposal.slot);
                        votes.push(Message::Commit(Commit { view, slot }));
                    }
                    // Checkpoints must become stable, or the window closes.
                    Message::Report(report) => votes.push(Message::Report(*report)),
                    _ => {}
                }
                if to == To::All {
                    self.own.push(message);
                }
            }
            let answered = !self.outgoing.replies.is_empty();
            self.outgoing.replies.clear();
            self.node.deliver(ReplicaId(0), self.own.drain(..));
            for peer in [1, 2] {
                self.node.deliver(ReplicaId(peer), votes.clone());
            }
            if answered {
                return turns;
            }
            assert!(turns < 10, "a slot is decided within a few turns");
        }
    }

    fn turn(&mut self) {
        self.node.turn().expect("no disk, no failure");
        self.outgoing = self.node.take_ready();
        self.node.take_events();
    }
}
