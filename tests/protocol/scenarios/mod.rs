//! Scripted misfortunes: what must hold when exactly this goes wrong. The swarm of seeds finds what
//! nobody thought of; these find again what somebody did. What every protocol must survive is
//! played with each of them.
//!
//! From the catalogue of cases: are in `links.rs` and `slowness.rs`, X-2 and X-4 in
//! `disks.rs`, X-3 and TA-a to TA-d in `view_changes.rs` (TA-b and TA-c are mutants). TA-e, three
//! idle partitions of four, has no counterpart: it asks that a merge of several logs is fed noops
//! by those with nothing to say, and here one log orders everything, so that nobody waits for a log
//! that is silent. MP-a to MP-c are in `elections.rs`; MP-d is about reads under a lease, and there is
//! none.
//!
//! The bugs of the earlier port: (a) a slot accepted by one committer only, (c) holes filled with
//! noops, (e) lost feedback: `view_changes.rs`; (b) a stale record, (f) only the highest number of
//! a client kept: mutants; (d) a checkpoint looked for on the own disk only: `disks.rs`.

mod checkpoints;
mod disks;
mod duels;
mod elections;
mod idleness;
mod links;
mod patience;
mod slowness;
mod topologies;
mod view_changes;

use taraflow::dataflows::tara;
use taraflow::hosts::simulation::{self, Micros, Stats, WorldSettings};
use taraflow::model::types::{ReplicaId, Slot};

use crate::spoken::{Spoken, whole};

/// A simulated cluster; one that speaks Tara, if no protocol is named.
type World<M = tara::Message> = simulation::World<M, <M as Spoken>::Record>;

const MS: Micros = 1_000;
const SECOND: Micros = 1_000 * MS;

/// A world of `n` replicas without faults but those of a script that takes `script_us`, and with
/// operations enough to last for it.
fn settings(n: usize, script_us: Micros, operations: u64) -> WorldSettings {
    let mut settings = WorldSettings::calm(n);
    settings.chaos_us = script_us;
    settings.operations = operations;
    settings
}

fn world<M: Spoken>(seed: u64, settings: WorldSettings) -> World<M> {
    World::new(&whole(), seed, settings, true)
}

/// Lets a world go on for a while; nothing may go wrong in it.
fn run<M: Spoken>(world: &mut World<M>, time: Micros) {
    world.run_until(world.now() + time);
}

/// Lets a world come to its end, at which everything is answered, and all replicas are equal.
fn end<M: Spoken>(mut world: World<M>, case: &str) -> Stats {
    let case = format!("{}: {case}", M::PROTOCOL.name);
    world.finish();
    let outcome = world.outcome();
    if let Some(violation) = outcome.violation {
        let last = outcome.trace.len().saturating_sub(40);
        panic!("{case}: {violation}\n{}", outcome.trace[last..].join("\n"));
    }
    assert!(outcome.stats.answered > 0, "{case}: nothing was answered");
    outcome.stats
}

/// The first slot that no replica has executed.
fn front<M: Spoken>(world: &World<M>, n: usize) -> Slot {
    replicas(n).map(|replica| world.executed(replica)).max().unwrap_or_default()
}

fn replicas(n: usize) -> impl Iterator<Item = ReplicaId> {
    (0..n as u16).map(ReplicaId)
}
