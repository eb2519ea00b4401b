//! Traffic under way in a simulated cluster: messages between replicas, requests and answers.

use std::fmt::Debug;
use std::hash::Hash;

use super::clients::Ask;
use super::events::SimEvent;
use super::faults::{Micros, Network};
use super::readers::Readers;
use super::world::World;
use crate::engine::protocol::JournalRecord;
use crate::model::batch::Replies;
use crate::model::types::{ReplicaId, To};

/// Messages a paused or fenced replica may have waiting; more are lost, as on a full link.
const INBOX_MAX: usize = 4096;

/// How the links stand, by sender and receiver.
pub struct Links {
    n: usize,
    /// Until when each is cut.
    cut_until: Vec<Micros>,
    /// Until when each is busy with what it was given.
    busy_until: Vec<Micros>,
}

impl Links {
    pub(super) fn new(n: usize) -> Self {
        let links = n * n;
        Self { n, cut_until: vec![0; links], busy_until: vec![0; links] }
    }

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

    fn at(&self, from: ReplicaId, to: ReplicaId) -> usize {
        from.0 as usize * self.n + to.0 as usize
    }

    fn is_cut(&self, from: ReplicaId, to: ReplicaId, now: Micros) -> bool {
        self.cut_until[self.at(from, to)] > now
    }

    /// Gives a link a message of so many bytes, if there is room. Answers for how long it is under
    /// way for want of speed alone.
    fn load(
        &mut self,
        from: ReplicaId,
        to: ReplicaId,
        bytes: usize,
        now: Micros,
        network: &Network,
    ) -> Option<Micros> {
        let link = self.at(from, to);
        let waits = self.busy_until[link].saturating_sub(now);
        let queued = (waits * 1_000 / network.us_per_kb) as usize;
        if waits > 0 && queued + bytes > network.link_bytes {
            return None;
        }
        self.busy_until[link] = now + waits + bytes as u64 * network.us_per_kb / 1_000;
        Some(self.busy_until[link] - now)
    }
}

impl<M, R> World<M, R>
where
    M: Clone + Debug + Hash + 'static,
    R: JournalRecord,
{
    pub(super) fn deliver(&mut self, from: ReplicaId, to: ReplicaId, message: M) {
        let place = &mut self.nodes[to.0 as usize];
        if place.node.is_none() || place.inbox.len() >= INBOX_MAX {
            self.stats.lost += 1;
            return;
        }
        self.stats.messages += 1;
        let kind = (self.subject.protocol.kind)(&message);
        self.trace.note(self.now, ("deliver", from, to, &message), || {
            format!("{from} -> {to} {kind}: {message:?}")
        });
        place.inbox.push_back((from, message));
        self.wake(to);
    }

    /// Sends what may leave a replica.
    pub(super) fn say(&mut self, at: ReplicaId) {
        let Some(node) = &mut self.nodes[at.0 as usize].node else { return };
        let said = node.take_ready();
        let mut tripped = false;
        for (to, message) in said.messages {
            let sent = self.oracle.on_sent(at, to, &message);
            self.check(sent);
            let trips = self.trip == Some((self.subject.protocol.kind)(&message)) && !self.healed;
            tripped |= trips && self.random.chance(self.settings.trip);
            for peer in to.replicas(at, self.settings.config.n) {
                self.post(at, peer, to, &message);
            }
        }
        for replies in said.replies {
            if !replies.iter().any(|reply| Readers::has(reply.client)) {
                let fits = self.common.on_replies(at, &replies);
                self.check(fits);
            }
            if self.is_lost() {
                self.answer_lines(at, &replies);
            } else {
                let when = self.now + self.delay();
                self.queue.at(when, SimEvent::Answer { from: at, replies });
            }
        }
        if tripped && self.crash(at) {
            let back = self.now + self.random.within(500..60_000);
            self.queue.at(back, SimEvent::Start { at });
        }
    }

    pub(super) fn post(&mut self, from: ReplicaId, peer: ReplicaId, to: To, message: &M) {
        self.stats.sent += 1;
        self.trace.fold((from, to, message));
        let deliver = |message: &M| SimEvent::Deliver { to: peer, from, message: message.clone() };
        if from == peer {
            return self.queue.at(self.now, deliver(message));
        }
        let chosen = self.loss.as_mut().is_some_and(|is_lost| is_lost(from, peer, message));
        if chosen || self.links.is_cut(from, peer, self.now) || self.is_lost() {
            self.stats.lost += 1;
            return;
        }
        let bytes = (self.subject.protocol.weight)(message);
        let network = &self.settings.network;
        let Some(takes) = self.links.load(from, peer, bytes, self.now, network) else {
            self.stats.lost += 1;
            return;
        };
        let when = self.now + takes + self.delay();
        self.queue.at(when, deliver(message));
        if !self.healed && self.random.chance(self.settings.network.duplication) {
            self.stats.duplicated += 1;
            let when = self.now + takes + self.delay() * 3;
            self.queue.at(when, deliver(message));
        }
    }

    pub(super) fn is_lost(&mut self) -> bool {
        !self.healed && self.random.chance(self.settings.network.loss)
    }

    pub(super) fn delay(&mut self) -> Micros {
        let network = &self.settings.network;
        let mut delay = network.delay_us + self.random.below(network.jitter_us);
        if !self.healed && self.random.chance(network.spike) {
            delay += self.random.below(500_000);
        }
        delay
    }

    pub(super) fn client(&mut self, index: usize, timer: u64) {
        if self.clients.clients[index].timer != timer {
            return;
        }
        let asks = self.clients.wake(index, self.now, self.moment, &mut self.random);
        for (to, ask) in asks {
            self.trace.note(self.now, ("ask", to, &ask), || {
                format!("client {} asks {to}: request {}", ask.client, ask.number)
            });
            if ask.client.line().is_some() {
                self.ask_on_line(index, to, ask);
            } else if !self.is_lost() {
                let when = self.now + self.delay();
                if self.random.chance(self.settings.network.duplication) {
                    let again = SimEvent::Ask { to, ask: ask.clone() };
                    self.queue.at(when + 50_000, again);
                }
                self.queue.at(when, SimEvent::Ask { to, ask });
            }
        }
        self.rest(index, 50_000);
    }

    /// Has a client look again after a while, or sooner if it is answered.
    pub(super) fn rest(&mut self, index: usize, most: Micros) {
        self.clients.clients[index].timer += 1;
        let timer = self.clients.clients[index].timer;
        let when = self.now + 1 + self.random.below(most);
        self.queue.at(when, SimEvent::Client { index, timer });
    }

    pub(super) fn ask(&mut self, to: ReplicaId, ask: &Ask) {
        let place = &mut self.nodes[to.0 as usize];
        if place.node.is_none() {
            return;
        }
        if ask.client.line().is_some() {
            place.lines.take(ask);
        } else if ask.fits(&place.edge, &self.settings.config) {
            place.edge.push(ask.request());
        }
        self.wake(to);
    }

    pub(super) fn answer(&mut self, from: ReplicaId, replies: &Replies) {
        self.answer_readers(from, replies);
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
