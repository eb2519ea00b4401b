//! The thread of one replica: park, take what arrived, turn, send.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, never, select};

use super::edge::{Edge, EdgeRequest};
use super::links::{Links, Parcel, Post};
use super::storage::Storage;
use crate::engine::protocol::JournalRecord;
use crate::hosts::seat::Seat;
use crate::model::error::Error;
use crate::model::events::Event;
use crate::model::types::{Millis, ReplicaId};

/// Something that happened in one replica, for whoever watches.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Where.
    pub replica: ReplicaId,
    /// When, after the start of the cluster.
    pub at: Duration,
    /// What. Slots executed and requests answered again are only counted in
    /// [`Status`](crate::observe::counters::Status).
    pub event: Event,
}

/// What the cluster tells a replica's thread.
pub(super) enum Control {
    /// End now, and lose what is not durable.
    Kill,
    /// Do nothing for so long, as a machine that hangs does.
    Pause(Duration),
    /// Find the digest of the state, and tell what the roles have done.
    Look,
}

/// The channels from the rest of the process to a replica's thread.
pub(super) struct Channels<M> {
    pub post: Arc<Post<M>>,
    pub inbox: Receiver<Parcel<M>>,
    pub requests: Receiver<EdgeRequest>,
    pub control: Receiver<Control>,
    /// Filled when the thread of the disk has something to tell.
    pub woken: Receiver<()>,
}

/// The loop of a replica's thread, for one incarnation.
pub(super) struct ReplicaLoop<M: Clone + 'static, R: Clone + 'static> {
    seat: Seat<M, R>,
    channels: Channels<M>,
    links: Links<M>,
    edge: Edge,
    watcher: Option<Sender<Seen>>,
    /// In the place of `requests` while no more are taken.
    closed: Receiver<EdgeRequest>,
}

impl<M, R> ReplicaLoop<M, R>
where
    M: Clone + 'static,
    R: JournalRecord,
{
    /// Parcels taken in a turn.
    const PARCELS_A_TURN: usize = 64;
    /// Packs of clients taken in a turn.
    const REQUESTS_A_TURN: usize = 256;

    pub fn new(seat: Seat<M, R>, channels: Channels<M>, watcher: Option<Sender<Seen>>) -> Self {
        let links = Links::new(seat.config.me, seat.config.n, Arc::clone(&channels.post));
        Self { seat, channels, links, edge: Edge::default(), watcher, closed: never() }
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
            let now = self.seat.clock.now();
            self.seat.tick(now);
            self.seat.turn(now)?;
            self.send();
            self.note_events();
            if self.seat.publisher.is_due() {
                self.publish(now);
            }
        }
    }

    /// Waits until there is something to do, and takes the first of it. Says whether to end.
    fn park(&mut self) -> bool {
        if self.seat.is_busy() {
            return false;
        }
        let requests =
            if self.seat.gather.is_full() { &self.closed } else { &self.channels.requests };
        select! {
            recv(self.channels.inbox) -> parcel => {
                if let Ok(parcel) = parcel {
                    self.take(parcel);
                }
            }
            recv(requests) -> request => {
                if let Ok(request) = request {
                    self.on_request(request);
                }
            }
            recv(self.channels.woken) -> _ => {}
            recv(self.channels.control) -> control => return match control {
                Ok(control) => self.obey(control),
                Err(_) => true,
            },
            default(self.seat.until_tick()) => {}
        }
        false
    }

    fn take_control(&mut self) -> bool {
        while let Ok(control) = self.channels.control.try_recv() {
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
                self.seat.node.replica().ask_digest();
                self.seat.publisher.publish_soon(&self.seat.node);
                false
            }
            Control::Pause(time) => {
                let until = Instant::now() + time;
                // What is said meanwhile waits, but for the end.
                while let Ok(control) = self.channels.control.recv_deadline(until) {
                    if matches!(control, Control::Kill) {
                        return true;
                    }
                }
                false
            }
        }
    }

    fn take_arrivals(&mut self) {
        for _ in 0..Self::PARCELS_A_TURN {
            let Ok(parcel) = self.channels.inbox.try_recv() else { break };
            self.take(parcel);
        }
        for _ in 0..Self::REQUESTS_A_TURN {
            if self.seat.gather.is_full() {
                break;
            }
            let Ok(request) = self.channels.requests.try_recv() else { break };
            self.on_request(request);
        }
    }

    fn take(&mut self, parcel: Parcel<M>) {
        self.channels.post.took(self.seat.config.me, &parcel);
        let (now, count) = (self.seat.clock.now(), parcel.messages.len() as u64);
        self.seat.board.counters(|counters| counters.messages_in += count);
        self.seat.deliver(parcel.from, parcel.messages, now);
    }

    fn on_request(&mut self, request: EdgeRequest) {
        match request {
            EdgeRequest::Connect { connection, replies } => self.edge.connect(connection, replies),
            EdgeRequest::Submit { connection, pack } => {
                self.seat.add_pack(connection, pack.requests);
            }
            EdgeRequest::Close { connection } => {
                self.edge.close(connection);
                self.seat.routes.forget(connection);
            }
        }
    }

    fn send(&mut self) {
        let Self { seat, links, edge, .. } = self;
        let mut ready = seat.node.take_ready();
        let sent = links.send(&mut ready.messages, &mut seat.own);
        seat.board.counters(|counters| counters.messages_out += sent);
        for replies in ready.replies {
            seat.routes.sort(replies, |connection, replies| edge.answer(connection, replies));
        }
        edge.flush(|gone| seat.routes.forget(gone));
    }

    fn note_events(&mut self) {
        let (replica, at) = (self.seat.config.me, self.seat.clock.elapsed());
        let watcher = self.watcher.as_ref();
        self.seat.note_events(|event| {
            let is_counted = matches!(
                event,
                Event::Executed { .. } | Event::Duplicates { .. } | Event::Read { .. }
            );
            if let Some(watcher) = watcher.filter(|_| !is_counted) {
                let _ = watcher.try_send(Seen { replica, at, event: event.clone() });
            }
        });
    }

    fn publish(&mut self, now: Millis) {
        let Self { seat, channels, edge, .. } = self;
        let me = seat.config.me;
        let peers = (0..seat.config.n as u16).map(ReplicaId).filter(|peer| *peer != me);
        let mut status = seat.status(peers.map(|peer| channels.post.status(me, peer)), now);
        status.clients.native = edge.clients();
        seat.board.set_status(status);
        seat.publisher.publish(&mut seat.node);
    }
}

/// Names connections and nonces, each once in the life of a cluster.
#[derive(Debug)]
pub(super) struct Ids(AtomicU64);

impl Ids {
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
