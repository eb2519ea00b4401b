//! The board on which a replica's thread puts up what others may see of it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::counters::Status;
use super::frame::{Frame, VERSION};
use super::health::STARTING;
use super::machine::Machine;
use super::past::Past;
use super::scene::{Scene, Sighting};
use super::status::ReplicaStatus;
use crate::engine::activity::{Activity, Stuck};
use crate::model::types::ReplicaId;

/// What is known of one replica: its own board holds all of it, another's board only its frames.
#[derive(Clone, Debug, Default)]
pub struct Board(Arc<Mutex<Posted>>);

#[derive(Debug, Default)]
struct Posted {
    counters: Status,
    status: Option<(ReplicaStatus, Instant)>,
    frame: Option<(Print, Instant)>,
    past: Option<Past>,
    activity: Option<Activity>,
    machine: Option<Machine>,
    /// Why the replica is known not to run, if it is.
    ended: Option<&'static str>,
    /// Whether it is of this process, and has shown nothing yet.
    starting: bool,
}

/// A frame, or the bytes in which it came and that nobody has read yet.
#[derive(Debug)]
enum Print {
    Frame(Arc<Frame>),
    Bytes(Arc<Vec<u8>>),
    Unreadable,
}

impl Posted {
    /// What the thread does not come back from.
    fn stuck(&self) -> Option<Stuck> {
        self.activity.as_ref().filter(|_| self.ended.is_none())?.stuck()
    }
}

impl Board {
    fn posted(&self) -> MutexGuard<'_, Posted> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the replica has counted, to be read or changed.
    pub fn counters<T>(&self, work: impl FnOnce(&mut Status) -> T) -> T {
        work(&mut self.posted().counters)
    }

    /// Puts up how the replica stands.
    pub fn set_status(&self, status: ReplicaStatus) {
        self.posted().status = Some((status, Instant::now()));
    }

    /// How the replica stood, and how long ago; nothing before its first tick, and of another
    /// process's.
    pub fn status(&self) -> Option<(ReplicaStatus, Duration)> {
        let posted = self.posted();
        let (mut status, at) = posted.status.clone()?;
        let (stuck, machine) = (posted.stuck(), posted.machine.clone());
        status.memory.resident_bytes = machine.as_ref().and_then(|machine| machine.memory_bytes);
        Some((ReplicaStatus { stuck, machine, ..status }, at.elapsed()))
    }

    /// Puts up what the replica takes of its machine.
    pub fn set_machine(&self, machine: Machine) {
        self.posted().machine = Some(machine);
    }

    /// Puts up a frame.
    pub fn set_frame(&self, frame: Arc<Frame>) {
        let mut posted = self.posted();
        (posted.frame, posted.starting) = (Some((Print::Frame(frame), Instant::now())), false);
    }

    /// Says that the replica is about to read its disk.
    pub fn set_starting(&self) {
        self.posted().starting = true;
    }

    /// Says why the replica does not run any more, or that it has started.
    pub fn set_ended(&self, why: Option<&'static str>) {
        self.posted().ended = why;
    }

    /// Puts up a frame that came from another process.
    pub fn set_bytes(&self, bytes: Vec<u8>) {
        self.posted().frame = Some((Print::Bytes(Arc::new(bytes)), Instant::now()));
    }

    /// The latest frame, and when it was put up.
    pub fn frame(&self) -> Option<(Arc<Frame>, Instant)> {
        let (bytes, at) = match self.posted().frame.as_ref()? {
            (Print::Frame(frame), at) => return Some((Arc::clone(frame), *at)),
            (Print::Unreadable, _) => return None,
            (Print::Bytes(bytes), at) => (Arc::clone(bytes), *at),
        };
        // Not while the board is held: a replica's thread would wait for it.
        let frame = serde_json::from_slice::<Frame>(&bytes).ok();
        let frame = frame.filter(|frame| frame.version == VERSION).map(Arc::new);
        if let Some((print, _)) = self.posted().frame.as_mut().filter(|(_, newest)| *newest == at) {
            *print = frame.clone().map_or(Print::Unreadable, Print::Frame);
        }
        frame.map(|frame| (frame, at))
    }

    /// Offers what the replica remembers, and what its thread does.
    pub fn set_watched(&self, past: Past, activity: Activity) {
        let mut posted = self.posted();
        (posted.past, posted.activity) = (Some(past), Some(activity));
    }

    /// What the replica remembers, if it is of this process and watched.
    pub fn past(&self) -> Option<Past> {
        self.posted().past.clone()
    }

    /// How the replica was last seen.
    pub fn sighting(&self, replica: ReplicaId) -> Sighting {
        match self.frame() {
            Some((frame, at)) => {
                let age_us = at.elapsed().as_micros() as u64;
                let posted = self.posted();
                let (stuck, ended) = (posted.stuck(), posted.ended);
                let silence =
                    ended.map(str::to_owned).or_else(|| Some(stuck.as_ref()?.to_string()));
                let (frame, ended) = (Some(frame), ended.is_some());
                Sighting { replica, frame, age_us, silence, stuck, ended, ..Sighting::default() }
            }
            None => {
                let posted = self.posted();
                let (starting, why) = match posted.frame {
                    Some((Print::Unreadable, _)) => (false, "what it shows is of another version"),
                    _ if posted.starting => (true, STARTING),
                    _ => (false, "nothing has been heard of it"),
                };
                let silence = Some(why.to_owned());
                Sighting { replica, silence, starting, ..Sighting::default() }
            }
        }
    }
}

/// All replicas, by what their boards say; `boards` are in the order of the replicas.
pub fn scene(boards: &[Board], now_us: u64) -> Scene {
    let all = (0..).map(ReplicaId).zip(boards);
    Scene::of(all.map(|(replica, board)| board.sighting(replica)).collect(), now_us)
}
