//! Servers, each in directories of its own and gone when it is dropped.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::load::Speaks;

const PATIENCE: Duration = Duration::from_secs(30);

/// Whom to measure.
#[derive(Clone, Copy)]
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

/// A server that serves.
pub struct Running {
    pub addresses: Vec<SocketAddr>,
    processes: Vec<Child>,
    home: TempDir,
}

impl Drop for Running {
    fn drop(&mut self) {
        // A supervisor of replicas that is killed leaves them to end by themselves, later.
        let cluster = self.home.path().join("cluster");
        if cluster.exists() {
            let mut down = Command::new(Server::Durable.program());
            down.args(["cluster", "down", "--dir"]).arg(cluster);
            let _ = down.stdout(Stdio::null()).stderr(Stdio::null()).status();
        }
        for process in &mut self.processes {
            let _ = process.kill();
            let _ = process.wait();
        }
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

    fn program(self) -> PathBuf {
        match self {
            Self::Durable | Self::Memory => {
                let this = std::env::current_exe().expect("this program has a place");
                this.with_file_name("taraflow")
            }
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
        let home = TempDir::new().expect("there is room for files");
        let (addresses, processes) = match self {
            Self::Durable => self.cluster(home.path(), &[]),
            Self::Memory => self.cluster(home.path(), &["--memory"]),
            Self::Etcd => self.members(home.path()),
            Self::Redis => self.alone(home.path()),
        };
        let running = Running { addresses, processes, home };
        for address in &running.addresses {
            await_listener(*address);
        }
        // Until there is a leader.
        std::thread::sleep(Duration::from_secs(2));
        running
    }

    fn cluster(self, home: &Path, options: &[&str]) -> (Vec<SocketAddr>, Vec<Child>) {
        let base = 21_000;
        let mut command = Command::new(self.program());
        command.args(["cluster", "up", "--replicas", "3", "--base-port", &base.to_string()]);
        command.args(options).arg("--dir").arg(home.join("cluster"));
        let addresses = (0..3).map(|index| SocketAddr::from(([127, 0, 0, 1], base + index)));
        (addresses.collect(), vec![spawn(&mut command)])
    }

    fn members(self, home: &Path) -> (Vec<SocketAddr>, Vec<Child>) {
        let clients: [SocketAddr; 3] = std::array::from_fn(|_| free_address());
        let peers: [SocketAddr; 3] = std::array::from_fn(|_| free_address());
        let cluster = (0..3).map(|index| format!("m{index}=http://{}", peers[index]));
        let cluster = cluster.collect::<Vec<_>>().join(",");
        let member = |index: usize| {
            let (client, peer) = (clients[index], peers[index]);
            let mut command = Command::new(self.program());
            command.arg("--name").arg(format!("m{index}"));
            command.arg("--data-dir").arg(home.join(format!("m{index}")));
            for flag in ["--listen-client-urls", "--advertise-client-urls"] {
                command.arg(flag).arg(format!("http://{client}"));
            }
            for flag in ["--listen-peer-urls", "--initial-advertise-peer-urls"] {
                command.arg(flag).arg(format!("http://{peer}"));
            }
            spawn(command.args(["--initial-cluster", &cluster, "--log-level", "error"]))
        };
        (clients.to_vec(), (0..3).map(member).collect())
    }

    fn alone(self, home: &Path) -> (Vec<SocketAddr>, Vec<Child>) {
        let address = free_address();
        let mut command = Command::new(self.program());
        command.args(["--save", "", "--appendonly", "yes", "--appendfsync", "always", "--dir"]);
        command.arg(home).args(["--port", &address.port().to_string()]);
        (vec![address], vec![spawn(&mut command)])
    }
}

fn spawn(command: &mut Command) -> Child {
    let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("it has been started before")
}

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it has an address")
}

fn await_listener(address: SocketAddr) {
    let start = Instant::now();
    while TcpStream::connect(address).is_err() {
        assert!(start.elapsed() < PATIENCE, "nothing listens on {address}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
