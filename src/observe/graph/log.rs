//! A worker's log of the graphs it builds, and the ways through them from role to role.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use timely::logging::{TimelyEvent, TimelyEventBuilder};
use timely::worker::Worker;

use super::labels::record_name;
use super::{DOORS, HOST_PORTS, OperatorGraph, Wiring};

/// The path of an operator from the root of its worker: the number of each scope, and its own.
type Address = Vec<usize>;

/// What a worker has logged about the graphs it built since it is being watched.
#[derive(Clone, Debug, Default)]
pub struct Log(Rc<RefCell<Built>>);

#[derive(Debug, Default)]
struct Built {
    names: BTreeMap<Address, String>,
    /// The channels that leave each operator.
    channels: BTreeMap<Address, Vec<Channel>>,
    scopes: BTreeSet<Address>,
}

#[derive(Debug)]
struct Channel {
    port: usize,
    to: (Address, usize),
    carries: Option<String>,
}

/// A way from one operator to another on which there is no third, but for timely's own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Way {
    pub from: String,
    /// By which of its outputs.
    pub port: usize,
    pub to: String,
    /// The type of record as it is sent.
    pub sent: Option<String>,
    /// The type of record as it is read; timely's own operators may have changed it.
    pub read: Option<String>,
    /// The last back edge on the way.
    pub back: Option<String>,
}

impl Log {
    /// Watches `worker` from now on; a replica started on it later is seen in full.
    ///
    /// A worker without a clock keeps no log, so there is nothing to watch.
    pub fn watch(worker: &Worker) -> Option<Self> {
        let log = Self::default();
        let built = Rc::clone(&log.0);
        worker.log_register()?.insert::<TimelyEventBuilder, _>("timely", move |_time, batch| {
            let mut built = built.borrow_mut();
            for (_time, event) in batch.iter().flatten() {
                built.note(event);
            }
        });
        Some(log)
    }

    /// The graph of what has been built so far.
    pub fn graph(&self) -> OperatorGraph {
        self.wiring().graph
    }

    /// The wiring of what has been built so far.
    pub fn wiring(&self) -> Wiring {
        let built = self.0.borrow();
        let backs = built.backs();
        let hidden: BTreeSet<_> =
            backs.iter().flat_map(|(sink, source)| [*sink, *source]).collect();
        let seen = built.names.iter().filter(|(at, _)| built.is_ours(at) && !hidden.contains(at));
        let mut addresses = BTreeMap::new();
        let mut ways = BTreeSet::new();
        for (at, name) in seen {
            // The number of the dataflow depends on what else its worker runs.
            addresses.insert(name.clone(), at.get(1..).unwrap_or_default().to_vec());
            built.walk(at, name, &backs, &mut ways);
        }
        Wiring::of(addresses, &ways)
    }
}

impl Built {
    fn note(&mut self, event: &TimelyEvent) {
        match event {
            TimelyEvent::Operates(operator) => {
                self.names.insert(operator.addr.clone(), operator.name.clone());
            }
            TimelyEvent::Channels(channel) => {
                let at = |node: usize| [&channel.scope_addr[..], &[node]].concat();
                self.scopes.insert(channel.scope_addr.clone());
                self.channels.entry(at(channel.source.0)).or_default().push(Channel {
                    port: channel.source.1,
                    to: (at(channel.target.0), channel.target.1),
                    carries: record_name(&channel.typ),
                });
            }
            _ => {}
        }
    }

    /// Whether it is one of ours: the wiring names operators in `snake_case`, timely in
    /// `CamelCase`.
    fn is_ours(&self, at: &Address) -> bool {
        let named = |name: &String| name.starts_with(char::is_lowercase);
        !self.scopes.contains(at) && self.names.get(at).is_some_and(named)
    }

    /// The two ends of each back edge: a sink and a source that share a name.
    fn backs(&self) -> BTreeMap<&Address, &Address> {
        let read: BTreeSet<_> = self.channels.values().flatten().map(|c| &c.to.0).collect();
        let mut ends: BTreeMap<&str, (Vec<&Address>, Vec<&Address>)> = BTreeMap::new();
        for (at, name) in self.names.iter().filter(|(at, _)| self.is_ours(at)) {
            let (sinks, sources) = ends.entry(name).or_default();
            // A source that nobody reads is still a source; so what is read decides.
            if read.contains(at) && !self.channels.contains_key(at) {
                sinks.push(at);
            } else if !read.contains(at) {
                sources.push(at);
            }
        }
        let is_door = |name: &str| DOORS.contains(&name) || HOST_PORTS.contains(&name);
        ends.retain(|name, _| !is_door(name));
        ends.values()
            .flat_map(|(sinks, sources)| sinks.iter().copied().zip(sources.iter().copied()))
            .collect()
    }

    /// Follows all that leaves the operator `at` to the next of our operators.
    fn walk(
        &self,
        at: &Address,
        name: &str,
        backs: &BTreeMap<&Address, &Address>,
        ways: &mut BTreeSet<Way>,
    ) {
        for first in self.leaving(at, None) {
            let mut open: Vec<(&Channel, Option<&String>)> = vec![(first, None)];
            let mut seen = BTreeSet::new();
            while let Some((channel, back)) = open.pop() {
                let (to, port) = &channel.to;
                if !seen.insert((to, port, back)) {
                    continue;
                }
                let (next, port, back) = if let Some(source) = backs.get(to) {
                    ((*source).clone(), None, self.names.get(to))
                } else if self.scopes.contains(to) {
                    // Inside a scope, what enters it leaves its node 0 by the same port.
                    ([&to[..], &[0]].concat(), Some(*port), back)
                } else if let Some((0, scope)) = to.split_last() {
                    (scope.to_vec(), Some(*port), back)
                } else if self.is_ours(to) {
                    ways.insert(Way {
                        from: name.to_owned(),
                        port: first.port,
                        to: self.names[to].clone(),
                        sent: first.carries.clone(),
                        read: channel.carries.clone(),
                        back: back.cloned(),
                    });
                    continue;
                } else {
                    (to.clone(), None, back)
                };
                open.extend(self.leaving(&next, port).map(|channel| (channel, back)));
            }
        }
    }

    /// The channels that leave `at`, by one port or by any.
    fn leaving(&self, at: &Address, port: Option<usize>) -> impl Iterator<Item = &Channel> {
        let channels = self.channels.get(at).into_iter().flatten();
        channels.filter(move |channel| port.is_none_or(|port| channel.port == port))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use timely::dataflow::operators::vec::Map;
    use timely::dataflow::operators::{Concat, Enter, Leave};

    use super::*;
    use crate::engine::role::{Graph as Scope, Role, Stream, connect, inlet, outlet};

    fn pass<'s, D: Clone + 'static>(name: &str, input: Stream<'s, D>) -> Stream<'s, D> {
        let mut role = Role::new(name, input.scope(), ());
        let (port, output) = role.output();
        role.on(input, move |(), record| port.send([record]));
        role.build();
        output
    }

    fn text_of(draw: impl for<'s> FnOnce(Scope<'s>)) -> String {
        let allocator = timely::communication::Allocator::Thread(Default::default());
        let clock = Some(std::time::Instant::now());
        let mut worker = Worker::new(timely::WorkerConfig::default(), allocator, clock);
        let log = Log::watch(&worker).unwrap();
        worker.dataflow_named("replica", draw);
        worker.step();
        log.graph().text()
    }

    #[test]
    fn operators_of_timely_are_part_of_an_edge() {
        let text = text_of(|graph| {
            let (_clients, requests) = inlet::<String>(graph, "clients_in");
            let first = pass("first", requests.clone());
            let second = pass("second", first.clone().map(|text| text.len()));
            outlet(second, "room");
            outlet(pass("third", requests.concat(first)), "clients_out");
        });

        let expected = "\
            clients_in -> first (String)\nclients_in -> third (String)\nfirst -> second\n\
            first -> third (String)\nsecond -> room\nthird -> clients_out (String)\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn back_edge_joins_its_feeder_to_its_readers() {
        let text = text_of(|graph| {
            let (back, looped) = inlet::<String>(graph, "again");
            let first = pass("first", looped.clone());
            connect(pass("second", first.concat(looped)), back);
        });

        let expected =
            "first -> second (String)\nsecond ~> first (again)\nsecond ~> second (again)\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn scope_is_entered_and_left_by_its_ports() {
        let text = text_of(|graph| {
            let (_clients, words) = inlet::<String>(graph, "clients_in");
            let (_clock, numbers) = inlet::<u64>(graph, "clock");
            let (words, numbers) = graph.region_named("inner", |inner| {
                let words = pass("words", words.enter(inner));
                (words.leave(graph), pass("numbers", numbers.enter(inner)).leave(graph))
            });
            outlet(numbers, "room");
            outlet(words, "clients_out");
        });

        let expected = "\
            clients_in -> words (String)\nclock -> numbers\nnumbers -> room\n\
            words -> clients_out (String)\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn worker_without_a_clock_has_no_log() {
        assert!(Log::watch(&crate::engine::replica::timeless_worker()).is_none());
    }
}
