//! Watches one replica, from its own thread.
//!
//! The hooks of its node tell it what passes; operators count for themselves; once a frame
//! is due it puts the changes into the [`Views`], and reads off what they show.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;

use timely::worker::Worker;

use super::frame::{Blame, Frame, Happened, Level, RoleHolding, VERSION};
use super::logs::Logs;
use super::past::Past;
use super::roster::Roster;
use super::status::ReplicaStatus;
use super::views::{Count, Epoch, Views, WINDOW};
use super::waits::Waits;
use super::window::Window;
use crate::engine::activity::Activity;
use crate::engine::meter::{self, Meters};
use crate::engine::node::Node;
use crate::engine::protocol::{JournalRecord, Protocol, Step};
use crate::engine::replica::timeless_worker;
use crate::engine::watcher::Watcher;
use crate::model::batch::BatchId;
use crate::model::clock::Clock;
use crate::model::config::Config;
use crate::model::events::{self, Event, Wait};
use crate::model::histogram::Buckets;
use crate::model::types::{ReplicaId, Slot, To};
use crate::observe::graph::{self, Wiring};

/// Lives of slots in a frame.
const SLOTS_A_FRAME: usize = 32;
/// The least time for which counts are recent, in microseconds: that from one frame to the next.
const LEAST_US: u64 = 250_000;
/// Things that happened in a frame.
const HAPPENED_A_FRAME: usize = 64;
/// Where blame begins: at what applies the ordered stream.
pub(super) const APPLICATION: &str = "executor";

/// Tells the time, in microseconds since the Unix epoch.
pub type Now = Box<dyn Fn() -> u64>;

/// Watches one replica.
pub struct Monitor {
    level: Level,
    wiring: Wiring,
    activity: Activity,
    meters: Meters,
    /// What timely itself logs, from level `full` on.
    logs: Option<Logs>,
    /// The operators; nothing before the replica has been built.
    roster: Option<Roster>,
    views: Views,
    waits: Waits,
    past: Past,
    now: Now,
    /// When the replica had last done its work, or its disk had.
    worked_at: u64,
    turns: u64,
    /// Whether times are taken at all, and whether that of this turn is.
    timed: bool,
    timing: Rc<Cell<bool>>,
    /// When the last frames were taken.
    times: VecDeque<u64>,
    number: Epoch,
    sources: Sources,
    holdings: Vec<events::Holding>,
    /// Since when each role has waited for the same thing.
    since: BTreeMap<String, (events::Holding, u64)>,
    happened: Vec<Happened>,
    counts: BTreeMap<String, u64>,
    /// The first slot whose life no frame has shown.
    shown_to: Slot,
}

/// The batches of this replica's clients that are on their way.
#[derive(Debug)]
struct Sources {
    me: ReplicaId,
    /// The present life of the replica: batches of an earlier one are not on their way.
    incarnation: u64,
    /// When each was packed, and the number of the first.
    packed: VecDeque<u64>,
    first: u64,
}

impl Monitor {
    /// A worker for a replica that speaks `protocol`, and what observes it, if it is to be
    /// observed.
    pub fn of_new_worker<M: Clone + 'static, R: Clone + 'static>(
        level: Level,
        config: &Config,
        protocol: Protocol<M, R>,
        clock: Clock,
    ) -> (Worker, Option<Self>) {
        if level == Level::Off {
            return (timeless_worker(), None);
        }
        let wiring = graph::wiring(config, protocol.dataflow);
        let (worker, observer) =
            Self::prepare(level, config, wiring, Box::new(move || clock.now_us()));
        (worker, Some(observer))
    }

    /// A worker whose replica will be observed, and what observes it. `wiring` is the replica's, as
    /// it will be built on that worker.
    pub fn prepare(level: Level, config: &Config, wiring: Wiring, now: Now) -> (Worker, Self) {
        let mut worker = graph::logging_worker();
        // What is built before the logs are kept is not in them.
        let mut logs = if level == Level::All { Logs::keep(&mut worker) } else { None };
        let views = Views::build(&mut worker);
        let waits = Waits::build(&mut worker, APPLICATION);
        if level == Level::Full {
            logs = Logs::keep(&mut worker);
        }
        let meters = meter::collect(&worker);
        let times = VecDeque::from([now()]);
        let observer = Self {
            level,
            wiring,
            activity: Activity::of(Vec::new()),
            meters,
            logs,
            roster: None,
            views,
            waits,
            past: Past::new(config.me, config.quorum()),
            now,
            worked_at: 0,
            turns: 0,
            timed: true,
            timing: Rc::default(),
            times,
            number: 0,
            sources: Sources { me: config.me, incarnation: 0, packed: VecDeque::new(), first: 1 },
            holdings: Vec::new(),
            since: BTreeMap::new(),
            happened: Vec::new(),
            counts: BTreeMap::new(),
            shown_to: Slot(0),
        };
        (worker, observer)
    }

    /// Watches `node` from now on, which has been started on the worker that was prepared for it.
    /// `step` is the [protocol's](crate::engine::protocol::Protocol).
    pub fn watch<M, R>(self, node: &mut Node<M, R>, step: fn(&M) -> Option<Step>) -> Observation
    where
        M: Clone + 'static,
        R: JournalRecord,
    {
        let monitor = Rc::new(RefCell::new(self));
        let observed = Rc::clone(&monitor);
        let (activity, from) = (Activity::of(Vec::new()), ReplicaId(0));
        node.watch(Box::new(Hooks { monitor, step, activity, from, received_at: None }));
        Observation(observed)
    }

    /// Takes no times: of a replica whose clock is not the system's they would mean nothing.
    pub fn without_times(self) -> Self {
        Self { timed: false, ..self }
    }

    /// The replica's graph is there, on the worker that was prepared, in this life of the replica:
    /// from now on its operators note when they run.
    fn on_built(&mut self, worker: &Worker, incarnation: u64) {
        self.sources.incarnation = incarnation;
        meter::close(worker);
        if let Some(logs) = &mut self.logs {
            logs.close(worker);
        }
        let roster = Roster::new(&self.wiring.graph, &self.meters, self.logs.as_ref());
        self.activity =
            Activity::of(roster.operators.iter().map(|known| known.name.clone()).collect());
        for (operator, known) in roster.operators.iter().enumerate() {
            if let Some(meter) = &known.meter {
                // An observer watches one replica, and is told once that this is there.
                let _ = meter.watched.set((self.activity.probe(operator), Rc::clone(&self.timing)));
            }
        }
        self.roster = Some(roster);
    }

    fn on_turn(&mut self) {
        self.activity.begin_turn();
        self.turns += 1;
        if self.turns == 1 {
            // Much may have passed since it was prepared: the disk has been read.
            self.times = VecDeque::from([(self.now)()]);
        }
        // Where there are logs they tell the time of every run.
        if self.timed && self.logs.is_none() {
            self.timing.set(self.turns.is_multiple_of(self.level.timed_turns()));
        }
    }

    fn on_event(&mut self, event: &Event) {
        let now = self.worked_at;
        match event {
            Event::Holds(holding) => self.holdings.push(holding.clone()),
            Event::Executed { slot, value, applied } => {
                self.views.add((None, Count::Slots), 1);
                let applied = value.as_ref().filter(|_| *applied);
                let packed_at = applied.and_then(|batch| self.sources.executed(batch.id));
                if let Some(batch) = applied {
                    let requests = batch.requests.len() as u64;
                    self.views.add((None, Count::Requests), requests);
                    if let Some(packed_at) = packed_at {
                        let took = Duration::from_micros(now.saturating_sub(packed_at));
                        let bucket = Buckets::bucket(took);
                        self.views.add((None, Count::Answered(bucket)), requests);
                        let sum_us = took.as_micros() as u64 * requests;
                        self.views.add((None, Count::AnsweredUs), sum_us);
                    }
                }
                self.past.write(|memory| memory.execute(*slot, value, packed_at, now));
            }
            event => {
                if let Event::Installed { slot } = event {
                    self.past.write(|memory| memory.install(*slot));
                }
                if let Some(happened) = Happened::of(event, now) {
                    self.happen(happened);
                }
            }
        }
    }

    fn happen(&mut self, happened: Happened) {
        *self.counts.entry(happened.kind.clone()).or_default() += 1;
        if self.happened.len() < HAPPENED_A_FRAME {
            self.happened.push(happened.clone());
        } else {
            self.past.lose(1);
        }
        self.past.write(|memory| memory.happen(happened));
    }

    /// Ends an epoch: puts into the views what has changed. The worker must then be run until it
    /// has nothing left to do.
    fn end_epoch(&mut self) {
        self.number += 1;
        if let Some(logs) = &mut self.logs {
            logs.end_epoch(self.number);
        }
        let logs = self.logs.as_ref();
        if let Some(roster) = &mut self.roster {
            roster.read(logs, self.level.timed_turns(), &mut self.views);
        }
        self.views.end_epoch();
        self.waits.hold(&self.holdings);
        self.waits.end_epoch(self.number);
        self.times.push_back((self.now)());
        while self.times.len() as u64 > WINDOW + 1 {
            self.times.pop_front();
        }
    }

    /// A frame of the epoch that was ended last, of a replica that stands like this.
    fn frame(&mut self, status: ReplicaStatus) -> Frame {
        let at_us = self.times.back().copied().unwrap_or_default();
        let first_us = self.times.front().copied().unwrap_or_default();
        // What was counted before the first frame took some time, too.
        let window_us = at_us.saturating_sub(first_us).max(LEAST_US);
        let holdings = self.take_holdings(at_us);
        let slots = self.past.sampled(self.shown_to, SLOTS_A_FRAME).unwrap_or_default();
        let open = slots.iter().find(|life| life.executed_at.is_none()).map(|life| life.slot);
        let last = slots.last().map(|life| life.slot.next());
        self.shown_to = open.or(last).unwrap_or(self.shown_to);
        let shown = self.views.shown();
        let window = Window { shown: &shown, seconds: window_us as f64 / 1e6 };
        let roster = self.roster.as_ref();
        let operators =
            roster.map_or(Vec::new(), |roster| window.operators(roster, self.logs.as_ref()));
        let channels = window.channels(&self.wiring);
        let chain = self.waits.chain();
        let chain = chain.iter().filter_map(|role| holdings.iter().find(|h| h.role == *role));
        let mut blame: Vec<_> = chain.map(|holding| Blame::of(holding, status.saving())).collect();
        let asked =
            |holding: &RoleHolding| holding.held > 0 && matches!(holding.wait, Wait::Proposal(_));
        let idle = |holding: &RoleHolding| holding.wait == Wait::Nothing;
        let last = blame.last().and_then(|last| holdings.iter().find(|h| h.role == last.operator));
        if last.is_some_and(idle) && !holdings.iter().any(asked) {
            // Who has nothing to do waits for nobody.
            blame.clear();
        }
        Frame {
            version: VERSION,
            status,
            number: self.number,
            at_us,
            window_us,
            level: self.level,
            lost: self.past.lost(),
            request_rate: window.rate((None, Count::Requests)),
            slot_rate: window.rate((None, Count::Slots)),
            latency: window.spread(None, Count::Answered),
            latencies: window.latencies(),
            counts: self.counts.clone(),
            operators,
            channels,
            blame,
            holdings,
            slots,
            happened: std::mem::take(&mut self.happened),
        }
    }

    fn take_holdings(&mut self, now: u64) -> Vec<RoleHolding> {
        let mut since = std::mem::take(&mut self.since);
        let holdings = std::mem::take(&mut self.holdings);
        let holding = |holding: events::Holding| {
            let same = |before: &events::Holding| {
                let of = |holding: &events::Holding| (holding.slot, holding.first);
                of(before) == of(&holding) && before.wait == holding.wait
            };
            let before = since.remove(&holding.role).filter(|(before, _)| same(before));
            let began = before.map_or(now, |(_, began)| began);
            self.since.insert(holding.role.clone(), (holding.clone(), began));
            let events::Holding { role, slot, held, bytes, wait, refused, .. } = holding;
            let refused = refused.counts().map(|(why, count)| (why.name().to_owned(), count));
            let (waited_us, refused) = (now.saturating_sub(began), refused.collect());
            RoleHolding { role, slot, held, bytes, wait, waited_us, refused }
        };
        holdings.into_iter().map(holding).collect()
    }
}

/// The host's end of a monitor that watches a node.
#[derive(Clone)]
pub struct Observation(Rc<RefCell<Monitor>>);

impl Observation {
    /// A frame of `node`, which stands like this, as it was after its last turn.
    pub fn frame<M, R>(&self, node: &mut Node<M, R>, status: ReplicaStatus) -> Frame
    where
        M: Clone + 'static,
        R: JournalRecord,
    {
        self.0.borrow_mut().end_epoch();
        node.settle();
        self.0.borrow_mut().frame(status)
    }

    /// What has been seen, for other threads.
    pub fn past(&self) -> Past {
        self.0.borrow().past.clone()
    }

    /// What the node's thread does, for other threads.
    pub fn activity(&self) -> Activity {
        self.0.borrow().activity.clone()
    }
}

/// The node's end of it.
struct Hooks<M> {
    monitor: Rc<RefCell<Monitor>>,
    step: fn(&M) -> Option<Step>,
    activity: Activity,
    /// Whose messages come, and when they did, once that is wanted.
    from: ReplicaId,
    received_at: Option<u64>,
}

impl<M> Watcher<M> for Hooks<M> {
    fn on_built(&mut self, worker: &Worker, incarnation: u64) {
        let mut monitor = self.monitor.borrow_mut();
        monitor.on_built(worker, incarnation);
        self.activity = monitor.activity.clone();
    }

    fn on_turn(&mut self) {
        self.monitor.borrow_mut().on_turn();
    }

    fn on_delivery(&mut self, from: ReplicaId) {
        (self.from, self.received_at) = (from, None);
    }

    fn on_received(&mut self, message: &M) {
        if let Some(step) = (self.step)(message) {
            let monitor = self.monitor.borrow();
            let at = *self.received_at.get_or_insert_with(|| (monitor.now)());
            monitor.past.write(|memory| memory.receive(self.from, step, at));
        }
    }

    fn on_submit(&mut self) {
        let mut monitor = self.monitor.borrow_mut();
        let now = (monitor.now)();
        monitor.sources.packed.push_back(now);
    }

    fn on_worked(&mut self) {
        let mut monitor = self.monitor.borrow_mut();
        monitor.worked_at = (monitor.now)();
    }

    fn on_event(&mut self, event: &Event) {
        self.monitor.borrow_mut().on_event(event);
    }

    fn on_sent(&mut self, messages: &[(To, M)]) {
        let monitor = self.monitor.borrow();
        let mut past = monitor.past.writing();
        for step in messages.iter().filter_map(|(_, message)| (self.step)(message)) {
            past.write(|memory| memory.send(step, monitor.worked_at));
        }
    }

    fn on_disk_phase(&mut self) {
        self.activity.begin_disk_phase();
    }

    fn on_disk(&mut self) {
        self.activity.begin_disk();
    }

    fn on_turn_ended(&mut self) {
        self.activity.end();
    }
}

impl Level {
    /// The time of one turn in so many is taken. A prime: turns come in rhythms of two and four.
    fn timed_turns(self) -> u64 {
        if self >= Self::Full { 1 } else { 17 }
    }
}

impl Sources {
    /// When a batch of this replica was packed that has now been applied; nothing for others.
    fn executed(&mut self, id: BatchId) -> Option<u64> {
        if (id.source, id.incarnation) != (self.me, self.incarnation) || id.number < self.first {
            return None;
        }
        let mut packed_at = None;
        while self.first <= id.number {
            packed_at = Some(self.packed.pop_front()?);
            self.first += 1;
        }
        packed_at
    }
}
