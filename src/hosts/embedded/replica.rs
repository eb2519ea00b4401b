//! The thread of one replica: park, take what arrived, turn, make durable, send.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, never, select};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::edge::{Edge, EdgeRequest};
use super::links::{Links, Parcel, Post};
use super::storage::Storage;
use crate::engine::node::Node;
use crate::hosts::showing::Showing;
use crate::model::clock::Clock;
use crate::model::config::Config;
use crate::model::error::Error;
use crate::model::types::{Millis, ReplicaId, Slot};
use crate::observe::counters::{Board, Origin, Seen};
use crate::observe::report::HostReport;

/// What the cluster tells a replica's thread.
pub(super) enum Control {
    /// End now, and lose what is not durable.
    Kill,
    /// Do nothing for so long, as a machine that hangs does.
    Pause(Duration),
    /// Find the digest of the state, and tell what the roles have done.
    Look,
}

/// What joins a replica's thread to the rest of the process.
pub(super) struct Lines<M> {
    pub post: Arc<Post<M>>,
    pub inbox: Receiver<Parcel<M>>,
    pub requests: Receiver<EdgeRequest>,
    pub control: Receiver<Control>,
    /// Filled when the thread of the disk has something to tell.
    pub woken: Receiver<()>,
    pub board: Board,
    pub watcher: Option<Sender<Seen>>,
    pub clock: Clock,
}

/// One life of a replica.
pub(super) struct Life<M: Clone + 'static, R: Clone + 'static> {
    config: Config,
    node: Node<M, R>,
    lines: Lines<M>,
    links: Links<M>,
    edge: Edge,
    showing: Showing,
    executed: fn(&M) -> Option<Slot>,
    /// When each replica was last heard, and how far it had executed when it last said so.
    heard_at: BTreeMap<ReplicaId, Millis>,
    executed_by: BTreeMap<ReplicaId, Slot>,
    started: Duration,
    /// What the last turn has said to this replica itself.
    own: Vec<M>,
    next_tick: Duration,
    messages_in: u64,
    closed: Receiver<EdgeRequest>,
}

impl<M, R> Life<M, R>
where
    M: Clone + 'static,
    R: Clone + Serialize + DeserializeOwned + 'static,
{
    /// Parcels taken in a turn.
    const PARCELS_A_TURN: usize = 64;
    /// Packs of clients taken in a turn.
    const REQUESTS_A_TURN: usize = 256;

    pub fn new(
        config: Config,
        node: Node<M, R>,
        lines: Lines<M>,
        showing: Showing,
        executed: fn(&M) -> Option<Slot>,
    ) -> Self {
        let links = Links::new(config.me, config.n, Arc::clone(&lines.post));
        let edge = Edge::new(&config);
        let started = lines.clock.elapsed();
        Self {
            config,
            node,
            lines,
            links,
            edge,
            showing,
            executed,
            heard_at: BTreeMap::new(),
            executed_by: BTreeMap::new(),
            started,
            own: Vec::new(),
            next_tick: started,
            messages_in: 0,
            closed: never(),
        }
    }

    /// Runs until it is killed.
    ///
    /// # Errors
    /// What its disk said.
    pub fn run(mut self) -> Result<(), Error> {
        loop {
            if self.park() || self.take_control() {
                return Ok(());
            }
            self.take_arrivals();
            self.tick();
            let now = self.lines.clock.now();
            while self.node.replica().room() > 0
                && !self.node.is_fenced()
                && let Some(requests) = self.edge.next_batch()
            {
                self.node.submit(requests, now);
            }
            self.node.turn()?;
            while let Some(turn) = self.node.sync_wanted() {
                self.node.sync(turn)?;
            }
            let mut ready = self.node.take_ready();
            let sent = self.links.send(&mut ready.messages, &mut self.own);
            self.edge.answer(&mut ready.replies);
            self.publish(sent);
            if self.showing.is_due() {
                self.showing.report(self.report());
                self.showing.take(&mut self.node);
            }
        }
    }

    /// Waits until there is something to do, and takes the first of it. Says whether to end.
    fn park(&mut self) -> bool {
        let room = self.node.replica().room() > 0 && !self.node.is_fenced();
        if !self.own.is_empty() || (room && !self.edge.is_empty()) {
            return false;
        }
        let requests = if self.edge.is_full() { &self.closed } else { &self.lines.requests };
        let patience = self.next_tick.saturating_sub(self.lines.clock.elapsed());
        select! {
            recv(self.lines.inbox) -> parcel => {
                if let Ok(parcel) = parcel {
                    self.take(parcel);
                }
            }
            recv(requests) -> request => {
                if let Ok(request) = request {
                    self.edge.on_request(request);
                }
            }
            recv(self.lines.woken) -> _ => {}
            recv(self.lines.control) -> control => return match control {
                Ok(control) => self.obey(control),
                Err(_) => true,
            },
            default(patience) => {}
        }
        false
    }

    fn take_control(&mut self) -> bool {
        while let Ok(control) = self.lines.control.try_recv() {
            if self.obey(control) {
                return true;
            }
        }
        false
    }

    /// Says whether to end.
    fn obey(&mut self, control: Control) -> bool {
        match control {
            Control::Kill => true,
            Control::Look => {
                self.node.replica().ask_digest();
                self.showing.hurry(&self.node);
                false
            }
            Control::Pause(time) => {
                let until = Instant::now() + time;
                // What is said meanwhile waits, but for the end.
                while let Ok(control) = self.lines.control.recv_deadline(until) {
                    if matches!(control, Control::Kill) {
                        return true;
                    }
                }
                false
            }
        }
    }

    fn take_arrivals(&mut self) {
        let me = self.config.me;
        if !self.own.is_empty() {
            self.node.deliver(me, self.own.drain(..));
        }
        for _ in 0..Self::PARCELS_A_TURN {
            let Ok(parcel) = self.lines.inbox.try_recv() else { break };
            self.take(parcel);
        }
        for _ in 0..Self::REQUESTS_A_TURN {
            if self.edge.is_full() {
                break;
            }
            let Ok(request) = self.lines.requests.try_recv() else { break };
            self.edge.on_request(request);
        }
    }

    fn take(&mut self, parcel: Parcel<M>) {
        self.lines.post.took(self.config.me, &parcel);
        self.heard_at.insert(parcel.from, self.lines.clock.now());
        if let Some(slot) = parcel.messages.iter().filter_map(self.executed).max() {
            self.executed_by.insert(parcel.from, slot);
        }
        self.messages_in += parcel.messages.len() as u64;
        if !self.node.must_drop_input() {
            self.node.deliver(parcel.from, parcel.messages);
        }
    }

    fn tick(&mut self) {
        let elapsed = self.lines.clock.elapsed();
        if elapsed >= self.next_tick {
            self.next_tick = elapsed + Duration::from_millis(self.config.tick_ms);
            let now = self.lines.clock.now();
            self.node.tick(now);
            self.showing.on_tick(&self.node);
        }
    }

    fn report(&self) -> HostReport {
        let Config { me, n, .. } = self.config;
        let status = self.lines.board.with(|status| status.clone());
        let peers = (0..n as u16).map(ReplicaId).filter(|peer| *peer != me);
        let link = |peer| (peer, self.lines.post.status(me, peer));
        HostReport {
            up_for: self.lines.clock.elapsed().saturating_sub(self.started),
            idle_for: status.executed_at.map(|at| self.lines.clock.elapsed().saturating_sub(at)),
            fenced: self.node.is_fenced(),
            gathered: self.edge.bytes(),
            links: peers.map(link).collect(),
            heard_at: self.heard_at.clone(),
            executed_by: self.executed_by.clone(),
            native_clients: self.edge.clients(),
            full: self.node.is_full(),
            syncs: self.node.meter().map(|meter| (meter.syncs(), meter.sync_times())),
            ..HostReport::of(&self.config, status, self.lines.clock.now())
        }
    }

    fn publish(&mut self, sent: u64) {
        let events = self.node.take_events();
        let origin = Origin { replica: self.config.me, at: self.lines.clock.elapsed() };
        let (watcher, messages_in) = (self.lines.watcher.as_ref(), self.messages_in);
        self.lines.board.with(|status| {
            status.turns += 1;
            status.messages_in = messages_in;
            status.messages_out += sent;
            for event in events {
                status.on_event(event, watcher, &origin);
            }
        });
    }
}

/// Names connections and nonces, each once in the life of a cluster.
#[derive(Debug)]
pub(super) struct Names(AtomicU64);

impl Names {
    /// Those of a cluster that is kept here. One that goes on where it was executes its journal
    /// again, and answers whoever opened a session in an earlier life: no new client may have a
    /// nonce of then.
    pub fn of(storage: &Storage) -> Result<Self, Error> {
        let first = match storage {
            Storage::None | Storage::Memory => 0,
            // Far below the names that Redis connections have.
            Storage::Directory(_) => {
                getrandom::u64().map_err(|error| Error::Keys(error.to_string()))? >> 2
            }
        };
        Ok(Self(AtomicU64::new(first)))
    }

    pub fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }
}
