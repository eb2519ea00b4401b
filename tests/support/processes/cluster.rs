//! A cluster as a user runs it: `taraflow cluster up` and its replicas.

use std::fs::{self, File};
use std::ops::Deref;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::thread;

use rustix::process::{Pid, Signal, kill_process};

use super::command::taraflow;
use super::site::Site;
use super::system::{children, command_line, exists};
use super::wait::wait_until;

/// A supervisor and its replicas. They end, by force, when it is dropped.
pub struct Cluster {
    site: Site,
    supervisor: Child,
}

impl Deref for Cluster {
    type Target = Site;

    fn deref(&self) -> &Site {
        &self.site
    }
}

impl Cluster {
    /// Starts a cluster of `replicas`, with further options for `cluster up`, and waits until each
    /// of them serves clients.
    pub fn start(replicas: usize, options: &[&str]) -> Self {
        let site = Site::new(replicas);
        let supervisor = up(&site, options);
        let cluster = Self { site, supervisor };
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
            wait_until("a killed replica is gone", || !exists(pid));
        }
    }

    /// Starts a cluster again that has ended.
    pub fn start_again(&mut self) {
        self.supervisor = up(&self.site, &[]);
    }

    /// The process of replica `index`, while it has one.
    pub fn pid(&self, index: usize) -> Option<Pid> {
        let node = self.home(index).join("node.toml");
        let node = node.as_os_str().as_encoded_bytes();
        let runs_it = |pid: &Pid| command_line(*pid).iter().any(|word| word == node);
        children(self.supervisor.id()).into_iter().find(runs_it)
    }

    /// Ends replica `index` as a lost machine would. If it is durable, the supervisor starts it
    /// again.
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

    /// What the supervisor has said.
    pub fn said(&self) -> String {
        fs::read_to_string(words(&self.site)).unwrap_or_default()
    }

    /// Makes the supervisor's words, and the replicas' logs, begin anew.
    pub fn forget_what_was_said(&self) {
        let logs = (0..self.replicas()).map(|index| self.home(index).join("log"));
        for file in [words(&self.site)].into_iter().chain(logs) {
            File::options().write(true).truncate(true).open(file).unwrap();
        }
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
            self.show_logs();
        }
    }
}

/// The file that keeps the words of the supervisor.
fn words(site: &Site) -> PathBuf {
    site.path().join("said")
}

fn up(site: &Site, options: &[&str]) -> Child {
    let (n, port) = (site.replicas().to_string(), site.base_port().to_string());
    taraflow()
        .args(["cluster", "up", "--replicas", &n, "--base-port", &port, "--dir"])
        .arg(site.directory())
        .args(options)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::options().create(true).append(true).open(words(site)).unwrap())
        .spawn()
        .unwrap()
}
