//! The example of the library's guide as its reader runs it: a state machine of one's own as three
//! processes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use futures_util::future::join3;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use taraflow::{AsyncClient, Error};

use crate::support::command::without_settings;
use crate::support::site::Site;
use crate::support::{told, wait_for, wait_until};

/// The example. Whoever builds all tests builds it beside them.
fn counter() -> Command {
    let test = std::env::current_exe().unwrap();
    let path = test.ancestors().nth(2).unwrap().join("examples/counter");
    if !path.exists() {
        let built = Command::new(env!("CARGO")).args(["build", "--example", "counter"]).status();
        assert!(built.unwrap().success());
    }
    without_settings(path)
}

/// `counter cluster up` and its replicas. They end, by force, when it is dropped.
struct Counter {
    site: Site,
    supervisor: Child,
}

impl Counter {
    fn start() -> Self {
        let site = Site::new(3);
        let mut up = counter();
        up.args(["cluster", "up", "--base-port", &site.base_port().to_string(), "--dir"]);
        let said = fs::File::create(site.path().join("said")).unwrap();
        let supervisor = up.arg(site.directory()).stdin(Stdio::null()).stderr(said);
        let supervisor = supervisor.spawn().unwrap();
        let cluster = Self { site, supervisor };
        wait_for("all is well", || cluster.doctor().1);
        cluster
    }

    fn directory(&self) -> PathBuf {
        self.site.directory()
    }

    fn ask(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let mut command = counter();
        command.args(arguments).arg("--dir").arg(self.directory());
        let (code, out, said) = told(command.output().unwrap());
        (code, out + &said)
    }

    /// What the doctor answers with; an error is what it says of a cluster that is not well.
    fn doctor(&self) -> (Option<i32>, Result<(), String>) {
        let (code, text) = self.ask(&["doctor"]);
        (code, if code == Some(0) { Ok(()) } else { Err(text) })
    }

    fn leader(&self) -> usize {
        let (_, text) = self.ask(&["status", "-o", "json"]);
        let status: Value = serde_json::from_str(&text).unwrap();
        status["replicas"][0]["status"]["leader"].as_u64().unwrap() as usize
    }

    fn kill(&self, replica: usize) {
        if let Some(pid) = pid_in(&self.directory().join(format!("replica-{replica}/pid"))) {
            // It may have been killed already, and not be started again yet.
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        // Its replicas end with it.
        let _ = self.supervisor.kill();
        let _ = self.supervisor.wait();
        (0..3).for_each(|replica| self.kill(replica));
        if thread::panicking() {
            eprintln!("{}", fs::read_to_string(self.site.path().join("said")).unwrap());
        }
    }
}

fn pid_in(file: &Path) -> Option<Pid> {
    Pid::from_raw(fs::read_to_string(file).ok()?.trim().parse().ok()?)
}

fn number(reply: Vec<u8>) -> u64 {
    String::from_utf8(reply).unwrap().parse().unwrap()
}

/// Adds one over and over until it is told to stop; answers the sums it was told.
fn add(directory: &Path, stop: &AtomicBool, done: &AtomicUsize) -> Vec<u64> {
    let mut client = taraflow::target(directory).unwrap().connect().unwrap();
    let mut sums = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        sums.push(number(client.call(b"1").unwrap()));
        done.fetch_add(1, Ordering::Relaxed);
    }
    sums
}

/// The same as three tasks that share a session.
fn add_in_tasks(directory: &Path, stop: &AtomicBool, done: &AtomicUsize) -> Vec<u64> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let tasks = async {
        let client = AsyncClient::connect(taraflow::target(directory)?).await?;
        let task = || async {
            let mut sums = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                sums.push(number(client.call(b"1").await?));
                done.fetch_add(1, Ordering::Relaxed);
            }
            Ok::<_, Error>(sums)
        };
        let (one, two, three) = join3(task(), task(), task()).await;
        Ok::<_, Error>([one?, two?, three?].concat())
    };
    runtime.block_on(tasks).unwrap()
}

#[test]
fn a_state_machine_of_ones_own_counts_each_call_once_whatever_is_killed() {
    let cluster = Counter::start();
    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let mut callers = Vec::new();
    for add in [add, add_in_tasks] {
        let (directory, stop, done) = (cluster.directory(), stop.clone(), done.clone());
        callers.push(thread::spawn(move || add(&directory, &stop, &done)));
    }
    let more = |count: usize| {
        let goal = done.load(Ordering::Relaxed) + count;
        wait_until("calls are answered", || done.load(Ordering::Relaxed) >= goal);
    };
    more(100);

    cluster.kill(cluster.leader());
    let (code, _) = cluster.doctor();
    assert!(matches!(code, Some(0 | 4 | 5)), "the doctor answers with {code:?}");
    more(100);
    wait_for("all is well again", || cluster.doctor().1);
    (0..3).for_each(|replica| cluster.kill(replica));
    more(100);
    wait_for("all is well after the end of all", || cluster.doctor().1);
    stop.store(true, Ordering::Relaxed);

    let mut sums: Vec<u64> =
        callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect();
    sums.sort_unstable();
    assert!(sums.iter().copied().eq(1..=sums.len() as u64), "each sum is told once: {sums:?}");
    let (code, text) = cluster.ask(&["call", "1"]);
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(text.trim().parse(), Ok(sums.len() + 1));
}

#[test]
fn a_program_of_ones_own_refuses_what_speaks_redis_and_names_itself() {
    let refused = counter().args(["kv", "get", "key"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    let text = String::from_utf8(refused.stderr).unwrap();
    assert!(text.starts_with("counter: ") && text.contains("`counter call`"), "{text}");

    let help = counter().arg("--help").output().unwrap();
    let text = String::from_utf8(help.stdout).unwrap();
    assert!(text.contains("counter cluster up") && !text.contains("taraflow cluster"), "{text}");
    let listed = |name: &str| text.lines().any(|line| line.trim_start().starts_with(name));
    assert!(listed("call ") && !listed("kv ") && !listed("submit ") && !listed("demo "), "{text}");
}
