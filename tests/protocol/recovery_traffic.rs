//! Bytes that cross the links when all replicas come back: what somebody lacks, once, and few
//! others.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use taraflow::dataflows::tara::{Message, PROTOCOL};
use taraflow::disk::Recovered;
use taraflow::engine::ordering::messages::Promise;
use taraflow::hosts::simulation::{Micros, World, WorldSettings};
use taraflow::model::batch::weight;
use taraflow::model::events::Event;
use taraflow::model::types::{ReplicaId, Slot};

use crate::onlooker::{Onlooker, watched};

const MS: Micros = 1_000;
const SECOND: Micros = 1_000 * MS;

/// What was seen since all replicas came back.
#[derive(Debug, Default)]
struct Seen {
    /// Bytes that crossed a link, by the kind of message.
    crossing: BTreeMap<&'static str, usize>,
    /// What each slot holds, in bytes.
    slots: BTreeMap<Slot, usize>,
    /// The slots that each replica found on its disk when it started last, checkpoint and journal.
    found: BTreeMap<ReplicaId, BTreeSet<Slot>>,
}

impl Seen {
    fn bytes(&self) -> usize {
        self.crossing.values().sum()
    }

    /// Bytes of values that are not on the disk of a replica that should have them, over all
    /// replicas.
    fn lacked(&self) -> usize {
        let lacks = |found: &BTreeSet<Slot>| {
            let missing = self.slots.iter().filter(|(slot, _)| !found.contains(slot));
            missing.map(|(_, bytes)| bytes).sum::<usize>()
        };
        self.found.values().map(lacks).sum()
    }
}

thread_local! {
    static SEEN: RefCell<Seen> = RefCell::default();
}

impl Onlooker for Seen {
    fn on_start(me: ReplicaId, recovered: &Recovered<Promise>) {
        let decided = (0..recovered.decided.0).map(Slot);
        let found = decided.chain(recovered.slots.iter().map(|(slot, _)| *slot)).collect();
        SEEN.with_borrow_mut(|seen| seen.found.insert(me, found));
    }

    fn on_sent(from: ReplicaId, to: impl Iterator<Item = ReplicaId>, message: &Message) {
        let peers = to.filter(|peer| *peer != from).count();
        SEEN.with_borrow_mut(|seen| {
            let kind = (PROTOCOL.kind)(message);
            *seen.crossing.entry(kind).or_default() += peers * (PROTOCOL.weight)(message);
        });
    }

    fn on_event(_me: ReplicaId, event: &Event) {
        if let Event::Executed { slot, value, .. } = event {
            SEEN.with_borrow_mut(|seen| seen.slots.insert(*slot, weight(value)));
        }
    }
}

/// A world of large values, in which nothing is forgotten.
fn settings(n: usize, us_per_kb: Micros) -> WorldSettings {
    let mut settings = WorldSettings::calm(n);
    let config = &mut settings.config;
    (config.checkpoint_every, config.window) = (10_000, 20_000);
    settings.sizes.value_bytes = 60_000;
    settings.operations = 600;
    settings.clients = 4;
    settings.chaos_us = 60 * SECOND;
    settings.network.us_per_kb = us_per_kb;
    settings
}

/// Lets a world work while `away` hear nothing, ends all when everything is answered, and has all
/// come back. Says what was seen since then.
fn return_of_all(seed: u64, settings: WorldSettings, away: &[u16]) -> Seen {
    SEEN.take();
    let n = settings.config.n;
    let operations = settings.operations as usize;
    let mut world = World::new(&watched::<Message, Seen>(), seed, settings, true);
    let away: Vec<ReplicaId> = away.iter().map(|replica| ReplicaId(*replica)).collect();
    world.lose(move |_from, to, _message| away.contains(&to));
    while world.answered() < operations {
        assert!(!world.run_until(world.now() + 10 * MS), "seed {seed}");
    }
    let replicas = || (0..n as u16).map(ReplicaId);
    replicas().for_each(|replica| assert!(world.crash(replica)));
    world.lose_nothing();
    SEEN.with_borrow_mut(|seen| seen.crossing.clear());
    replicas().for_each(|replica| world.restart(replica));
    let front = SEEN.with_borrow(|seen| seen.slots.keys().next_back().unwrap().next());
    while replicas().any(|replica| world.executed(replica) < front) {
        assert!(!world.run_until(world.now() + 10 * MS), "seed {seed}");
        assert!(world.now() < 50 * SECOND, "seed {seed}: they do not come back");
    }
    // Whoever does not know that it is over says it again.
    assert!(!world.run_until(world.now() + 2 * SECOND), "seed {seed}");
    SEEN.take()
}

/// Accounts, votes, the gossip of two seconds, and the last slot or two, of which nobody had noted
/// that they are decided: of each replica.
const WORDS: usize = 50_000;

#[test]
fn a_return_of_all_carries_what_somebody_lacked_and_little_more() {
    for (n, away) in [(3, vec![2]), (3, vec![1]), (5, vec![1, 2]), (5, vec![3])] {
        for us_per_kb in [1, 20, 200] {
            for seed in 0..3 {
                let seen = return_of_all(seed, settings(n, us_per_kb), &away);
                let case = format!("{n} replicas without {away:?}, {us_per_kb} us/kB, seed {seed}");
                let (bytes, lacked) = (seen.bytes(), seen.lacked());
                println!("{case}: {bytes} of {lacked} {:?}", seen.crossing);
                assert!(lacked > 1_000_000, "{case}: {lacked}");
                assert!(bytes <= lacked / 10 * 12 + n * WORDS, "{case}: {bytes} for {lacked}");
            }
        }
    }
}

#[test]
fn a_return_of_all_to_whom_nothing_is_new_carries_words_only() {
    for n in [3, 5] {
        for seed in 0..3 {
            let seen = return_of_all(seed, settings(n, 1), &[]);
            let history: usize = seen.slots.values().sum();
            let (bytes, lacked) = (seen.bytes(), seen.lacked());
            println!("{n} replicas, seed {seed}: {bytes} of {lacked} {:?}", seen.crossing);
            assert!(history > 2_000_000, "{history}");
            assert!(bytes <= lacked / 10 * 12 + n * WORDS, "{n}, {seed}: {bytes} for {lacked}");
        }
    }
}
