//! Inbound connections on the links port: other replicas, and native clients.

use std::collections::{BTreeMap, BTreeSet};

use mio::event::Event;
use mio::net::TcpStream;
use mio::{Registry, Token};
use serde::de::DeserializeOwned;

use crate::hosts::server::accept::{AcceptConfig, Stage};
use crate::hosts::server::peers::{FRAME_BYTES, PATIENCE_MS, SHOWN_BYTES_MAX};
use crate::links::client_messages::{ClientRequest, ServerReply};
use crate::links::dropped::Faults;
use crate::links::frame::{Inbox, Outbox};
use crate::links::hello::{HELLO_BYTES_MAX, Hello};
use crate::links::socket::{Scratch, Socket};
use crate::links::tls::Tls;
use crate::links::{Carried, Fault};
use crate::model::batch::{Replies, Requests};
use crate::model::config::Config;
use crate::model::types::{Millis, ReplicaId};

/// Bytes read from one connection in a turn.
const READ_BYTES: usize = 1 << 20;
/// Bytes of answers that may wait for one client.
const OUTBOX_BYTES_MAX: usize = 8 << 20;
/// Connections at a time that have yet to say who they are; one more takes the place of the first.
const GREETING_MAX: usize = 256;
/// Bytes that say in which view a slot was accepted: three numbers, two of which may take nine.
const SLOT_BYTES: usize = 19;
/// How long a replica may be silent: its gossip comes many times as often.
const SILENCE_MS: Millis = 10_000;

/// The longest payload a replica with these settings sends.
pub fn frame_bytes_max(config: &Config) -> usize {
    // A frame ends after FRAME_BYTES; its last message may hold a batch and a chunk, or say of each
    // slot of a window what was accepted for it.
    let values = 2 * pack_bytes_max(config) + config.chunk_bytes;
    let account = config.window as usize * SLOT_BYTES;
    FRAME_BYTES + values.max(account) + SHOWN_BYTES_MAX
}

/// The largest pack a client with these settings sends: its commands, and what goes with each.
fn pack_bytes_max(config: &Config) -> usize {
    config.largest_batch_bytes() + 64 * config.batch_requests_max + 1024
}

struct Inbound {
    stream: Socket,
    inbox: Inbox,
    outbox: Outbox,
    stage: Stage,
    /// When it came, last began or ended a frame, or took anything.
    moved_at: Millis,
}

/// What connections have received.
pub struct Received<M> {
    /// Messages of replicas.
    pub messages: Vec<(ReplicaId, Vec<M>)>,
    /// Frames of replicas.
    pub frames: Vec<(ReplicaId, Vec<u8>)>,
    /// Requests of clients, with their connections.
    pub requests: Vec<(u64, Requests)>,
    /// Bytes of these requests.
    pub bytes: usize,
    /// Connections that have ended.
    pub gone: Vec<u64>,
    /// Replicas that have come in.
    pub came: Vec<ReplicaId>,
}

impl<M> Received<M> {
    /// Nothing yet.
    pub fn none() -> Self {
        let (messages, frames, requests) = (Vec::new(), Vec::new(), Vec::new());
        Self { messages, frames, requests, bytes: 0, gone: Vec::new(), came: Vec::new() }
    }
}

/// Owns the connections that came in through the links port.
pub struct InboundConnections<M> {
    accept: AcceptConfig,
    /// Whether a message can be one of a replica; see
    /// [`Protocol`](crate::engine::protocol::Protocol).
    plausible: fn(&M, &Config) -> bool,
    inbound: BTreeMap<u64, Inbound>,
    /// Those of them that have yet to say who they are.
    greeting: BTreeSet<u64>,
    /// Those that may have sent something that is not read, or have something to be sent.
    busy: BTreeSet<u64>,
    /// The one of them to be read first.
    first: u64,
    /// Connections given up.
    pub faults: Faults,
    /// In what the settings of replicas differ from ours.
    pub differ: BTreeMap<ReplicaId, String>,
    pub received: Received<M>,
}

impl<M: DeserializeOwned> InboundConnections<M> {
    /// Nobody yet.
    pub fn new(accept: AcceptConfig, plausible: fn(&M, &Config) -> bool) -> Self {
        Self {
            accept,
            plausible,
            inbound: BTreeMap::new(),
            greeting: BTreeSet::new(),
            busy: BTreeSet::new(),
            first: 0,
            faults: Faults::new("links"),
            differ: BTreeMap::new(),
            received: Received::none(),
        }
    }

    /// Lets somebody in, who has yet to say who it is.
    pub fn on_accept(&mut self, id: u64, socket: TcpStream, now: Millis, registry: &Registry) {
        if self.greeting.len() >= GREETING_MAX
            && let Some(&first) = self.greeting.first()
        {
            self.end(first, &Fault::Slow);
        }
        let accepting = self.accept.tls.as_ref().map(Tls::accepting);
        let stream = Socket::accepted(socket, accepting.as_ref()).and_then(|mut stream| {
            stream.register(registry, Token(id as usize))?;
            Ok(stream)
        });
        match stream {
            Err(fault) => self.faults.note(&fault, "a newcomer"),
            Ok(stream) => {
                let (inbox, outbox) = (Inbox::new(HELLO_BYTES_MAX), Outbox::default());
                let connection =
                    Inbound { stream, inbox, outbox, stage: Stage::Greeting, moved_at: now };
                self.inbound.insert(id, connection);
                self.greeting.insert(id);
            }
        }
    }

    /// Takes note of what the system has seen; says whether the connection is one of these.
    pub fn on_event(&mut self, id: u64, event: &Event) -> bool {
        let Some(connection) = self.inbound.get_mut(&id) else { return false };
        connection.stream.on_event(event);
        self.busy.insert(id);
        true
    }

    /// Whether something can be read at once. Clients are not read while `clients_wait`.
    pub fn is_busy(&self, clients_wait: bool) -> bool {
        let mut busy = self.busy.iter().filter_map(|id| self.inbound.get(id));
        busy.any(|connection| {
            connection.stream.is_readable() && !connection.must_wait(clients_wait)
        })
    }

    /// Reads what has arrived. Clients are read until `clients_bytes` of requests have come; those
    /// that have to wait are the first to be read the next time.
    pub fn read(&mut self, clients_bytes: usize, now: Millis, scratch: &mut Scratch) {
        let mut last = std::mem::take(&mut self.busy);
        let first = last.split_off(&std::mem::take(&mut self.first));
        for id in first.into_iter().chain(last) {
            let Some(connection) = self.inbound.get_mut(&id) else { continue };
            let clients_wait = self.received.bytes >= clients_bytes;
            if connection.must_wait(clients_wait) {
                self.busy.insert(id);
                if clients_wait && self.first == 0 {
                    self.first = id;
                }
                continue;
            }
            let began = !connection.inbox.is_half_full();
            let read = connection.stream.read(connection.inbox.room(), READ_BYTES, scratch);
            if began
                && connection.inbox.is_half_full()
                && !matches!(connection.stage, Stage::Greeting)
            {
                connection.moved_at = now;
            }
            let taken = self.take_frames(id, now);
            if self.greeting.contains(&id) {
                self.note_stage(id);
            }
            match taken.and(read) {
                Err(fault) => self.end(id, &fault),
                Ok(()) => {
                    self.busy.insert(id);
                }
            }
        }
    }

    /// Takes note of who a connection has said to be. A replica that dials again has given up the
    /// link it had before, whether or not that has been noticed here.
    fn note_stage(&mut self, id: u64) {
        let Some(Inbound { stage, .. }) = self.inbound.get(&id) else { return };
        if matches!(stage, Stage::Greeting) {
            return;
        }
        self.greeting.remove(&id);
        let Stage::Replica(from) = *stage else { return };
        self.received.came.push(from);
        let earlier = |(other, connection): (&u64, &Inbound)| {
            let same = matches!(connection.stage, Stage::Replica(known) if known == from);
            (same && *other != id).then_some(*other)
        };
        if let Some(other) = self.inbound.iter().find_map(earlier) {
            let fault = Fault::Refused(format!("replica {from} has dialled again"));
            self.end(other, &fault);
        }
    }

    fn take_frames(&mut self, id: u64, now: Millis) -> Result<(), Fault> {
        let clients = if self.greeting.contains(&id) { self.clients() } else { 0 };
        let Some(connection) = self.inbound.get_mut(&id) else { return Ok(()) };
        let Inbound { stream, inbox, outbox, stage, moved_at } = connection;
        while let Some(payload) = inbox.next_frame()? {
            match stage {
                Stage::Greeting => {
                    let hello = Hello::read(payload);
                    let (found, differ) = self.accept.receive(hello, clients, stream, outbox)?;
                    *stage = found;
                    if let Stage::Replica(from) = *stage {
                        self.differ.remove(&from);
                        self.differ.extend(differ.map(|differ| (from, differ)));
                    }
                    inbox.allow(match stage {
                        Stage::Replica(_) => frame_bytes_max(&self.accept.config),
                        _ => pack_bytes_max(&self.accept.config) + HELLO_BYTES_MAX,
                    });
                }
                Stage::Replica(from) => {
                    let (messages, shown) = decode(payload, self.plausible, &self.accept.config)?;
                    self.received.frames.extend(shown.map(|bytes| (*from, bytes)));
                    self.received.messages.push((*from, messages));
                }
                Stage::Client => {
                    let ClientRequest::Requests(requests) =
                        postcard::from_bytes(payload).map_err(|_| Fault::Unreadable)?;
                    // A larger one would not fit into a frame to the other replicas.
                    let fits = requests.len() <= self.accept.config.batch_requests_max
                        && requests.bytes() <= pack_bytes_max(&self.accept.config);
                    if !fits || !requests.iter().all(|request| request.is_of_a_session()) {
                        return Err(Fault::Unreadable);
                    }
                    self.received.bytes += requests.bytes();
                    self.received.requests.push((id, requests));
                }
            }
            *moved_at = now;
        }
        Ok(())
    }

    /// Answers a client.
    pub fn answer(&mut self, id: u64, replies: Replies) {
        let Some(connection) = self.inbound.get_mut(&id) else { return };
        // A client that does not read loses answers, and asks again.
        if connection.outbox.len() <= OUTBOX_BYTES_MAX {
            connection.outbox.put(&ServerReply::Replies(replies));
            self.busy.insert(id);
        }
    }

    /// Sends what can be taken now.
    pub fn flush(&mut self, now: Millis) {
        for id in std::mem::take(&mut self.busy) {
            let Some(connection) = self.inbound.get_mut(&id) else { continue };
            match connection.stream.write(connection.outbox.waiting()) {
                Err(fault) => self.end(id, &fault),
                Ok(count) => {
                    connection.outbox.left(count);
                    if count > 0 {
                        connection.moved_at = now;
                    }
                    if connection.stream.is_readable() {
                        self.busy.insert(id);
                    }
                }
            }
        }
    }

    /// Closes connections that have made no progress.
    pub fn on_tick(&mut self, now: Millis) {
        let slow = |connection: &Inbound| {
            let unfinished = connection.inbox.is_half_full() || !connection.outbox.is_empty();
            let patience = match connection.stage {
                Stage::Greeting => PATIENCE_MS,
                Stage::Client if !unfinished => return false,
                Stage::Replica(_) | Stage::Client => SILENCE_MS,
            };
            now.saturating_sub(connection.moved_at) > patience
        };
        let slow = self.inbound.iter().filter(|(_, connection)| slow(connection));
        for id in slow.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.end(id, &Fault::Slow);
        }
        self.faults.on_tick(now);
    }

    fn end(&mut self, id: u64, fault: &Fault) {
        let Some(mut connection) = self.inbound.remove(&id) else { return };
        self.busy.remove(&id);
        self.greeting.remove(&id);
        let Inbound { stream, outbox, stage, .. } = &mut connection;
        let untold = outbox.is_empty() && matches!(stage, Stage::Greeting);
        if untold && matches!(fault, Fault::Mismatch(_)) && !stream.is_encrypted() {
            outbox.put(&AcceptConfig::one_sided_tls(self.accept.tls.is_some()));
        }
        // What was to be said last says why. The socket is closed with the connection.
        let _ = stream.write(outbox.waiting());
        self.received.gone.push(id);
        self.faults.note(fault, &stream.peer());
    }

    /// How many clients there are.
    pub fn clients(&self) -> usize {
        self.inbound.values().filter(|connection| matches!(connection.stage, Stage::Client)).count()
    }
}

impl Inbound {
    /// Whether it is not read for now: clients while they all wait, and one that does not take its
    /// answers.
    fn must_wait(&self, clients_wait: bool) -> bool {
        let is_full = self.outbox.len() > OUTBOX_BYTES_MAX;
        matches!(self.stage, Stage::Client) && (clients_wait || is_full)
    }
}

/// Messages, and the last frame that came with them.
type Unpacked<M> = (Vec<M>, Option<Vec<u8>>);

fn decode<M: DeserializeOwned>(
    mut payload: &[u8],
    plausible: fn(&M, &Config) -> bool,
    config: &Config,
) -> Result<Unpacked<M>, Fault> {
    let (mut messages, mut shown) = (Vec::new(), None);
    while !payload.is_empty() {
        let (item, rest) = postcard::take_from_bytes(payload).map_err(|_| Fault::Unreadable)?;
        match item {
            Carried::Message(message) if plausible(&message, config) => messages.push(message),
            Carried::Frame(bytes) if bytes.len() <= SHOWN_BYTES_MAX => {
                shown = Some(bytes.into_vec());
            }
            Carried::Message(_) | Carried::Frame(_) => return Err(Fault::Unreadable),
        }
        payload = rest;
    }
    Ok((messages, shown))
}
