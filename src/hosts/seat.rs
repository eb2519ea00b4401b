//! The seat of a replica in its host: what every host does for it, whatever its links and clients
//! are.

use std::collections::BTreeMap;
use std::time::Duration;

use crossbeam_channel::Sender;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::engine::node::Node;
use crate::hosts::edge::{Gather, Routes};
use crate::hosts::showing::Showing;
use crate::model::batch::Requests;
use crate::model::clock::Clock;
use crate::model::config::Config;
use crate::model::error::Error;
use crate::model::events::Event;
use crate::model::types::{Millis, ReplicaId, Slot};
use crate::observe::counters::{Board, Origin, Seen};
use crate::observe::report::{HostReport, present};

/// Owns a node, the requests that wait for it, and what has been received of the other replicas.
pub(super) struct Seat<M: Clone + 'static, R: Clone + 'static> {
    pub config: Config,
    pub node: Node<M, R>,
    pub clock: Clock,
    pub showing: Showing,
    /// Where its status is read.
    pub board: Board,
    /// Requests that wait to be proposed, and the way back to those who asked.
    pub gather: Gather,
    pub routes: Routes,
    executed: fn(&M) -> Option<Slot>,
    watcher: Option<Sender<Seen>>,
    /// What the last turn has sent to this replica itself.
    pub own: Vec<M>,
    /// When each replica was last heard, and how far it had executed when it last said so.
    heard_at: BTreeMap<ReplicaId, Millis>,
    executed_by: BTreeMap<ReplicaId, Slot>,
    started: Duration,
    next_tick: Duration,
}

impl<M, R> Seat<M, R>
where
    M: Clone + 'static,
    R: Clone + Serialize + DeserializeOwned + 'static,
{
    /// A replica that starts now. `executed` is its
    /// [protocol's](crate::engine::protocol::Protocol); `watcher` is told what happens.
    pub fn new(
        config: Config,
        node: Node<M, R>,
        executed: fn(&M) -> Option<Slot>,
        clock: Clock,
        showing: Showing,
        board: Board,
        watcher: Option<Sender<Seen>>,
    ) -> Self {
        let (gather, routes) = (Gather::new(&config), Routes::default());
        let (own, heard_at, executed_by) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        let (started, next_tick) = (clock.elapsed(), clock.elapsed());
        Self {
            config,
            node,
            clock,
            showing,
            board,
            gather,
            routes,
            executed,
            watcher,
            own,
            heard_at,
            executed_by,
            started,
            next_tick,
        }
    }

    /// Hands the node what has arrived from another replica, which was heard now. While too much
    /// waits for a full disk, it is dropped.
    pub fn deliver(&mut self, from: ReplicaId, messages: Vec<M>, now: Millis) {
        self.heard_at.insert(from, now);
        if let Some(slot) = messages.iter().filter_map(self.executed).max() {
            self.executed_by.insert(from, slot);
        }
        self.board.with(|status| status.messages_in += messages.len() as u64);
        if !self.node.must_drop_input() {
            self.node.deliver(from, messages);
        }
    }

    /// Gathers what a client has packed, which is to be answered on `connection`.
    pub fn add_pack(&mut self, connection: u64, requests: Requests) {
        self.routes.learn(connection, &requests);
        self.gather.add_pack(requests);
    }

    fn can_submit(&mut self) -> bool {
        self.node.replica().room() > 0 && !self.node.is_fenced()
    }

    /// Whether the next turn has something to do.
    pub fn is_busy(&mut self) -> bool {
        !self.own.is_empty() || (self.can_submit() && !self.gather.is_empty())
    }

    /// Whether nothing its clients have asked for is on its way.
    pub fn is_idle(&mut self) -> bool {
        self.gather.is_empty() && self.node.replica().room() >= self.config.batches_in_flight
    }

    /// How long there is until the next tick.
    pub fn until_tick(&self) -> Duration {
        self.next_tick.saturating_sub(self.clock.elapsed())
    }

    /// Lets the node see the time, if a tick is due. Says whether one was.
    pub fn tick(&mut self, now: Millis) -> bool {
        let elapsed = self.clock.elapsed();
        if elapsed < self.next_tick {
            return false;
        }
        self.next_tick = elapsed + Duration::from_millis(self.config.tick_ms);
        self.node.tick(now);
        self.showing.on_tick(&self.node);
        true
    }

    /// Gives the node a turn with what it has said to itself, and with what its clients ask as far
    /// as it has room. Works on its disk, if that has no thread.
    ///
    /// # Errors
    /// What its disk said.
    pub fn turn(&mut self, now: Millis) -> Result<(), Error> {
        if !self.own.is_empty() {
            self.node.deliver(self.config.me, self.own.drain(..));
        }
        while self.can_submit()
            && let Some(requests) = self.gather.next_batch()
        {
            self.node.submit(requests, now);
        }
        self.node.turn()?;
        while let Some(turn) = self.node.sync_wanted() {
            self.node.sync(turn)?;
        }
        Ok(())
    }

    /// Notes what has happened in the turn.
    pub fn note_events(&mut self, mut each: impl FnMut(&Event)) {
        let events = self.node.take_events();
        let origin = Origin { replica: self.config.me, at: self.clock.elapsed() };
        self.board.with(|status| {
            status.turns += 1;
            for event in events {
                each(&event);
                status.on_event(event, self.watcher.as_ref(), &origin);
            }
        });
    }

    /// How many replicas are present, this one included.
    pub fn present(&self, now: Millis) -> usize {
        present(&self.heard_at, now, self.config.present_ms())
    }

    /// How the replica stands, as far as the seat knows.
    pub fn report(&self, now: Millis) -> HostReport {
        let status = self.board.with(|status| status.clone());
        HostReport {
            up_for: self.clock.elapsed().saturating_sub(self.started),
            idle_for: status.executed_at.map(|at| self.clock.elapsed().saturating_sub(at)),
            fenced: self.node.is_fenced(),
            gathered: self.gather.bytes(),
            heard_at: self.heard_at.clone(),
            executed_by: self.executed_by.clone(),
            syncs: self.node.meter().map(|meter| (meter.syncs(), meter.sync_times())),
            full: self.node.is_full(),
            ..HostReport::of(&self.config, status, now)
        }
    }
}
