//! A cluster of processes, as a user runs it, for tests that need one.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// How long anything may take on a busy machine before the test has failed.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// `taraflow cluster up` and its replicas. They end, by force, when it is dropped.
pub struct Cluster {
    replicas: usize,
    base_port: u16,
    supervisor: Child,
    home: TempDir,
}

impl Cluster {
    /// Starts a cluster of `replicas`, with further options for `cluster up`, and waits until each of
    /// them serves clients.
    pub fn start(replicas: usize, options: &[&str]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let base_port = free_ports(replicas);
        let supervisor = up(replicas, base_port, &home, options);
        let cluster = Self { replicas, base_port, supervisor, home };
        for replica in 0..replicas {
            wait_until(&format!("replica {replica} serves"), || cluster.serves(replica));
        }
        cluster
    }

    /// Ends all replicas in order, and the supervisor with them.
    pub fn end(&mut self) {
        kill_process(Pid::from_child(&self.supervisor), Signal::TERM).unwrap();
        self.supervisor.wait().unwrap();
    }

    /// Ends all as a loss of the machine's processes would.
    pub fn kill_all(&mut self) {
        let replicas = children(self.supervisor.id());
        self.supervisor.kill().unwrap();
        self.supervisor.wait().unwrap();
        for pid in replicas {
            let _ = kill_process(pid, Signal::KILL);
            let gone = || !PathBuf::from(format!("/proc/{}", pid.as_raw_nonzero())).exists();
            wait_until("a killed replica is gone", gone);
        }
    }

    /// Starts a cluster again that has ended.
    pub fn start_again(&mut self) {
        self.supervisor = up(self.replicas, self.base_port, &self.home, &[]);
    }

    /// The directory of the cluster.
    pub fn directory(&self) -> PathBuf {
        self.home.path().join("cluster")
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
        SocketAddr::from(([127, 0, 0, 1], self.base_port + above + index as u16))
    }

    /// The process of replica `index`, while it has one.
    pub fn pid(&self, index: usize) -> Option<Pid> {
        let node = self.directory().join(format!("replica-{index}/node.toml"));
        children(self.supervisor.id()).into_iter().find(|pid| {
            let command = fs::read(format!("/proc/{}/cmdline", pid.as_raw_nonzero()));
            let node = node.as_os_str().as_encoded_bytes();
            command.is_ok_and(|command| command.split(|byte| *byte == 0).any(|word| word == node))
        })
    }

    /// Ends replica `index` as a lost machine would. If it is durable, the supervisor starts it again.
    pub fn kill(&self, index: usize) {
        self.signal(index, Signal::KILL);
    }

    /// Keeps replica `index` from doing anything.
    pub fn pause(&self, index: usize) {
        self.signal(index, Signal::STOP);
    }

    /// Lets it go on.
    pub fn resume(&self, index: usize) {
        self.signal(index, Signal::CONT);
    }

    fn signal(&self, index: usize, signal: Signal) {
        let pid = self.pid(index).unwrap_or_else(|| panic!("replica {index} has no process"));
        kill_process(pid, signal).unwrap();
    }

    /// Sends one command without spaces in its words; what comes back is its first line, without the end.
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

    /// What the supervisor has said.
    pub fn said(&self) -> String {
        fs::read_to_string(self.home.path().join("said")).unwrap_or_default()
    }

    /// Makes the supervisor's words, and the replicas' logs, begin anew.
    pub fn forget_what_was_said(&self) {
        let said = self.home.path().join("said");
        let logs =
            (0..self.replicas).map(|index| self.directory().join(format!("replica-{index}/log")));
        for file in [said].into_iter().chain(logs) {
            File::options().write(true).truncate(true).open(file).unwrap();
        }
    }

    /// What replica `index` has logged.
    pub fn log(&self, index: usize) -> String {
        let path = self.directory().join(format!("replica-{index}/log"));
        fs::read_to_string(path).unwrap_or_default()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let replicas = children(self.supervisor.id());
        // First whoever would start the others again.
        let _ = self.supervisor.kill();
        for pid in replicas {
            let _ = kill_process(pid, Signal::KILL);
        }
        let _ = self.supervisor.wait();
        if thread::panicking() {
            eprintln!("the supervisor said:\n{}", self.said());
            for index in 0..self.replicas {
                eprintln!("replica {index} logged:\n{}", self.log(index));
            }
        }
    }
}

fn up(replicas: usize, base_port: u16, home: &TempDir, options: &[&str]) -> Child {
    let (n, port) = (replicas.to_string(), base_port.to_string());
    taraflow()
        .args(["cluster", "up", "--replicas", &n, "--base-port", &port, "--dir"])
        .arg(home.path().join("cluster"))
        .args(options)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::options().create(true).append(true).open(home.path().join("said")).unwrap())
        .spawn()
        .unwrap()
}

/// The command, without settings of the environment.
pub fn taraflow() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_taraflow"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("TARAFLOW_") {
            command.env_remove(name);
        }
    }
    command
}

/// All that is answered to `request`, until the other end closes the connection.
pub fn answer(address: SocketAddr, request: &str) -> String {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    // A request that is refused early need not be read to its end.
    let _ = socket.write_all(request.as_bytes());
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer);
    String::from_utf8(answer).unwrap()
}

/// What is answered to a question.
pub fn get(address: SocketAddr, path: &str) -> String {
    answer(address, &format!("GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n"))
}

/// Waits until something holds.
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    wait_for_word(what, || holds().then_some(()).ok_or_else(String::new));
}

/// Waits until something holds; of what does not, the last word is told.
pub fn wait_for_word(what: &str, mut holds: impl FnMut() -> Result<(), String>) {
    let start = Instant::now();
    while let Err(said) = holds() {
        assert!(start.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}\n{said}");
        thread::sleep(Duration::from_millis(20));
    }
}

fn children(parent: u32) -> Vec<Pid> {
    // The supervisor starts its children from its main thread, which has the number of the process.
    let path = format!("/proc/{parent}/task/{parent}/children");
    let children = fs::read_to_string(path).unwrap_or_default();
    children.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect()
}

/// A base port whose clients', links' and admin ports are free. Below those the system hands out, and
/// begun at another place by each process, so that tests that run at the same time do not meet.
pub fn free_ports(replicas: usize) -> u16 {
    const FIRST: u16 = 12_000;
    const BLOCKS: u16 = 60;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let start = (std::process::id() % u32::from(BLOCKS)) as u16;
    let free = |base: &u16| {
        let ports = [0, 100, 200]
            .into_iter()
            .flat_map(|above| (0..replicas as u16).map(move |index| base + above + index));
        ports.into_iter().all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok())
    };
    let blocks = std::iter::repeat_with(|| NEXT.fetch_add(1, Ordering::Relaxed));
    let bases = blocks.take(BLOCKS.into()).map(|block| FIRST + (start + block) % BLOCKS * 300);
    bases.into_iter().find(free).expect("no free ports for a cluster")
}
