//! Watches a simulated run, so that it can be looked at like a cluster.
//!
//! Nothing happens in a world because it is watched: the roles are asked what they hold at a tick
//! that comes anyway, and answer in the turn that follows it. So a recorded run is the same run.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use serde::Serialize;
use timely::worker::Worker;

use super::faults::Act;
use super::{Dataflow, Micros};
use crate::engine::node::Node;
use crate::engine::protocol::JournalRecord;
use crate::model::config::Config;
use crate::model::events::Event;
use crate::model::types::{Millis, ReplicaId};
use crate::observe::counters::Status;
use crate::observe::frame::Level;
use crate::observe::graph;
use crate::observe::monitor::{Monitor, Observation};
use crate::observe::status::{Link, ReplicaStatus};

/// Owns what has been seen of a run.
pub(super) struct Recorder {
    protocol: String,
    now: Rc<Cell<Micros>>,
    seats: Vec<Seat>,
    /// The frames, and between them what went wrong, a line of JSON each.
    lines: Vec<String>,
    /// How many of them are frames.
    frames: usize,
}

/// What was done to a run, at a moment of it.
#[derive(Serialize)]
struct Fault {
    at_us: Micros,
    /// To whom; nothing if that was no replica alone.
    replica: Option<ReplicaId>,
    /// In words, without the replica's name.
    text: String,
}

/// One replica, as it is seen from outside.
#[derive(Default)]
struct Seat {
    observation: Option<Observation>,
    counters: Status,
    started_at: Micros,
    due_at: Micros,
    /// Whether the roles have been asked what they hold.
    asked: bool,
    heard_at: BTreeMap<ReplicaId, Millis>,
}

impl Recorder {
    /// The time between two frames of a replica.
    const EVERY: Micros = 500_000;

    pub fn new(protocol: &str, n: usize) -> Self {
        let seats = (0..n).map(|_| Seat::default()).collect();
        let protocol = protocol.to_owned();
        Self { protocol, now: Rc::default(), seats, lines: Vec::new(), frames: 0 }
    }

    pub fn set_now(&self, now: Micros) {
        self.now.set(now);
    }

    /// A worker for a replica that is about to start, and what observes it.
    pub fn prepare<M: Clone + 'static, R: Clone + 'static>(
        &self,
        config: &Config,
        dataflow: &Dataflow<M, R>,
    ) -> (Worker, Monitor) {
        let wiring = graph::wiring(config, |inputs, config| dataflow(inputs, config));
        let now = Rc::clone(&self.now);
        let now = Box::new(move || now.get());
        let (worker, observer) = Monitor::prepare(Level::Basic, config, wiring, now);
        (worker, observer.without_times())
    }

    pub fn on_start(&mut self, at: ReplicaId, life: u64, observation: Observation) {
        let (started_at, view) = (self.now.get(), self.seats[at.0 as usize].counters.view);
        let counters = Status { alive: true, lives: life, view, ..Status::default() };
        self.seats[at.0 as usize] =
            Seat { observation: Some(observation), counters, started_at, ..Seat::default() };
    }

    pub fn on_delivery(&mut self, at: ReplicaId, from: ReplicaId, now_ms: Millis) {
        self.seats[at.0 as usize].heard_at.insert(from, now_ms);
    }

    pub fn on_event(&mut self, at: ReplicaId, event: &Event) {
        let now = Duration::from_micros(self.now.get());
        self.seats[at.0 as usize].counters.on_event(event, now);
    }

    /// Notes what is done to a replica, until a time where it lasts. A crash is noted when there is
    /// one.
    pub fn on_act(&mut self, act: Act, victim: ReplicaId, until: Micros) {
        let whose = |act| Some(victim).filter(|_| act != Act::CutSome && act != Act::Star);
        let ms = until.saturating_sub(self.now.get()) / 1_000;
        let lasts = |what: &str| Some(format!("{what} for {ms} ms"));
        let text = match act {
            Act::Isolate => lasts("is cut off"),
            Act::Mute => lasts("is not heard"),
            Act::Deafen => lasts("hears nobody"),
            Act::CutSome => lasts("some links are cut"),
            Act::Star => lasts(&format!("only replica {victim} is heard and hears")),
            Act::Pause => lasts("stands still"),
            Act::SlowDisk => lasts("has a slow disk"),
            Act::FullDisk => lasts("has a full disk"),
            Act::FailSync => Some("has a disk whose next sync fails".to_owned()),
            Act::DieInside => Some("has a disk that dies within a few writes".to_owned()),
            Act::ClockJump => Some(format!("has a clock that jumps by {ms} ms")),
            Act::Rot => Some("has a disk that rots, once it is down".to_owned()),
            Act::Harm => Some("may find a file harmed when it comes back".to_owned()),
            Act::Crash | Act::CrashAll => None,
        };
        if let Some(text) = text {
            self.fault(whose(act), text);
        }
    }

    pub fn on_crash(&mut self, at: ReplicaId) {
        self.fault(Some(at), "crashes".to_owned());
    }

    /// Nothing goes wrong any more.
    pub fn on_heal(&mut self) {
        self.fault(None, "all is healed".to_owned());
    }

    fn fault(&mut self, replica: Option<ReplicaId>, text: String) {
        #[derive(Serialize)]
        struct Line {
            fault: Fault,
        }
        let line = Line { fault: Fault { at_us: self.now.get(), replica, text } };
        self.push(&line);
    }

    fn push(&mut self, line: &impl Serialize) {
        let line = serde_json::to_string(line);
        self.lines.push(line.expect("numbers, texts and lists always encode"));
    }

    /// Asks the roles of a replica what they hold, if a frame is due.
    pub fn on_tick<M, R>(&mut self, at: ReplicaId, node: &Node<M, R>)
    where
        M: Clone + 'static,
        R: JournalRecord,
    {
        let seat = &mut self.seats[at.0 as usize];
        if self.now.get() >= seat.due_at {
            seat.due_at = self.now.get() + Self::EVERY;
            seat.asked = true;
            node.look();
        }
    }

    /// Takes the frame that is due after a turn.
    pub fn on_turn<M, R>(&mut self, config: &Config, node: &mut Node<M, R>, now_ms: Millis)
    where
        M: Clone + 'static,
        R: JournalRecord,
    {
        let seat = &mut self.seats[config.me.0 as usize];
        if !std::mem::take(&mut seat.asked) {
            return;
        }
        let peers = (0..config.n as u16).map(ReplicaId).filter(|peer| *peer != config.me);
        let link = |peer| Link {
            up: true,
            heard_ms_ago: seat.heard_at.get(&peer).map(|at| now_ms.saturating_sub(*at)),
            ..Link::to(peer)
        };
        let status = ReplicaStatus {
            durable: true,
            up_ms: (self.now.get() - seat.started_at) / 1_000,
            fenced: node.is_fenced(),
            ..ReplicaStatus::new(config, "simulated", &self.protocol)
                .with(&seat.counters, peers.map(link).collect())
        };
        if let Some(observation) = &seat.observation {
            let frame = observation.frame(node, status);
            self.push(&frame);
            self.frames += 1;
        }
    }

    /// What was recorded, a line of JSON each: what it is of, frames and faults, and that this is
    /// all.
    pub fn into_text(self, seed: u64) -> String {
        let (protocol, n, frames) = (self.protocol, self.seats.len(), self.frames);
        let mut text = format!(
            "{{\"taraflow_trace\":1,\"protocol\":\"{protocol}\",\"n\":{n},\"seed\":{seed}}}\n"
        );
        for line in self.lines {
            text.push_str(&line);
            text.push('\n');
        }
        text.push_str(&format!("{{\"end\":true,\"frames\":{frames}}}\n"));
        text
    }
}
