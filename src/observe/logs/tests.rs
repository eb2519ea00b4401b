#![allow(clippy::unwrap_used)]

use differential_dataflow::input::Input as _;
use differential_dataflow::operators::Iterate;
use timely::dataflow::InputHandle;
use timely::dataflow::channels::pact::Pipeline;
use timely::dataflow::operators::vec::Map;
use timely::dataflow::operators::{Concat, Input as _, Inspect, Operator};

use super::*;
use crate::observe::graph::logging_worker;

/// Runs the worker, on which all is built, as long as it has something to do, and ends an epoch.
fn end_epoch(worker: &mut Worker, logs: &mut Logs, epoch: Epoch) {
    logs.close(worker);
    (0..100).for_each(|_| {
        worker.step();
    });
    logs.end_epoch(epoch);
    (0..100).for_each(|_| {
        worker.step();
    });
}

fn number(logs: &Logs, name: &str) -> usize {
    logs.operators().into_iter().find(|(_, _, known)| known == name).unwrap().0
}

fn inputs(logs: &Logs, operator: &str) -> Vec<Input> {
    let operators = logs.operators();
    let name = |address: &[usize]| {
        let known = operators.iter().find(|(_, known, _)| known == address);
        known.map_or_else(|| "edge".to_owned(), |(_, _, name)| name.clone())
    };
    logs.inputs(&name).remove(&number(logs, operator)).unwrap()
}

fn held(logs: &Logs, operator: &str) -> Vec<Held> {
    inputs(logs, operator).remove(0).held.unwrap()
}

/// A dataflow into which nothing more comes from `left` but much from `right`.
#[test]
fn who_does_not_let_go_of_a_time_is_named() {
    let mut worker = logging_worker();
    let mut logs = Logs::keep(&mut worker).unwrap();
    let (mut left, mut right) = (InputHandle::new(), InputHandle::new());
    worker.dataflow_named("both", |scope| {
        let lefts = scope.input_from(&mut left).map(|number: u64| number);
        let rights = scope.input_from(&mut right);
        lefts.concat(rights).inspect(|_| ());
    });
    left.advance_to(3_u64);
    right.advance_to(10_u64);
    (0..5).for_each(|number| right.send(number));
    right.flush();
    end_epoch(&mut worker, &mut logs, 1);

    let last = &inputs(&logs, "InspectBatch")[0];
    assert_eq!((&last.from[..], last.queued), (&["Concatenate".to_owned()][..], 0));
    let [held_by] = &last.held.as_ref().unwrap()[..] else { panic!("{last:?}") };
    assert_eq!((&*held_by.time, &*held_by.by, held_by.what), ("3", "Input", Hold::Capability));
    assert_eq!(held_by.path, ["Concatenate", "FlatMap", "Input"]);

    drop(left);
    end_epoch(&mut worker, &mut logs, 2);
    assert_eq!(held(&logs, "InspectBatch")[0].time, "10");
    assert_eq!(held(&logs, "Concatenate"), [], "nothing more comes from there");
    assert_eq!(logs.readings()[&number(&logs, "Concatenate")].records_in, 5);
    drop(right);
    end_epoch(&mut worker, &mut logs, 3);
    assert_eq!(held(&logs, "InspectBatch"), []);
}

#[test]
fn an_operator_that_takes_nothing_is_named_and_what_waits_for_it_is_counted() {
    let mut worker = logging_worker();
    let mut logs = Logs::keep(&mut worker).unwrap();
    let mut numbers = InputHandle::new();
    worker.dataflow_named("stuck", |scope| {
        scope
            .input_from(&mut numbers)
            .map(|number: u64| number)
            .unary::<timely::container::CapacityContainerBuilder<Vec<u64>>, _, _, _>(
                Pipeline,
                "takes_nothing",
                |_capability, _info| |_input, _output| (),
            )
            .inspect(|_| ());
    });
    numbers.advance_to(7_u64);
    (0..5).for_each(|number| numbers.send(number));
    numbers.advance_to(20);
    end_epoch(&mut worker, &mut logs, 1);

    assert_eq!(inputs(&logs, "takes_nothing")[0].queued, 5);
    let last = &held(&logs, "InspectBatch")[0];
    assert_eq!((&*last.time, &*last.by, last.what), ("7", "takes_nothing", Hold::Message));
    assert_eq!(last.count, 5);
}

/// A differential dataflow with a loop, two of whose inputs lag.
#[test]
fn the_way_leads_through_the_edges_of_a_loop() {
    let mut worker = logging_worker();
    let mut logs = Logs::keep(&mut worker).unwrap();
    let (mut roots, mut edges) = worker.dataflow_named("reach", |scope| {
        let (roots, start) = scope.new_collection::<u64, isize>();
        let (edges, ways) = scope.new_collection::<(u64, u64), isize>();
        let start = start.map(|node| (node, ()));
        start
            .clone()
            .iterate(move |inner, reached| {
                let (ways, start) = (ways.enter(inner), start.enter(inner));
                let next = ways.join_map(reached, |_from, to, ()| (*to, ()));
                next.concat(start).distinct()
            })
            .inspect(|_| ());
        (roots, edges)
    });
    roots.insert(1);
    (1..5).for_each(|node| edges.insert((node, node + 1)));
    edges.advance_to(9_u64);
    edges.flush();
    roots.advance_to(4_u64);
    roots.flush();
    end_epoch(&mut worker, &mut logs, 1);

    let [last] = &held(&logs, "InspectBatch")[..] else { panic!() };
    assert_eq!((&*last.time, &*last.by, &*last.at), ("4", "Input", "4"));
    let joins = inputs(&logs, "Join").into_iter();
    let joins: Vec<Held> = joins.map(|input| input.held.unwrap().remove(0)).collect();
    let times: Vec<_> = joins.iter().map(|held| &*held.time).collect();
    assert_eq!(times, ["(9, 0)", "(4, 0)"], "ways are known up to 9, what is reached up to 4");
    let path = &joins[0].path;
    assert!(path.iter().any(|name| name == "edge"), "it leads out of the loop: {path:?}");
    assert_eq!(joins[0].by, "Input");
    let exchanged = logs.operators().into_iter().map(|(id, _, _)| logs.exchanged(id));
    assert!(exchanged.sum::<u64>() > 0);
}

#[test]
fn times_that_are_no_numbers_are_not_followed_and_that_is_said() {
    let mut worker = logging_worker();
    let mut logs = Logs::keep(&mut worker).unwrap();
    let mut words = InputHandle::new();
    worker.dataflow_named("other", |scope| {
        scope.input_from(&mut words).map(|number: u64| number).inspect(|_| ());
    });
    words.send(1_u64);
    words.advance_to(std::time::Duration::from_secs(1));
    end_epoch(&mut worker, &mut logs, 1);
    let input = inputs(&logs, "InspectBatch").remove(0);
    assert_eq!((input.held, input.queued), (None, 0));
    assert_eq!(logs.readings()[&number(&logs, "InspectBatch")].records_in, 1);
}
