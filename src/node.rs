//! A replica with its disk: what may leave, and when.
//!
//! **Nothing said in a turn leaves before what the turn left for the disk is on it**, not even a vote to
//! oneself. Turns may follow each other while a sync is under way; what they say waits in line.

use std::collections::VecDeque;

use serde::Serialize;
use serde::de::DeserializeOwned;
use timely::worker::Worker;

use crate::app::StateMachine;
use crate::config::Config;
use crate::disk::{Disk, Identity, Recovered, Store};
use crate::error::Error;
use crate::events::Event;
use crate::operators::executor::Executor;
use crate::replica::{Inputs, Outputs, Replica, Said, timeless_worker};
use crate::types::Millis;

/// A replica and its disk.
pub struct Node<M: Clone + 'static, R: Clone + 'static> {
    replica: Replica<M, R>,
    store: Option<Store>,
    turn: u64,
    /// What turns have said that may not leave yet, oldest first.
    waiting: VecDeque<(u64, Said<M>)>,
    ready: Said<M>,
    events: Vec<Event>,
}

impl<M: Clone + 'static, R: Clone + Serialize + DeserializeOwned + 'static> Node<M, R> {
    /// Turns whose sync may be outstanding before the replica pauses.
    pub const TURNS_UNSYNCED_MAX: usize = 64;

    /// Starts a replica from what its disk holds; without a disk it starts from nothing, and must never
    /// take the place of one that has been running.
    ///
    /// # Errors
    /// What is wrong with the settings or the disk.
    pub fn start(
        config: &Config,
        disk: Option<(Box<dyn Disk>, u64)>,
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
        disk: Option<(Box<dyn Disk>, u64)>,
        application: Box<dyn StateMachine>,
        protocol: impl for<'s> FnOnce(Inputs<'s, M, R>, &Config) -> Outputs<'s, M, R>,
    ) -> Result<Self, Error> {
        config.check()?;
        let (store, recovered) = match disk {
            None => (None, Recovered::nothing()),
            Some((disk, cluster)) => {
                let owner = Identity { cluster, replica: config.me };
                let (store, recovered) = Store::open(disk, owner)?;
                (Some(store), recovered)
            }
        };
        let mut executor = Executor::new(application, config);
        if let Some(checkpoint) = &recovered.checkpoint {
            executor.restore(checkpoint).map_err(|damaged| Error::Application {
                replica: config.me,
                slot: checkpoint.slot,
                damaged,
            })?;
        }
        let replica = Replica::start(worker, config, recovered, executor, protocol);
        let (waiting, ready, events) = (VecDeque::new(), Said::default(), Vec::new());
        Ok(Self { replica, store, turn: 0, waiting, ready, events })
    }

    /// The replica, to be given what arrives for it.
    pub fn replica(&mut self) -> &mut Replica<M, R> {
        &mut self.replica
    }

    /// Lets the roles see the time, unless the replica is fenced: what they would say could not leave.
    pub fn tick(&mut self, now: Millis) {
        if !self.is_fenced() {
            self.replica.tick(now);
        }
    }

    /// Whether it should be given no more until a sync ends or the disk has room.
    #[must_use]
    pub fn is_fenced(&self) -> bool {
        self.waiting.len() >= Self::TURNS_UNSYNCED_MAX
            || self.store.as_ref().is_some_and(Store::is_blocked)
    }

    /// Lets the replica work, and appends to its disk what must be there before the rest leaves.
    ///
    /// # Errors
    /// [`Error::Disk`], after which the replica must stop. A full disk is no error here: the replica is
    /// [fenced](Node::is_fenced), and the next turn tries again.
    pub fn turn(&mut self) -> Result<(), Error> {
        let mut said = Said::default();
        let mut durable = Vec::new();
        self.replica.turn(&mut said, &mut durable, &mut self.events);
        let Some(store) = &mut self.store else {
            self.ready.messages.append(&mut said.messages);
            self.ready.replies.append(&mut said.replies);
            return Ok(());
        };
        self.turn += 1;
        if !said.is_empty() {
            self.waiting.push_back((self.turn, said));
        }
        match store.write(durable) {
            Err(error) if error.is_full() => {}
            outcome => outcome?,
        }
        if !store.is_dirty() && !store.is_blocked() {
            self.let_go(self.turn);
        }
        Ok(())
    }

    /// The turn up to which a sync started now would let everything leave, if one is needed.
    #[must_use]
    pub fn sync_wanted(&self) -> Option<u64> {
        let store = self.store.as_ref()?;
        (store.is_dirty() && !store.is_blocked()).then_some(self.turn)
    }

    /// Makes durable what has been appended, and lets go what was said up to `turn`.
    ///
    /// # Errors
    /// [`Error::Disk`], after which the replica must stop.
    pub fn sync(&mut self, turn: u64) -> Result<(), Error> {
        if let Some(store) = &mut self.store {
            store.sync()?;
        }
        self.let_go(turn);
        Ok(())
    }

    /// Lets go what waits for the disk: wrong, and here so that the simulator can show that it is.
    pub fn release_unsynced(&mut self) {
        self.let_go(u64::MAX);
    }

    /// What may leave now.
    pub fn take_ready(&mut self) -> Said<M> {
        std::mem::take(&mut self.ready)
    }

    /// What has happened since this was last asked.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    fn let_go(&mut self, turn: u64) {
        while let Some((_, mut said)) = self.waiting.pop_front_if(|(said_in, _)| *said_in <= turn) {
            self.ready.messages.append(&mut said.messages);
            self.ready.replies.append(&mut said.replies);
        }
    }
}
