//! A replica with its disk: what may leave, and when.
//!
//! **Nothing sent in a turn leaves before what it rests on is on the disk**, not even a vote to
//! oneself. It rests on all that this turn and earlier ones have left for the disk, with two
//! exceptions. Replies show what is decided, which the voters have on their disks. Messages that
//! the protocol calls [early](Outputs::early) rest on the newest records only: so a leader's disk
//! and its followers' work on the same proposal at the same time. Turns may follow each other while
//! a sync is under way; what they send waits in line.
//!
//! The disk is worked on in turns of the host's ([`Node::sync`]), or by a thread that reports to
//! the host when there is something to release ([`Node::start_with_journal`]).

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use timely::worker::Worker;

use crate::disk::{Disk, DiskMeter, Durable, Identity, Journal, Recovered, Wake};
use crate::engine::operators::executor::Executor;
use crate::engine::protocol::JournalRecord;
use crate::engine::replica::{Inputs, Outgoing, Outputs, Replica, timeless_worker};
use crate::engine::watcher::Watcher;
use crate::model::app::StateMachine;
use crate::model::batch::Requests;
use crate::model::checkpoint::Checkpoint;
use crate::model::config::Config;
use crate::model::error::Error;
use crate::model::events::{Event, Holding};
use crate::model::reads::Reads;
use crate::model::types::{Millis, ReplicaId, Slot};

mod persistence;
mod starting;

use persistence::Persistence;

/// A replica and its disk.
pub struct Node<M: Clone + 'static, R: Clone + 'static> {
    replica: Replica<M, R>,
    persistence: Persistence<R>,
    replica_id: ReplicaId,
    /// Which of its lives this is, counted from 1.
    incarnation: u64,
    /// The first slot that it has not executed.
    executed: Slot,
    turn: u64,
    /// The last turn that is durable, and the last checkpoint that the replica knows to be.
    synced: u64,
    saved: Option<Slot>,
    /// The last turn that left something for the disk.
    kept: u64,
    /// The last turn that left a [newest](Durable::Newest) record.
    kept_newest: u64,
    /// What turns have sent that may not leave yet, oldest first, each with the turn that must be
    /// durable before.
    late: VecDeque<(u64, Outgoing<M>)>,
    /// The same for what rests on the newest records only.
    early: VecDeque<(u64, Outgoing<M>)>,
    ready: Outgoing<M>,
    events: Vec<Event>,
    /// How many of them the watcher has received.
    notified: usize,
    /// Who watches, if somebody does.
    watcher: Option<Box<dyn Watcher<M>>>,
    /// Bytes of memory that each role held when it was last asked.
    held_bytes: BTreeMap<String, u64>,
}

impl<M: Clone + 'static, R: JournalRecord> Node<M, R> {
    /// Turns whose sync may be outstanding before the replica pauses.
    pub const TURNS_UNSYNCED_MAX: usize = 64;
    /// Bytes of records that may wait for a full disk before the replica [drops its
    /// input](Node::must_drop_input).
    const BLOCKED_BYTES_MAX: usize = 64 << 20;

    /// Starts a replica from what its disk holds; without a disk it starts from nothing, and must
    /// never take the place of one that has been running.
    ///
    /// # Errors
    /// What is wrong with the settings or the disk.
    pub fn start(
        config: &Config,
        disk: Option<(Box<dyn Disk>, Identity)>,
        application: Box<dyn StateMachine>,
        protocol: impl for<'s> FnOnce(Inputs<'s, M, R>, &Config) -> Outputs<'s, M, R>,
    ) -> Result<Self, Error> {
        Self::start_on(timeless_worker(), config, disk, application, protocol)
    }

    /// Starts it on a worker of the caller's, who may want to read timely's log.
    ///
    /// # Errors
    /// As [`Node::start`].
    pub fn start_on(
        worker: Worker,
        config: &Config,
        disk: Option<(Box<dyn Disk>, Identity)>,
        application: Box<dyn StateMachine>,
        protocol: impl for<'s> FnOnce(Inputs<'s, M, R>, &Config) -> Outputs<'s, M, R>,
    ) -> Result<Self, Error> {
        config.check()?;
        let (persistence, recovered, executor) = match disk {
            None => {
                let executor = Executor::new(application, config);
                (Persistence::None(Box::default()), Recovered::nothing(), executor)
            }
            Some(disk) => {
                let (store, recovered, executor) = starting::open(config, disk, application)?;
                (Persistence::Inline(Box::new(store)), recovered, executor)
            }
        };
        Self::assemble(worker, config, persistence, recovered, executor, protocol)
    }

    /// Starts it with its journal on a thread of its own, which calls `wake` whenever a turn should
    /// follow: turns have become durable, the disk is full or has room again, or it has failed.
    ///
    /// # Errors
    /// As [`Node::start`], and [`Error::Thread`].
    pub fn start_with_journal(
        worker: Worker,
        config: &Config,
        disk: (Box<dyn Disk>, Identity),
        wake: Wake,
        application: Box<dyn StateMachine>,
        protocol: impl for<'s> FnOnce(Inputs<'s, M, R>, &Config) -> Outputs<'s, M, R>,
    ) -> Result<Self, Error> {
        config.check()?;
        let (store, recovered, executor) = starting::open(config, disk, application)?;
        let journal = Journal::start(store, config.me, wake)?;
        let persistence = Persistence::Threaded(journal);
        Self::assemble(worker, config, persistence, recovered, executor, protocol)
    }

    fn assemble(
        worker: Worker,
        config: &Config,
        persistence: Persistence<R>,
        recovered: Recovered<R>,
        executor: Executor,
        protocol: impl for<'s> FnOnce(Inputs<'s, M, R>, &Config) -> Outputs<'s, M, R>,
    ) -> Result<Self, Error> {
        let (incarnation, executed) = (recovered.incarnation, recovered.decided);
        let is_known = |saved: &Checkpoint| saved.parts().is_some();
        let saved = persistence.saved().filter(is_known).map(|saved| saved.slot);
        let replica = Replica::start(worker, config, recovered, executor, protocol);
        let start = Journal::<R>::START;
        Ok(Self {
            replica,
            persistence,
            replica_id: config.me,
            incarnation,
            executed,
            turn: start,
            // Not even that it has started.
            synced: 0,
            saved,
            kept: start,
            kept_newest: start,
            late: VecDeque::new(),
            early: VecDeque::new(),
            ready: Outgoing::default(),
            events: Vec::new(),
            notified: 0,
            watcher: None,
            held_bytes: BTreeMap::new(),
        })
    }

    /// How often it has started, this time included; a replica without a disk knows of this time
    /// only.
    pub fn incarnation(&self) -> u64 {
        self.incarnation
    }

    /// The first slot that it has not executed.
    pub fn executed(&self) -> Slot {
        self.executed
    }

    /// The replica, to be given what arrives for it.
    pub fn replica(&mut self) -> &mut Replica<M, R> {
        &mut self.replica
    }

    /// Hands the replica messages from a peer, or from itself.
    pub fn deliver(&mut self, from: ReplicaId, messages: impl IntoIterator<Item = M>) {
        match &mut self.watcher {
            None => self.replica.deliver(from, messages),
            Some(watcher) => {
                watcher.on_delivery(from);
                let messages = messages.into_iter();
                let messages = messages.inspect(|message| watcher.on_received(message));
                self.replica.deliver(from, messages);
            }
        }
    }

    /// Hands the replica a batch of its clients' requests. Ask
    /// [`Replica::room`](crate::engine::replica::Replica::room) first.
    pub fn submit(&mut self, requests: Requests, now: Millis) {
        self.notify(|watcher| watcher.on_submit());
        self.replica.submit(requests, now);
    }

    /// Hands the replica reads of its clients. Ask
    /// [`Replica::read_room`](crate::engine::replica::Replica::read_room) first.
    pub fn submit_reads(&mut self, reads: Reads, now: Millis) {
        self.replica.submit_reads(reads, now);
    }

    /// Lets the roles see the time, unless the replica is fenced: what they would send could not
    /// leave.
    pub fn tick(&mut self, now: Millis) {
        if !self.is_fenced() {
            self.replica.tick(now);
        }
    }

    /// Whether it should be given no more until a sync ends or the disk has room.
    pub fn is_fenced(&self) -> bool {
        self.late.len() >= Self::TURNS_UNSYNCED_MAX
            || match &self.persistence {
                Persistence::Threaded(journal) => journal.waiting() >= Self::TURNS_UNSYNCED_MAX,
                Persistence::None(_) | Persistence::Inline(_) => false,
            }
            || self.is_full()
    }

    /// Whether its disk has no room.
    pub fn is_full(&self) -> bool {
        self.persistence.is_full()
    }

    /// Whether so much waits for a full disk that messages to it must be dropped until there is
    /// room: the others go on without its votes, and what it would have to keep of them has no end.
    pub fn must_drop_input(&self) -> bool {
        self.blocked_bytes() >= Self::BLOCKED_BYTES_MAX
    }

    /// Bytes of records that wait for room on its disk.
    pub fn blocked_bytes(&self) -> usize {
        self.persistence.blocked_bytes()
    }

    /// Lets the replica work, and appends to its disk what must be there before the rest leaves.
    ///
    /// # Errors
    /// [`Error::Disk`], after which the replica must stop. A full disk is no error here: the replica is
    /// [fenced](Node::is_fenced), and the next turn, or the journal's thread, tries again.
    pub fn turn(&mut self) -> Result<(), Error> {
        let mut outgoing = Outgoing::default();
        let mut durable = Vec::new();
        self.tell_saved();
        self.notify(|watcher| watcher.on_turn());
        self.replica.turn(&mut outgoing, &mut durable, &mut self.events);
        self.check_state()?;
        self.note_events();
        self.turn += 1;
        let before = self.synced;
        for record in &durable {
            match record {
                Durable::Newest(_) => (self.kept, self.kept_newest) = (self.turn, self.turn),
                Durable::Slot(..) | Durable::Forget(_) => self.kept = self.turn,
                // The replica is told when it is saved, and sends nothing of it before; and nothing
                // rests on what is known to be decided.
                Durable::Checkpoint(_) | Durable::Fetched(_) | Durable::Decided { .. } => {}
            }
        }
        if !durable.is_empty() {
            self.notify(|watcher| watcher.on_disk_phase());
        }
        self.synced = match &mut self.persistence {
            Persistence::None(unsaved) => {
                unsaved.take(durable);
                self.turn
            }
            Persistence::Inline(store) => {
                match store.write(durable) {
                    Err(error) if error.is_full() => {}
                    outcome => outcome?,
                }
                if store.is_dirty() || store.is_blocked() { self.synced } else { self.turn }
            }
            Persistence::Threaded(journal) => {
                if !durable.is_empty() {
                    journal.hand(self.turn, durable)?;
                }
                journal.synced()?
            }
        };
        assert!(before <= self.synced && self.synced <= self.turn, "what is synced stays so");
        assert!(self.kept_newest <= self.kept && self.kept <= self.turn, "turns are in order");
        if self.kept > self.synced {
            let late = self.replica.take_late(&mut outgoing);
            self.late.extend((!late.is_empty()).then_some((self.kept, late)));
        }
        self.early.extend((!outgoing.is_empty()).then_some((self.kept_newest, outgoing)));
        self.release(self.synced);
        self.notify(|watcher| watcher.on_turn_ended());
        Ok(())
    }

    /// Whether the replica still has a state.
    fn check_state(&self) -> Result<(), Error> {
        let unrestored = self.events[self.notified..].iter().find_map(|event| match *event {
            Event::Unrestored { slot, damaged } => Some((slot, damaged)),
            _ => None,
        });
        let replica = self.replica_id;
        let error = |(slot, damaged)| Err(Error::Application { replica, slot, damaged });
        unrestored.map_or(Ok(()), error)
    }

    /// Tells the replica of a checkpoint that has become durable.
    fn tell_saved(&mut self) {
        let is_news = |saved: &Checkpoint| saved.parts().is_some() && Some(saved.slot) > self.saved;
        let saved = self.persistence.saved().filter(is_news);
        if let Some(saved) = saved {
            self.saved = Some(saved.slot);
            self.replica.tell_saved(saved);
        }
    }

    /// The turn up to which a sync started now would let everything leave, if the host has to make
    /// one.
    pub fn sync_wanted(&self) -> Option<u64> {
        let Persistence::Inline(store) = &self.persistence else { return None };
        (store.is_dirty() && !store.is_blocked()).then_some(self.turn)
    }

    /// Makes durable what has been appended, and releases what was sent up to `turn`.
    ///
    /// # Errors
    /// [`Error::Disk`], after which the replica must stop.
    pub fn sync(&mut self, turn: u64) -> Result<(), Error> {
        self.notify(|watcher| watcher.on_disk());
        if let Persistence::Inline(store) = &mut self.persistence {
            store.sync()?;
            if store.is_saving() {
                match store.append() {
                    Err(error) if error.is_full() => {}
                    outcome => outcome?,
                }
            }
            self.synced = turn;
            self.release(turn);
        }
        self.end_disk();
        Ok(())
    }

    /// Waits until all that turns have left is on the disk, and releases all they have sent. For
    /// the end of a replica: nothing else waits for a disk.
    ///
    /// # Errors
    /// [`Error::Disk`]: the disk is full, or has failed.
    pub fn flush(&mut self) -> Result<(), Error> {
        self.notify(|watcher| watcher.on_disk());
        match &mut self.persistence {
            Persistence::None(_) => {}
            Persistence::Inline(store) => {
                store.append()?;
                store.sync()?;
            }
            Persistence::Threaded(journal) => journal.flush()?,
        }
        self.synced = self.turn;
        self.release(self.turn);
        self.end_disk();
        Ok(())
    }

    /// What has been asked of the disk.
    pub fn meter(&self) -> Option<&Arc<DiskMeter>> {
        self.persistence.meter()
    }

    /// What may leave now.
    pub fn take_ready(&mut self) -> Outgoing<M> {
        let sent = std::mem::take(&mut self.ready);
        if !sent.messages.is_empty() {
            self.notify(|watcher| watcher.on_sent(&sent.messages));
        }
        sent
    }

    /// What has happened since this was last asked.
    pub fn take_events(&mut self) -> Vec<Event> {
        self.notified = 0;
        std::mem::take(&mut self.events)
    }

    /// Lets `watcher` watch from now on, on whose worker the replica has been started.
    pub fn watch(&mut self, mut watcher: Box<dyn Watcher<M>>) {
        watcher.on_built(self.replica.worker(), self.incarnation);
        self.watcher = Some(watcher);
    }

    /// Asks the roles what they hold: the next turn answers.
    pub fn look(&self) {
        self.replica.look();
    }

    /// Bytes of memory that a role held when it was last asked.
    pub fn held_bytes(&self, role: &str) -> u64 {
        self.held_bytes.get(role).copied().unwrap_or(0)
    }

    /// Runs the worker until it has nothing left to do, for a watcher that has a dataflow on it.
    pub fn settle(&mut self) {
        self.replica.settle();
        self.notify(|watcher| watcher.on_turn_ended());
    }

    fn notify(&mut self, what: impl FnOnce(&mut dyn Watcher<M>)) {
        if let Some(watcher) = &mut self.watcher {
            what(watcher.as_mut());
        }
    }

    /// The disk has done what it was asked between turns.
    fn end_disk(&mut self) {
        self.notify(|watcher| watcher.on_worked());
        self.notify(|watcher| watcher.on_turn_ended());
    }

    /// Tells the watcher what has happened in the turn. Of what roles hold nobody else is told but
    /// how much it is.
    fn note_events(&mut self) {
        if let Some(watcher) = &mut self.watcher {
            watcher.on_worked();
            self.events[self.notified..].iter().for_each(|event| watcher.on_event(event));
        }
        let executed = self.events[self.notified..].iter().rev().find_map(Event::executed);
        self.executed = executed.unwrap_or(self.executed);
        let held_bytes = &mut self.held_bytes;
        self.events.retain(|event| {
            let Event::Holds(Holding { role, bytes, .. }) = event else { return true };
            held_bytes.insert(role.clone(), *bytes);
            false
        });
        self.notified = self.events.len();
    }

    fn release(&mut self, turn: u64) {
        assert!(turn <= self.synced, "nothing leaves before what it rests on is on the disk");
        // In this order whatever has waited stays before what has not.
        for waiting in [&mut self.late, &mut self.early] {
            while let Some((_, mut outgoing)) = waiting.pop_front_if(|(kept, _)| *kept <= turn) {
                self.ready.messages.append(&mut outgoing.messages);
                self.ready.replies.append(&mut outgoing.replies);
            }
        }
    }
}

#[cfg(test)]
mod tests;
