//! A cluster of replicas as threads of one process.
//!
//! Each replica has a thread, on it a timely worker of its own, and a disk that outlives the
//! thread: in memory, or in a directory that a later cluster goes on from ([`Storage`]). Links are
//! bounded channels: a turn's messages to a peer are one send, and what finds a peer dead or its
//! link full is dropped, for catch-up to repair. Nobody spins, and nobody waits for a peer.
//! Replicas can be [killed](Cluster::kill), [paused](Cluster::pause) and
//! [restarted](Cluster::restart).

mod edge;
mod links;
mod replica;
mod storage;
mod transport;

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Sender, bounded, never};

use crate::client::Session;
use crate::disk::{Disk, Files, Wake};
use crate::engine::node::Node;
use crate::engine::protocol::{JournalRecord, Protocol};
use crate::hosts::seat::Seat;
use crate::links::client_messages::ClientLimits;
use crate::model::app::StateMachine;
use crate::model::clock::Clock;
use crate::model::config::Config;
use crate::model::error::Error;
use crate::model::types::ReplicaId;
use crate::observe::board::{self, Board};
use crate::observe::frame::{Frame, Level};
use crate::observe::monitor::Monitor;
use crate::observe::scene::Scene;
use crate::observe::status::{Clients, ReplicaStatus};

use edge::EdgeRequest;
use links::Post;
use replica::{Channels, Control, Ids, ReplicaLoop};
use storage::Disks;
use transport::ChannelTransport;

pub use crate::client::Client;
pub use crate::observe::counters::Status;
pub use replica::Seen;
pub use storage::Storage;

/// Settings of an embedded cluster.
#[derive(Clone, Debug)]
pub struct EmbeddedSettings {
    /// The settings of every replica but for its own number.
    pub config: Config,
    /// Where replicas keep what must survive them. With it they may be restarted.
    pub storage: Storage,
    /// How closely the replicas are watched.
    pub observe: Level,
    /// Bytes of messages from one replica to another that may wait.
    pub link_bytes_max: usize,
    /// Who is told what happens. One that lags loses it.
    pub watcher: Option<Sender<Seen>>,
    /// How long a client waits before it says that an outcome is unknown.
    pub deadline: Duration,
}

impl EmbeddedSettings {
    /// The defaults for `n` replicas.
    pub fn new(n: usize) -> Self {
        Self {
            config: Config::new(ReplicaId(0), n),
            storage: Storage::default(),
            observe: Level::default(),
            link_bytes_max: 16 << 20,
            watcher: None,
            deadline: Duration::from_secs(10),
        }
    }
}

/// What makes a state machine for each life of a replica, which has these settings.
pub type Application = dyn Fn(&Config) -> Box<dyn StateMachine> + Send + Sync;

type Spawn = dyn Fn(ReplicaId) -> Result<Thread, Error> + Send + Sync;

/// The thread of a replica that lives or lived.
struct Thread {
    control: Sender<Control>,
    handle: JoinHandle<()>,
}

/// Where clients request: a replica that lives has an entry, a new one each life.
#[derive(Default)]
struct ClientPort(Mutex<Option<Sender<EdgeRequest>>>);

impl ClientPort {
    fn set(&self, requests: Option<Sender<EdgeRequest>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = requests;
    }

    fn get(&self) -> Option<Sender<EdgeRequest>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What clients and replicas of a cluster share.
struct Shared {
    ports: Vec<ClientPort>,
    /// What is shown of each replica.
    boards: Vec<Board>,
    clock: Clock,
    ids: Ids,
    limits: ClientLimits,
    deadline: Duration,
}

/// A running cluster; dropping it ends all replicas.
pub struct Cluster {
    shared: Arc<Shared>,
    quorum: usize,
    protocol: &'static str,
    threads: Vec<Thread>,
    disks: Arc<Disks>,
    spawn: Box<Spawn>,
    dropped: Box<dyn Fn(ReplicaId) -> u64 + Send + Sync>,
}

impl Cluster {
    /// Packs of clients that may wait for a replica.
    const REQUESTS_MAX: usize = 64;

    /// Starts replicas that speak `protocol` and apply what they agree on to what `service` makes.
    ///
    /// # Errors
    /// What is wrong with the settings or with the disks.
    pub fn start<M, R, S>(
        settings: EmbeddedSettings,
        protocol: Protocol<M, R>,
        service: impl Fn() -> S + Send + Sync + 'static,
    ) -> Result<Self, Error>
    where
        M: Clone + Send + 'static,
        R: JournalRecord,
        S: StateMachine,
    {
        Self::start_any(settings, protocol, Arc::new(move |_| Box::new(service())))
    }

    /// The same for a service whose type is not known.
    ///
    /// # Errors
    /// As [`Cluster::start`].
    pub fn start_any<M, R>(
        mut settings: EmbeddedSettings,
        protocol: Protocol<M, R>,
        application: Arc<Application>,
    ) -> Result<Self, Error>
    where
        M: Clone + Send + 'static,
        R: JournalRecord,
    {
        settings.config.tolerance = protocol.tolerance;
        settings.config.check()?;
        let (n, quorum) = (settings.config.n, settings.config.quorum());
        let name = protocol.name;
        let post = Arc::new(Post::new(n, protocol.weight, settings.link_bytes_max));
        let shared = Arc::new(Shared {
            ports: (0..n).map(|_| ClientPort::default()).collect(),
            boards: (0..n).map(|_| Board::default()).collect(),
            clock: Clock::start(),
            ids: Ids::of(&settings.storage)?,
            limits: ClientLimits::of(&settings.config),
            deadline: settings.deadline,
        });
        let disks = Arc::new(Disks::prepare(&settings.storage, &settings.config, protocol.name)?);
        let home = Home {
            settings,
            protocol,
            application,
            post: Arc::clone(&post),
            shared: Arc::clone(&shared),
            disks: Arc::clone(&disks),
        };
        let spawn = Box::new(move |me| home.spawn(me));
        let dropped = Box::new(move |replica| post.dropped(replica));
        let threads = Vec::new();
        let mut cluster = Self { shared, quorum, protocol: name, threads, disks, spawn, dropped };
        for me in (0..n as u16).map(ReplicaId) {
            let thread = (cluster.spawn)(me)?;
            cluster.threads.push(thread);
        }
        Ok(cluster)
    }

    /// A client with a session of its own, which it opens when it first needs it.
    pub fn client(&self) -> Client {
        let shared = Arc::clone(&self.shared);
        let nonce = shared.ids.next();
        let first = ReplicaId((nonce % shared.ports.len() as u64) as u16);
        let session = Session::new(shared.limits, first, nonce);
        let deadline = shared.deadline;
        Client::new(Box::new(ChannelTransport::new(shared)), session, deadline)
    }

    /// How many replicas there are, dead or alive.
    pub fn replicas(&self) -> usize {
        self.threads.len()
    }

    /// How a replica stood at the end of its last turn.
    pub fn status(&self, replica: ReplicaId) -> Status {
        self.shared.boards[replica.0 as usize].counters(|counters| counters.clone())
    }

    /// The latest frame of a replica, if it is watched.
    pub fn frame(&self, replica: ReplicaId) -> Option<Arc<Frame>> {
        self.shown(replica).frame().map(|(frame, _)| frame)
    }

    /// All replicas, each by its latest frame, and what is wrong.
    pub fn scene(&self) -> Scene {
        board::scene(&self.shared.boards, self.shared.clock.now_us())
    }

    /// The number of the cluster, in hexadecimal.
    pub fn id(&self) -> String {
        self.disks.cluster_in_hex()
    }

    /// The name of the protocol that its replicas speak.
    pub fn protocol(&self) -> &'static str {
        self.protocol
    }

    /// What is shown of a replica.
    pub fn shown(&self, replica: ReplicaId) -> &Board {
        &self.shared.boards[replica.0 as usize]
    }

    /// Messages for `replica` that were dropped, because it was dead or its link full.
    pub fn dropped(&self, replica: ReplicaId) -> u64 {
        (self.dropped)(replica)
    }

    /// How many of them decide together.
    pub fn quorum(&self) -> usize {
        self.quorum
    }

    /// Who leads the highest view that a living replica is in, or is to; nobody where all propose.
    pub fn leader(&self) -> Option<ReplicaId> {
        let statuses =
            (0..self.threads.len()).map(|replica| self.status(ReplicaId(replica as u16)));
        let living = statuses.filter(|status| status.alive && status.leader.is_some());
        living.max_by_key(|status| status.view)?.leader
    }

    /// How long the cluster has been running.
    pub fn elapsed(&self) -> Duration {
        self.shared.clock.elapsed()
    }

    /// Ends a replica at once, as a crash does; waits until its thread is gone.
    pub fn kill(&mut self, replica: ReplicaId) {
        let thread = &self.threads[replica.0 as usize];
        let _ = thread.control.send(Control::Kill);
        let board = &self.shared.boards[replica.0 as usize];
        while !thread.handle.is_finished() && board.counters(|counters| counters.alive) {
            std::thread::park_timeout(Duration::from_millis(1));
        }
    }

    /// Lets a replica do nothing for a while.
    pub fn pause(&self, replica: ReplicaId, time: Duration) {
        let _ = self.threads[replica.0 as usize].control.send(Control::Pause(time));
    }

    /// Asks a replica for the digest of its state and what its roles do; see [`Status`].
    pub fn look(&self, replica: ReplicaId) {
        let _ = self.threads[replica.0 as usize].control.send(Control::Look);
    }

    /// Starts a replica again from what is on its disk, killing it first if it lives.
    ///
    /// # Errors
    /// [`Error::NoDisk`] when the cluster has no disks, or what is wrong with the disk.
    pub fn restart(&mut self, replica: ReplicaId) -> Result<(), Error> {
        if !self.disks.are_durable() {
            return Err(Error::NoDisk { replica });
        }
        self.kill(replica);
        self.threads[replica.0 as usize] = (self.spawn)(replica)?;
        Ok(())
    }

    /// The disk of a replica, to look into.
    ///
    /// # Errors
    /// [`Error::NoDisk`] when the cluster has no disks, or what the system says.
    pub fn disk(&self, replica: ReplicaId) -> Result<Box<dyn Disk>, Error> {
        self.disks.look(replica)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for thread in &self.threads {
            let _ = thread.control.send(Control::Kill);
        }
        for thread in self.threads.drain(..) {
            // A thread that has panicked has said so on its board.
            let _ = thread.handle.join();
        }
    }
}

/// What the threads of a cluster are made from.
struct Home<M: Clone + 'static, R: Clone + 'static> {
    settings: EmbeddedSettings,
    protocol: Protocol<M, R>,
    application: Arc<Application>,
    post: Arc<Post<M>>,
    shared: Arc<Shared>,
    disks: Arc<Disks>,
}

impl<M, R> Home<M, R>
where
    M: Clone + Send + 'static,
    R: JournalRecord,
{
    /// What the status of a replica with these settings says whatever it does.
    fn identity(&self, config: &Config) -> ReplicaStatus {
        ReplicaStatus {
            durable: self.disks.are_durable(),
            clients: Clients::none(Cluster::REQUESTS_MAX, config),
            ..ReplicaStatus::new(config, &self.disks.cluster_in_hex(), self.protocol.name)
        }
    }

    /// Starts the thread of a replica, and waits until the replica stands.
    fn spawn(&self, me: ReplicaId) -> Result<Thread, Error> {
        let config = Config { me, ..self.settings.config.clone() };
        let (disks, owner) = (Arc::clone(&self.disks), self.disks.owner(me));
        let (woken, wake) = match self.disks.directory(me) {
            None => (never(), None),
            Some(directory) => {
                let (wake, woken) = bounded(1);
                let wake: Wake = Box::new(move || {
                    // That it is to be woken already is as good.
                    let _ = wake.try_send(());
                });
                (woken, Some((directory, wake)))
            }
        };
        let (requests, received) = bounded(Cluster::REQUESTS_MAX);
        let (control, controlled) = bounded(16);
        let (started, starting) = bounded(1);
        let channels = Channels {
            post: Arc::clone(&self.post),
            inbox: self.post.open(me),
            requests: received,
            control: controlled,
            woken,
        };
        let board = self.shared.boards[me.0 as usize].clone();
        let watcher = self.settings.watcher.clone();
        let end = End { me, post: Arc::clone(&self.post), shared: Arc::clone(&self.shared) };
        let (protocol, application) = (self.protocol, Arc::clone(&self.application));
        let (level, clock) = (self.settings.observe, self.shared.clock);
        let identity = self.identity(&config);
        let live = move |held: Sender<EdgeRequest>| {
            let mut end = end;
            let (worker, observer) = Monitor::of_new_worker(level, &config, protocol, clock);
            let (service, dataflow) = (application(&config), protocol.dataflow);
            let census = service.census();
            let node = match wake {
                None => {
                    let disk = disks.look(me).ok().map(|disk| (disk, owner));
                    Node::start_on(worker, &config, disk, service, dataflow)
                }
                Some((directory, wake)) => Files::open(&directory).and_then(|files| {
                    let disk = (Box::new(files) as Box<dyn Disk>, owner);
                    Node::start_with_journal(worker, &config, disk, wake, service, dataflow)
                }),
            };
            let mut node = match node {
                Ok(node) => node,
                Err(error) => return drop(started.send(Err(error))),
            };
            let observation = observer.map(|observer| observer.watch(&mut node, protocol.step));
            end.begin(held);
            let _ = started.send(Ok(()));
            let executed = protocol.executed;
            let seat = Seat::new(config, node, executed, clock, board, identity, observation)
                .with_census(census);
            if let Err(error) = ReplicaLoop::new(seat, channels, watcher).run() {
                end.shared.boards[me.0 as usize]
                    .counters(|counters| counters.failed = Some(error.to_string()));
            }
        };
        let name = format!("replica-{me}");
        let spawned = std::thread::Builder::new().name(name).spawn(move || live(requests));
        let handle = spawned.map_err(|source| Error::Thread { replica: me, source })?;
        // A thread that panics before it has started says so on stderr, and its board shows it.
        starting.recv().unwrap_or(Ok(()))?;
        Ok(Thread { control, handle })
    }
}

/// Says that a replica has ended, however it ends.
struct End<M: Clone + 'static> {
    me: ReplicaId,
    post: Arc<Post<M>>,
    shared: Arc<Shared>,
}

impl<M: Clone> End<M> {
    fn begin(&mut self, requests: Sender<EdgeRequest>) {
        let me = self.me.0 as usize;
        let board = &self.shared.boards[me];
        board.counters(|counters| {
            let (view, lives) = (counters.view, counters.lives + 1);
            *counters = Status { alive: true, lives, view, ..Status::default() };
        });
        board.set_ended(None);
        self.shared.ports[me].set(Some(requests));
    }
}

impl<M: Clone> Drop for End<M> {
    fn drop(&mut self) {
        let me = self.me.0 as usize;
        self.shared.ports[me].set(None);
        let panics = std::thread::panicking();
        let why = if panics { "its thread has panicked: a bug" } else { "it has ended" };
        let board = &self.shared.boards[me];
        board.set_ended(Some(why));
        self.post.close(self.me);
        board.counters(|counters| {
            counters.alive = false;
            if panics {
                counters.failed = Some("its thread has panicked".to_owned());
            }
        });
    }
}
