//! Three replicas on one thread whose links obey the test.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use taraflow::dataflows::tara::{Message, Promise, dataflow, message_weight};
use taraflow::disk::{Disk, Identity, MemoryDisk, ProtocolName, Store};
use taraflow::engine::node::Node;
use taraflow::model::app::{At, Damaged, StateMachine};
use taraflow::model::batch::{Packer, Request, Requests};
use taraflow::model::config::Config;
use taraflow::model::types::{ClientId, Millis, ReplicaId};

pub const CLUSTER: u64 = 7;

fn owner(replica: ReplicaId) -> Identity {
    Identity { cluster: CLUSTER, replica, protocol: ProtocolName::of("tara") }
}

/// A message on its way, or lost.
#[derive(Clone, Debug)]
pub struct Passing {
    pub at: Millis,
    pub to: u16,
    pub message: Message,
}

impl Passing {
    /// Near enough what it takes on a link.
    pub fn bytes(&self) -> usize {
        message_weight(&self.message)
    }
}

/// Keeps every command it is given, one behind the other.
struct Keeping(Rc<RefCell<Vec<u8>>>);

impl StateMachine for Keeping {
    fn apply(&mut self, _at: At, command: &[u8], _reply: &mut Vec<u8>) {
        self.0.borrow_mut().extend_from_slice(command);
    }

    fn snapshot(&self) -> Vec<u8> {
        self.0.borrow().clone()
    }

    fn restore(&mut self, snapshot: &[u8]) -> Result<(), Damaged> {
        *self.0.borrow_mut() = snapshot.to_vec();
        Ok(())
    }
}

/// A replica that lives.
struct Living {
    node: Node<Message, Promise>,
    state: Rc<RefCell<Vec<u8>>>,
}

/// Three replicas, and the batches that wait for each to have room.
pub struct Trio {
    config: Config,
    living: Vec<Option<Living>>,
    pub disks: Vec<MemoryDisk>,
    waiting: Vec<VecDeque<Requests>>,
    now: Millis,
    submitted: u64,
    command_bytes: usize,
    /// What becomes of a message between two replicas.
    pub arrives: fn(&Passing) -> bool,
    /// All that was said to others, whether it has arrived or not.
    pub said: Vec<Passing>,
}

impl Trio {
    /// Three that have just started, with batches of one command of so many bytes.
    pub fn start(config: Config, command_bytes: usize) -> Self {
        config.check().unwrap();
        let mut trio = Self {
            config,
            living: (0..3).map(|_| None).collect(),
            disks: (0..3).map(|_| MemoryDisk::default()).collect(),
            waiting: vec![VecDeque::new(); 3],
            now: 0,
            submitted: 0,
            command_bytes,
            arrives: |_| true,
            said: Vec::new(),
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
        let state = Rc::new(RefCell::new(Vec::new()));
        let disk: Box<dyn Disk> = Box::new(self.disks[usize::from(index)].clone());
        let application = Box::new(Keeping(Rc::clone(&state)));
        let node =
            Node::start(&config, Some((disk, owner(config.me))), application, dataflow).unwrap();
        self.living[usize::from(index)] = Some(Living { node, state });
    }

    /// Ends a replica, with all it has not written.
    pub fn kill(&mut self, index: u16) {
        self.living[usize::from(index)] = None;
        self.waiting[usize::from(index)].clear();
    }

    /// Gives a replica batches of one command each, numbered on; those for which it has no room wait.
    pub fn submit(&mut self, index: u16, count: usize) {
        for _ in 0..count {
            let mut command = self.submitted.to_le_bytes().to_vec();
            command.resize(self.command_bytes, 0);
            let client = ClientId::of_line(1);
            let mut packer = Packer::default();
            self.submitted += 1;
            let number = self.submitted;
            packer.push(Request { client, number, acknowledged: 0, command: &command });
            self.waiting[usize::from(index)].push_back(packer.finish());
        }
        self.settle();
    }

    /// Lets time pass.
    pub fn pass(&mut self, ms: Millis) {
        let until = self.now + ms;
        while self.now < until {
            self.now += self.config.tick_ms;
            for living in self.living.iter_mut().flatten() {
                living.node.tick(self.now);
            }
            self.settle();
        }
    }

    /// Lets time pass until something holds, for a minute at most.
    pub fn until(&mut self, what: &str, holds: impl Fn(&Self) -> bool) {
        let end = self.now + 60_000;
        while !holds(self) {
            assert!(self.now < end, "not within a minute: {what}");
            self.pass(self.config.tick_ms);
        }
    }

    /// Lets all work until nobody has anything to do.
    fn settle(&mut self) {
        let mut moved = true;
        while moved {
            // By turns, so that none falls behind.
            moved = (0..3).filter(|from| self.turn(*from)).count() > 0;
        }
    }

    fn turn(&mut self, from: u16) -> bool {
        let index = usize::from(from);
        let Some(living) = self.living[index].as_mut() else { return false };
        while living.node.replica().room() > 0
            && let Some(requests) = self.waiting[index].pop_front()
        {
            living.node.replica().submit(requests, self.now);
        }
        living.node.turn().unwrap();
        if let Some(turn) = living.node.sync_wanted() {
            living.node.sync(turn).unwrap();
        }
        let said = living.node.take_ready();
        living.node.take_events();
        let moved = !said.messages.is_empty();
        for (to, message) in said.messages {
            for to in to.replicas(ReplicaId(from), 3) {
                self.deliver(from, to.0, message.clone());
            }
        }
        moved
    }

    fn deliver(&mut self, from: u16, to: u16, message: Message) {
        let passing = Passing { at: self.now, to, message: message.clone() };
        let arrives = from == to || (self.arrives)(&passing);
        if from != to {
            self.said.push(passing);
        }
        if arrives && let Some(living) = self.living[usize::from(to)].as_mut() {
            living.node.replica().deliver(ReplicaId(from), [message]);
        }
    }

    /// The numbers of the commands that a replica has executed, in that order.
    pub fn executed(&self, index: u16) -> Vec<u64> {
        let living = self.living[usize::from(index)].as_ref().unwrap();
        let state = living.state.borrow();
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

    /// Those of the messages said to others of which `kind` makes something.
    pub fn said_of<T>(&self, kind: impl Fn(&Message) -> Option<T>) -> Vec<(Passing, T)> {
        let each = |passing: &Passing| Some((passing.clone(), kind(&passing.message)?));
        self.said.iter().filter_map(each).collect()
    }
}

/// Small amounts, so that four times a bound is little; nobody is suspected unless a test is about that.
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
