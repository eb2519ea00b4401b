//! Replicas as processes that a test starts, ends and starts again, each link between them through a
//! proxy.

use std::fs::{self, OpenOptions};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use super::cluster::{free_ports, taraflow, wait_until};
use super::proxy::Proxy;
use super::requests::Line;

/// How many replicas each cluster here has.
pub const REPLICAS: usize = 3;

/// A cluster whose replicas are children of this process. They end with it.
pub struct Nodes {
    home: TempDir,
    base_port: u16,
    children: Vec<Option<Child>>,
    proxies: Vec<Proxy>,
}

impl Nodes {
    /// Makes a cluster that cuts a checkpoint after so many slots, and starts no replica.
    pub fn make(plain: bool, checkpoint_every: u64) -> Self {
        let home = tempfile::tempdir().unwrap();
        let base_port = free_ports(REPLICAS);
        let mut init = taraflow();
        init.args(["cluster", "init", "--base-port", &base_port.to_string(), "--dir"]);
        init.arg(home.path().join("cluster")).args(plain.then_some("--plain"));
        assert!(init.output().unwrap().status.success());
        let children = (0..REPLICAS).map(|_| None).collect();
        let mut nodes = Self { home, base_port, children, proxies: Vec::new() };
        nodes.lay_links(checkpoint_every);
        nodes
    }

    /// Makes a cluster and starts it.
    pub fn start_all(plain: bool, checkpoint_every: u64) -> Self {
        let mut nodes = Self::make(plain, checkpoint_every);
        for index in 0..REPLICAS {
            nodes.start(index);
        }
        nodes.all_serve();
        nodes
    }

    /// Gives each replica a `cluster.toml` of its own, in which the others are where a proxy listens.
    fn lay_links(&mut self, checkpoint_every: u64) {
        let path = self.directory().join("cluster.toml");
        let settings = format!("checkpoint_every = {checkpoint_every}\n");
        let common = fs::read_to_string(&path).unwrap() + &settings;
        fs::write(path, &common).unwrap();
        for from in 0..REPLICAS {
            let mut own = common.clone();
            for to in (0..REPLICAS).filter(|to| *to != from) {
                let proxy = Proxy::start(from, to, self.links(to));
                own = own.replace(&self.links(to).to_string(), &proxy.address().to_string());
                self.proxies.push(proxy);
            }
            fs::write(self.home_of(from).join("cluster.toml"), own).unwrap();
            let node = self.home_of(from).join("node.toml");
            let text =
                fs::read_to_string(&node).unwrap().replace("../cluster.toml", "cluster.toml");
            fs::write(node, text).unwrap();
        }
    }

    /// The directory of the cluster.
    pub fn directory(&self) -> PathBuf {
        self.home.path().join("cluster")
    }

    fn home_of(&self, index: usize) -> PathBuf {
        self.directory().join(format!("replica-{index}"))
    }

    /// Journal and checkpoints of replica `index`.
    pub fn data(&self, index: usize) -> PathBuf {
        self.home_of(index).join("data")
    }

    /// Where replica `index` serves Redis clients.
    pub fn clients(&self, index: usize) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.base_port + index as u16))
    }

    fn links(&self, index: usize) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.base_port + 100 + index as u16))
    }

    /// The links between replicas.
    pub fn proxies(&self) -> &[Proxy] {
        &self.proxies
    }

    /// The command that replica `index` is.
    pub fn command(&self, index: usize) -> Command {
        let log = self.home_of(index).join("log");
        let log = OpenOptions::new().create(true).append(true).open(log).unwrap();
        let mut command = taraflow();
        command.args(["node", "--while-stdin-is-open", "--config"]);
        command.arg(self.home_of(index).join("node.toml"));
        // A Ctrl-C is for the test; they end when it does.
        command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(log);
        command
    }

    /// Starts replica `index`.
    pub fn start(&mut self, index: usize) {
        let command = self.command(index);
        self.run(index, command);
    }

    /// Starts replica `index` by a command made from its own.
    pub fn run(&mut self, index: usize, mut command: Command) {
        assert!(self.children[index].is_none(), "replica {index} runs already");
        self.children[index] = Some(command.spawn().unwrap());
    }

    /// Whether replica `index` has been started, and not been ended by the test.
    pub fn runs(&self, index: usize) -> bool {
        self.children[index].is_some()
    }

    /// Ends replica `index` as a lost machine would.
    pub fn kill(&mut self, index: usize) {
        self.signal(index, Signal::KILL);
        self.wait(index);
    }

    /// Asks replica `index` to end, and says how it did.
    pub fn end(&mut self, index: usize) -> ExitStatus {
        self.signal(index, Signal::TERM);
        self.wait(index)
    }

    /// Waits until replica `index` has ended.
    pub fn wait(&mut self, index: usize) -> ExitStatus {
        wait_until(&format!("replica {index} ends"), || self.has_ended(index).is_some());
        let status = self.has_ended(index).unwrap();
        self.children[index] = None;
        status
    }

    /// How replica `index` has ended, if it has.
    pub fn has_ended(&mut self, index: usize) -> Option<ExitStatus> {
        self.children[index].as_mut().and_then(|child| child.try_wait().unwrap())
    }

    /// Sends a signal to replica `index`.
    pub fn signal(&self, index: usize, signal: Signal) {
        let child = self.children[index].as_ref().unwrap();
        kill_process(Pid::from_child(child), signal).unwrap();
    }

    /// Waits until each replica that runs serves clients.
    pub fn all_serve(&self) {
        for index in (0..REPLICAS).filter(|index| self.runs(*index)) {
            wait_until(&format!("replica {index} serves"), || self.serves(index));
        }
    }

    /// Whether a write through replica `index` is agreed on.
    pub fn serves(&self, index: usize) -> bool {
        let mut line = Line::to(self.clients(index));
        line.ask(&["SET", "nodes:probe", "1"]).is_some()
    }

    /// How replica `index` says it is; null if it says nothing.
    pub fn status(&self, index: usize) -> Value {
        let status =
            taraflow().args(["status", "-o", "json", "--dir"]).arg(self.directory()).output();
        let seen: Value = serde_json::from_slice(&status.unwrap().stdout).unwrap_or_default();
        seen["replicas"][index]["status"].clone()
    }

    /// Waits until all replicas have executed the same.
    pub fn all_agree(&self) {
        wait_until("all replicas have executed the same", || {
            let executed: Vec<Option<u64>> =
                (0..REPLICAS).map(|index| self.status(index)["executed"].as_u64()).collect();
            executed[0].is_some() && executed.iter().all(|slot| *slot == executed[0])
        });
    }

    /// What replica `index` has logged.
    pub fn log(&self, index: usize) -> String {
        fs::read_to_string(self.home_of(index).join("log")).unwrap_or_default()
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        for child in self.children.iter_mut().flatten() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if thread::panicking() {
            for index in 0..REPLICAS {
                eprintln!("replica {index} logged:\n{}", self.log(index));
            }
        }
    }
}
