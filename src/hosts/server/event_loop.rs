//! The event loop of a replica: wait, take what arrived, turn, send.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::engine::node::Node;
use crate::hosts::edge::{Gather, Routes};
use crate::hosts::server::diary::Diary;
use crate::hosts::server::home::Home;
use crate::hosts::server::inbound::{InboundConnections, Received};
use crate::hosts::server::peers::Peers;
use crate::hosts::server::redis_connections::RedisConnections;
use crate::hosts::showing::Showing;
use crate::links::socket::Scratch;
use crate::model::batch::Replies;
use crate::model::clock::Clock;
use crate::model::config::Config;
use crate::model::error::Error;
use crate::model::types::{Millis, ReplicaId};
use crate::observe::board::Board;
use crate::observe::counters::{Origin, Status};
use crate::observe::frame::{Frame, Happened, SlotLife};
use crate::observe::report::{HostReport, present};

/// What wakes the loop beside sockets.
pub const WAKER: Token = Token(64);
const LINKS: Token = Token(65);
const CLIENTS: Token = Token(66);
/// Connections that came in are numbered from here; links that were dialled have their peer's
/// number.
const FIRST_CONNECTION: u64 = 128;

/// The parts of an event loop.
pub struct EventLoopParts<M: Clone + 'static, R: Clone + 'static> {
    pub config: Config,
    pub node: Node<M, R>,
    pub poll: Poll,
    pub links: TcpListener,
    /// None: no Redis clients are served.
    pub clients: Option<TcpListener>,
    pub peers: Peers,
    pub inbound: InboundConnections<M>,
    pub redis: RedisConnections,
    pub showing: Showing,
    /// One for each replica of the cluster, for the frames that the others send.
    pub boards: Vec<Board>,
    /// The directory of the replica, if it has one.
    pub home: Option<Home>,
    pub clock: Clock,
    /// Set when the process is to end in order.
    pub ending: Arc<AtomicBool>,
}

/// The event loop of one life of a replica.
pub struct EventLoop<M: Clone + 'static, R: Clone + 'static> {
    parts: EventLoopParts<M, R>,
    gather: Gather,
    routes: Routes,
    scratch: Scratch,
    received: Received<M>,
    /// What the last turn has said to this replica itself.
    own: Vec<M>,
    status: Status,
    diary: Diary,
    /// What happened since the others were shown a frame, and the slots that frames have shown.
    unshared: (Vec<Happened>, Vec<SlotLife>),
    next_tick: Duration,
    next_connection: u64,
    /// Listeners that may have somebody waiting.
    accept_pending: [bool; 2],
    /// When to stop waiting for what is in flight, once ending.
    deadline: Option<Duration>,
}

impl<M, R> EventLoop<M, R>
where
    M: Clone + Serialize + DeserializeOwned + 'static,
    R: Clone + Serialize + DeserializeOwned + 'static,
{
    /// How long a replica that is told to end waits for what is in flight.
    const DRAIN: Duration = Duration::from_secs(5);
    /// One frame in so many is for the other replicas, too.
    const FRAMES_FOR_OTHERS: u64 = 4;
    /// What happened, and lives of slots, that are kept for their next one.
    const UNTOLD_MAX: usize = 256;
    /// Connections taken in a turn.
    const ACCEPTS_A_TURN: usize = 64;

    pub fn new(parts: EventLoopParts<M, R>) -> Self {
        let gather = Gather::new(&parts.config);
        let (next_tick, lives) = (parts.clock.elapsed(), parts.node.incarnation());
        let received = Received::none();
        Self {
            parts,
            gather,
            routes: Routes::default(),
            scratch: Scratch::default(),
            received,
            own: Vec::new(),
            status: Status { alive: true, lives, ..Status::default() },
            diary: Diary::default(),
            unshared: Default::default(),
            next_tick,
            next_connection: FIRST_CONNECTION,
            accept_pending: [false; 2],
            deadline: None,
        }
    }

    /// Runs until it is told to end, and has.
    ///
    /// # Errors
    /// What its disk or the system said.
    pub fn run(mut self) -> Result<(), Error> {
        let registry = self.parts.poll.registry();
        let links = Some((&mut self.parts.links, LINKS));
        let clients = self.parts.clients.as_mut().map(|listener| (listener, CLIENTS));
        for (listener, token) in links.into_iter().chain(clients) {
            registry.register(listener, token, Interest::READABLE).map_err(Error::System)?;
        }
        let mut events = Events::with_capacity(256);
        loop {
            self.wait(&mut events)?;
            let now = self.parts.clock.now();
            self.take_events(&events, now);
            self.read(now);
            self.tick(now)?;
            self.submit(now);
            self.parts.node.turn()?;
            self.send(now);
            self.note_events(now);
            self.show();
            if self.may_end(now) {
                return self.end(now);
            }
        }
    }

    fn wait(&mut self, events: &mut Events) -> Result<(), Error> {
        let can_submit = self.can_submit();
        let (held, lines_held) = (self.clients_wait(), self.lines_wait());
        let busy = !self.own.is_empty()
            || (can_submit && !self.gather.is_empty())
            || self.accept_pending.contains(&true)
            || self.parts.inbound.is_busy(held)
            || self.parts.redis.is_busy(lines_held);
        let patience = match busy {
            true => Duration::ZERO,
            false => self.next_tick.saturating_sub(self.parts.clock.elapsed()),
        };
        match self.parts.poll.poll(events, Some(patience)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {
                events.clear();
                Ok(())
            }
            outcome => outcome.map_err(Error::System),
        }
    }

    fn take_events(&mut self, events: &Events, now: Millis) {
        let EventLoopParts { poll, peers, inbound, redis, config, .. } = &mut self.parts;
        for event in events {
            match event.token() {
                WAKER => {}
                LINKS => self.accept_pending[0] = true,
                CLIENTS => self.accept_pending[1] = true,
                Token(id) if id < config.n => {
                    let peer = ReplicaId(id as u16);
                    peers.on_event(peer, event, now, poll.registry(), &mut self.scratch);
                }
                Token(id) => {
                    let id = id as u64;
                    let _known = inbound.on_event(id, event) || redis.on_event(id, event);
                }
            }
        }
        if self.deadline.is_some() {
            self.accept_pending = [false; 2];
        }
        self.accept(now);
    }

    fn accept(&mut self, now: Millis) {
        for (at, accept_pending) in self.accept_pending.iter_mut().enumerate() {
            let EventLoopParts { poll, links, clients, inbound, redis, .. } = &mut self.parts;
            let listener = if at == 0 { Some(&*links) } else { clients.as_ref() };
            let Some(listener) = listener else { continue };
            for _ in 0..Self::ACCEPTS_A_TURN {
                if !*accept_pending {
                    break;
                }
                match listener.accept() {
                    Ok((socket, _)) => {
                        let id = self.next_connection;
                        self.next_connection += 1;
                        match at {
                            0 => {
                                let received = &mut self.received;
                                inbound.on_accept(id, socket, now, poll.registry(), received);
                            }
                            _ => redis.on_accept(id, socket, now, poll.registry()),
                        }
                    }
                    Err(error) if error.kind() == ErrorKind::WouldBlock => *accept_pending = false,
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) if error.kind() == ErrorKind::ConnectionAborted => {}
                    Err(error) => {
                        // Most likely no file descriptor is left: the next tick tries again.
                        tracing::warn!(%error, "cannot accept a connection");
                        *accept_pending = false;
                    }
                }
            }
        }
    }

    fn read(&mut self, now: Millis) {
        let (held, lines_held) = (self.clients_wait(), self.lines_wait());
        let EventLoopParts { poll, peers, inbound, redis, node, config, .. } = &mut self.parts;
        let Self { received, scratch, gather, routes, .. } = self;
        let room = if held { 0 } else { config.gather_bytes_max.saturating_sub(gather.bytes()) };
        inbound.read(room, now, scratch, poll.registry(), received);
        redis.read(lines_held, scratch, gather);
        let drops = node.must_drop_input();
        for (from, messages) in received.messages.drain(..).filter(|_| !drops) {
            node.deliver(from, messages);
        }
        if !self.own.is_empty() {
            node.deliver(config.me, self.own.drain(..));
        }
        for (id, requests) in received.requests.drain(..) {
            routes.learn(id, &requests);
            gather.add_pack(requests);
        }
        received.bytes = 0;
        received.came.drain(..).for_each(|from| peers.expect(from));
        for (from, bytes) in received.frames.drain(..) {
            self.parts.boards[from.0 as usize].set_bytes(bytes);
        }
    }

    fn tick(&mut self, now: Millis) -> Result<(), Error> {
        let elapsed = self.parts.clock.elapsed();
        if elapsed < self.next_tick {
            return Ok(());
        }
        self.next_tick = elapsed + Duration::from_millis(self.parts.config.tick_ms);
        let EventLoopParts { poll, peers, inbound, redis, node, ending, showing, home, .. } =
            &mut self.parts;
        home.as_ref().map_or(Ok(()), Home::check)?;
        self.diary.on_tick(now, node.is_full(), node.meter().map(|meter| &**meter));
        node.tick(now);
        showing.on_tick(node);
        peers.on_tick(now, poll.registry());
        inbound.on_tick(now, poll.registry(), &mut self.received);
        redis.on_tick(now);
        self.accept_pending = [self.deadline.is_none(); 2];
        if self.deadline.is_none() && ending.load(Ordering::Relaxed) {
            tracing::info!("stopping: handing leadership over and finishing open requests");
            self.deadline = Some(elapsed + Self::DRAIN);
            node.replica().resign();
            redis.drain();
        }
        self.publish(now);
        Ok(())
    }

    /// Whether clients are not read, because what they ask for could not be taken.
    fn clients_wait(&self) -> bool {
        self.gather.is_full() || self.parts.node.is_fenced()
    }

    /// The same for Redis clients. While the disk is full they are read for as long as there is
    /// room for what they ask: much is answered without the log, and of the rest they are told that
    /// no answer came in time.
    fn lines_wait(&self) -> bool {
        let node = &self.parts.node;
        self.gather.is_full() || (node.is_fenced() && !node.is_full())
    }

    fn can_submit(&mut self) -> bool {
        self.parts.node.replica().room() > 0 && !self.parts.node.is_fenced()
    }

    fn submit(&mut self, now: Millis) {
        while self.can_submit()
            && let Some(requests) = self.gather.next_batch()
        {
            self.parts.node.submit(requests, now);
        }
    }

    fn send(&mut self, now: Millis) {
        let EventLoopParts { poll, peers, inbound, redis, node, .. } = &mut self.parts;
        let mut ready = node.take_ready();
        peers.say(&mut ready.messages, &mut self.own);
        peers.flush(now, poll.registry());
        for replies in ready.replies {
            answer(replies, &self.routes, inbound, redis);
        }
        inbound.flush(now, poll.registry(), &mut self.received);
        redis.flush(now);
        for id in self.received.gone.drain(..) {
            self.routes.forget(id);
        }
    }

    fn note_events(&mut self, now: Millis) {
        let origin = Origin { replica: self.parts.config.me, at: self.parts.clock.elapsed() };
        self.status.turns += 1;
        for event in self.parts.node.take_events() {
            super::log::event(&event);
            self.diary.on_event(&event, now);
            self.status.on_event(event, None, &origin);
        }
    }

    fn show(&mut self) {
        let EventLoopParts { showing, node, peers, .. } = &mut self.parts;
        let Some(frame) = showing.take(node) else { return };
        let (happened, slots) = &mut self.unshared;
        happened.extend_from_slice(&frame.happened);
        slots.extend_from_slice(&frame.slots);
        // They see few frames, and are to miss little: the latest of what has happened between.
        happened.drain(..happened.len().saturating_sub(Self::UNTOLD_MAX));
        slots.drain(..slots.len().saturating_sub(Self::UNTOLD_MAX));
        if frame.number % Self::FRAMES_FOR_OTHERS == 0 && peers.take_shows() {
            let (happened, slots) = std::mem::take(&mut self.unshared);
            peers.show(&Frame { happened, slots, ..(*frame).clone() });
        }
    }

    fn publish(&mut self, now: Millis) {
        let EventLoopParts { config, node, peers, inbound, redis, showing, clock, .. } =
            &mut self.parts;
        let idle_for = |at| clock.elapsed().saturating_sub(at);
        let heard = present(inbound.heard_at(), now, config.present_ms()) - 1;
        redis.describe(&self.status, heard, clock.elapsed());
        showing.report(HostReport {
            up_for: clock.elapsed(),
            idle_for: self.status.executed_at.map(idle_for),
            draining: self.deadline.is_some(),
            fenced: node.is_fenced(),
            gathered: self.gather.bytes(),
            links: peers.status().collect(),
            heard_at: inbound.heard_at().clone(),
            executed_by: inbound.executed_by().clone(),
            differ: inbound.differ().clone(),
            native_clients: inbound.clients(),
            redis_clients: redis.clients(),
            refused: redis.refused(),
            unknown: redis.unknown(),
            faults: inbound.faults().with(redis.faults()),
            syncs: node.meter().map(|meter| (meter.syncs(), meter.sync_times())),
            full: node.is_full(),
            ..HostReport::of(config, self.status.clone(), now)
        });
    }

    /// Whether a replica that is told to end has nothing left to do, or no time.
    fn may_end(&mut self, now: Millis) -> bool {
        let Some(deadline) = self.deadline else { return false };
        let idle = self.gather.is_empty()
            && self.parts.node.replica().room() >= self.parts.config.batches_in_flight
            && self.parts.redis.is_settled();
        idle || self.is_alone(now) || self.parts.clock.elapsed() >= deadline
    }

    /// Whether too few others are there for anything in flight to be answered.
    fn is_alone(&self, now: Millis) -> bool {
        let EventLoopParts { inbound, config, .. } = &self.parts;
        present(inbound.heard_at(), now, config.present_ms()) < config.quorum()
    }

    fn end(mut self, now: Millis) -> Result<(), Error> {
        self.parts.node.flush()?;
        self.send(now);
        tracing::info!("stopped");
        Ok(())
    }
}

/// Hands the answers of a batch to those who asked: sessions by their routes, Redis connections by their names.
fn answer<M: DeserializeOwned>(
    replies: Replies,
    routes: &Routes,
    inbound: &mut InboundConnections<M>,
    redis: &mut RedisConnections,
) {
    if redis.answer(&replies) {
        return;
    }
    // Not all of them were for redis.
    routes.sort(replies, |id, replies| inbound.answer(id, replies));
}

/// A listener that does not block.
///
/// # Errors
/// Which address cannot be listened on, and why.
pub fn listen(address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address).map_err(|source| Error::Listen { address, source })
}
