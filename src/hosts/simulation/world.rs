//! The event loop of a simulated cluster.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Debug;
use std::hash::Hash;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::clients::Clients;
use super::disk::FaultyDisk;
use super::events::{EventQueue, SimEvent};
use super::faults::{Micros, WorldSettings};
use super::linearizability::{Verdict, check_within};
use super::lines::Lines;
use super::oracle::Common;
use super::random::Random;
use super::readers::Readers;
use super::recorder::Recorder;
use super::trace::Trace;
use super::traffic::Links;
use super::{Outcome, Stats, Subject};
use crate::engine::node::Node;
use crate::engine::protocol::{JournalRecord, Oracle};
use crate::model::batch::Packer;
use crate::model::reads::Freshness;
use crate::model::types::{ReplicaId, Slot, View};

/// Says of a message from one replica to another whether it is lost.
type Loss<M> = Box<dyn FnMut(ReplicaId, ReplicaId, &M) -> bool>;

/// A simulated cluster with its clients.
pub struct World<M: Clone + 'static, R: Clone + 'static> {
    pub(super) settings: WorldSettings,
    pub(super) subject: Subject<M, R>,
    pub(super) random: Random,
    pub(super) now: Micros,
    /// Counts what happens, so that of two things one came first.
    pub(super) moment: u64,
    pub(super) queue: EventQueue<M>,
    pub(super) nodes: Vec<Place<M, R>>,
    pub(super) links: Links,
    /// Messages that a script has lost.
    pub(super) loss: Option<Loss<M>>,
    pub(super) clients: Clients,
    pub(super) readers: Readers,
    pub(super) common: Common,
    pub(super) oracle: Box<dyn Oracle<M, R>>,
    pub(super) trip: Option<&'static str>,
    pub(super) trace: Trace,
    pub(super) stats: Stats,
    pub(super) violation: Option<String>,
    pub(super) healed: bool,
    pub(super) healed_at: Micros,
    pub(super) digests_wanted: bool,
    pub(super) digests: usize,
    pub(super) recorder: Option<Recorder>,
}

/// A replica's machine.
pub(super) struct Place<M: Clone + 'static, R: Clone + 'static> {
    pub node: Option<Node<M, R>>,
    pub disk: FaultyDisk,
    pub life: u64,
    pub inbox: VecDeque<(ReplicaId, M)>,
    pub(super) edge: Packer,
    pub(super) lines: Lines,
    /// Reads that wait for it.
    pub(super) reads: BTreeMap<Freshness, Packer>,
    pub(super) turn_due: bool,
    pub(super) sync_due: bool,
    pub(super) busy_until: Micros,
    pub paused_until: Micros,
    pub slow_until: Micros,
    /// How many times as long as usual its work and its syncs take.
    pub slowness: u64,
    /// How far its clock is ahead.
    pub clock_us: Micros,
    /// Parts per million by which its clock is fast.
    pub(super) drift: u64,
    pub rotten: bool,
    /// Whether it has refused to start.
    pub(super) refused: bool,
}

/// Steps the linearizability checker may take for a key.
const CHECKER_STEPS: u64 = 1 << 22;

impl<M, R> World<M, R>
where
    M: Clone + Debug + Hash + 'static,
    R: JournalRecord,
{
    /// Runs the world of `seed` to its end.
    pub fn run(subject: &Subject<M, R>, seed: u64, settings: WorldSettings, keep: bool) -> Outcome {
        let mut world = Self::new(subject, seed, settings, keep);
        world.end();
        world.outcome()
    }

    /// Runs the world of `seed` to its end, and records it for those who want to look at it. The
    /// run is the same as if nobody did.
    pub fn record(
        subject: &Subject<M, R>,
        seed: u64,
        settings: WorldSettings,
    ) -> (Outcome, String) {
        let recorder = Recorder::new(subject.protocol.name, settings.config.n);
        let mut world = Self::new_inner(subject, seed, settings, false, Some(recorder));
        world.end();
        let recorder = world.recorder.take();
        let text = recorder.map_or_else(String::new, |recorder| recorder.into_text(seed));
        (world.outcome(), text)
    }

    /// Runs to the end, or until a replica breaks an assertion of its own, which is a rule like others.
    fn end(&mut self) {
        let ended = catch_unwind(AssertUnwindSafe(|| self.finish()));
        if let Err(panic) = ended {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            self.fail(format!("assertion: {}", text.unwrap_or("no text")));
        }
    }

    /// A world at its beginning, to be put through a script.
    pub fn new(subject: &Subject<M, R>, seed: u64, settings: WorldSettings, keep: bool) -> Self {
        Self::new_inner(subject, seed, settings, keep, None)
    }

    fn new_inner(
        subject: &Subject<M, R>,
        seed: u64,
        mut settings: WorldSettings,
        keep: bool,
        recorder: Option<Recorder>,
    ) -> Self {
        let mut random = Random::new(seed);
        settings.config.tolerance = subject.protocol.tolerance;
        let n = settings.config.n;
        let place = |random: &mut Random| Place {
            node: None,
            disk: FaultyDisk::default(),
            life: 0,
            inbox: VecDeque::new(),
            edge: Packer::default(),
            lines: Lines::default(),
            reads: BTreeMap::new(),
            turn_due: false,
            sync_due: false,
            busy_until: 0,
            paused_until: 0,
            slow_until: 0,
            slowness: 1,
            clock_us: random.below(1_000_000),
            drift: random.below(400),
            rotten: false,
            refused: false,
        };
        let nodes = (0..n).map(|_| place(&mut random)).collect();
        let trip = (settings.trip > 0).then(|| *random.pick(subject.protocol.kinds));
        let mut world = Self {
            oracle: (subject.protocol.oracle)(&settings.config),
            clients: Clients::new(&settings),
            readers: Readers::new(&settings, seed),
            subject: subject.clone(),
            random,
            now: 0,
            moment: 0,
            queue: EventQueue::new(),
            nodes,
            links: Links::new(n),
            loss: None,
            common: Common::new(settings.config.sessions_max),
            trip,
            trace: Trace::new(keep),
            stats: Stats::default(),
            violation: None,
            healed: false,
            healed_at: 0,
            digests_wanted: false,
            digests: 0,
            recorder,
            settings,
        };
        world.begin();
        world
    }

    fn begin(&mut self) {
        for replica in (0..self.nodes.len() as u16).map(ReplicaId) {
            self.make(replica);
            self.start(replica);
        }
        for index in 0..self.clients.clients.len() {
            let when = 20_000 + self.random.below(20_000);
            self.queue.at(when, SimEvent::Client { index, timer: 0 });
        }
        for index in 0..self.readers.count() {
            self.queue.at(20_000, SimEvent::Reader { index });
        }
        self.queue.at(self.settings.chaos_us, SimEvent::Heal);
        if self.settings.nemesis_every_us > 0 && !self.settings.acts.is_empty() {
            self.queue.at(self.settings.nemesis_every_us, SimEvent::Nemesis);
        }
    }

    /// Lets things happen until `end`, or until nothing is left to wait for. Says whether the run
    /// is over.
    pub fn run_until(&mut self, end: Micros) -> bool {
        while self.violation.is_none() && self.now < end {
            if self.digests_wanted && self.digests >= self.up().count() {
                return true;
            }
            let Some((when, happening)) = self.queue.next() else { return true };
            self.now = when.max(self.now);
            if let Some(recorder) = &self.recorder {
                recorder.set_now(self.now);
            }
            self.moment += 1;
            self.happen(happening);
            self.ask_for_digests();
        }
        self.violation.is_some()
    }

    /// Lets things happen until everything is answered and equal, or should have been.
    pub fn finish(&mut self) {
        let end = self.settings.chaos_us + self.settings.calm_us;
        if !self.run_until(end) {
            let why = self.what_is_missing();
            self.fail(why);
        }
        if self.violation.is_none() {
            match check_within(&self.clients.history, CHECKER_STEPS) {
                Verdict::Violation { key, detail } => {
                    self.fail(format!("G6: key {key} is not linearizable: {detail}"));
                }
                // So rare with a few hundred operations that it is no hole in the net.
                Verdict::Linearizable | Verdict::Undecided { .. } => {}
            }
        }
    }

    /// How the run went so far.
    pub fn outcome(mut self) -> Outcome {
        self.stats.virtual_us = self.now;
        self.stats.counts = self.common.counts;
        self.stats.unknown = self.clients.unknown;
        self.stats.answered = self.answered() as u64;
        self.stats.disk_full = self.nodes.iter().map(|place| place.disk.counts().full).sum();
        Outcome {
            violation: self.violation,
            fingerprint: self.trace.fingerprint(),
            trace: self.trace.into_lines(),
            stats: self.stats,
            marks: self.oracle.marks(),
        }
    }

    /// The links, to be cut by a script.
    pub fn links(&mut self) -> &mut Links {
        &mut self.links
    }

    /// Loses the messages for which `is_lost` holds from now on, in place of those chosen before.
    /// What a replica sends to itself is never lost.
    pub fn lose(&mut self, is_lost: impl FnMut(ReplicaId, ReplicaId, &M) -> bool + 'static) {
        self.loss = Some(Box::new(is_lost));
    }

    /// Loses no chosen messages any more.
    pub fn lose_nothing(&mut self) {
        self.loss = None;
    }

    /// Has a replica take `times` as long for its work and its syncs from now on.
    pub fn slow_down(&mut self, replica: ReplicaId, times: u64) {
        self.nodes[replica.0 as usize].slowness = times;
    }

    /// Tells a replica that it is about to end, if it runs.
    pub fn resign(&mut self, replica: ReplicaId) {
        if let Some(node) = &mut self.nodes[replica.0 as usize].node {
            node.replica().resign();
        }
    }

    /// Whether a replica runs, and nothing that its clients have asked for is on its way.
    pub fn is_idle(&mut self, replica: ReplicaId) -> bool {
        let node = self.nodes[replica.0 as usize].node.as_mut();
        node.is_some_and(|node| node.replica().is_idle())
    }

    /// How many messages wait for a replica.
    pub fn waiting(&self, replica: ReplicaId) -> usize {
        self.nodes[replica.0 as usize].inbox.len()
    }

    /// The disk of a replica.
    pub fn disk(&self, replica: ReplicaId) -> FaultyDisk {
        self.nodes[replica.0 as usize].disk.clone()
    }

    /// The time.
    pub fn now(&self) -> Micros {
        self.now
    }

    /// Operations answered so far.
    pub fn answered(&self) -> usize {
        self.clients.history.iter().filter(|operation| operation.answer.is_some()).count()
    }

    /// How often things happened so far.
    pub fn stats(&self) -> Stats {
        Stats { counts: self.common.counts, ..self.stats }
    }

    /// The first slot a replica has not executed.
    pub fn executed(&self, replica: ReplicaId) -> Slot {
        self.common.next(replica)
    }

    /// The view a replica has entered since it started; none while it is in the one it started in.
    pub fn view(&self, replica: ReplicaId) -> Option<View> {
        self.common.view(replica)
    }

    fn what_is_missing(&self) -> String {
        let replicas = (0..self.nodes.len() as u16).map(ReplicaId);
        let next: Vec<u64> = replicas.map(|replica| self.common.next(replica).0).collect();
        let waiting = self.clients.clients.iter().filter(|c| c.timer > 0).count();
        format!(
            "liveness: {:.1} s after all was healed, {} of {} operations are answered and the \
             replicas have executed {next:?} of {} slots ({waiting} clients, {} reads left)",
            (self.now - self.healed_at) as f64 / 1e6,
            self.answered() as u64 + self.clients.unknown,
            self.settings.operations,
            self.common.end(),
            self.readers.left(),
        )
    }

    pub(super) fn fail(&mut self, why: String) {
        self.trace.note(self.now, "violation", || why.clone());
        self.violation.get_or_insert(why);
    }

    pub(super) fn check(&mut self, outcome: Result<(), String>) {
        if let Err(why) = outcome {
            self.fail(why);
        }
    }

    pub(super) fn up(&self) -> impl Iterator<Item = ReplicaId> {
        let up = self.nodes.iter().enumerate().filter(|(_, place)| place.node.is_some());
        up.map(|(replica, _)| ReplicaId(replica as u16))
    }

    /// Once all are equally far and nobody waits, asks all for their digests.
    pub(super) fn ask_for_digests(&mut self) {
        let settled = self.healed
            && !self.digests_wanted
            && self.readers.are_done()
            && self.clients.are_done()
            && self.clients.read_all()
            && self.nodes.iter().all(|place| place.node.is_some() || place.refused)
            && self.up().all(|replica| self.common.next(replica) == self.common.end());
        if settled {
            self.digests_wanted = true;
            for replica in self.up().collect::<Vec<_>>() {
                if let Some(node) = &mut self.nodes[replica.0 as usize].node {
                    node.replica().ask_digest();
                }
                self.wake(replica);
            }
        }
    }

    pub(super) fn happen(&mut self, happening: SimEvent<M>) {
        match happening {
            SimEvent::Deliver { to, from, message } => self.deliver(from, to, message),
            SimEvent::Turn { at, life } => self.turn(at, life),
            SimEvent::Tick { at, life } => self.tick(at, life),
            SimEvent::Synced { at, life, turn } => self.synced(at, life, turn),
            SimEvent::Start { at } => self.start(at),
            SimEvent::Nemesis => self.nemesis(),
            SimEvent::Room { at } => self.nodes[at.0 as usize].disk.set_full(false),
            SimEvent::Heal => {
                self.healed_at = self.now;
                self.heal();
            }
            SimEvent::Client { index, timer } => self.client(index, timer),
            SimEvent::Ask { to, ask } => self.ask(to, &ask),
            SimEvent::Reader { index } => self.reader(index),
            SimEvent::Read { to, freshness, ask } => self.read(to, freshness, &ask),
            SimEvent::Answer { from, replies } => self.answer(from, &replies),
        }
    }
}
