//! Timely's own logs of the dataflows on a worker, at level `full`: all operators, its own among
//! them; what waits in each channel; and for each input what may still come there, and who holds
//! it.
//!
//! It needs to know no protocol and no role, so it shows any timely or differential dataflow; who
//! holds an input back it tells where times are numbers, alone or in one loop. A worker keeps these
//! logs only for what is built after it was asked to; so the level of a replica is settled when it
//! starts.
//!
//! At each step a worker flushes the logs that it keeps: eight readings of the clock and eight
//! buffers, whatever there is in them. So once all is built the logs are [taken from
//! it](Logs::close), and flushed when somebody looks.

mod progress;
#[cfg(test)]
mod tests;
mod work;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use timely::ContainerBuilder;
use timely::logging::TimelyEventBuilder;
use timely::logging_core::Registry;
use timely::order::Product;
use timely::worker::Worker;

use self::progress::Tracked;
use self::work::{Channel, Work};
use super::frame::{Held, Hold, Input};
use super::reach::{Address, Location, Point, Reach, Reached, Side, is_at_most};
use super::reading::Reading;
use super::views::Epoch;

/// A log that is kept.
struct Kept {
    name: String,
    flush: Box<dyn Fn()>,
}

/// What is known of the dataflows on a worker from its logs.
pub struct Logs {
    kept: Vec<Kept>,
    work: Rc<RefCell<Work>>,
    tracked: [Box<dyn Tracked>; 2],
    frontiers: Reach,
    /// The scopes whose times are of a type that is tracked.
    followed: BTreeSet<Address>,
    /// The pointstamps there are.
    stamps: BTreeMap<Location, BTreeMap<Point, i64>>,
    exchanged: BTreeMap<usize, u64>,
    /// The number of the first channel that is not in the dataflow of frontiers.
    channels: usize,
}

impl Kept {
    /// Keeps a log of what is built from now on; `take` is given what is in it when it is flushed,
    /// or much has come.
    fn keep<B: ContainerBuilder<Container: Default> + 'static>(
        registry: &mut Registry,
        name: &str,
        mut take: impl FnMut(&mut B::Container) + 'static,
    ) -> Option<Self> {
        registry.insert::<B, _>(name, move |_time, batch| batch.iter_mut().for_each(&mut take));
        let log = registry.get::<B>(name)?;
        Some(Self { name: name.to_owned(), flush: Box::new(move || log.flush()) })
    }
}

impl Logs {
    /// Keeps the logs of what is built on `worker` from now on. Nothing comes of a worker without a
    /// clock.
    pub fn keep(worker: &mut Worker) -> Option<Self> {
        // Built first, so that it is not in its own logs.
        let frontiers = Reach::build(worker, "frontiers");
        let mut registry = worker.log_register()?;
        let mut kept = Vec::new();
        let work = Rc::new(RefCell::new(Work::default()));
        let to = Rc::clone(&work);
        let note = move |batch: &mut Vec<_>| {
            let mut work = to.borrow_mut();
            batch.drain(..).for_each(|(at, event)| work.note(at, &event));
        };
        kept.extend(Kept::keep::<TimelyEventBuilder>(&mut registry, "timely", note));
        let tracked = [
            progress::track::<u64>(&mut registry, &mut kept),
            progress::track::<Product<u64, u64>>(&mut registry, &mut kept),
        ];
        let (followed, stamps, exchanged) = Default::default();
        Some(Self { kept, work, tracked, frontiers, followed, stamps, exchanged, channels: 0 })
    }

    /// All is built: takes the logs from the worker.
    pub fn close(&mut self, worker: &Worker) {
        if let Some(mut registry) = worker.log_register() {
            self.kept.iter().for_each(|kept| drop(registry.remove(&kept.name)));
        }
        self.flush();
    }

    fn flush(&self) {
        self.kept.iter().for_each(|kept| (kept.flush)());
    }

    /// All operators there are, by their numbers in the log: where each is, and its name.
    pub fn operators(&self) -> Vec<(usize, Address, String)> {
        let work = self.work.borrow();
        let operators = work.operators.iter();
        operators.map(|(id, known)| (id, known.address.clone(), known.name.clone())).collect()
    }

    /// What each operator has done so far, by its number in the log.
    pub(super) fn readings(&self) -> BTreeMap<usize, Reading> {
        let work = self.work.borrow();
        let numbers = work.numbers();
        let mut readings = BTreeMap::new();
        for (number, known) in work.operators.iter() {
            let (runs, timed) = (known.runs, known.timed.clone());
            readings.insert(number, Reading { runs, timed, ..Reading::default() });
        }
        let number = |place: &Location| numbers.get(&place.address[..]);
        for (_, Channel { from, to, sent, taken }) in work.channels.iter() {
            if let Some(reader) = number(to).and_then(|number| readings.get_mut(number)) {
                reader.records_in += taken.records;
                reader.batches_in += taken.batches;
            }
            if let Some(sender) = number(from).and_then(|number| readings.get_mut(number)) {
                let ports = sender.outputs.len().max(from.port + 1);
                sender.outputs.resize(ports, (0, 0));
                let (records, batches) = &mut sender.outputs[from.port];
                *records += sent.records;
                *batches += sent.batches;
            }
        }
        readings
    }

    /// How many updates of progress the inside of a scope has exchanged.
    pub fn exchanged(&self, scope: usize) -> u64 {
        self.exchanged.get(&scope).copied().unwrap_or_default()
    }

    /// Puts what has been logged into the dataflow of frontiers, and ends the epoch before `epoch`.
    pub fn end_epoch(&mut self, epoch: Epoch) {
        self.flush();
        let work = self.work.borrow();
        // Channels are numbered in the order in which they were built, and never taken away.
        let first = std::mem::replace(&mut self.channels, work.channels.end());
        for (_, channel) in work.channels.iter().skip_while(|(number, _)| *number < first) {
            let nothing = Point::new();
            self.frontiers.change_hop((channel.from.clone(), (channel.to.clone(), nothing)), 1);
        }
        let address = |operator: usize| work.operators.get(operator).map(|known| &known.address);
        for tracked in &self.tracked {
            for summary in tracked.take_summaries() {
                let Some(address) = address(summary.operator) else { continue };
                let scope = address.split_last().map_or(&[][..], |(_node, scope)| scope);
                self.followed.insert(scope.to_vec());
                let at =
                    |side: Side, port: usize| Location { address: address.clone(), side, port };
                let (from, to) = (at(Side::Input, summary.input), at(Side::Output, summary.output));
                self.frontiers.change_hop((from, (to, summary.grows)), 1);
            }
            for change in tracked.take_changes() {
                let Some(scope) = address(change.scope) else { continue };
                let address = [&scope[..], &[change.node]].concat();
                let place = Location { address, side: change.side, port: change.port };
                let points = self.stamps.entry(place.clone()).or_default();
                *points.entry(change.point.clone()).or_default() += change.change;
                points.retain(|_, count| *count != 0);
                self.frontiers.change(place, change.point, change.change as isize);
            }
            for (scope, updates) in tracked.take_exchanged() {
                *self.exchanged.entry(scope).or_default() += updates;
            }
        }
        self.stamps.retain(|_, points| !points.is_empty());
        self.frontiers.end_epoch(epoch);
    }

    /// The inputs of each operator, by its number in the log and by what was put in up to the last
    /// epoch. `name` gives the names of the operators at addresses.
    pub fn inputs(&self, name: &dyn Fn(&[usize]) -> String) -> BTreeMap<usize, Vec<Input>> {
        let work = self.work.borrow();
        let numbers = work.numbers();
        let mut ports: BTreeMap<&Location, Vec<&Channel>> = BTreeMap::new();
        for (_, channel) in work.channels.iter() {
            ports.entry(&channel.to).or_default().push(channel);
        }
        let reached = self.frontiers.reached();
        let mut inputs: BTreeMap<usize, Vec<Input>> = BTreeMap::new();
        for (place, channels) in ports {
            // The inside of a scope's edge is no operator.
            let Some(number) = numbers.get(&place.address[..]) else { continue };
            let scope = place.address.split_last().map_or(&[][..], |(_node, scope)| scope);
            let held = self.followed.contains(scope).then(|| {
                let least = reached.get(place).into_iter().flat_map(BTreeMap::keys);
                least.map(|(point, _)| self.held(&reached, place, point, name)).collect()
            });
            let queued =
                |channel: &&Channel| channel.sent.records.saturating_sub(channel.taken.records);
            inputs.entry(*number).or_default().push(Input {
                from: channels.iter().map(|channel| name(&channel.from.address)).collect(),
                queued: channels.iter().map(queued).sum(),
                held,
            });
        }
        inputs
    }

    /// Who holds back `place` at `point`: follows the time to where it came from.
    fn held(
        &self,
        reached: &Reached,
        place: &Location,
        point: &Point,
        name: &dyn Fn(&[usize]) -> String,
    ) -> Held {
        let (mut at, mut point) = (place.clone(), point.clone());
        let time = text(&point);
        let mut path: Vec<String> = Vec::new();
        // A time passes each place once, so there are no more steps than places.
        for _ in 0..reached.len() {
            let here = reached.get(&at).into_iter().flat_map(BTreeMap::keys);
            let Some((least, whence)) =
                here.into_iter().find(|(least, _)| is_at_most(least, &point))
            else {
                break;
            };
            point.clone_from(least);
            let from_here = *whence == at;
            let before = if from_here {
                across(reached, &at)
            } else {
                Some((whence.clone(), point.clone()))
            };
            let Some(before) = before else { break };
            (at, point) = before;
            let name = name(&at.address);
            if at.address != place.address && path.last() != Some(&name) {
                path.push(name);
            }
        }
        let what = if at.side == Side::Output { Hold::Capability } else { Hold::Message };
        let counts = self.stamps.get(&at).and_then(|points| points.get(&point));
        let count = counts.map_or(0, |count| *count as u64);
        Held { time, by: name(&at.address), what, at: text(&point), count, path }
    }
}

/// The other side of a scope's edge, if a pointstamp stands at one: what an operator in a scope
/// holds shows outside as the scope's own, and what may come from outside shows inside as the
/// edge's.
fn across(reached: &Reached, place: &Location) -> Option<(Location, Point)> {
    let port = place.port;
    let other = match (place.address.split_last()?, place.side) {
        ((0, scope), Side::Output) => Location { address: scope.to_vec(), side: Side::Input, port },
        (_, Side::Output) => {
            let address = [&place.address[..], &[0]].concat();
            Location { address, side: Side::Input, port }
        }
        (_, Side::Input) => return None,
    };
    let least = reached.get(&other)?.keys().next()?.0.clone();
    Some((other, least))
}

/// `7`, or `(7, 2)` in a loop.
fn text(point: &Point) -> String {
    match &point[..] {
        [one] => one.to_string(),
        all => {
            let all: Vec<String> = all.iter().map(u64::to_string).collect();
            format!("({})", all.join(", "))
        }
    }
}
