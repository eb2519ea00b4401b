//! The links to the other replicas: dialled, kept, dialled again.
//!
//! A link carries what this replica's turns say, a frame a turn, and nothing back but the welcome.
//! It never waits for its peer: what finds it down or full is dropped, for catch-up to repair, and
//! the other links do not notice.

#[cfg(test)]
mod tests;

use std::net::SocketAddr;

use mio::event::Event;
use mio::{Registry, Token};
use serde::Serialize;
use serde_bytes::ByteBuf;

use crate::deploy::settings::Endpoint;
use crate::hosts::server::names::Names;
use crate::links::frame::{Inbox, Outbox};
use crate::links::hello::{Common, HELLO_BYTES_MAX, Hello, HelloReply};
use crate::links::socket::{Scratch, Socket};
use crate::links::tls::Tls;
use crate::links::{Carried, Fault, LINK_BYTES_MAX};
use crate::model::error::Error;
use crate::model::types::{Millis, ReplicaId, To};
use crate::observe::frame::Frame;
use crate::observe::status::Link;

/// Bytes after which a frame is ended and the next begun.
pub const FRAME_BYTES: usize = 1 << 20;
/// Bytes of a frame of what a replica shows. One is a few ten thousand.
pub const SHOWN_BYTES_MAX: usize = 512 << 10;
/// How long a peer may take to let us in, or to take anything of what waits for it.
pub const PATIENCE_MS: Millis = 3_000;
/// If a replica looks after its links so late, it has stood still itself, as when it restores a
/// large state.
const STANDSTILL_MS: Millis = 500;
const RETRY_MS: Millis = 50;
const RETRY_MS_MAX: Millis = 1_000;

enum State {
    Down { retry_at: Millis },
    Greeting { stream: Socket, inbox: Inbox, since: Millis },
    Up { stream: Socket, moved_at: Millis },
}

struct Dialled {
    endpoint: Endpoint,
    state: State,
    outbox: Outbox,
    retry_ms: Millis,
    status: Link,
}

/// Settings shared by all links.
pub struct LinkConfig {
    pub me: ReplicaId,
    pub common: Common,
    pub tls: Option<Tls>,
}

/// Owns the links to the other replicas.
pub struct Peers {
    config: LinkConfig,
    links: Vec<Dialled>,
    /// What the names of peers mean.
    names: Names,
    /// When they were last looked after.
    ticked_at: Millis,
    /// One message, encoded once for all who are to have it.
    encoded: Vec<u8>,
}

impl Peers {
    /// Links to all of `addresses` but the own one.
    ///
    /// # Errors
    /// When the system gives no thread to look up names.
    pub fn new(config: LinkConfig, endpoints: &[Endpoint]) -> Result<Self, Error> {
        let fail = |source| Error::Thread { replica: config.me, source };
        let names = Names::of(endpoints).map_err(fail)?;
        let all = (0..).map(ReplicaId).zip(endpoints);
        let link = |(peer, endpoint): (ReplicaId, &Endpoint)| Dialled {
            endpoint: endpoint.clone(),
            state: State::Down { retry_at: 0 },
            outbox: Outbox::default(),
            retry_ms: RETRY_MS,
            status: Link::to(peer),
        };
        let links = all.filter(|(peer, _)| *peer != config.me).map(link).collect();
        Ok(Self { config, links, names, ticked_at: 0, encoded: Vec::new() })
    }

    /// How the links stand.
    pub fn status(&self) -> impl Iterator<Item = Link> {
        let queued = |link: &Dialled| Link { queued_bytes: link.queued(), ..link.status.clone() };
        self.links.iter().map(queued)
    }

    /// Dials peers whose time has come, and gives up on those that are too slow.
    pub fn on_tick(&mut self, now: Millis, registry: &Registry) {
        let late_ms = now.saturating_sub(std::mem::replace(&mut self.ticked_at, now));
        for link in &mut self.links {
            if late_ms > STANDSTILL_MS {
                link.excuse(now);
            }
            let outcome = match &link.state {
                State::Down { retry_at } if now < *retry_at => Ok(()),
                State::Down { .. } => {
                    let address = self.names.address(&link.endpoint);
                    link.dial(address, now, &self.config, registry)
                }
                State::Greeting { since: last, .. } | State::Up { moved_at: last, .. } => {
                    let waits = matches!(link.state, State::Greeting { .. }) || link.queued() > 0;
                    let waited_ms = now.saturating_sub(*last);
                    let stuck = waits && waited_ms > PATIENCE_MS;
                    if stuck { Err(Fault::Stuck { waited_ms }) } else { Ok(()) }
                }
            };
            if let Err(fault) = outcome {
                link.lose(now, &fault);
            }
        }
    }

    /// Dials a peer at the next tick, which has come in itself: it is there, however long it was
    /// not.
    pub fn expect(&mut self, peer: ReplicaId) {
        let mut links = self.links.iter_mut().filter(|link| link.status.peer == peer);
        if let Some(State::Down { retry_at }) = links.next().map(|link| &mut link.state) {
            *retry_at = 0;
        }
    }

    /// Takes note of what the system has seen on the link to a peer.
    pub fn on_event(&mut self, peer: ReplicaId, event: &Event, now: Millis, scratch: &mut Scratch) {
        let Some(link) = self.links.iter_mut().find(|link| link.status.peer == peer) else {
            return;
        };
        if let Err(fault) = link.on_event(event, now, scratch) {
            link.lose(now, &fault);
        }
    }

    /// Puts what a turn has sent on the links; what it sends to this replica itself goes to `own`.
    pub fn send<M: Serialize + Clone>(&mut self, messages: &mut Vec<(To, M)>, own: &mut Vec<M>) {
        let me = self.config.me;
        for (to, message) in messages.drain(..) {
            let (peers, to_self) = match to {
                To::All => (true, true),
                To::Others => (true, false),
                To::One(one) => (one != me, one == me),
            };
            if peers {
                self.encoded.clear();
                let encoded = std::mem::take(&mut self.encoded);
                let item = Carried::Message(&message);
                self.encoded =
                    postcard::to_extend(&item, encoded).expect("plain data always encodes");
                for link in &mut self.links {
                    if !matches!(to, To::One(one) if one != link.status.peer) {
                        link.add(&self.encoded);
                    }
                }
            }
            if to_self {
                own.push(message);
            }
        }
    }

    /// Whether a link has nothing else to do than to take a frame.
    pub fn take_shows(&self) -> bool {
        self.links.iter().any(Dialled::is_idle)
    }

    /// Shows a frame to those whose link has nothing else to do.
    pub fn show(&mut self, frame: &Frame) {
        let bytes = serde_json::to_vec(frame).expect("numbers, texts and lists always encode");
        if bytes.len() > SHOWN_BYTES_MAX {
            return;
        }
        let item = Carried::<()>::Frame(ByteBuf::from(bytes));
        let encoded = postcard::to_stdvec(&item).expect("plain data always encodes");
        for link in self.links.iter_mut().filter(|link| link.is_idle()) {
            link.put(&encoded);
        }
    }

    /// Sends what the peers take now.
    pub fn flush(&mut self, now: Millis) {
        for link in &mut self.links {
            link.outbox.end();
            if let Err(fault) = link.flush(now) {
                link.lose(now, &fault);
            }
        }
    }
}

impl Dialled {
    fn is_idle(&self) -> bool {
        self.status.up && self.queued() == 0
    }

    fn queued(&self) -> usize {
        self.outbox.len()
    }

    fn dial(
        &mut self,
        address: Option<SocketAddr>,
        now: Millis,
        config: &LinkConfig,
        registry: &Registry,
    ) -> Result<(), Fault> {
        let Some(address) = address else {
            let endpoint = &self.endpoint;
            return Err(Fault::Refused(format!("the name in {endpoint} is not known here")));
        };
        let tls = config.tls.as_ref().map(|tls| tls.dialling(self.status.peer));
        let mut stream = Socket::dial(address, tls)?;
        stream.register(registry, Token(self.status.peer.0 as usize))?;
        self.outbox = Outbox::default();
        self.outbox.put(&Hello::of_replica(config.me, self.status.peer, &config.common));
        self.state = State::Greeting { stream, inbox: Inbox::new(HELLO_BYTES_MAX), since: now };
        Ok(())
    }

    fn lose(&mut self, now: Millis, fault: &Fault) {
        let was_up = self.status.up;
        let said = fault.to_string();
        if was_up || self.status.last_fault.as_ref() != Some(&said) {
            let (peer, address) = (self.status.peer.0, &self.endpoint);
            tracing::warn!(peer, %address, fault = said, "link lost");
        }
        self.status.up = false;
        self.status.last_fault = Some(said);
        self.retry_ms = if was_up { RETRY_MS } else { (2 * self.retry_ms).min(RETRY_MS_MAX) };
        self.outbox = Outbox::default();
        self.state = State::Down { retry_at: now + self.retry_ms };
    }

    fn on_event(&mut self, event: &Event, now: Millis, scratch: &mut Scratch) -> Result<(), Fault> {
        match &mut self.state {
            State::Down { .. } => return Ok(()),
            State::Up { stream, .. } => {
                stream.on_event(event);
                let mut nothing = Vec::new();
                stream.read(&mut nothing, 1, scratch)?;
                if !nothing.is_empty() {
                    return Err(Fault::Unreadable);
                }
            }
            State::Greeting { stream, inbox, .. } => {
                stream.on_event(event);
                if !stream.is_connected()? {
                    return Ok(());
                }
                let read = stream.read(inbox.room(), HELLO_BYTES_MAX, scratch);
                let answer = inbox.next_frame()?.map(|bytes| postcard::from_bytes(bytes).ok());
                if let Some(answer) = answer {
                    self.be_welcomed(answer, now)?;
                }
                read?;
            }
        }
        self.flush(now)
    }

    fn be_welcomed(&mut self, answer: Option<HelloReply>, now: Millis) -> Result<(), Fault> {
        match answer {
            Some(HelloReply::Welcome { me, .. }) if me == self.status.peer => {}
            Some(HelloReply::Refused(why)) => return Err(Fault::Refused(why)),
            Some(HelloReply::Mismatch(why)) => return Err(Fault::Mismatch(why)),
            _ => return Err(Fault::Unreadable),
        }
        let down = State::Down { retry_at: now };
        if let State::Greeting { stream, .. } = std::mem::replace(&mut self.state, down) {
            self.state = State::Up { stream, moved_at: now };
        }
        self.status.up = true;
        self.status.connects += 1;
        self.retry_ms = RETRY_MS;
        tracing::info!(peer = self.status.peer.0, address = %self.endpoint, "link up");
        Ok(())
    }

    fn add(&mut self, message: &[u8]) {
        // Whatever its size, a message finds room where nothing waits: one that never fitted would
        // be sent again for ever.
        let fits = self.queued() == 0 || self.queued() + message.len() <= LINK_BYTES_MAX;
        if !self.status.up || !fits {
            self.status.dropped += 1;
            return;
        }
        self.put(message);
        self.status.sent += 1;
        self.status.sent_bytes += message.len() as u64;
    }

    fn put(&mut self, item: &[u8]) {
        if self.outbox.open_bytes() >= FRAME_BYTES {
            self.outbox.end();
        }
        if !self.outbox.is_open() {
            self.outbox.begin();
        }
        self.outbox.add_bytes(item);
    }

    /// Blames the peer for nothing that has happened so far.
    fn excuse(&mut self, now: Millis) {
        if let State::Greeting { since: last, .. } | State::Up { moved_at: last, .. } =
            &mut self.state
        {
            *last = now;
        }
    }

    fn flush(&mut self, now: Millis) -> Result<(), Fault> {
        let (stream, moved_at) = match &mut self.state {
            State::Down { .. } => return Ok(()),
            State::Greeting { stream, since, .. } => (stream, since),
            State::Up { stream, moved_at } => (stream, moved_at),
        };
        let waiting = self.outbox.waiting();
        let idle = waiting.is_empty();
        let count = stream.write(waiting)?;
        self.outbox.left(count);
        if self.status.up && (idle || count > 0) {
            *moved_at = now;
        }
        Ok(())
    }
}
