//! What replicas of ours tell of themselves.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use peers::servers::Running;
use serde_json::Value;

use crate::clock::now_us;

const PATIENCE: Duration = Duration::from_secs(120);
/// `taraflow cluster init` puts the port for questions so far above that for clients, ...
const ADMIN_ABOVE: u16 = 200;
/// ... and that for links so far.
pub const LINKS_ABOVE: u16 = 100;

/// A checkpoint, as all replicas saw it.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    pub slot: u64,
    /// When the first replica cut it.
    pub begin_us: u64,
    /// When the last replica knew that it was durable on enough of them.
    pub end_us: u64,
}

/// The replicas of a cluster.
pub struct Replicas<'a>(pub &'a Running);

impl Replicas<'_> {
    /// The status of one.
    pub fn status(&self, replica: usize) -> Option<Value> {
        self.ask(replica, "/v1/status")
    }

    fn number(&self, replica: usize, name: &str) -> Option<u64> {
        self.status(replica)?.get(name)?.as_u64()
    }

    fn all(&self) -> impl Iterator<Item = usize> {
        0..self.0.addresses.len()
    }

    /// Waits until some replica leads, and gives its number.
    pub fn await_leader(&self) -> usize {
        let leads = |replica: &usize| {
            self.status(*replica).is_some_and(|status| status["role"] == "leader")
        };
        await_some("a leader", || self.all().find(leads))
    }

    /// The highest view that one is in.
    pub fn view(&self) -> u64 {
        self.all().filter_map(|replica| self.number(replica, "view")).max().unwrap_or(0)
    }

    /// The first slot that one has not executed.
    pub fn executed(&self, replica: usize) -> u64 {
        self.number(replica, "executed").unwrap_or(0)
    }

    /// Bytes that the others have given to their links to this one.
    pub fn sent_to(&self, replica: usize) -> u64 {
        let sent = |from: usize| {
            let status = self.status(from)?;
            let link = status["links"].as_array()?.iter().find(|link| link["peer"] == replica)?;
            link["sent_bytes"].as_u64()
        };
        self.all().filter(|from| *from != replica).filter_map(sent).sum()
    }

    /// Waits until all have executed the same, and no checkpoint is under way.
    pub fn await_calm(&self) {
        let mut last = Vec::new();
        await_some("all to be as far", || {
            let executed: Vec<_> = self.all().map(|it| self.number(it, "executed")).collect();
            let is_same = executed.iter().all(|it| it.is_some() && *it == executed[0]);
            let is_saving = self.checkpoints().iter().any(|it| it.end_us > now_us());
            let is_calm = is_same && executed == last && !is_saving;
            last = executed;
            thread::sleep(Duration::from_millis(300));
            is_calm.then_some(())
        });
    }

    /// The checkpoints that are remembered, oldest first; one that is under way ends in the future.
    /// One that was given up for the next ends with that.
    pub fn checkpoints(&self) -> Vec<Checkpoint> {
        let mut found: Vec<Checkpoint> = Vec::new();
        for replica in self.all() {
            let events = events(&self.ask(replica, "/v1/events").unwrap_or_default());
            let stable_now = self.number(replica, "stable").unwrap_or(0);
            let stable = |slot: u64| {
                let mut later = events.iter().filter(|it| it.kind == "stable" && it.slot >= slot);
                // Of an event that it could not note down the others tell.
                let otherwise = if stable_now < slot { u64::MAX } else { 0 };
                later.next().map_or(otherwise, |it| it.at_us)
            };
            for cut in events.iter().filter(|it| it.kind == "checkpointed") {
                let (slot, begin_us) = (cut.slot, cut.at_us);
                let end_us = stable(slot).max(begin_us);
                match found.iter_mut().find(|it| it.slot == slot) {
                    None => found.push(Checkpoint { slot, begin_us, end_us }),
                    Some(known) => {
                        known.begin_us = known.begin_us.min(begin_us);
                        known.end_us = known.end_us.max(end_us);
                    }
                }
            }
        }
        found.sort_by_key(|it| it.slot);
        found
    }

    fn ask(&self, replica: usize, path: &str) -> Option<Value> {
        let mut address = self.0.addresses[replica];
        address.set_port(address.port() + ADMIN_ABOVE);
        serde_json::from_str(&get(address, path)?).ok()
    }
}

/// Something that happened to a checkpoint.
struct Seen {
    kind: String,
    slot: u64,
    at_us: u64,
}

fn events(answer: &Value) -> Vec<Seen> {
    let seen = |event: &Value| {
        let (slot, at_us) = (event["slot"].as_u64()?, event["at_us"].as_u64()?);
        Some(Seen { kind: event["kind"].as_str()?.to_owned(), slot, at_us })
    };
    answer["happened"].as_array().into_iter().flatten().filter_map(seen).collect()
}

/// Waits for something that must come.
pub fn await_some<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "waited in vain for {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// The body of an answer over HTTP.
fn get(address: SocketAddr, path: &str) -> Option<String> {
    let mut socket = TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()?;
    socket.set_read_timeout(Some(Duration::from_secs(2))).ok()?;
    let ask = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    socket.write_all(ask.as_bytes()).ok()?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.starts_with("HTTP/1.1 200").then(|| body.to_owned())
}
