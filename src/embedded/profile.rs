//! Time and records of each role, from timely's own log.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::time::{Duration, Instant};

use timely::WorkerConfig;
use timely::communication::Allocator;
use timely::communication::allocator::Thread;
use timely::logging::{StartStop, TimelyEvent, TimelyEventBuilder};
use timely::worker::Worker;

use crate::status::RoleTime;

#[derive(Default)]
struct Log {
    /// Operators by timely's number, with their address in the graph.
    operators: HashMap<usize, (Vec<usize>, String)>,
    /// From and to which operator's address a channel runs.
    channels: HashMap<usize, (Vec<usize>, Vec<usize>)>,
    busy: HashMap<usize, (u64, Duration)>,
    started: HashMap<usize, Duration>,
    /// Records sent on a channel.
    records: HashMap<usize, u64>,
}

/// Reads the log of one worker.
pub(super) struct Profile(Rc<RefCell<Log>>);

impl Profile {
    /// A worker that keeps a log, and what reads it. It must be made before the graph is.
    pub fn of_new_worker() -> (Worker, Self) {
        let allocator = Allocator::Thread(Thread::default());
        let worker = Worker::new(WorkerConfig::default(), allocator, Some(Instant::now()));
        let log: Rc<RefCell<Log>> = Rc::default();
        let reader = Rc::clone(&log);
        if let Some(mut registry) = worker.log_register() {
            registry.insert::<TimelyEventBuilder, _>("timely", move |_time, events| {
                let mut log = reader.borrow_mut();
                for (time, event) in events.iter_mut().flat_map(|batch| batch.drain(..)) {
                    log.on_event(time, event);
                }
            });
        }
        (worker, Self(log))
    }

    /// What each operator has done so far, in the order of the graph.
    pub fn roles(&self) -> Vec<RoleTime> {
        let log = self.0.borrow();
        let mut roles: BTreeMap<&[usize], RoleTime> = BTreeMap::new();
        for (id, (address, name)) in &log.operators {
            // The worker's root and the graph as a whole contain all others.
            if address.len() > 1 {
                let (runs, busy) = log.busy.get(id).copied().unwrap_or_default();
                let (role, busy_us) = (name.clone(), busy.as_micros() as u64);
                roles.insert(address, RoleTime { role, runs, busy_us, ..RoleTime::default() });
            }
        }
        for (channel, (from, to)) in &log.channels {
            let records = log.records.get(channel).copied().unwrap_or_default();
            if let Some(role) = roles.get_mut(from.as_slice()) {
                role.records_out += records;
            }
            if let Some(role) = roles.get_mut(to.as_slice()) {
                role.records_in += records;
            }
        }
        roles.into_values().collect()
    }
}

impl Log {
    fn on_event(&mut self, time: Duration, event: TimelyEvent) {
        match event {
            TimelyEvent::Operates(operator) => {
                self.operators.insert(operator.id, (operator.addr, operator.name));
            }
            TimelyEvent::Channels(channel) => {
                let end = |port: usize| [&channel.scope_addr[..], &[port]].concat();
                let ends = (end(channel.source.0), end(channel.target.0));
                self.channels.insert(channel.id, ends);
            }
            TimelyEvent::Schedule(run) => match run.start_stop {
                StartStop::Start => {
                    self.started.insert(run.id, time);
                }
                StartStop::Stop => {
                    let started = self.started.remove(&run.id).unwrap_or(time);
                    let (runs, busy) = self.busy.entry(run.id).or_default();
                    *runs += 1;
                    *busy += time.saturating_sub(started);
                }
            },
            TimelyEvent::Messages(message) if message.is_send => {
                *self.records.entry(message.channel).or_default() += message.record_count as u64;
            }
            _ => {}
        }
    }
}
