//! A replica as a process: its worker, its sockets and its clients on one thread, its journal on
//! another.
//!
//! The thread that owns the timely worker drives all sockets between turns: it waits until one is
//! ready or the clock ticks, takes what has arrived, gives the replica a turn, and sends what may
//! leave. It never spins and never waits for a peer or a client; every queue has a bound, and
//! whoever fills one is not read until there is room, or is dropped to catch-up.

mod accept;
mod diary;
mod event_loop;
mod home;
mod inbound;
mod log;
mod names;
mod peers;
mod redis_connections;
mod redis_socket;
mod usage;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use mio::{Poll, Waker};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::deploy::settings::NodeSettings;
use crate::disk::{Disk, Files, Wake};
use crate::engine::node::Node;
use crate::engine::protocol::{JournalRecord, Protocol};
use crate::hosts::seat::Seat;
use crate::kv::redis;
use crate::links::hello::Common;
use crate::links::tls::Tls;
use crate::model::app::{Census, StateMachine};
use crate::model::clock::Clock;
use crate::model::error::Error;
use crate::observe::board::Board;
use crate::observe::counters::Status;
use crate::observe::monitor::Monitor;
use crate::observe::status::{Clients, ReplicaStatus};

use accept::AcceptConfig;
use event_loop::{EventLoop, EventLoopParts, WAKER, listen};
use home::Home;
use inbound::InboundConnections;
use peers::{LinkConfig, Peers};
use redis_connections::RedisConnections;

pub use home::check as check_home;
pub use inbound::frame_bytes_max;

/// Runs a replica until `ending` is set and what is in flight is done.
///
/// # Errors
/// Why it cannot start, or why it has ended.
pub fn run<M, R>(
    settings: &NodeSettings,
    protocol: Protocol<M, R>,
    application: Box<dyn StateMachine>,
    boards: Vec<Board>,
    ending: Arc<AtomicBool>,
) -> Result<(), Error>
where
    M: Clone + Serialize + DeserializeOwned + 'static,
    R: JournalRecord,
{
    let NodeSettings { config, listen: addresses, .. } = settings;
    // Before anything is changed, and before the disk is read, which may take long.
    let links = listen(addresses.links)?;
    let counted = application.census();
    let census = counted.clone().filter(|_| settings.redis);
    let clients = census.is_some().then(|| listen(addresses.clients)).transpose()?;
    let tls = settings.tls.as_ref().map(Tls::load).transpose()?;
    check_home(settings)?;
    let poll = Poll::new().map_err(Error::System)?;
    let waker = Arc::new(Waker::new(poll.registry(), WAKER).map_err(Error::System)?);
    let clock = Clock::start();
    let (worker, observer) = Monitor::of_new_worker(settings.observe, config, protocol, clock);
    let dataflow = protocol.dataflow;
    let mut node = match &settings.data {
        None => Node::start_on(worker, config, None, application, dataflow)?,
        Some(path) => {
            let disk = (Box::new(Files::open(path)?) as Box<dyn Disk>, settings.identity());
            let wake: Wake = Box::new(move || {
                // Only a poll that is gone cannot be woken.
                let _ = waker.wake();
            });
            Node::start_with_journal(worker, config, disk, wake, application, dataflow)?
        }
    };
    let watch = |path: &PathBuf| Home::watch(config.me, path);
    let home = settings.data.as_ref().map(watch).transpose().map_err(Error::System)?;
    let observation = observer.map(|observer| observer.watch(&mut node, protocol.step));
    let common = Common {
        cluster: settings.cluster,
        settings: settings.shared.clone(),
        protocol: settings.protocol.clone(),
    };
    let dialling = LinkConfig { me: config.me, common: common.clone(), tls: tls.clone() };
    let clients_max = settings.clients_max;
    let accept = AcceptConfig { config: config.clone(), common, tls, clients_max };
    let board = boards[config.me.0 as usize].clone();
    let lives = node.incarnation();
    board.counters(|counters| *counters = Status { alive: true, lives, ..Status::default() });
    let cluster = format!("{:016x}", settings.cluster);
    let identity = ReplicaStatus {
        durable: settings.data.is_some(),
        clients: Clients::none(clients_max, config),
        ..ReplicaStatus::new(config, &cluster, &settings.protocol)
    };
    let executed = protocol.executed;
    let seat = Seat::new(config.clone(), node, executed, clock, board, identity, observation);
    let event_loop = EventLoop::new(EventLoopParts {
        seat: seat.with_census(counted),
        poll,
        links,
        clients,
        peers: Peers::new(dialling, &settings.peers)?,
        inbound: InboundConnections::new(accept, protocol.plausible),
        redis: redis_connections(settings, census.unwrap_or_default()),
        boards,
        home,
        ending,
    });
    tracing::info!(
        n = config.n,
        protocol = settings.protocol,
        links = %addresses.links,
        clients = %addresses.clients,
        admin = %addresses.admin,
        durable = settings.data.is_some(),
        "serving"
    );
    event_loop.run()
}

fn redis_connections(settings: &NodeSettings, census: Arc<Census>) -> RedisConnections {
    let password = settings.password.as_ref().map(|secret| secret.as_bytes().to_vec());
    let spoken = redis::RedisSettings::new(password, settings.config.command_bytes_max);
    let world = redis::ServerInfo {
        replica: settings.config.me,
        replicas: settings.config.n,
        quorum: settings.config.quorum(),
        port: settings.listen.clients.port(),
        clients_max: settings.clients_max,
        memory_max: settings.config.memory_max,
        ..redis::ServerInfo::default()
    };
    RedisConnections::new(spoken, world, census)
}
