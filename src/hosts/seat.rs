//! The seat of a replica in its host: what every host does for it, whatever its links and clients
//! are.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::engine::node::Node;
use crate::engine::protocol::JournalRecord;
use crate::hosts::edge::{Gather, Routes};
use crate::hosts::publisher::Publisher;
use crate::model::app::Census;
use crate::model::batch::Requests;
use crate::model::clock::Clock;
use crate::model::config::Config;
use crate::model::error::Error;
use crate::model::events::Event;
use crate::model::types::{Millis, ReplicaId, Slot};
use crate::observe::board::Board;
use crate::observe::memory::MemoryStatus;
use crate::observe::monitor::Observation;
use crate::observe::saving::SavingSince;
use crate::observe::status::{DiskStatus, Link, ReplicaStatus};
use crate::observe::syncs::Syncs;

/// Owns a node, the requests that wait for it, and what has been received of the other replicas.
pub(super) struct Seat<M: Clone + 'static, R: Clone + 'static> {
    pub config: Config,
    pub node: Node<M, R>,
    pub clock: Clock,
    /// Where its status is read.
    pub board: Board,
    pub publisher: Publisher,
    /// Requests that wait to be proposed, and the way back to those who asked.
    pub gather: Gather,
    pub routes: Routes,
    /// What the last turn has sent to this replica itself.
    pub own: Vec<M>,
    /// What a status says of the replica whatever it does.
    identity: ReplicaStatus,
    said_executed: fn(&M) -> Option<Slot>,
    /// When each replica was last received from, and how far it had executed when it last said so.
    heard_at: BTreeMap<ReplicaId, Millis>,
    executed_by: BTreeMap<ReplicaId, Slot>,
    syncs: Syncs,
    saving_since: SavingSince,
    /// How much the application holds, if it counts.
    census: Option<Arc<Census>>,
    started: Duration,
    next_tick: Duration,
}

impl<M, R> Seat<M, R>
where
    M: Clone + 'static,
    R: JournalRecord,
{
    /// A replica that starts now. `executed` is its
    /// [protocol's](crate::engine::protocol::Protocol), `identity` what its status says of it
    /// whatever it does.
    pub fn new(
        config: Config,
        mut node: Node<M, R>,
        executed: fn(&M) -> Option<Slot>,
        clock: Clock,
        board: Board,
        identity: ReplicaStatus,
        observation: Option<Observation>,
    ) -> Self {
        Self {
            publisher: Publisher::new(board.clone(), &config, clock, observation),
            gather: Gather::new(&config, node.replica().read_room().is_none()),
            routes: Routes::default(),
            own: Vec::new(),
            heard_at: BTreeMap::new(),
            executed_by: BTreeMap::new(),
            syncs: Syncs::default(),
            saving_since: SavingSince::default(),
            census: None,
            started: clock.elapsed(),
            next_tick: clock.elapsed(),
            config,
            node,
            said_executed: executed,
            clock,
            board,
            identity,
        }
    }

    /// The same replica, whose application counts here how much it holds.
    pub fn with_census(self, census: Option<Arc<Census>>) -> Self {
        Self { census, ..self }
    }

    /// Hands the node what has arrived from another replica now. While too much waits for a full
    /// disk, it is dropped.
    pub fn deliver(&mut self, from: ReplicaId, messages: Vec<M>, now: Millis) {
        self.heard_at.insert(from, now);
        if let Some(slot) = messages.iter().filter_map(self.said_executed).max() {
            self.executed_by.insert(from, slot);
        }
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
        let (latest, others) = self.gather.has_reads();
        let can_read = self.node.replica().read_room() > Some(0);
        !self.own.is_empty()
            || (self.can_submit() && self.gather.has_batch())
            || (can_read && latest)
            || others
    }

    /// Whether nothing its clients have asked for is on its way.
    pub fn is_idle(&mut self) -> bool {
        let gathered = self.gather.has_batch() || self.gather.has_reads() != (false, false);
        !gathered && self.node.replica().is_idle()
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
        self.publisher.on_tick(&self.node);
        true
    }

    /// Gives the node a turn with what it has sent to itself, and with what its clients ask as far
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
        // The state is there though the disk is not.
        while let is_room = self.node.replica().read_room() > Some(0)
            && let Some(reads) = self.gather.next_reads(is_room)
        {
            self.node.submit_reads(reads, now);
        }
        self.node.turn()?;
        while let Some(turn) = self.node.sync_wanted() {
            self.node.sync(turn)?;
        }
        Ok(())
    }

    /// Counts what has happened in the turn, and shows each event to `watch`.
    pub fn note_events(&mut self, watch: impl FnMut(&Event)) {
        let (events, at) = (self.node.take_events(), self.clock.elapsed());
        self.board.counters(|counters| {
            counters.turns += 1;
            events.iter().for_each(|event| counters.on_event(event, at));
        });
        // Not while the board is held: a watcher may write to a log.
        events.iter().for_each(watch);
    }

    /// How many replicas are present, this one included.
    pub fn present(&self, now: Millis) -> usize {
        let within_ms = self.config.present_ms();
        1 + self.heard_at.values().filter(|at| now.saturating_sub(**at) <= within_ms).count()
    }

    /// How the replica stands with these links to the others, as far as the seat knows.
    pub fn status(&mut self, links: impl Iterator<Item = Link>, now: Millis) -> ReplicaStatus {
        let elapsed = self.clock.elapsed();
        let ms_since = |at| elapsed.saturating_sub(at).as_millis() as u64;
        let counters = self.board.counters(|counters| counters.clone());
        let links = links.map(|link| Link {
            heard_ms_ago: self.heard_at.get(&link.peer).map(|at| now.saturating_sub(*at)),
            peer_executed: self.executed_by.get(&link.peer).copied(),
            ..link
        });
        let links: Vec<Link> = links.collect();
        let (full, memory) = (self.node.is_full(), self.memory(&links));
        let disk = self.node.meter().map(|meter| DiskStatus {
            syncs: meter.syncs(),
            full,
            saving: self.saving_since.on_reading(elapsed, meter.saving()),
            ..self.syncs.on_reading(elapsed, &meter.sync_times())
        });
        let mut status = ReplicaStatus {
            executed_ms_ago: counters.executed_at.map(ms_since),
            up_ms: ms_since(self.started),
            fenced: self.node.is_fenced(),
            disk,
            memory,
            ..self.identity.clone().with(&counters, links)
        };
        status.clients.waiting_bytes = self.gather.bytes();
        status
    }

    /// What holds the memory of the replica: roles by their last words, the rest as it is now.
    fn memory(&self, links: &[Link]) -> MemoryStatus {
        let bytes = |census: &Arc<Census>| census.bytes.load(Ordering::Relaxed);
        let saving = self.node.meter().and_then(|meter| meter.saving());
        MemoryStatus {
            state_bytes: self.census.as_ref().map(bytes),
            state_bytes_max: self.config.memory_limit(),
            copied_bytes: saving.map_or(0, |saving| saving.copied_bytes),
            recent_bytes: self.node.held_bytes("catch_up"),
            sessions_bytes: self.node.held_bytes("executor"),
            waiting_bytes: self.gather.bytes() as u64,
            links_bytes: links.iter().map(|link| link.queued_bytes as u64).sum(),
            journal_bytes: self.node.blocked_bytes() as u64,
            // The process knows it, and not the replica.
            resident_bytes: None,
        }
    }
}
