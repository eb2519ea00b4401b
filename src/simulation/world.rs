//! The event loop of a simulated cluster.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::hash::Hash;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::clients::{Ask, Clients};
use super::disk::FaultyDisk;
use super::events::{Future, Happening};
use super::faults::{Micros, Settings};
use super::linearizability::{Verdict, check_within};
use super::oracle::{Common, Oracle};
use super::random::Random;
use super::script::Loss;
use super::trace::Trace;
use super::{Outcome, Stats, Subject};
use crate::batch::{Packer, Replies, Request};
use crate::config::Config;
use crate::error::Error;
use crate::events::Event;
use crate::node::Node;
use crate::types::{Millis, ReplicaId, Slot, To, View};

/// A simulated cluster with its clients.
pub struct World<M: Clone + 'static, R: Clone + 'static> {
    pub(super) settings: Settings,
    subject: Subject<M, R>,
    pub(super) random: Random,
    pub(super) now: Micros,
    /// Counts what happens, so that of two things one came first.
    moment: u64,
    pub(super) future: Future<M>,
    pub(super) nodes: Vec<Place<M, R>>,
    pub(super) links: Links,
    /// Messages that a script has lost.
    pub(super) loss: Option<Loss<M>>,
    clients: Clients,
    common: Common,
    oracle: Box<dyn Oracle<M, R>>,
    trip: Option<&'static str>,
    pub(super) trace: Trace,
    pub(super) stats: Stats,
    violation: Option<String>,
    pub(super) healed: bool,
    healed_at: Micros,
    digests_wanted: bool,
    digests: usize,
}

/// A replica's machine.
pub(super) struct Place<M: Clone + 'static, R: Clone + 'static> {
    pub node: Option<Node<M, R>>,
    pub disk: FaultyDisk,
    pub life: u64,
    pub inbox: VecDeque<(ReplicaId, M)>,
    edge: Packer,
    turn_due: bool,
    sync_due: bool,
    busy_until: Micros,
    pub paused_until: Micros,
    pub slow_until: Micros,
    /// How many times as long as usual its work and its syncs take.
    pub slowness: u64,
    /// How far its clock is ahead.
    pub clock_us: Micros,
    /// Parts per million by which its clock is fast.
    drift: u64,
    pub rotten: bool,
    /// Whether it has refused to start.
    refused: bool,
}

/// Until when each link is cut, by sender and receiver.
pub struct Links {
    n: usize,
    cut_until: Vec<Micros>,
}

impl Links {
    /// Cuts the links for which `which` holds.
    pub fn cut(&mut self, until: Micros, mut which: impl FnMut(ReplicaId, ReplicaId) -> bool) {
        for from in 0..self.n {
            for to in 0..self.n {
                if from != to && which(ReplicaId(from as u16), ReplicaId(to as u16)) {
                    self.cut_until[from * self.n + to] = until;
                }
            }
        }
    }

    /// Mends all links.
    pub fn heal(&mut self) {
        self.cut_until.fill(0);
    }

    fn is_cut(&self, from: ReplicaId, to: ReplicaId, now: Micros) -> bool {
        self.cut_until[from.0 as usize * self.n + to.0 as usize] > now
    }
}

/// Messages a paused or fenced replica may have waiting; more are lost, as on a full link.
const INBOX_MAX: usize = 4096;
/// Bytes of requests an edge gathers before it turns clients away.
const EDGE_BYTES_MAX: usize = 1 << 16;
/// The cluster number of simulated disks.
const CLUSTER: u64 = 0x5151;
/// Steps the linearizability checker may take for a key.
const CHECKER_STEPS: u64 = 1 << 22;

impl<M, R> World<M, R>
where
    M: Clone + Debug + Hash + 'static,
    R: Clone + Serialize + DeserializeOwned + 'static,
{
    /// Runs the world of `seed` to its end.
    pub fn run(subject: &Subject<M, R>, seed: u64, settings: Settings, keep: bool) -> Outcome {
        let mut world = Self::new(subject, seed, settings, keep);
        world.finish();
        world.outcome()
    }

    /// A world at its beginning, to be put through a script.
    pub fn new(subject: &Subject<M, R>, seed: u64, settings: Settings, keep: bool) -> Self {
        let mut random = Random::new(seed);
        let n = settings.config.n;
        let place = |random: &mut Random| Place {
            node: None,
            disk: FaultyDisk::default(),
            life: 0,
            inbox: VecDeque::new(),
            edge: Packer::default(),
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
        let trip = (settings.trip > 0).then(|| *random.pick(subject.kinds));
        let mut world = Self {
            oracle: (subject.oracle)(&settings.config),
            clients: Clients::new(&settings),
            subject: subject.clone(),
            random,
            now: 0,
            moment: 0,
            future: Future::new(),
            nodes,
            links: Links { n, cut_until: vec![0; n * n] },
            loss: None,
            common: Common::default(),
            trip,
            trace: Trace::new(keep),
            stats: Stats::default(),
            violation: None,
            healed: false,
            healed_at: 0,
            digests_wanted: false,
            digests: 0,
            settings,
        };
        world.begin();
        world
    }

    fn begin(&mut self) {
        for replica in 0..self.nodes.len() as u16 {
            self.start(ReplicaId(replica));
        }
        for index in 0..self.clients.clients.len() {
            let when = 20_000 + self.random.below(20_000);
            self.future.at(when, Happening::Client { index, timer: 0 });
        }
        self.future.at(self.settings.chaos_us, Happening::Heal);
        if self.settings.nemesis_every_us > 0 && !self.settings.acts.is_empty() {
            self.future.at(self.settings.nemesis_every_us, Happening::Nemesis);
        }
    }

    /// Lets things happen until `end`, or until nothing is left to wait for. Says whether the run is
    /// over.
    pub fn run_until(&mut self, end: Micros) -> bool {
        while self.violation.is_none() && self.now < end {
            if self.digests_wanted && self.digests >= self.up().count() {
                return true;
            }
            let Some((when, happening)) = self.future.next() else { return true };
            self.now = when.max(self.now);
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
        self.stats.answered =
            self.clients.history.iter().filter(|operation| operation.answer.is_some()).count()
                as u64;
        for place in &self.nodes {
            self.stats.disk_full += place.disk.counts().full;
        }
        Outcome {
            violation: self.violation,
            fingerprint: self.trace.fingerprint(),
            trace: self.trace.into_lines(),
            stats: self.stats,
        }
    }

    /// The links, to be cut by a script.
    pub fn links(&mut self) -> &mut Links {
        &mut self.links
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Micros {
        self.now
    }

    /// Operations answered so far.
    #[must_use]
    pub fn answered(&self) -> usize {
        self.clients.history.iter().filter(|operation| operation.answer.is_some()).count()
    }

    /// How often things happened so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats { counts: self.common.counts, ..self.stats }
    }

    /// The first slot a replica has not executed.
    #[must_use]
    pub fn executed(&self, replica: ReplicaId) -> Slot {
        self.common.next(replica)
    }

    /// The view a replica has entered since it started; none while it is in the one it started in.
    #[must_use]
    pub fn view(&self, replica: ReplicaId) -> Option<View> {
        self.common.view(replica)
    }

    fn what_is_missing(&self) -> String {
        let next: Vec<u64> = (0..self.nodes.len() as u16)
            .map(|replica| self.common.next(ReplicaId(replica)).0)
            .collect();
        let waiting = self.clients.clients.iter().filter(|c| c.timer > 0).count();
        format!(
            "liveness: {:.1} s after all was healed, {} of {} operations are answered and the \
             replicas have executed {next:?} of {} slots ({waiting} clients)",
            (self.now - self.healed_at) as f64 / 1e6,
            self.answered() as u64 + self.clients.unknown,
            self.settings.operations,
            self.common.end(),
        )
    }

    fn fail(&mut self, why: String) {
        self.trace.note(self.now, "violation", || why.clone());
        self.violation.get_or_insert(why);
    }

    fn check(&mut self, outcome: Result<(), String>) {
        if let Err(why) = outcome {
            self.fail(why);
        }
    }

    fn up(&self) -> impl Iterator<Item = ReplicaId> {
        let up = self.nodes.iter().enumerate().filter(|(_, place)| place.node.is_some());
        up.map(|(replica, _)| ReplicaId(replica as u16))
    }

    /// Once all are equally far and nobody waits, asks all for their digests.
    fn ask_for_digests(&mut self) {
        let settled = self.healed
            && !self.digests_wanted
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

    fn happen(&mut self, happening: Happening<M>) {
        match happening {
            Happening::Deliver { to, from, message } => self.deliver(from, to, message),
            Happening::Turn { at, life } => self.turn(at, life),
            Happening::Tick { at, life } => self.tick(at, life),
            Happening::Synced { at, life, turn } => self.synced(at, life, turn),
            Happening::Start { at } => self.start(at),
            Happening::Nemesis => self.nemesis(),
            Happening::Room { at } => self.nodes[at.0 as usize].disk.set_full(false),
            Happening::Heal => {
                self.healed_at = self.now;
                self.heal();
            }
            Happening::Client { index, timer } => self.client(index, timer),
            Happening::Ask { to, ask } => self.ask(to, &ask),
            Happening::Answer { from, replies } => self.answer(from, &replies),
        }
    }

    fn start(&mut self, at: ReplicaId) {
        let place = &mut self.nodes[at.0 as usize];
        if place.node.is_some() || place.refused {
            return;
        }
        place.life += 1;
        place.inbox.clear();
        place.edge = Packer::default();
        (place.turn_due, place.sync_due, place.busy_until) = (false, false, self.now);
        let config = Config { me: at, ..self.settings.config.clone() };
        let dataflow = self.subject.dataflow.clone();
        let mut recovery = Ok(());
        let mut first = Slot(0);
        let (oracle, rotten) = (&mut self.oracle, place.rotten);
        let started = Node::start(
            &config,
            Some((Box::new(place.disk.clone()), CLUSTER)),
            (self.subject.application)(),
            |inputs, config| {
                recovery = oracle.on_start(at, &inputs.recovered, rotten);
                first = inputs.recovered.checkpoint.as_ref().map_or(Slot(0), |own| own.slot);
                dataflow(inputs, config)
            },
        );
        let life = place.life;
        match started {
            Ok(node) => {
                place.node = Some(node);
                self.common.on_start(at, first);
                self.check(recovery);
                self.future.at(self.now, Happening::Tick { at, life });
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
        let place = &mut self.nodes[at.0 as usize];
        if place.node.take().is_none() {
            return false;
        }
        // A process that is killed leaves all it wrote in the system's memory; a machine does not.
        let process_only = self.random.chance(500_000);
        place.disk.crash(&mut self.random, self.settings.disks.torn, process_only);
        self.common.on_crash(at);
        self.stats.crashes += 1;
        self.trace.note(self.now, ("crash", at), || format!("replica {at} crashes"));
        true
    }

    /// Starts a replica that a script took down.
    pub fn restart(&mut self, at: ReplicaId) {
        self.future.at(self.now, Happening::Start { at });
    }

    fn clock_ms(&self, at: ReplicaId) -> Millis {
        let place = &self.nodes[at.0 as usize];
        (place.clock_us + self.now + self.now / 1_000_000 * place.drift) / 1000
    }

    fn tick(&mut self, at: ReplicaId, life: u64) {
        let now_ms = self.clock_ms(at);
        let place = &mut self.nodes[at.0 as usize];
        let Some(node) = place.node.as_mut().filter(|_| place.life == life) else { return };
        let next = (self.now + self.settings.config.tick_ms * 1000).max(place.paused_until);
        if self.now >= place.paused_until {
            node.tick(now_ms);
        }
        self.future.at(next, Happening::Tick { at, life });
        self.wake(at);
    }

    fn deliver(&mut self, from: ReplicaId, to: ReplicaId, message: M) {
        let place = &mut self.nodes[to.0 as usize];
        if place.node.is_none() || place.inbox.len() >= INBOX_MAX {
            self.stats.lost += 1;
            return;
        }
        self.stats.messages += 1;
        let kind = (self.subject.kind)(&message);
        self.trace.note(self.now, ("deliver", from, to, &message), || {
            format!("{from} -> {to} {kind}: {message:?}")
        });
        place.inbox.push_back((from, message));
        self.wake(to);
    }

    /// Makes sure that a replica works soon.
    pub(super) fn wake(&mut self, at: ReplicaId) {
        let place = &mut self.nodes[at.0 as usize];
        if place.node.is_some() && !place.turn_due {
            place.turn_due = true;
            let when = self.now.max(place.busy_until).max(place.paused_until);
            self.future.at(when, Happening::Turn { at, life: place.life });
        }
    }

    fn turn(&mut self, at: ReplicaId, life: u64) {
        let now_ms = self.clock_ms(at);
        let place = &mut self.nodes[at.0 as usize];
        let Some(node) = place.node.as_mut().filter(|_| place.life == life) else { return };
        place.turn_due = false;
        if self.now < place.paused_until {
            return self.wake(at);
        }
        if !node.is_fenced() {
            for (from, message) in place.inbox.drain(..) {
                node.replica().deliver(from, [message]);
            }
            if node.replica().room() > 0 && !place.edge.is_empty() {
                node.replica().submit(place.edge.finish(), now_ms);
            }
        }
        self.stats.turns += 1;
        if let Err(error) = node.turn() {
            return self.disk_failed(at, &error.to_string());
        }
        place.busy_until = self.now + (20 + self.random.below(100)) * place.slowness;
        self.after_turn(at);
    }

    fn after_turn(&mut self, at: ReplicaId) {
        let place = &mut self.nodes[at.0 as usize];
        let Some(node) = &mut place.node else { return };
        let events = node.take_events();
        for event in &events {
            self.on_event(at, event);
        }
        if self.subject.says_before_sync {
            self.nodes[at.0 as usize].node.as_mut().expect("it is up").release_unsynced();
        }
        self.begin_sync(at);
        self.say(at);
    }

    fn on_event(&mut self, at: ReplicaId, event: &Event) {
        let hash = match event {
            Event::Executed { slot, value } => (1, slot.0, value.clone()),
            Event::EnteredView { view } => (2, view.0, None),
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

    fn begin_sync(&mut self, at: ReplicaId) {
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
        self.future.at(self.now + takes, Happening::Synced { at, life: place.life, turn });
    }

    fn synced(&mut self, at: ReplicaId, life: u64, turn: u64) {
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
    fn disk_failed(&mut self, at: ReplicaId, why: &str) {
        self.trace.note(self.now, ("disk", at), || format!("replica {at} stops: {why}"));
        self.stats.disk_failures += 1;
        if !self.crash(at) {
            self.nodes[at.0 as usize].disk.crash(&mut self.random, self.settings.disks.torn, false);
        }
        let back = self.now + self.random.within(1_000..300_000);
        self.future.at(back, Happening::Start { at });
    }

    /// Sends what may leave a replica.
    fn say(&mut self, at: ReplicaId) {
        let Some(node) = &mut self.nodes[at.0 as usize].node else { return };
        let said = node.take_ready();
        let mut tripped = false;
        for (to, message) in said.messages {
            let sent = self.oracle.on_sent(at, to, &message);
            self.check(sent);
            let trips = self.trip == Some((self.subject.kind)(&message)) && !self.healed;
            tripped |= trips && self.random.chance(self.settings.trip);
            for peer in to.replicas(at, self.settings.config.n) {
                self.post(at, peer, to, &message);
            }
        }
        for replies in said.replies {
            if !self.is_lost() {
                let when = self.now + self.delay();
                self.future.at(when, Happening::Answer { from: at, replies });
            }
        }
        if tripped && self.crash(at) {
            let back = self.now + self.random.within(500..60_000);
            self.future.at(back, Happening::Start { at });
        }
    }

    fn post(&mut self, from: ReplicaId, peer: ReplicaId, to: To, message: &M) {
        self.stats.sent += 1;
        self.trace.fold((from, to, message));
        let deliver = |message: &M| Happening::Deliver { to: peer, from, message: message.clone() };
        if from == peer {
            return self.future.at(self.now, deliver(message));
        }
        let chosen = self.loss.as_mut().is_some_and(|is_lost| is_lost(from, peer, message));
        if chosen || self.links.is_cut(from, peer, self.now) || self.is_lost() {
            self.stats.lost += 1;
            return;
        }
        let when = self.now + self.delay();
        self.future.at(when, deliver(message));
        if !self.healed && self.random.chance(self.settings.network.duplication) {
            self.stats.duplicated += 1;
            let when = self.now + self.delay() * 3;
            self.future.at(when, deliver(message));
        }
    }

    fn is_lost(&mut self) -> bool {
        !self.healed && self.random.chance(self.settings.network.loss)
    }

    fn delay(&mut self) -> Micros {
        let network = &self.settings.network;
        let mut delay = network.delay_us + self.random.below(network.jitter_us);
        if !self.healed && self.random.chance(network.spike) {
            delay += self.random.below(500_000);
        }
        delay
    }

    fn client(&mut self, index: usize, timer: u64) {
        if self.clients.clients[index].timer != timer {
            return;
        }
        let asks = self.clients.wake(index, self.now, self.moment, &mut self.random);
        for (to, ask) in asks {
            self.trace.note(self.now, ("ask", to, &ask), || {
                format!("client {} asks {to}: request {}", ask.client, ask.number)
            });
            if !self.is_lost() {
                let when = self.now + self.delay();
                if self.random.chance(self.settings.network.duplication) {
                    let again = Happening::Ask { to, ask: ask.clone() };
                    self.future.at(when + 50_000, again);
                }
                self.future.at(when, Happening::Ask { to, ask });
            }
        }
        self.rest(index, 50_000);
    }

    /// Has a client look again after a while, or sooner if it is answered.
    fn rest(&mut self, index: usize, most: Micros) {
        self.clients.clients[index].timer += 1;
        let timer = self.clients.clients[index].timer;
        let when = self.now + 1 + self.random.below(most);
        self.future.at(when, Happening::Client { index, timer });
    }

    fn ask(&mut self, to: ReplicaId, ask: &Ask) {
        let place = &mut self.nodes[to.0 as usize];
        if place.node.is_none() || place.edge.bytes() > EDGE_BYTES_MAX {
            return;
        }
        if place.edge.len() < self.settings.config.batch_requests_max {
            place.edge.push(Request {
                client: ask.client,
                number: ask.number,
                acknowledged: ask.acknowledged,
                command: &ask.command,
            });
        }
        self.wake(to);
    }

    fn answer(&mut self, from: ReplicaId, replies: &Replies) {
        for reply in replies.iter() {
            let Some(index) = self.clients.who(reply.client, reply.number) else { continue };
            self.trace.note(self.now, ("answer", from, reply.client, reply.number), || {
                format!("{from} answers request {} of client {}", reply.number, reply.client)
            });
            let taken = self.clients.on_answer(index, reply.number, &reply.answer, self.moment);
            self.check(taken);
            self.rest(index, 20_000);
        }
    }
}
