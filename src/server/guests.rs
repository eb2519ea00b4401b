//! Those who come in through the links port: other replicas, and native clients.

use std::collections::{BTreeMap, BTreeSet};

use mio::event::Event;
use mio::net::TcpStream;
use mio::{Registry, Token};
use serde::de::DeserializeOwned;

use crate::batch::{Replies, Requests};
use crate::config::Config;
use crate::links::client_messages::{ClientRequest, ServerReply};
use crate::links::frame::{Inbox, Outbox};
use crate::links::hello::{HELLO_BYTES_MAX, Hello};
use crate::links::stream::{Scratch, Stream};
use crate::links::tls::Tls;
use crate::links::{Carried, Fault};
use crate::server::faults::Faults;
use crate::server::house::{House, Stage};
use crate::server::peers::{FRAME_BYTES, PATIENCE_MS, SHOWN_BYTES_MAX};
use crate::types::{Millis, ReplicaId, Slot};

/// Bytes read from one guest in a turn.
const READ_BYTES: usize = 1 << 20;
/// Guests at a time that have yet to say who they are; one more takes the place of the first.
const GREETING_MAX: usize = 256;
/// Bytes that say in which view a slot was accepted: three numbers, two of which may take nine.
const SLOT_BYTES: usize = 19;
/// How long a replica may be silent: its gossip comes many times as often.
const SILENCE_MS: Millis = 10_000;

/// The longest payload a replica with these settings sends.
#[must_use]
pub fn frame_bytes_max(config: &Config) -> usize {
    // A frame ends after FRAME_BYTES; its last message may hold a batch and a chunk, or say of each slot of
    // a window what was accepted for it.
    let values = 2 * pack_bytes_max(config) + config.chunk_bytes;
    let account = config.window as usize * SLOT_BYTES;
    FRAME_BYTES + values.max(account) + SHOWN_BYTES_MAX
}

/// The largest pack a client with these settings sends: its commands, and what goes with each.
fn pack_bytes_max(config: &Config) -> usize {
    config.largest_batch_bytes() + 64 * config.batch_requests_max + 1024
}

struct Guest {
    stream: Stream,
    inbox: Inbox,
    outbox: Outbox,
    stage: Stage,
    /// When it came, last began or ended a frame, or took anything.
    moved_at: Millis,
}

/// What guests have brought.
pub struct Brought<M> {
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

impl<M> Brought<M> {
    /// Nothing yet.
    pub fn nothing() -> Self {
        let (messages, frames, requests) = (Vec::new(), Vec::new(), Vec::new());
        Self { messages, frames, requests, bytes: 0, gone: Vec::new(), came: Vec::new() }
    }
}

/// What the messages of replicas are looked at with; see [`Protocol`](crate::protocol::Protocol).
pub struct Heeded<M> {
    pub plausible: fn(&M, &Config) -> bool,
    pub executed: fn(&M) -> Option<Slot>,
}

/// Owns the connections that came in through the links port.
pub struct Guests<M> {
    house: House,
    protocol: Heeded<M>,
    guests: BTreeMap<u64, Guest>,
    /// Those of them that have yet to say who they are.
    greeting: BTreeSet<u64>,
    /// Those that may have sent something that is not read, or have something to be sent.
    busy: BTreeSet<u64>,
    /// The one of them to be read first.
    first: u64,
    faults: Faults,
    /// When each replica was last heard.
    heard_at: BTreeMap<ReplicaId, Millis>,
    /// How far each replica had executed when it last said so.
    executed_by: BTreeMap<ReplicaId, Slot>,
    /// In what the settings of replicas differ from ours.
    differ: BTreeMap<ReplicaId, String>,
}

impl<M: DeserializeOwned> Guests<M> {
    /// Nobody yet.
    pub fn new(house: House, protocol: Heeded<M>) -> Self {
        let (guests, greeting, busy) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
        let (faults, heard_at) = (Faults::new("links"), BTreeMap::new());
        let (executed_by, differ) = (BTreeMap::new(), BTreeMap::new());
        Self {
            house,
            protocol,
            guests,
            greeting,
            busy,
            first: 0,
            faults,
            heard_at,
            executed_by,
            differ,
        }
    }

    /// Lets somebody in, who has yet to say who it is.
    pub fn on_accept(
        &mut self,
        id: u64,
        socket: TcpStream,
        now: Millis,
        registry: &Registry,
        brought: &mut Brought<M>,
    ) {
        if self.greeting.len() >= GREETING_MAX
            && let Some(&first) = self.greeting.first()
        {
            self.end(first, &Fault::Slow, registry, brought);
        }
        let accepting = self.house.tls.as_ref().map(Tls::accepting);
        let stream = Stream::accepted(socket, accepting.as_ref()).and_then(|mut stream| {
            stream.register(registry, Token(id as usize))?;
            Ok(stream)
        });
        match stream {
            Err(fault) => self.faults.note(&fault, "a newcomer"),
            Ok(stream) => {
                let (inbox, outbox) = (Inbox::new(HELLO_BYTES_MAX), Outbox::default());
                let guest = Guest { stream, inbox, outbox, stage: Stage::Greeting, moved_at: now };
                self.guests.insert(id, guest);
                self.greeting.insert(id);
            }
        }
    }

    /// Takes note of what the system has seen; says whether the connection is one of these.
    pub fn on_event(&mut self, id: u64, event: &Event) -> bool {
        let Some(guest) = self.guests.get_mut(&id) else { return false };
        guest.stream.on_event(event);
        self.busy.insert(id);
        true
    }

    /// Whether something can be read at once. Clients are not read while `clients_wait`.
    pub fn is_busy(&self, clients_wait: bool) -> bool {
        let mut busy = self.busy.iter().filter_map(|id| self.guests.get(id));
        busy.any(|guest| guest.stream.is_readable() && !self.house.lets_wait(guest, clients_wait))
    }

    /// Reads what has arrived. Clients are read until they have brought `clients_bytes` of requests; those
    /// that have to wait are the first to be read the next time.
    pub fn read(
        &mut self,
        clients_bytes: usize,
        now: Millis,
        scratch: &mut Scratch,
        registry: &Registry,
        brought: &mut Brought<M>,
    ) {
        let mut last = std::mem::take(&mut self.busy);
        let first = last.split_off(&std::mem::take(&mut self.first));
        for id in first.into_iter().chain(last) {
            let Some(guest) = self.guests.get_mut(&id) else { continue };
            let clients_wait = brought.bytes >= clients_bytes;
            if self.house.lets_wait(guest, clients_wait) {
                self.busy.insert(id);
                if clients_wait && self.first == 0 {
                    self.first = id;
                }
                continue;
            }
            let began = !guest.inbox.is_half_full();
            let read = guest.stream.read(guest.inbox.room(), READ_BYTES, scratch);
            if began && guest.inbox.is_half_full() && !matches!(guest.stage, Stage::Greeting) {
                guest.moved_at = now;
            }
            let taken = self.take_frames(id, now, brought);
            if self.greeting.contains(&id) {
                self.note_stage(id, registry, brought);
            }
            match taken.and(read) {
                Err(fault @ Fault::Mismatch(_)) => self.turn_away(id, &fault, registry, brought),
                Err(fault) => self.end(id, &fault, registry, brought),
                Ok(()) => {
                    self.busy.insert(id);
                }
            }
        }
    }

    /// Takes note of who a guest has said to be. A replica that dials again has given up the link it
    /// had before, whether or not that has been noticed here.
    fn note_stage(&mut self, id: u64, registry: &Registry, brought: &mut Brought<M>) {
        let Some(Guest { stage, .. }) = self.guests.get(&id) else { return };
        if matches!(stage, Stage::Greeting) {
            return;
        }
        self.greeting.remove(&id);
        let Stage::Replica(from) = *stage else { return };
        brought.came.push(from);
        let earlier = |(other, guest): (&u64, &Guest)| {
            let same = matches!(guest.stage, Stage::Replica(known) if known == from);
            (same && *other != id).then_some(*other)
        };
        if let Some(other) = self.guests.iter().find_map(earlier) {
            let fault = Fault::Refused(format!("replica {from} has dialled again"));
            self.end(other, &fault, registry, brought);
        }
    }

    fn take_frames(&mut self, id: u64, now: Millis, brought: &mut Brought<M>) -> Result<(), Fault> {
        let clients = if self.greeting.contains(&id) { self.clients() } else { 0 };
        let Some(guest) = self.guests.get_mut(&id) else { return Ok(()) };
        let Guest { stream, inbox, outbox, stage, moved_at } = guest;
        loop {
            match stage {
                Stage::Greeting => {
                    let Some(payload) = inbox.next_frame()? else { return Ok(()) };
                    let hello = Hello::read(payload);
                    let (found, differ) = self.house.receive(hello, clients, stream, outbox)?;
                    *stage = found;
                    if let Stage::Replica(from) = *stage {
                        self.differ.remove(&from);
                        self.differ.extend(differ.map(|differ| (from, differ)));
                    }
                    inbox.allow(match stage {
                        Stage::Replica(_) => frame_bytes_max(&self.house.config),
                        _ => pack_bytes_max(&self.house.config) + HELLO_BYTES_MAX,
                    });
                }
                Stage::Replica(from) => {
                    let Some(payload) = inbox.next_frame()? else { return Ok(()) };
                    let (messages, shown) =
                        decode(payload, self.protocol.plausible, &self.house.config)?;
                    brought.frames.extend(shown.map(|bytes| (*from, bytes)));
                    if let Some(slot) = messages.iter().filter_map(self.protocol.executed).max() {
                        self.executed_by.insert(*from, slot);
                    }
                    self.heard_at.insert(*from, now);
                    brought.messages.push((*from, messages));
                }
                Stage::Client => {
                    let Some(payload) = inbox.next_frame()? else { return Ok(()) };
                    let ClientRequest::Requests(requests) =
                        postcard::from_bytes(payload).map_err(|_| Fault::Unreadable)?;
                    // A larger one would not fit into a frame to the other replicas.
                    let fits = requests.len() <= self.house.config.batch_requests_max
                        && requests.bytes() <= pack_bytes_max(&self.house.config);
                    if !fits || !requests.iter().all(|request| request.is_of_a_session()) {
                        return Err(Fault::Unreadable);
                    }
                    brought.bytes += requests.bytes();
                    brought.requests.push((id, requests));
                }
            }
            *moved_at = now;
        }
    }

    /// Answers a client.
    pub fn answer(&mut self, id: u64, replies: Replies) {
        let Some(guest) = self.guests.get_mut(&id) else { return };
        // A client that does not read loses answers, and asks again.
        if guest.outbox.len() <= self.house.outbox_bytes_max {
            guest.outbox.put(&ServerReply::Replies(replies));
            self.busy.insert(id);
        }
    }

    /// Sends what the guests take now.
    pub fn flush(&mut self, now: Millis, registry: &Registry, brought: &mut Brought<M>) {
        for id in std::mem::take(&mut self.busy) {
            let Some(guest) = self.guests.get_mut(&id) else { continue };
            match guest.stream.write(guest.outbox.waiting()) {
                Err(fault) => self.end(id, &fault, registry, brought),
                Ok(count) => {
                    guest.outbox.left(count);
                    if count > 0 {
                        guest.moved_at = now;
                    }
                    if guest.stream.is_readable() {
                        self.busy.insert(id);
                    }
                }
            }
        }
    }

    /// Shows the door to those that are too slow.
    pub fn on_tick(&mut self, now: Millis, registry: &Registry, brought: &mut Brought<M>) {
        let slow = |guest: &Guest| {
            let unfinished = guest.inbox.is_half_full() || !guest.outbox.is_empty();
            let patience = match guest.stage {
                Stage::Greeting => PATIENCE_MS,
                Stage::Client if !unfinished => return false,
                Stage::Replica(_) | Stage::Client => SILENCE_MS,
            };
            now.saturating_sub(guest.moved_at) > patience
        };
        let ended: Vec<u64> =
            self.guests.iter().filter(|(_, guest)| slow(guest)).map(|(id, _)| *id).collect();
        for id in ended {
            self.end(id, &Fault::Slow, registry, brought);
        }
        self.faults.on_tick(now);
    }

    /// Ends a connection whose other end is no match, and tells that end why if it has not been told.
    fn turn_away(&mut self, id: u64, fault: &Fault, registry: &Registry, brought: &mut Brought<M>) {
        let has_tls = self.house.tls.is_some();
        if let Some(guest) = self.guests.get_mut(&id)
            && guest.outbox.is_empty()
            && matches!(guest.stage, Stage::Greeting)
            && !guest.stream.is_encrypted()
        {
            guest.outbox.put(&House::one_sided_tls(has_tls));
        }
        self.end(id, fault, registry, brought);
    }

    fn end(&mut self, id: u64, fault: &Fault, registry: &Registry, brought: &mut Brought<M>) {
        let Some(mut guest) = self.guests.remove(&id) else { return };
        self.busy.remove(&id);
        self.greeting.remove(&id);
        // What was to be said last says why.
        let _ = guest.stream.write(guest.outbox.waiting());
        guest.stream.deregister(registry);
        brought.gone.push(id);
        self.faults.note(fault, &guest.stream.peer());
    }

    /// Connections given up.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// How many clients there are.
    pub fn clients(&self) -> usize {
        self.guests.values().filter(|guest| matches!(guest.stage, Stage::Client)).count()
    }

    /// In what the settings of replicas differ from ours.
    pub fn differ(&self) -> &BTreeMap<ReplicaId, String> {
        &self.differ
    }

    /// When each replica was last heard.
    pub fn heard_at(&self) -> &BTreeMap<ReplicaId, Millis> {
        &self.heard_at
    }

    /// The first slot that each replica had not executed when it last said so.
    pub fn executed_by(&self) -> &BTreeMap<ReplicaId, Slot> {
        &self.executed_by
    }
}

impl House {
    /// Whether a guest is not read for now: clients while they all wait, and one that does not take its
    /// answers.
    fn lets_wait(&self, guest: &Guest, clients_wait: bool) -> bool {
        let full = guest.outbox.len() > self.outbox_bytes_max;
        matches!(guest.stage, Stage::Client) && (clients_wait || full)
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
