//! The machines of a simulated cluster: how replicas start, work, sync, crash and come back.

use std::fmt::Debug;
use std::hash::Hash;

use super::events::SimEvent;
use super::lines::Lines;
use super::world::World;
use crate::disk::{Identity, ProtocolName, Store};
use crate::engine::node::Node;
use crate::engine::protocol::JournalRecord;
use crate::engine::replica::timeless_worker;
use crate::model::batch::Packer;
use crate::model::config::Config;
use crate::model::error::Error;
use crate::model::events::Event;
use crate::model::reads::{Freshness, Reads};
use crate::model::types::{Millis, ReplicaId, Slot};

/// The cluster number of simulated disks.
const CLUSTER: u64 = 0x5151;

impl<M, R> World<M, R>
where
    M: Clone + Debug + Hash + 'static,
    R: JournalRecord,
{
    /// Whose the disk of a replica is.
    fn owner(&self, replica: ReplicaId) -> Identity {
        let protocol = ProtocolName::of(self.subject.protocol.name);
        Identity { cluster: CLUSTER, replica, protocol }
    }

    /// Gives a replica its disk.
    pub(super) fn make(&mut self, at: ReplicaId) {
        let owner = self.owner(at);
        if let Err(error) = Store::create(&mut self.nodes[at.0 as usize].disk, owner) {
            self.fail(format!("replica {at} cannot be made: {error}"));
        }
    }

    pub(super) fn start(&mut self, at: ReplicaId) {
        let owner = self.owner(at);
        let place = &mut self.nodes[at.0 as usize];
        if place.node.is_some() || place.refused {
            return;
        }
        place.life += 1;
        place.inbox.clear();
        place.edge = Packer::default();
        place.lines = Lines::default();
        place.reads.clear();
        (place.turn_due, place.sync_due, place.busy_until) = (false, false, self.now);
        let config = Config { me: at, ..self.settings.config.clone() };
        let dataflow = self.subject.dataflow.clone();
        let disk = (self.subject.disk)(place.disk.clone(), owner);
        let mut recovery = Ok(());
        let mut first = Slot(0);
        let (oracle, rotten) = (&mut self.oracle, place.rotten);
        let watched = self.recorder.as_ref().map(|recorder| recorder.prepare(&config, &dataflow));
        let (worker, observer) = match watched {
            Some((worker, observer)) => (worker, Some(observer)),
            None => (timeless_worker(), None),
        };
        let started = Node::start_on(
            worker,
            &config,
            Some((disk, owner)),
            (self.subject.application)(),
            |inputs, config| {
                recovery = oracle.on_start(at, &inputs.recovered, rotten);
                first = inputs.recovered.decided;
                dataflow(inputs, config)
            },
        );
        let life = place.life;
        match started {
            Ok(mut node) => {
                if let (Some(observer), Some(recorder)) = (observer, &mut self.recorder) {
                    let observation = observer.watch(&mut node, self.subject.protocol.step);
                    recorder.on_start(at, life, observation);
                }
                place.node = Some(node);
                if !self.healed && self.random.chance(self.settings.stillborn) {
                    place.disk.die_after(self.random.below(8));
                }
                self.common.on_start(at, first);
                self.check(recovery);
                self.queue.at(self.now, SimEvent::Tick { at, life });
                self.trace.note(self.now, ("start", at, life), || {
                    format!("replica {at} starts, life {life}, from slot {first}")
                });
            }
            Err(error) if place.rotten => {
                place.refused = true;
                self.stats.refused += 1;
                let why = error.to_string();
                self.trace.note(self.now, ("refused", at), || format!("replica {at}: {why}"));
            }
            Err(error @ Error::Disk { .. }) => self.disk_failed(at, &error.to_string()),
            Err(error) => self.fail(format!("replica {at} does not start: {error}")),
        }
    }

    /// Takes a replica down; says whether it was up.
    pub fn crash(&mut self, at: ReplicaId) -> bool {
        let process_only = self.random.chance(500_000);
        self.take_down(at, process_only)
    }

    /// Takes down its process only.
    pub(super) fn kill(&mut self, at: ReplicaId) -> bool {
        self.take_down(at, true)
    }

    /// A process that is killed leaves all it wrote in the system's memory; a machine does not.
    fn take_down(&mut self, at: ReplicaId, process_only: bool) -> bool {
        let place = &mut self.nodes[at.0 as usize];
        if place.node.take().is_none() {
            return false;
        }
        place.disk.crash(&mut self.random, self.settings.disks.torn, process_only);
        self.common.on_crash(at);
        self.stats.crashes += 1;
        self.trace.note(self.now, ("crash", at), || format!("replica {at} crashes"));
        if let Some(recorder) = &mut self.recorder {
            recorder.on_crash(at);
        }
        true
    }

    /// Starts a replica that a script took down.
    pub fn restart(&mut self, at: ReplicaId) {
        self.queue.at(self.now, SimEvent::Start { at });
    }

    pub(super) fn clock_ms(&self, at: ReplicaId) -> Millis {
        let place = &self.nodes[at.0 as usize];
        (place.clock_us + self.now + self.now / 1_000_000 * place.drift) / 1000
    }

    pub(super) fn tick(&mut self, at: ReplicaId, life: u64) {
        let now_ms = self.clock_ms(at);
        let place = &mut self.nodes[at.0 as usize];
        let Some(node) = place.node.as_mut().filter(|_| place.life == life) else { return };
        let next = (self.now + self.settings.config.tick_ms * 1000).max(place.paused_until);
        if self.now >= place.paused_until {
            node.tick(now_ms);
            if let Some(recorder) = &mut self.recorder {
                recorder.on_tick(at, node);
            }
        }
        self.queue.at(next, SimEvent::Tick { at, life });
        self.wake(at);
    }

    /// Makes sure that a replica works soon.
    pub(super) fn wake(&mut self, at: ReplicaId) {
        let place = &mut self.nodes[at.0 as usize];
        if place.node.is_some() && !place.turn_due {
            place.turn_due = true;
            let when = self.now.max(place.busy_until).max(place.paused_until);
            self.queue.at(when, SimEvent::Turn { at, life: place.life });
        }
    }

    pub(super) fn turn(&mut self, at: ReplicaId, life: u64) {
        let now_ms = self.clock_ms(at);
        let place = &mut self.nodes[at.0 as usize];
        let Some(node) = place.node.as_mut().filter(|_| place.life == life) else { return };
        place.turn_due = false;
        if self.now < place.paused_until {
            return self.wake(at);
        }
        for (from, message) in place.inbox.drain(..) {
            if let Some(recorder) = &mut self.recorder {
                recorder.on_delivery(at, from, now_ms);
            }
            node.deliver(from, [message]);
        }
        place.lines.fill(&mut place.edge, &self.settings.config);
        if !node.is_fenced() && node.replica().room() > 0 && !place.edge.is_empty() {
            node.submit(place.edge.finish(), now_ms);
        }
        place.reads.retain(|&freshness, requests| {
            let takes = freshness != Freshness::Latest || node.replica().read_room() > Some(0);
            if takes {
                node.submit_reads(Reads { freshness, requests: requests.finish() }, now_ms);
            }
            !takes
        });
        self.stats.turns += 1;
        if let Err(error) = node.turn() {
            return self.disk_failed(at, &error.to_string());
        }
        place.busy_until = self.now + (20 + self.random.below(100)) * place.slowness;
        self.after_turn(at);
    }

    pub(super) fn after_turn(&mut self, at: ReplicaId) {
        let place = &mut self.nodes[at.0 as usize];
        let Some(node) = &mut place.node else { return };
        let events = node.take_events();
        for event in &events {
            self.on_event(at, event);
        }
        self.take_frame(at);
        self.begin_sync(at);
        self.say(at);
    }

    fn take_frame(&mut self, at: ReplicaId) {
        let now_ms = self.clock_ms(at);
        let node = &mut self.nodes[at.0 as usize].node;
        if let (Some(recorder), Some(node)) = (&mut self.recorder, node) {
            let config = Config { me: at, ..self.settings.config.clone() };
            recorder.on_turn(&config, node, now_ms);
        }
    }

    pub(super) fn on_event(&mut self, at: ReplicaId, event: &Event) {
        if let Some(recorder) = &mut self.recorder {
            recorder.on_event(at, event);
        }
        let hash = match event {
            Event::Executed { slot, value, .. } => (1, slot.0, value.clone()),
            Event::EnteredView { view, .. } => (2, view.0, None),
            Event::Leads { view, .. } => (3, view.0, None),
            Event::Digest { .. } => {
                self.digests += 1;
                (4, 0, None)
            }
            _ => (5, 0, None),
        };
        self.trace.note(self.now, (at, hash), || format!("replica {at}: {event:?}"));
        let common = self.common.on_event(at, event);
        self.check(common);
        let own = self.oracle.on_event(at, event);
        self.check(own);
    }

    pub(super) fn begin_sync(&mut self, at: ReplicaId) {
        let place = &mut self.nodes[at.0 as usize];
        let Some(turn) = place.node.as_ref().and_then(Node::sync_wanted) else { return };
        if std::mem::replace(&mut place.sync_due, true) {
            return;
        }
        let disks = &self.settings.disks;
        let mut takes = (disks.sync_us + self.random.below(disks.jitter_us)) * place.slowness;
        if self.now < place.slow_until {
            takes += self.random.below(400_000);
        }
        self.queue.at(self.now + takes, SimEvent::Synced { at, life: place.life, turn });
    }

    pub(super) fn synced(&mut self, at: ReplicaId, life: u64, turn: u64) {
        let place = &mut self.nodes[at.0 as usize];
        let Some(node) = place.node.as_mut().filter(|_| place.life == life) else { return };
        place.sync_due = false;
        if node.sync_wanted().is_none() {
            // The disk has become full: what the sync would cover waits until there is room.
            return;
        }
        if let Err(error) = node.sync(turn) {
            return self.disk_failed(at, &error.to_string());
        }
        self.begin_sync(at);
        self.say(at);
        self.wake(at);
    }

    /// A replica stops when its disk fails, and is started again by whoever looks after it.
    pub(super) fn disk_failed(&mut self, at: ReplicaId, why: &str) {
        self.trace.note(self.now, ("disk", at), || format!("replica {at} stops: {why}"));
        self.stats.disk_failures += 1;
        if !self.crash(at) {
            self.nodes[at.0 as usize].disk.crash(&mut self.random, self.settings.disks.torn, false);
        }
        let back = self.now + self.random.within(1_000..300_000);
        self.queue.at(back, SimEvent::Start { at });
    }
}
