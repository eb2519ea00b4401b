//! Servers, each in directories of its own and gone when it is dropped.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use tempfile::TempDir;

use crate::load::Speaks;

const PATIENCE: Duration = Duration::from_secs(30);
/// The file of what a server says.
const SAID: &str = "said";
/// What runs while this program does, so that a signal leaves nothing behind.
static LIVE: Mutex<Vec<Live>> = Mutex::new(Vec::new());

/// Whom to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Server {
    /// Three replicas of ours with journals.
    Durable,
    /// Three replicas of ours without.
    Memory,
    /// Three members.
    Etcd,
    /// One, which answers after its log is synced.
    Redis,
}

/// The files of a server, and where it serves when it is started.
pub struct Site {
    server: Server,
    home: TempDir,
    addresses: Vec<SocketAddr>,
    settings: Vec<String>,
}

/// A server that serves.
pub struct Running {
    pub addresses: Vec<SocketAddr>,
    processes: Vec<Child>,
    site: Option<Site>,
}

/// What has to be ended, and removed.
struct Live {
    home: PathBuf,
    processes: Vec<u32>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill_all();
    }
}

impl Running {
    /// The process of each replica, or of the server.
    ///
    /// # Panics
    /// When a replica does not run.
    pub fn pids(&self) -> Vec<u32> {
        let Some(cluster) = self.cluster() else {
            return self.processes.iter().map(Child::id).collect();
        };
        let pids = replica_pids(&cluster);
        assert_eq!(pids.len(), self.addresses.len(), "all replicas run");
        pids
    }

    /// The data directory of each replica of ours.
    pub fn data(&self) -> Vec<PathBuf> {
        let data = |cluster: PathBuf| {
            let replicas = 0..self.addresses.len();
            replicas.map(|index| cluster.join(format!("replica-{index}/data"))).collect()
        };
        self.cluster().map_or(Vec::new(), data)
    }

    /// The directory of our cluster.
    pub fn cluster(&self) -> Option<PathBuf> {
        let home = self.site.as_ref()?.home.path().join("cluster");
        home.exists().then_some(home)
    }

    /// Files of the measurement, which go away with the server's.
    ///
    /// # Panics
    /// Never: a server that runs has a place.
    pub fn home(&self) -> &Path {
        self.site.as_ref().expect("it runs").home.path()
    }

    /// Waits until all listen.
    ///
    /// # Panics
    /// When one does not for long.
    pub fn await_listeners(&self) {
        let start = Instant::now();
        for address in &self.addresses {
            while TcpStream::connect(address).is_err() {
                let has_ended = self.processes.iter().any(|process| !is_alive(process.id()));
                if has_ended || start.elapsed() > PATIENCE {
                    let said = fs::read_to_string(self.home().join(SAID)).unwrap_or_default();
                    panic!("nothing listens on {address}; it said:\n{said}");
                }
                thread::sleep(Duration::from_millis(20));
            }
        }
    }

    /// Ends it as a user would.
    ///
    /// # Panics
    /// When it cannot be ended.
    pub fn stop(mut self) -> Site {
        if let Some(cluster) = self.cluster() {
            let mut down = Command::new(Server::Durable.program());
            down.args(["cluster", "down", "--dir"]).arg(cluster);
            let ended = down.output().expect("it has been started before");
            assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        } else {
            self.processes.iter().for_each(|process| signal(process.id(), Signal::TERM));
        }
        for process in &mut self.processes {
            process.wait().expect("it is a child");
        }
        self.leave()
    }

    /// Ends it as a loss of power would, but for what the system has in memory.
    ///
    /// # Panics
    /// Never: a server that runs has a place.
    pub fn kill(mut self) -> Site {
        self.kill_all();
        self.leave()
    }

    fn leave(&mut self) -> Site {
        self.processes.clear();
        self.site.take().expect("it has not been left before")
    }

    fn kill_all(&mut self) {
        let replicas = self.cluster().map(|cluster| replica_pids(&cluster)).unwrap_or_default();
        // First who would start them again.
        for process in &mut self.processes {
            let _ = process.kill();
            let _ = process.wait();
        }
        replicas.iter().for_each(|pid| signal(*pid, Signal::KILL));
        let start = Instant::now();
        while replicas.iter().any(|pid| is_alive(*pid)) && start.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(1));
        }
        if let Some(site) = &self.site {
            live().retain(|live| live.home != site.home.path());
        }
    }
}

impl Site {
    /// Room for a server that has not been started yet; `settings` are for ours, those that all
    /// replicas share as well: `NAME=VALUE`.
    ///
    /// # Panics
    /// When there is no room, or a setting is none.
    pub fn new(server: Server, settings: &[String]) -> Self {
        let home = TempDir::new().expect("there is room for files");
        let addresses = match server {
            Server::Durable | Server::Memory => cluster_addresses(),
            Server::Etcd => (0..3).map(|_| free_address()).collect(),
            Server::Redis => vec![free_address()],
        };
        let site = Self { server, home, addresses, settings: settings.to_vec() };
        if !settings.is_empty() {
            site.init();
        }
        site
    }

    /// Makes our cluster, with those settings that nothing overrides later.
    fn init(&self) {
        let directory = self.home.path().join("cluster");
        let base = self.addresses[0].port();
        let mut command = Command::new(self.server.program());
        command.args(["cluster", "init", "--replicas", "3", "--base-port", &base.to_string()]);
        let made = command.arg("--dir").arg(&directory).output().expect("it has been started");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let path = directory.join("cluster.toml");
        let mut text = fs::read_to_string(&path).expect("it has just been made");
        for (name, value) in self.settings.iter().filter_map(|it| shared(it)) {
            let other = |line: &&str| !line.starts_with(&format!("{name} ="));
            text = text.lines().filter(other).map(|line| format!("{line}\n")).collect();
            // The limits are the last of its tables.
            text += &format!("{name} = {value}\n");
        }
        fs::write(&path, text).expect("it has been written before");
    }

    /// Starts it, and does not wait until it serves.
    pub fn start(self) -> Running {
        let home = self.home.path();
        let processes = match self.server {
            Server::Durable => self.replicas(&[]),
            Server::Memory => self.replicas(&["--memory"]),
            Server::Etcd => self.members(),
            Server::Redis => self.alone(),
        };
        let pids = processes.iter().map(Child::id).collect();
        live().push(Live { home: home.to_owned(), processes: pids });
        Running { addresses: self.addresses.clone(), processes, site: Some(self) }
    }

    fn replicas(&self, options: &[&str]) -> Vec<Child> {
        let base = self.addresses[0].port();
        let mut command = Command::new(self.server.program());
        command.args(["cluster", "up", "--replicas", "3", "--base-port", &base.to_string()]);
        command.args(options);
        for setting in self.settings.iter().filter(|it| shared(it).is_none()) {
            command.args(["--set", setting]);
        }
        vec![spawn(self.home.path(), command.arg("--dir").arg(self.home.path().join("cluster")))]
    }

    fn members(&self) -> Vec<Child> {
        let peers: [SocketAddr; 3] = std::array::from_fn(|_| free_address());
        let cluster = (0..3).map(|index| format!("m{index}=http://{}", peers[index]));
        let cluster = cluster.collect::<Vec<_>>().join(",");
        let member = |index: usize| {
            let (client, peer) = (self.addresses[index], peers[index]);
            let mut command = Command::new(self.server.program());
            command.arg("--name").arg(format!("m{index}"));
            command.arg("--data-dir").arg(self.home.path().join(format!("m{index}")));
            for flag in ["--listen-client-urls", "--advertise-client-urls"] {
                command.arg(flag).arg(format!("http://{client}"));
            }
            for flag in ["--listen-peer-urls", "--initial-advertise-peer-urls"] {
                command.arg(flag).arg(format!("http://{peer}"));
            }
            command.args(["--initial-cluster", &cluster, "--log-level", "error"]);
            spawn(self.home.path(), &mut command)
        };
        (0..3).map(member).collect()
    }

    fn alone(&self) -> Vec<Child> {
        let mut command = Command::new(self.server.program());
        command.args(["--save", "", "--appendonly", "yes", "--appendfsync", "always", "--dir"]);
        command.arg(self.home.path()).args(["--port", &self.addresses[0].port().to_string()]);
        vec![spawn(self.home.path(), &mut command)]
    }
}

impl Server {
    pub const ALL: [Self; 4] = [Self::Durable, Self::Memory, Self::Etcd, Self::Redis];

    pub fn name(self) -> &'static str {
        match self {
            Self::Durable => "taraflow, 3 replicas",
            Self::Memory => "taraflow --memory",
            Self::Etcd => "etcd, 3 members",
            Self::Redis => "redis, 1, syncs always",
        }
    }

    pub fn speaks(self) -> Speaks {
        match self {
            Self::Etcd => Speaks::Etcd,
            _ => Speaks::Redis,
        }
    }

    /// The program: ours is the one that `TARAFLOW` names, or the one built beside this.
    ///
    /// # Panics
    /// When this program does not know where it is.
    pub fn program(self) -> PathBuf {
        match self {
            Self::Durable | Self::Memory => std::env::var_os("TARAFLOW").map_or_else(
                || {
                    let this = std::env::current_exe().expect("this program has a place");
                    this.with_file_name("taraflow")
                },
                PathBuf::from,
            ),
            Self::Etcd => "etcd".into(),
            Self::Redis => "redis-server".into(),
        }
    }

    /// Whether it can be started.
    pub fn is_installed(self) -> bool {
        let program = self.program();
        let found = Command::new(&program).arg("--version").stdout(Stdio::null()).status().is_ok();
        if !found {
            println!("without {}: there is no {}", self.name(), program.display());
        }
        found
    }

    /// Starts it, and waits until it serves.
    pub fn start(self) -> Running {
        let running = Site::new(self, &[]).start();
        running.await_listeners();
        // Until there is a leader.
        thread::sleep(Duration::from_secs(2));
        running
    }
}

/// Ends all servers and removes their files when this program is told to end.
///
/// # Panics
/// When the system does not let it wait for signals.
pub fn end_on_signals() {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).expect("signals can be waited for");
    thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            // Held to the end, so that nothing else is started.
            let live = live();
            for Live { home, processes } in &*live {
                let replicas = replica_pids(&home.join("cluster"));
                processes.iter().chain(&replicas).for_each(|pid| self::signal(*pid, Signal::KILL));
                let start = Instant::now();
                // Who dies still writes.
                while fs::remove_dir_all(home).is_err() && start.elapsed() < PATIENCE {
                    thread::sleep(Duration::from_millis(10));
                }
            }
            std::process::exit(128 + signal);
        }
    });
}

/// Sends a signal to a process that may have ended.
pub fn signal(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let _ = pid.map(|pid| kill_process(pid, signal));
}

fn live() -> MutexGuard<'static, Vec<Live>> {
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn replica_pids(cluster: &Path) -> Vec<u32> {
    let read = |index| fs::read_to_string(cluster.join(format!("replica-{index}/pid"))).ok();
    (0..3).filter_map(read).filter_map(|text| text.trim().parse().ok()).collect()
}

/// Whether it runs: somebody else's child that has ended may still have a number.
fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

/// Starts it; what it says is kept among its files.
fn spawn(home: &Path, command: &mut Command) -> Child {
    let said = fs::File::options().create(true).append(true).open(home.join(SAID));
    let said = said.expect("there is room for files");
    let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(said);
    command.spawn().expect("it has been started before")
}

/// Settings under `limits` that are a node's own.
const OWN_LIMITS: [&str; 2] = ["gather_bytes_max", "clients_max"];

/// Name and value of a limit that all replicas share.
fn shared(setting: &str) -> Option<(&str, &str)> {
    let limit = setting.strip_prefix("limits.")?.split_once('=')?;
    (!OWN_LIMITS.contains(&limit.0)).then_some(limit)
}

/// Those of three replicas' clients, such that the ports for links and questions are free, too.
fn cluster_addresses() -> Vec<SocketAddr> {
    let local = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
    let is_free = |port: u16| TcpListener::bind(local(port)).is_ok();
    let all_free = |base: &u16| (0..3).all(|n| [0, 100, 200].iter().all(|k| is_free(base + k + n)));
    let base = (21..32).map(|thousand| thousand * 1_000).find(all_free);
    let base = base.expect("not all ports are taken");
    (0..3).map(|index| local(base + index)).collect()
}

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it has an address")
}
