//! Connections of clients that speak Redis's protocol.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use mio::event::Event;
use mio::net::TcpStream;
use mio::{Registry, Token};

use crate::hosts::edge::Gather;
use crate::hosts::server::redis_socket::{RedisSocket, fault_of};
use crate::hosts::server::usage::usage;
use crate::kv::redis::{RedisConnection, RedisSettings, ServerInfo};
use crate::links::Fault;
use crate::links::dropped::Faults;
use crate::links::socket::{Scratch, Socket};
use crate::model::app::Census;
use crate::model::batch::{Answer, Replies, Request};
use crate::model::types::{ClientId, Millis, Slot};
use crate::observe::status::{Clients, ReplicaStatus};

/// Bytes read from one client in a turn.
const READ_BYTES: usize = 256 << 10;
/// How long a client may leave its replies unread while as much waits for it as may.
const PATIENCE_MS: Millis = 30_000;
/// How long a request may wait before its client is told that the outcome is unknown.
const ANSWER_WITHIN_MS: Millis = 5_000;
/// How often INFO's rates and memory are taken anew.
const COUNTED_EVERY_MS: u64 = 1_000;

/// Owns the connections of Redis clients.
pub struct RedisConnections {
    settings: Arc<RedisSettings>,
    world: ServerInfo,
    census: Arc<Census>,
    /// When the world was last told what is counted, and the commands there were then.
    counted: (u64, u64),
    clients: BTreeMap<u64, RedisSocket>,
    /// Those that may have sent something that is not read, or have something to be sent.
    busy: BTreeSet<u64>,
    /// The client to be read first, so that those before it cannot take all the room there is.
    first: u64,
    /// What has just been read.
    bytes: Vec<u8>,
    draining: bool,
    /// Connections given up.
    pub faults: Faults,
    /// Clients that were turned away because there were too many.
    refused: Tally,
    /// Commands that were answered with UNKNOWN.
    unknown: Tally,
}

/// How often something has happened, and when it last did.
#[derive(Default)]
struct Tally {
    count: u64,
    last_at: Option<Millis>,
}

impl Tally {
    fn add(&mut self, count: u64, now: Millis) {
        if count > 0 {
            self.count += count;
            self.last_at = Some(now);
        }
    }

    fn ms_ago(&self, now: Millis) -> Option<Millis> {
        self.last_at.map(|at| now.saturating_sub(at))
    }
}

impl RedisConnections {
    /// Nobody yet.
    pub fn new(settings: RedisSettings, world: ServerInfo, census: Arc<Census>) -> Self {
        Self {
            settings: Arc::new(settings),
            world,
            census,
            counted: (0, 0),
            clients: BTreeMap::new(),
            busy: BTreeSet::new(),
            first: 0,
            bytes: Vec::new(),
            draining: false,
            faults: Faults::new("clients"),
            refused: Tally::default(),
            unknown: Tally::default(),
        }
    }

    /// Lets a client in, or tells it that there are too many.
    pub fn on_accept(&mut self, id: u64, socket: TcpStream, now: Millis, registry: &Registry) {
        let Ok(mut stream) = Socket::accepted(socket, None) else { return };
        if self.clients.len() >= self.world.clients_max {
            self.world.traffic.rejected += 1;
            let fault = Fault::Refused("too many clients".to_owned());
            self.faults.note(&fault, &stream.peer());
            self.refused.add(1, now);
            stream.be_writable();
            let _ = stream.write(b"-ERR max number of clients reached\r\n");
            return;
        }
        if let Err(error) = stream.register(registry, Token(id as usize)) {
            self.faults.note(&error.into(), &stream.peer());
            return;
        }
        let mut line = RedisConnection::new(id, Arc::clone(&self.settings));
        line.introduce(stream.peer(), stream.own(), self.world.uptime_ms);
        self.world.traffic.connections += 1;
        let client = RedisSocket::new(stream, line, now);
        self.clients.insert(id, client);
    }

    /// Takes note of what the system has seen; says whether the connection is one of these.
    pub fn on_event(&mut self, id: u64, event: &Event) -> bool {
        let Some(client) = self.clients.get_mut(&id) else { return false };
        client.stream.on_event(event);
        self.busy.insert(id);
        true
    }

    /// Whether something can be read at once, if `held` does not forbid it.
    pub fn is_busy(&self, held: bool) -> bool {
        !held
            && !self.draining
            && self.busy.iter().any(|id| self.clients.get(id).is_some_and(RedisSocket::has_work))
    }

    /// Reads what has arrived, and gathers what only the replica can answer, which has executed all
    /// slots below `executed`; nothing while `held`.
    pub fn read(&mut self, held: bool, executed: Slot, scratch: &mut Scratch, gather: &mut Gather) {
        self.world.executed = executed;
        if held || self.draining {
            return;
        }
        let mut gone = Vec::new();
        for &id in self.busy.range(self.first..).chain(self.busy.range(..self.first)) {
            let Some(client) = self.clients.get_mut(&id) else { continue };
            self.bytes.clear();
            if let Some(ending) = &mut client.ending {
                if client.stream.read(&mut self.bytes, READ_BYTES, scratch).is_err() {
                    gone.push((id, fault_of(client.line.offence())));
                }
                ending.is_heard |= !self.bytes.is_empty();
                continue;
            }
            let RedisSocket { stream, line, asked, .. } = client;
            let mut outcome = Ok(());
            if stream.is_readable() && !line.is_full() {
                outcome = stream.read(&mut self.bytes, READ_BYTES, scratch);
            } else if !line.is_ready() {
                continue;
            }
            let commands = line.commands();
            line.on_bytes(&self.bytes, &self.world, &mut |way, number, command| {
                *asked = number;
                let client = ClientId::of_line(id);
                gather.add_by(way, Request { client, number, acknowledged: 0, command });
            });
            let traffic = &mut self.world.traffic;
            traffic.bytes_in += self.bytes.len() as u64;
            traffic.commands += line.commands() - commands;
            let killed = || Fault::Refused(format!("ended by a command of client {id}"));
            gone.extend(line.take_kills().into_iter().map(|other| (other, killed())));
            if let Err(fault) = outcome {
                // What it has sent says more than that it has gone.
                let offence = line.offence();
                gone.push((id, if offence.is_some() { fault_of(offence) } else { fault }));
            }
            if gather.is_full() {
                self.first = id + 1;
                break;
            }
        }
        for (id, fault) in gone {
            self.end(id, &fault);
        }
    }

    /// Hands out those answers of a batch that are for Redis connections; says whether all of them are.
    pub fn answer(&mut self, replies: &Replies) -> bool {
        let mut all = true;
        let mut current: Option<(u64, &mut RedisSocket)> = None;
        for reply in replies.iter() {
            let Some(id) = reply.client.line() else {
                all = false;
                continue;
            };
            if current.as_ref().is_none_or(|(known, _)| *known != id) {
                current = self.clients.get_mut(&id).map(|client| (id, client));
                self.busy.insert(id);
            }
            match (&mut current, reply.answer) {
                (Some((_, client)), Answer::Done(result)) => client.on_reply(reply.number, result),
                (Some((_, client)), Answer::Forgotten) => client.line.drop_reply(reply.number),
                (Some((_, client)), _) => client.line.lose(reply.number),
                (None, _) => {}
            }
        }
        all
    }

    /// Sends what the clients take now, and ends what is over.
    pub fn flush(&mut self, now: Millis) {
        let mut gone = Vec::new();
        let Self { clients, busy, world, .. } = self;
        busy.retain(|id| {
            let Some(client) = clients.get_mut(id) else { return false };
            match client.flush(now) {
                Ok(count) => world.traffic.bytes_out += count as u64,
                Err(fault) => {
                    gone.push((*id, fault));
                    return false;
                }
            }
            if !client.line.is_closing() || !client.line.output().is_empty() {
                return client.has_work() || client.stream.is_readable();
            }
            let lingers = client.lingers(now);
            if !lingers {
                gone.push((*id, fault_of(client.line.offence())));
            }
            lingers
        });
        for (id, fault) in gone {
            self.end(id, &fault);
        }
    }

    fn end(&mut self, id: u64, fault: &Fault) {
        // Its socket is closed with it, and so no longer watched.
        let Some(client) = self.clients.remove(&id) else { return };
        self.faults.note(fault, &client.peer);
    }

    /// Tells clients that have waited too long that nobody knows, and ends those that do not read.
    pub fn on_tick(&mut self, now: Millis) {
        let mut slow = Vec::new();
        for (&id, client) in &mut self.clients {
            if let Some(number) = client.overdue(now, ANSWER_WITHIN_MS) {
                let oldest = client.line.oldest_open().unwrap_or(number);
                self.unknown.add((number + 1).saturating_sub(oldest), now);
                client.line.expire(number);
                self.busy.insert(id);
            }
            if client.ending.is_some() {
                self.busy.insert(id);
            }
            let stuck = client.line.is_full() && !client.line.output().is_empty();
            if stuck && now.saturating_sub(client.moved_at) > PATIENCE_MS {
                slow.push(id);
            }
        }
        for id in slow {
            self.end(id, &Fault::Slow);
        }
        self.faults.on_tick(now);
    }

    /// Takes no more commands.
    pub fn drain(&mut self) {
        self.draining = true;
    }

    /// Whether every command has been answered, and every answer sent.
    pub fn is_settled(&self) -> bool {
        self.clients
            .values()
            .all(|client| client.line.oldest_open().is_none() && client.line.output().is_empty())
    }

    /// Reports how many clients there are, and what has become of others.
    pub fn report(&self, to: &mut Clients, now: Millis) {
        to.redis = self.clients.len();
        (to.refused, to.refused_ms_ago) = (self.refused.count, self.refused.ms_ago(now));
        (to.unknown, to.unknown_ms_ago) = (self.unknown.count, self.unknown.ms_ago(now));
    }

    /// Notes how the replica stands and how many others it hears, for clients that ask.
    pub fn describe(&mut self, status: &ReplicaStatus, heard: usize) {
        let world = &mut self.world;
        world.peers_present = heard;
        world.view = status.view;
        world.leader = status.leader;
        world.clients = self.clients.len();
        world.uptime_ms = status.up_ms;
        world.keys = self.census.keys.load(Ordering::Relaxed);
        world.expiring = self.census.expiring.load(Ordering::Relaxed);
        world.state_bytes = self.census.bytes.load(Ordering::Relaxed);
        let (at_ms, commands) = self.counted;
        let passed_ms = world.uptime_ms.saturating_sub(at_ms);
        if passed_ms >= COUNTED_EVERY_MS {
            world.usage = usage();
            let traffic = &mut world.traffic;
            traffic.commands_a_second = (traffic.commands - commands) * 1000 / passed_ms;
            self.counted = (world.uptime_ms, traffic.commands);
        }
        self.tell_who_is_there();
    }

    /// Tells those that want to know which connections there are.
    fn tell_who_is_there(&mut self) {
        let asks = |client: &RedisSocket| client.line.wants_listing();
        if !self.clients.values().any(asks) {
            return;
        }
        let now_ms = self.world.uptime_ms;
        let all = self.clients.values().map(|client| client.line.connection(now_ms));
        self.world.connections = Arc::new(all.collect());
        for (id, client) in self.clients.iter_mut().filter(|(_, client)| asks(client)) {
            client.line.now_knows();
            self.busy.insert(*id);
        }
    }
}
