//! Replicas as processes that a test starts, ends and starts again, each link between them through
//! a proxy.

use std::fs::{self, OpenOptions};
use std::ops::Deref;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};

use super::command::{init, taraflow};
use super::proxy::Proxy;
use super::site::Site;
use super::wait::wait_until;

/// How many replicas each cluster here has.
pub const REPLICAS: usize = 3;

/// A cluster whose replicas are children of this process. They end with it.
pub struct Nodes {
    site: Site,
    children: Vec<Option<Child>>,
    proxies: Vec<Proxy>,
}

impl Deref for Nodes {
    type Target = Site;

    fn deref(&self) -> &Site {
        &self.site
    }
}

impl Nodes {
    /// Makes a cluster that cuts a checkpoint after so many slots, and starts no replica.
    pub fn make(plain: bool, checkpoint_every: u64) -> Self {
        let site = Site::new(REPLICAS);
        let port = site.base_port().to_string();
        let options = ["--base-port", &port, "--plain"];
        init(&site.directory(), if plain { &options } else { &options[..2] });
        let children = (0..REPLICAS).map(|_| None).collect();
        let mut nodes = Self { site, children, proxies: Vec::new() };
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

    /// Gives each replica a `cluster.toml` of its own, in which the others are where a proxy
    /// listens.
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
            fs::write(self.home(from).join("cluster.toml"), own).unwrap();
            let node = self.home(from).join("node.toml");
            let text =
                fs::read_to_string(&node).unwrap().replace("../cluster.toml", "cluster.toml");
            fs::write(node, text).unwrap();
        }
    }

    /// The links between replicas.
    pub fn proxies(&self) -> &[Proxy] {
        &self.proxies
    }

    /// The command that replica `index` is.
    pub fn command(&self, index: usize) -> Command {
        let log = self.home(index).join("log");
        let log = OpenOptions::new().create(true).append(true).open(log).unwrap();
        let mut command = taraflow();
        command.args(["node", "--while-stdin-is-open", "--config"]);
        command.arg(self.home(index).join("node.toml"));
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

    /// Waits until all replicas have executed the same.
    pub fn all_agree(&self) {
        wait_until("all replicas have executed the same", || {
            let overview = self.overview();
            let executed = |index: usize| &overview["replicas"][index]["status"]["executed"];
            let executed = [0, 1, 2].map(|index| executed(index).as_u64());
            executed[0].is_some() && executed.iter().all(|slot| *slot == executed[0])
        });
    }
}

impl Drop for Nodes {
    fn drop(&mut self) {
        for child in self.children.iter_mut().flatten() {
            let _ = child.kill();
            let _ = child.wait();
        }
        if thread::panicking() {
            self.show_logs();
        }
    }
}
