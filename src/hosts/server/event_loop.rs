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

use crate::engine::protocol::JournalRecord;
use crate::hosts::seat::Seat;
use crate::hosts::server::diary::Diary;
use crate::hosts::server::home::Home;
use crate::hosts::server::inbound::InboundConnections;
use crate::hosts::server::peers::Peers;
use crate::hosts::server::redis_connections::RedisConnections;
use crate::links::socket::Scratch;
use crate::model::error::Error;
use crate::model::types::{Millis, ReplicaId};
use crate::observe::board::Board;
use crate::observe::frame::{Frame, Happened, SlotLife};
use crate::observe::status::ReplicaStatus;

/// What wakes the loop beside sockets.
pub const WAKER: Token = Token(64);
const LINKS: Token = Token(65);
const CLIENTS: Token = Token(66);
/// Connections that came in are numbered from here; links that were dialled have their peer's
/// number.
const FIRST_CONNECTION: u64 = 128;

/// The parts of an event loop.
pub(super) struct EventLoopParts<M: Clone + 'static, R: Clone + 'static> {
    pub seat: Seat<M, R>,
    pub poll: Poll,
    pub links: TcpListener,
    /// None: no Redis clients are served.
    pub clients: Option<TcpListener>,
    pub peers: Peers,
    pub inbound: InboundConnections<M>,
    pub redis: RedisConnections,
    /// One for each replica of the cluster, for the frames that the others send.
    pub boards: Vec<Board>,
    /// The directory of the replica, if it has one.
    pub home: Option<Home>,
    /// Set when the process is to end in order.
    pub ending: Arc<AtomicBool>,
}

/// The event loop of a replica, for one incarnation.
pub(super) struct EventLoop<M: Clone + 'static, R: Clone + 'static> {
    parts: EventLoopParts<M, R>,
    scratch: Scratch,
    diary: Diary,
    /// What happened since the others were shown a frame, and the slots that frames have shown.
    unshared: (Vec<Happened>, Vec<SlotLife>),
    next_connection: u64,
    /// Listeners that may have somebody waiting.
    accept_pending: [bool; 2],
    /// When to stop waiting for what is in flight, once ending.
    deadline: Option<Duration>,
}

impl<M, R> EventLoop<M, R>
where
    M: Clone + Serialize + DeserializeOwned + 'static,
    R: JournalRecord,
{
    /// How long a replica that is told to end waits for what is in flight.
    const DRAIN: Duration = Duration::from_secs(5);
    /// One frame in so many is for the other replicas, too.
    const FRAMES_FOR_OTHERS: u64 = 4;
    /// What happened, and lives of slots, that are kept for their next one.
    const UNSHARED_MAX: usize = 256;
    /// Connections taken in a turn.
    const ACCEPTS_A_TURN: usize = 64;

    pub fn new(parts: EventLoopParts<M, R>) -> Self {
        Self {
            parts,
            scratch: Scratch::default(),
            diary: Diary::default(),
            unshared: Default::default(),
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
            let now = self.parts.seat.clock.now();
            self.take_events(&events, now);
            self.read(now);
            self.tick(now)?;
            self.parts.seat.turn(now)?;
            self.send(now);
            self.note_events(now);
            self.show();
            if self.may_end(now) {
                return self.end(now);
            }
        }
    }

    fn wait(&mut self, events: &mut Events) -> Result<(), Error> {
        let (clients_wait, redis_waits) = (self.clients_wait(), self.redis_waits());
        let EventLoopParts { seat, inbound, redis, .. } = &mut self.parts;
        let busy = seat.is_busy()
            || self.accept_pending.contains(&true)
            || inbound.is_busy(clients_wait)
            || redis.is_busy(redis_waits);
        let patience = if busy { Duration::ZERO } else { seat.until_tick() };
        match self.parts.poll.poll(events, Some(patience)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {
                events.clear();
                Ok(())
            }
            outcome => outcome.map_err(Error::System),
        }
    }

    fn take_events(&mut self, events: &Events, now: Millis) {
        let EventLoopParts { peers, inbound, redis, seat, .. } = &mut self.parts;
        for event in events {
            match event.token() {
                WAKER => {}
                LINKS => self.accept_pending[0] = true,
                CLIENTS => self.accept_pending[1] = true,
                Token(id) if id < seat.config.n => {
                    let peer = ReplicaId(id as u16);
                    peers.on_event(peer, event, now, &mut self.scratch);
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
                            0 => inbound.on_accept(id, socket, now, poll.registry()),
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
        let (clients_wait, redis_waits) = (self.clients_wait(), self.redis_waits());
        let EventLoopParts { seat, peers, inbound, redis, boards, .. } = &mut self.parts;
        let bytes_max = if clients_wait { 0 } else { seat.config.gather_bytes_max };
        let room = bytes_max.saturating_sub(seat.gather.bytes());
        inbound.read(room, now, &mut self.scratch);
        redis.read(redis_waits, seat.node.executed(), &mut self.scratch, &mut seat.gather);
        let received = &mut inbound.received;
        for (from, messages) in received.messages.drain(..) {
            seat.deliver(from, messages, now);
        }
        for (id, requests) in received.requests.drain(..) {
            seat.add_pack(id, requests);
        }
        received.bytes = 0;
        received.came.drain(..).for_each(|from| peers.expect(from));
        for (from, bytes) in received.frames.drain(..) {
            boards[from.0 as usize].set_bytes(bytes);
        }
    }

    fn tick(&mut self, now: Millis) -> Result<(), Error> {
        let EventLoopParts { seat, poll, peers, inbound, redis, ending, home, .. } =
            &mut self.parts;
        if !seat.tick(now) {
            return Ok(());
        }
        home.as_ref().map_or(Ok(()), Home::check)?;
        self.diary.on_tick(now, seat.node.is_full(), seat.node.meter().map(|meter| &**meter));
        peers.on_tick(now, poll.registry());
        inbound.on_tick(now);
        redis.on_tick(now);
        self.accept_pending = [self.deadline.is_none(); 2];
        if self.deadline.is_none() && ending.load(Ordering::Relaxed) {
            tracing::info!("stopping: handing leadership over and finishing open requests");
            self.deadline = Some(seat.clock.elapsed() + Self::DRAIN);
            seat.node.replica().resign();
            redis.drain();
        }
        self.publish(now);
        Ok(())
    }

    /// Whether clients are not read, because what they ask for could not be taken.
    fn clients_wait(&self) -> bool {
        let seat = &self.parts.seat;
        seat.gather.is_full() || seat.node.is_fenced()
    }

    /// The same for Redis clients. While the disk is full they are read for as long as there is
    /// room for what they ask: much is answered without the log, and of the rest they are told that
    /// no answer came in time.
    fn redis_waits(&self) -> bool {
        let seat = &self.parts.seat;
        seat.gather.is_full() || (seat.node.is_fenced() && !seat.node.is_full())
    }

    fn send(&mut self, now: Millis) {
        let EventLoopParts { seat, peers, inbound, redis, .. } = &mut self.parts;
        let mut ready = seat.node.take_ready();
        peers.send(&mut ready.messages, &mut seat.own);
        peers.flush(now);
        for replies in ready.replies {
            // Sessions are found by their routes, Redis clients by their names.
            if !redis.answer(&replies) {
                seat.routes.sort(replies, |id, replies| inbound.answer(id, replies));
            }
        }
        inbound.flush(now);
        redis.flush(now);
        inbound.received.gone.drain(..).for_each(|id| seat.routes.forget(id));
    }

    fn note_events(&mut self, now: Millis) {
        let diary = &mut self.diary;
        self.parts.seat.note_events(|event| {
            super::log::event(event);
            diary.on_event(event, now);
        });
    }

    fn show(&mut self) {
        let EventLoopParts { seat, peers, .. } = &mut self.parts;
        let Some(frame) = seat.publisher.publish(&mut seat.node) else { return };
        let (happened, slots) = &mut self.unshared;
        happened.extend_from_slice(&frame.happened);
        slots.extend_from_slice(&frame.slots);
        // They see few frames, and are to miss little: the latest of what has happened between.
        happened.drain(..happened.len().saturating_sub(Self::UNSHARED_MAX));
        slots.drain(..slots.len().saturating_sub(Self::UNSHARED_MAX));
        if frame.number % Self::FRAMES_FOR_OTHERS == 0 && peers.take_shows() {
            let (happened, slots) = std::mem::take(&mut self.unshared);
            peers.show(&Frame { happened, slots, ..(*frame).clone() });
        }
    }

    fn publish(&mut self, now: Millis) {
        let EventLoopParts { seat, peers, inbound, redis, .. } = &mut self.parts;
        let mut status = ReplicaStatus {
            up_ms: seat.clock.elapsed().as_millis() as u64,
            draining: self.deadline.is_some(),
            differ: inbound.differ.clone(),
            connections_ended: inbound.faults.with(&redis.faults),
            ..seat.status(peers.status(), now)
        };
        status.clients.native = inbound.clients();
        redis.report(&mut status.clients, now);
        redis.describe(&status, seat.present(now) - 1);
        seat.board.set_status(status);
    }

    /// Whether a replica that is told to end has nothing left to do, or no time.
    fn may_end(&mut self, now: Millis) -> bool {
        let Some(deadline) = self.deadline else { return false };
        let EventLoopParts { seat, redis, .. } = &mut self.parts;
        // With too few others nothing in flight can be answered.
        let is_alone = seat.present(now) < seat.config.quorum();
        (seat.is_idle() && redis.is_settled()) || is_alone || seat.clock.elapsed() >= deadline
    }

    fn end(mut self, now: Millis) -> Result<(), Error> {
        self.parts.seat.node.flush()?;
        self.send(now);
        tracing::info!("stopped");
        Ok(())
    }
}

/// A listener that does not block.
///
/// # Errors
/// Which address cannot be listened on, and why.
pub fn listen(address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address).map_err(|source| Error::Listen { address, source })
}
