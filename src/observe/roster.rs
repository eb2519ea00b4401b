//! The operators of a replica, and where the figures of each are read.
//!
//! An address is a position in the replica's dataflow. What is in another dataflow of its worker
//! has a 0 before its position on the worker: to timely too number 0 of a scope is what is outside
//! it.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::logs::Logs;
use super::reading::Reading;
use super::views::Views;
use crate::engine::meter::{Meter, Meters};
use crate::observe::graph::{OperatorGraph, OperatorKind};

/// The operators of a replica: those of its wiring, in their order, then those of timely's own that
/// its worker logs.
pub(super) struct Roster {
    pub operators: Vec<Known>,
    /// The replica's dataflow, by its position on the worker.
    dataflow: Option<usize>,
    names: BTreeMap<Vec<usize>, String>,
}

/// An operator.
pub(super) struct Known {
    /// Where it is in the graph.
    pub address: Vec<usize>,
    /// Its name, which no other operator has.
    pub name: String,
    pub kind: Option<OperatorKind>,
    pub meter: Option<Rc<Meter>>,
    /// Its number in the log.
    pub logged: Option<usize>,
    /// What it had done at the end of the last epoch.
    before: Reading,
}

impl Roster {
    /// Those of a replica that has been built.
    pub fn new(graph: &OperatorGraph, meters: &Meters, logs: Option<&Logs>) -> Self {
        // The number of the dataflow depends on what else its worker runs; nothing else has meters.
        let meters = meters.borrow();
        let dataflow = meters.first().and_then(|meter| meter.address.first().copied());
        let within = |address: &[usize]| within(dataflow, address);
        let mut meters: BTreeMap<Vec<usize>, Rc<Meter>> =
            meters.iter().map(|meter| (within(&meter.address), Rc::clone(meter))).collect();
        let logged = logs.map(Logs::operators).unwrap_or_default().into_iter();
        let mut logged: BTreeMap<Vec<usize>, (usize, String)> =
            logged.map(|(id, address, name)| (within(&address), (id, name))).collect();
        let mut operators = Vec::new();
        let mut add = |address: Vec<usize>, name, kind, logged| {
            let (meter, before) = (meters.remove(&address), Reading::default());
            operators.push(Known { address, name, kind, meter, logged, before });
        };
        for known in &graph.operators {
            let logged = logged.remove(&known.address).map(|(id, _)| id);
            add(known.address.clone(), known.name.clone(), Some(known.kind), logged);
        }
        for (address, (id, name)) in logged {
            let position: Vec<String> = address.iter().map(usize::to_string).collect();
            // The dataflow itself has no position in it.
            let name = [vec![name], position].concat().join(".");
            add(address, name, None, Some(id));
        }
        let names = operators.iter().map(|known| (known.address.clone(), known.name.clone()));
        let names = names.collect();
        Self { operators, dataflow, names }
    }

    /// The name of the operator at an address on the worker; of a scope for its edge.
    pub fn name(&self, address: &[usize]) -> String {
        let address = address.strip_suffix(&[0]).unwrap_or(address);
        self.names.get(&within(self.dataflow, address)).cloned().unwrap_or_default()
    }

    /// Puts into the views what the operators have done since the last epoch. The time of one turn
    /// in `timed_turns` was taken by those that count for themselves.
    pub fn read(&mut self, logs: Option<&Logs>, timed_turns: u64, views: &mut Views) {
        let mut logged = logs.map(Logs::readings).unwrap_or_default();
        for (at, known) in self.operators.iter_mut().enumerate() {
            let logged = known.logged.and_then(|number| logged.remove(&number));
            let now = known.reading(logged);
            now.add_beyond(&known.before, at, timed_turns, views);
            known.before = now;
        }
    }
}

impl Known {
    /// An operator that counts for itself is believed; but what the log tells of time is of all
    /// turns.
    fn reading(&self, logged: Option<Reading>) -> Reading {
        match (self.meter.as_deref().map(Reading::of), logged) {
            (Some(metered), Some(logged)) => Reading { timed: logged.timed, ..metered },
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => Reading::default(),
        }
    }
}

/// An address in a dataflow, of one on its worker.
fn within(dataflow: Option<usize>, address: &[usize]) -> Vec<usize> {
    match address.split_first() {
        Some((first, inside)) if Some(*first) == dataflow => inside.to_vec(),
        _ => [&[0], address].concat(),
    }
}
