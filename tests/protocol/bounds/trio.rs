//! Three replicas with disks in lock step, to which a test gives commands, time and links as it
//! likes.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use taraflow::dataflows::tara::{Message, dataflow, message_weight};
use taraflow::disk::{Disk, Identity, MemoryDisk, ProtocolName, Store};
use taraflow::engine::node::Node;
use taraflow::model::app::{At, Damaged, StateMachine};
use taraflow::model::batch::Requests;
use taraflow::model::config::Config;
use taraflow::model::types::{ClientId, Millis, ReplicaId};

use crate::lockstep::{Director, Lockstep, Passing, TaraNode, batch};

pub const CLUSTER: u64 = 7;

fn owner(replica: ReplicaId) -> Identity {
    Identity { cluster: CLUSTER, replica, protocol: ProtocolName::of("tara") }
}

/// A message that was sent to another replica, whether it has arrived or not.
#[derive(Clone, Debug)]
pub struct Sent {
    pub at: Millis,
    pub to: u16,
    pub message: Message,
}

impl Sent {
    /// Near enough what it takes on a link.
    pub fn bytes(&self) -> usize {
        message_weight(&self.message)
    }
}

/// Keeps every command it is given, one behind the other, and says that each byte is so many.
struct Keeping(Rc<RefCell<Vec<u8>>>, u64);

impl StateMachine for Keeping {
    fn apply(&mut self, _at: At, command: &[u8], _reply: &mut Vec<u8>) {
        self.0.borrow_mut().extend_from_slice(command);
    }

    fn snapshot(&self) -> Vec<u8> {
        self.0.borrow().clone()
    }

    fn bytes(&self) -> u64 {
        self.1 * self.0.borrow().len() as u64
    }

    fn restore(&mut self, snapshot: &[u8]) -> Result<(), Damaged> {
        *self.0.borrow_mut() = snapshot.to_vec();
        Ok(())
    }
}

/// What the test has said, and what was sent since it asked last.
struct Script {
    now: Millis,
    /// The batches for which a replica has no room yet.
    waiting: [VecDeque<Requests>; 3],
    arrives: fn(&Sent) -> bool,
    sent: Vec<Sent>,
}

impl Director for Script {
    fn works(&mut self, at: ReplicaId, node: &mut TaraNode) -> bool {
        let waiting = &mut self.waiting[usize::from(at.0)];
        while node.replica().room() > 0
            && let Some(requests) = waiting.pop_front()
        {
            node.submit(requests, self.now);
        }
        true
    }

    fn arrives(&mut self, passing: &Passing) -> bool {
        let Passing { from, to, message } = passing;
        if from == to {
            return true;
        }
        self.sent.push(Sent { at: self.now, to: to.0, message: message.clone() });
        self.sent.last().is_some_and(self.arrives)
    }
}

/// Three replicas, their disks, and what each has executed.
pub struct Trio {
    config: Config,
    lockstep: Lockstep<Script>,
    states: [Rc<RefCell<Vec<u8>>>; 3],
    pub disks: [MemoryDisk; 3],
    submitted: u64,
    command_bytes: usize,
    weight: u64,
}

impl Trio {
    /// Three that have just started, with batches of one command of so many bytes.
    pub fn start(config: Config, command_bytes: usize) -> Self {
        Self::weighing(config, command_bytes, 0)
    }

    /// The same, with a state that says it has `weight` times the bytes it has.
    pub fn weighing(config: Config, command_bytes: usize, weight: u64) -> Self {
        config.check().unwrap();
        let script =
            Script { now: 0, waiting: Default::default(), arrives: |_| true, sent: Vec::new() };
        let mut trio = Self {
            config,
            lockstep: Lockstep { nodes: (0..3).map(|_| None).collect(), director: script },
            states: Default::default(),
            disks: Default::default(),
            submitted: 0,
            command_bytes,
            weight,
        };
        for (replica, disk) in (0..).map(ReplicaId).zip(&mut trio.disks) {
            Store::create(disk, owner(replica)).unwrap();
        }
        (0..3).for_each(|index| trio.revive(index));
        trio.pass(100);
        trio
    }

    /// Starts a replica from its disk.
    pub fn revive(&mut self, index: u16) {
        let config = Config { me: ReplicaId(index), ..self.config.clone() };
        let index = usize::from(index);
        let disk: Box<dyn Disk> = Box::new(self.disks[index].clone());
        self.states[index] = Rc::default();
        let application = Box::new(Keeping(Rc::clone(&self.states[index]), self.weight));
        let disk = Some((disk, owner(config.me)));
        let node = Node::start(&config, disk, application, dataflow).unwrap();
        self.lockstep.nodes[index] = Some(node);
    }

    /// Ends a replica, with all it has not written.
    pub fn kill(&mut self, index: u16) {
        self.lockstep.nodes[usize::from(index)] = None;
        self.lockstep.director.waiting[usize::from(index)].clear();
    }

    /// Chooses the messages between two replicas that arrive from now on; at first all do.
    pub fn deliver_if(&mut self, arrives: fn(&Sent) -> bool) {
        self.lockstep.director.arrives = arrives;
    }

    /// Gives a replica batches of one command each, numbered on; those for which it has no room
    /// wait.
    pub fn submit(&mut self, index: u16, count: usize) {
        for _ in 0..count {
            let mut command = self.submitted.to_le_bytes().to_vec();
            command.resize(self.command_bytes, 0);
            self.submitted += 1;
            let requests = batch([(ClientId::of_line(1), self.submitted, &command[..])]);
            self.lockstep.director.waiting[usize::from(index)].push_back(requests);
        }
        self.lockstep.settle();
    }

    /// Lets time pass.
    pub fn pass(&mut self, ms: Millis) {
        let until = self.now() + ms;
        while self.now() < until {
            self.lockstep.director.now += self.config.tick_ms;
            let now = self.now();
            for node in self.lockstep.nodes.iter_mut().flatten() {
                node.tick(now);
            }
            self.lockstep.settle();
        }
    }

    fn now(&self) -> Millis {
        self.lockstep.director.now
    }

    /// Lets time pass until something holds, for a minute at most.
    pub fn until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
        let end = self.now() + 60_000;
        while !holds(self) {
            assert!(self.now() < end, "not within a minute: {what}");
            self.pass(self.config.tick_ms);
        }
    }

    /// The numbers of the commands that a replica has executed, in that order.
    pub fn executed(&self, index: u16) -> Vec<u64> {
        let state = self.states[usize::from(index)].borrow();
        let number = |command: &[u8]| u64::from_le_bytes(command[..8].try_into().unwrap());
        state.chunks(self.command_bytes).map(number).collect()
    }

    /// Waits until a replica has executed the first `count` commands, in order.
    pub fn until_executed(&mut self, index: u16, count: usize, case: &str) {
        let what = format!("replica {index} executes {count}: {case}");
        self.until(&what, |trio| trio.executed(index).len() >= count);
        let all: Vec<u64> = (0..count as u64).collect();
        assert!(self.executed(index) == all, "{what}: {:?}", self.executed(index));
    }

    /// Bytes of memory that a role of a replica holds.
    pub fn held(&mut self, index: u16, role: &str) -> u64 {
        let node = self.lockstep.nodes[usize::from(index)].as_ref().unwrap();
        node.look();
        self.lockstep.settle();
        self.lockstep.nodes[usize::from(index)].as_ref().unwrap().held_bytes(role)
    }

    /// Those of the messages sent to others of which `kind` makes something.
    pub fn sent_of<T>(&self, kind: impl Fn(&Message) -> Option<T>) -> Vec<(Sent, T)> {
        let each = |sent: &Sent| Some((sent.clone(), kind(&sent.message)?));
        self.lockstep.director.sent.iter().filter_map(each).collect()
    }

    /// Forgets what was sent so far.
    pub fn forget_sent(&mut self) {
        self.lockstep.director.sent.clear();
    }
}

/// Small amounts, so that four times a bound is little; nobody is suspected unless a test is about
/// that.
pub fn small() -> Config {
    Config {
        batches_in_flight: 4,
        checkpoint_every: 32,
        window: 64,
        chunk_bytes: 4 << 10,
        batch_bytes_max: 4 << 10,
        command_bytes_max: 4 << 10,
        checkpoint_bytes: 64 << 10,
        window_bytes: 256 << 10,
        ..Config::new(ReplicaId(0), 3)
    }
}

/// Half of a bound, all of it, and four times of it.
pub fn around(bound: usize) -> [usize; 3] {
    [bound / 2, bound, 4 * bound]
}
