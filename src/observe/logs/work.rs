//! What timely logs of work: operators that run, records that pass.

use std::collections::BTreeMap;
use std::time::Duration;

use timely::logging::{
    ChannelsEvent, MessagesEvent, OperatesEvent, ScheduleEvent, StartStop, TimelyEvent,
};

use super::frontiers::{Address, Place, Side};
use crate::observe::spread::Buckets;

/// What has been logged of all operators, whatever their time is.
#[derive(Default)]
pub(super) struct Work {
    /// By their numbers in the log.
    pub operators: BTreeMap<usize, Operator>,
    /// By their numbers in the log.
    pub channels: BTreeMap<usize, Channel>,
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
    pub from: Place,
    pub to: Place,
    pub sent: Passed,
    pub taken: Passed,
}

/// What has passed an end of a channel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Passed {
    pub records: u64,
    pub batches: u64,
}

struct Running {
    id: usize,
    since: Duration,
    /// For how long others have run inside it.
    inside: Duration,
}

impl Work {
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
            Place { address, side, port }
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
                if let Some(operator) = self.operators.get_mut(&run.id) {
                    operator.runs += 1;
                    operator.timed.add(took.saturating_sub(run.inside));
                }
            }
        }
    }

    fn pass(&mut self, event: &MessagesEvent) {
        if let Some(channel) = self.channels.get_mut(&event.channel) {
            let end = if event.is_send { &mut channel.sent } else { &mut channel.taken };
            end.records += u64::try_from(event.record_count).unwrap_or_default();
            end.batches += 1;
        }
    }
}
