//! The figures of a frame, read off what the views show.

use std::collections::BTreeMap;
use std::ops::Add;

use super::frame::{Channel, Histogram, Operator, Spread};
use super::logs::Logs;
use super::roster::{Known, Roster};
use super::views::{Count, Key, Totals};
use crate::model::histogram::octave_ns;
use crate::model::types::Slot;
use crate::observe::graph::{Edge, EdgeKind, Wiring};

/// What is shown, over the time for which counts are recent.
pub(super) struct Window<'a> {
    pub shown: &'a Totals,
    pub seconds: f64,
}

impl Window<'_> {
    fn total(&self, key: Key) -> u64 {
        self.shown.total.get(&key).map_or(0, |count| *count as u64)
    }

    fn recent(&self, key: Key) -> f64 {
        self.shown.recent.get(&key).map_or(0.0, |count| *count as f64)
    }

    pub fn rate(&self, key: Key) -> f64 {
        self.recent(key) / self.seconds
    }

    pub fn spread(&self, of: Option<usize>, count: fn(usize) -> Count) -> Spread {
        let keys = (of, count(0))..=(of, count(usize::MAX));
        let buckets = self.shown.recent.range(keys).filter_map(|((_, key), count)| match key {
            Count::Took(bucket) | Count::Answered(bucket) => Some((*bucket, *count as u64)),
            _ => None,
        });
        Spread::of(&buckets.collect::<Vec<_>>())
    }

    /// How long requests took since the replica started.
    pub fn latencies(&self) -> Histogram {
        let keys = (None, Count::Answered(0))..=(None, Count::Answered(usize::MAX));
        let mut below_ns: BTreeMap<u64, u64> = BTreeMap::new();
        for ((_, key), count) in self.shown.total.range(keys) {
            if let Count::Answered(bucket) = key {
                *below_ns.entry(octave_ns(*bucket)).or_default() += *count as u64;
            }
        }
        let sum_us = self.total((None, Count::AnsweredUs));
        Histogram { sum_us, below_ns: below_ns.into_iter().collect() }
    }

    pub fn operators(&self, roster: &Roster, logs: Option<&Logs>) -> Vec<Operator> {
        let inputs = logs.map(|logs| logs.inputs(&|address| roster.name(address)));
        let mut inputs = inputs.unwrap_or_default();
        let operator = |(at, known): (usize, &Known)| {
            let key = |count: Count| (Some(at), count);
            Operator {
                address: known.address.clone(),
                name: known.name.clone(),
                kind: known.kind,
                runs: self.total(key(Count::Runs)),
                records_in: self.total(key(Count::RecordsIn)),
                records_out: self.outputs(at, Count::RecordsOut).map(|key| self.total(key)).sum(),
                batches_in: self.total(key(Count::BatchesIn)),
                batches_out: self.outputs(at, Count::BatchesOut).map(|key| self.total(key)).sum(),
                rate_in: self.rate(key(Count::RecordsIn)),
                rate_out: self
                    .outputs(at, Count::RecordsOut)
                    .map(|key| self.rate(key))
                    .fold(0.0, Add::add),
                busy: (self.rate(key(Count::Busy)) / 1e9).min(1.0),
                busy_us: self.total(key(Count::Busy)) / 1_000,
                run: self.spread(Some(at), Count::Took),
                frontier: known.meter.as_ref().and_then(|meter| meter.frontier.get()).map(Slot),
                inputs: known.logged.and_then(|number| inputs.remove(&number)).unwrap_or_default(),
                progress: logs.zip(known.logged).map_or(0, |(logs, id)| logs.exchanged(id)),
            }
        };
        let mut operators: Vec<_> = roster.operators.iter().enumerate().map(operator).collect();
        operators.sort_by(|a, b| a.address.cmp(&b.address));
        operators
    }

    /// The counts of the outputs of an operator.
    fn outputs(&self, operator: usize, count: fn(usize) -> Count) -> impl Iterator<Item = Key> {
        let keys = (Some(operator), count(0))..=(Some(operator), count(usize::MAX));
        self.shown.total.range(keys).map(|(key, _)| *key)
    }

    pub fn channels(&self, wiring: &Wiring) -> Vec<Channel> {
        let graph = &wiring.graph;
        let at: BTreeMap<&str, usize> =
            graph.operators.iter().enumerate().map(|(at, known)| (&*known.name, at)).collect();
        let keys = |edge: &Edge| -> Vec<Key> {
            let from = at.get(&*edge.from).copied();
            wiring.ports(edge).map(|port| (from, Count::RecordsOut(port))).collect()
        };
        let sent = |edge: &Edge| -> u64 { keys(edge).into_iter().map(|key| self.total(key)).sum() };
        let mut given: BTreeMap<&str, u64> = BTreeMap::new();
        for edge in graph.edges.iter().filter(|edge| edge.kind != EdgeKind::Link) {
            *given.entry(&edge.to).or_default() += sent(edge);
        }
        let queued = |to: &str| {
            let taken = self.total((at.get(to).copied(), Count::RecordsIn));
            given.get(to).map_or(0, |given| given.saturating_sub(taken))
        };
        let channel = |edge: &Edge| Channel {
            from: edge.from.clone(),
            to: edge.to.clone(),
            kind: edge.kind,
            label: edge.label.clone(),
            sent: sent(edge),
            queued: if edge.kind == EdgeKind::Link { 0 } else { queued(&edge.to) },
            rate: keys(edge).into_iter().map(|key| self.rate(key)).fold(0.0, Add::add),
        };
        graph.edges.iter().map(channel).collect()
    }
}
