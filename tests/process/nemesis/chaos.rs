//! Everything at once: what clients have seen is what one copy would have told them, and all
//! replicas end up with the same state.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use taraflow::hosts::simulation::Random;
use taraflow::hosts::simulation::linearizability::{Action, Operation, Verdict, check};
use taraflow::kv::resp::RespReply;

use super::clients::{APPENDED, Client, KEYS, is_counter, name, seen, settle_appends};
use super::faults::Nemesis;
use super::submits::count_until;
use crate::support::nodes::{Nodes, REPLICAS};
use crate::support::redis::RedisConnection;
use crate::support::taraflow;

const CLIENTS: u64 = 6;

/// How long a run is, and what it is drawn from.
struct Run {
    seconds: u64,
    seed: u64,
}

impl Run {
    /// As the environment wishes; the only place that asks it.
    fn or(seconds: u64, seed: u64) -> Self {
        let wish = |name| std::env::var(name).ok().map(|text: String| text.parse().unwrap());
        Self {
            seconds: wish("TARAFLOW_NEMESIS_SECONDS").unwrap_or(seconds),
            seed: wish("TARAFLOW_NEMESIS_SEED").unwrap_or(seed),
        }
    }

    /// Runs, heals, and checks.
    fn carry_out(&self) {
        let Self { seconds, seed } = *self;
        eprintln!("seed {seed}: {seconds} s");
        let mut nodes = Nodes::start_all(seed % 2 == 0, 64);
        let mut nemesis = Nemesis::of(seed);
        let began = Instant::now();
        let (history, submitted) = self.disturb(&mut nodes, &mut nemesis, began);
        nodes.all_agree();
        report(&nodes, &nemesis, &history, submitted);
        let history = told_by_all(&nodes, history, began);
        assert_eq!(check(&history), Verdict::Linearizable, "seed {seed}");
        no_increment_is_lost_or_done_twice(&history);
        let total = RedisConnection::to(nodes.clients(0)).patient().ask(&["GET", "submitted"]);
        assert_eq!(total, Some(RespReply::Bulk(Some(submitted.to_string().into_bytes()))));
        states_are_equal(&mut nodes);
    }

    /// Does what the nemesis likes to replicas that work, and heals them; what clients have seen
    /// meanwhile, and how many commands `submit` has submitted.
    fn disturb(
        &self,
        nodes: &mut Nodes,
        nemesis: &mut Nemesis,
        began: Instant,
    ) -> (Vec<Operation>, u64) {
        let (enough, directory) = (&AtomicBool::new(false), nodes.directory());
        thread::scope(|scope| {
            let spawn = |number: u64| {
                let random = Random::new(self.seed ^ (number + 1) << 32);
                let replicas = (0..REPLICAS).map(|index| nodes.clients(index)).collect();
                let client = Client { number, random, replicas, began, enough };
                scope.spawn(move || client.run())
            };
            let clients: Vec<_> = (0..CLIENTS).map(spawn).collect();
            let submit = scope.spawn(move || count_until(enough, &directory));
            let _stop = Stop(enough);
            while began.elapsed() < Duration::from_secs(self.seconds) {
                thread::sleep(Duration::from_millis(5));
                nemesis.step(nodes);
            }
            nemesis.heal(nodes);
            nodes.all_serve();
            enough.store(true, Ordering::Relaxed);
            let submitted = submit.join().unwrap();
            (clients.into_iter().flat_map(|client| client.join().unwrap()).collect(), submitted)
        })
    }
}

/// Lets the clients go, however a run ends.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Adds to the history what each replica says at the end, which has to be the same.
fn told_by_all(nodes: &Nodes, mut history: Vec<Operation>, began: Instant) -> Vec<Operation> {
    let mut told: BTreeMap<u64, RespReply> = BTreeMap::new();
    let now = began.elapsed().as_nanos() as u64;
    for index in 0..REPLICAS {
        let mut redis = RedisConnection::to(nodes.clients(index)).patient();
        for key in 0..KEYS {
            let call = began.elapsed().as_nanos() as u64;
            let reply = redis.ask(&["GET", &name(key)]).unwrap();
            let seen = seen(Action::Get, reply.clone());
            let answer = Some((began.elapsed().as_nanos() as u64, seen));
            history.push(Operation { key, call, action: Action::Get, answer });
            assert_eq!(*told.entry(key).or_insert(reply.clone()), reply, "replica {index}, {key}");
        }
    }
    if let Some(RespReply::Bulk(Some(held))) = told.get(&APPENDED) {
        settle_appends(&mut history, std::str::from_utf8(held).unwrap(), now);
    }
    history
}

fn report(nodes: &Nodes, nemesis: &Nemesis, history: &[Operation], submitted: u64) {
    let unknown = history.iter().filter(|operation| operation.answer.is_none()).count();
    let mishaps: u64 = nodes.proxies().iter().map(|proxy| proxy.mishaps()).sum();
    let mut answers: Vec<u64> = history.iter().filter_map(|o| Some(o.answer?.0)).collect();
    answers.sort_unstable();
    let gaps = answers.windows(2).map(|two| (two[1] - two[0], two[0]));
    let (gap, at) = gaps.max().unwrap_or_default();
    let (gap, at) = (gap / 1_000_000, at / 1_000_000);
    let (asked, view, acts) = (history.len(), &nodes.status(0)["view"], &nemesis.acts);
    eprintln!(
        "{asked} operations, {unknown} unknown, {submitted} submitted; longest gap {gap} ms at {at} ms; \
         view {view}; {acts:?}, {mishaps} mishaps"
    );
    assert!(answers.len() > 100, "hardly anything was answered");
}

/// What is also said by the checker, in simpler words.
fn no_increment_is_lost_or_done_twice(history: &[Operation]) {
    use taraflow::hosts::simulation::linearizability::{RegisterReply, RegisterValue};
    for key in (0..KEYS).filter(|key| is_counter(*key)) {
        let of_key = || history.iter().filter(|operation| operation.key == key);
        let asked = || of_key().filter(|operation| operation.action == Action::Incr(1));
        let answered = asked().filter(|operation| operation.answer.is_some()).count() as i64;
        let last = of_key().filter_map(|operation| operation.answer).max_by_key(|answer| answer.0);
        let total = match last {
            Some((_, RegisterReply::Value(Some(RegisterValue::Number(total))))) => total,
            last => panic!("{key} ends as {last:?}"),
        };
        assert!((answered..=asked().count() as i64).contains(&total), "{answered} {total}");
    }
}

/// Ends all replicas, and looks at what they leave: sound journals, and equal digests at equal
/// slots.
fn states_are_equal(nodes: &mut Nodes) {
    let mut digests: BTreeMap<u64, Vec<Value>> = BTreeMap::new();
    for index in 0..REPLICAS {
        assert_eq!(nodes.status(index)["diverged"], Value::Array(Vec::new()));
    }
    for index in 0..REPLICAS {
        assert!(nodes.end(index).success());
        let data = nodes.data(index);
        for verify in ["log", "checkpoint"] {
            let output = taraflow().args([verify, "verify"]).arg(&data).output().unwrap();
            assert!(output.status.success(), "{output:?}");
        }
        let list = taraflow().args(["checkpoint", "list", "-o", "json"]).arg(&data).output();
        let list = String::from_utf8(list.unwrap().stdout).unwrap();
        for line in list.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
            let slot = line["slot"].as_u64().unwrap();
            digests.entry(slot).or_default().push(line["digest"].clone());
        }
    }
    assert!(digests.values().any(|digests| digests.len() == REPLICAS), "{digests:?}");
    for (slot, digests) in digests {
        assert!(digests.iter().all(|digest| *digest == digests[0]), "slot {slot}: {digests:?}");
    }
}

#[test]
fn clients_see_one_copy_whatever_happens_to_replicas_and_links() {
    Run::or(10, 3).carry_out();
}

#[test]
#[ignore = "ten minutes; `cargo test --test process -- --ignored --nocapture chaos`"]
fn clients_see_one_copy_in_twenty_runs() {
    let first = Run::or(30, 100);
    for seed in first.seed..first.seed + 20 {
        Run { seed, ..first }.carry_out();
    }
}
