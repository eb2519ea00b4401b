//! Timely's log of work: operators that run, records that pass.

use std::collections::BTreeMap;
use std::time::Duration;

use timely::logging::{
    ChannelsEvent, MessagesEvent, OperatesEvent, ScheduleEvent, StartStop, TimelyEvent,
};

use crate::model::histogram::Buckets;
use crate::observe::reach::{Address, Location, Side};

/// What has been logged of all operators, whatever their time is.
#[derive(Default)]
pub(super) struct Work {
    pub operators: Numbered<Operator>,
    pub channels: Numbered<Channel>,
    /// The operators that run now, each inside the one before.
    running: Vec<Running>,
}

pub(super) struct Operator {
    pub address: Address,
    pub name: String,
    pub runs: u64,
    /// How long each run took, without what ran inside it.
    pub timed: Buckets,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Channel {
    pub from: Location,
    pub to: Location,
    pub sent: Passed,
    pub taken: Passed,
}

/// What has passed an end of a channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Passed {
    pub records: u64,
    pub batches: u64,
}

/// Things by their numbers in the log, which a worker gives one after the other to all that it
/// builds. There are dozens of lookups a turn; in an ordered map they took a fifth of what this
/// level costs.
pub(super) struct Numbered<T>(Vec<Option<T>>);

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Numbered<T> {
    fn insert(&mut self, number: usize, thing: T) {
        if self.0.len() <= number {
            self.0.resize_with(number + 1, || None);
        }
        self.0[number] = Some(thing);
    }

    pub fn get(&self, number: usize) -> Option<&T> {
        self.0.get(number)?.as_ref()
    }

    fn get_mut(&mut self, number: usize) -> Option<&mut T> {
        self.0.get_mut(number)?.as_mut()
    }

    /// The number after the greatest.
    pub fn end(&self) -> usize {
        self.0.len()
    }

    /// All of them, in the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &T)> {
        self.0.iter().enumerate().filter_map(|(number, thing)| Some((number, thing.as_ref()?)))
    }
}

struct Running {
    id: usize,
    since: Duration,
    /// For how long others have run inside it.
    inside: Duration,
}

impl Work {
    /// The number of the operator at each address.
    pub fn numbers(&self) -> BTreeMap<&[usize], usize> {
        self.operators.iter().map(|(number, known)| (&known.address[..], number)).collect()
    }

    pub fn note(&mut self, at: Duration, event: &TimelyEvent) {
        match event {
            TimelyEvent::Schedule(schedule) => self.schedule(at, schedule),
            TimelyEvent::Messages(messages) => self.pass(messages),
            TimelyEvent::Operates(operates) => self.operate(operates),
            TimelyEvent::Channels(channel) => self.connect(channel),
            // What the worker does besides is not an operator's.
            TimelyEvent::PushProgress(_)
            | TimelyEvent::Shutdown(_)
            | TimelyEvent::CommChannels(_)
            | TimelyEvent::Park(_)
            | TimelyEvent::Text(_) => {}
        }
    }

    fn operate(&mut self, event: &OperatesEvent) {
        let (address, name) = (event.addr.clone(), event.name.clone());
        let operator = Operator { address, name, runs: 0, timed: Buckets::default() };
        self.operators.insert(event.id, operator);
    }

    fn connect(&mut self, event: &ChannelsEvent) {
        let place = |(node, port): (usize, usize), side: Side| {
            let address = [&event.scope_addr[..], &[node]].concat();
            Location { address, side, port }
        };
        let (from, to) = (place(event.source, Side::Output), place(event.target, Side::Input));
        let (sent, taken) = Default::default();
        self.channels.insert(event.id, Channel { from, to, sent, taken });
    }

    fn schedule(&mut self, at: Duration, event: &ScheduleEvent) {
        match event.start_stop {
            StartStop::Start => {
                self.running.push(Running { id: event.id, since: at, inside: Duration::ZERO });
            }
            StartStop::Stop => {
                // Those that were built while nobody listened have no start.
                let Some(run) = self.running.pop_if(|run| run.id == event.id) else { return };
                let took = at.saturating_sub(run.since);
                if let Some(outer) = self.running.last_mut() {
                    outer.inside += took;
                }
                if let Some(operator) = self.operators.get_mut(run.id) {
                    operator.runs += 1;
                    operator.timed.add(took.saturating_sub(run.inside));
                }
            }
        }
    }

    fn pass(&mut self, event: &MessagesEvent) {
        if let Some(channel) = self.channels.get_mut(event.channel) {
            let end = if event.is_send { &mut channel.sent } else { &mut channel.taken };
            end.records += u64::try_from(event.record_count).unwrap_or_default();
            end.batches += 1;
        }
    }
}
