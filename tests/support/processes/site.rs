//! The place of a cluster of processes: its directory, its ports, and its replicas as others see
//! them.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::command::taraflow;
use super::machine::{self, Turn};

/// Where a cluster is, and who asks it. The directory goes with it.
pub struct Site {
    home: TempDir,
    ports: Ports,
    replicas: usize,
    _turn: Turn,
}

impl Site {
    /// Room for a cluster that is not there yet.
    pub fn new(replicas: usize) -> Self {
        let turn = machine::beside();
        let home = tempfile::tempdir().unwrap();
        Self { home, ports: Ports::free(replicas), replicas, _turn: turn }
    }

    /// How many replicas the cluster has.
    pub fn replicas(&self) -> usize {
        self.replicas
    }

    /// The port on which replica 0 serves Redis clients.
    pub fn base_port(&self) -> u16 {
        self.ports.base
    }

    /// A directory that belongs to the test, around that of the cluster.
    pub fn path(&self) -> &Path {
        self.home.path()
    }

    /// The directory of the cluster.
    pub fn directory(&self) -> PathBuf {
        self.path().join("cluster")
    }

    /// The directory of replica `index`.
    pub fn home(&self, index: usize) -> PathBuf {
        self.directory().join(format!("replica-{index}"))
    }

    /// Journal and checkpoints of replica `index`.
    pub fn data(&self, index: usize) -> PathBuf {
        self.home(index).join("data")
    }

    /// Where replica `index` serves Redis clients.
    pub fn clients(&self, index: usize) -> SocketAddr {
        self.address(0, index)
    }

    /// Where replica `index` is reached by the others.
    pub fn links(&self, index: usize) -> SocketAddr {
        self.address(100, index)
    }

    /// Where replica `index` says how it is.
    pub fn admin(&self, index: usize) -> SocketAddr {
        self.address(200, index)
    }

    fn address(&self, above: u16, index: usize) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.base_port() + above + index as u16))
    }

    /// Sends one command without spaces in its words; what comes back is its first line, without
    /// the end.
    pub fn ask(&self, index: usize, command: &str) -> std::io::Result<String> {
        let mut socket = TcpStream::connect_timeout(&self.clients(index), Duration::from_secs(1))?;
        socket.set_read_timeout(Some(Duration::from_secs(8)))?;
        socket.write_all(format!("{command}\r\n").as_bytes())?;
        let mut line = String::new();
        BufReader::new(socket).read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }

    /// Whether a write through replica `index` is agreed on.
    pub fn serves(&self, index: usize) -> bool {
        self.ask(index, "SET cluster:probe 1").is_ok_and(|answer| answer == "+OK")
    }

    /// How many keys there are, as replica `index` says.
    pub fn keys(&self, index: usize) -> usize {
        let answer = self.ask(index, "DBSIZE").unwrap_or_default();
        answer.strip_prefix(':').and_then(|count| count.parse().ok()).unwrap_or_default()
    }

    /// What `taraflow status` says; null if that is nothing.
    pub fn overview(&self) -> Value {
        let mut status = taraflow();
        status.args(["status", "-o", "json", "--dir"]).arg(self.directory());
        serde_json::from_slice(&status.output().unwrap().stdout).unwrap_or_default()
    }

    /// How replica `index` says it is; null if it says nothing.
    pub fn status(&self, index: usize) -> Value {
        self.overview()["replicas"][index]["status"].take()
    }

    /// What replica `index` has logged.
    pub fn log(&self, index: usize) -> String {
        fs::read_to_string(self.home(index).join("log")).unwrap_or_default()
    }

    /// Shows what all have logged, for whoever reads why a test has failed.
    pub fn show_logs(&self) {
        for index in 0..self.replicas {
            eprintln!("replica {index} logged:\n{}", self.log(index));
        }
    }
}

/// Ports that are free for clients, links and questions of a cluster, and kept from other tests of
/// this program for as long as this lives.
pub struct Ports {
    pub base: u16,
}

/// The base ports in use.
static IN_USE: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());

impl Ports {
    /// Below those the system hands out, and begun at another place by each process, so that
    /// programs that run at the same time do not meet.
    pub fn free(replicas: usize) -> Self {
        const FIRST: u16 = 12_000;
        const BLOCKS: u16 = 60;
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let start = (std::process::id() % u32::from(BLOCKS)) as u16;
        let is_free = |base: u16| {
            let above = [0, 100, 200].into_iter();
            let mut ports = above.flat_map(|above| (0..replicas as u16).map(move |at| above + at));
            ports.all(|port| TcpListener::bind(("127.0.0.1", base + port)).is_ok())
        };
        let mut in_use = IN_USE.lock().unwrap_or_else(PoisonError::into_inner);
        let blocks = std::iter::repeat_with(|| NEXT.fetch_add(1, Ordering::Relaxed) % BLOCKS);
        let bases = blocks.take(BLOCKS.into()).map(|block| FIRST + (start + block) % BLOCKS * 300);
        let base = bases.into_iter().find(|base| !in_use.contains(base) && is_free(*base));
        let base = base.expect("no free ports for a cluster");
        in_use.insert(base);
        Self { base }
    }
}

impl Drop for Ports {
    fn drop(&mut self) {
        IN_USE.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.base);
    }
}
