//! The nemesis: faults during a run, and their repair at its end.

use std::fmt::Debug;
use std::hash::Hash;

use super::events::SimEvent;
use super::faults::{Act, Micros};
use super::world::World;
use crate::engine::protocol::JournalRecord;
use crate::model::types::ReplicaId;

impl<M, R> World<M, R>
where
    M: Clone + Debug + Hash + 'static,
    R: JournalRecord,
{
    /// One act of the nemesis, and the time of the next.
    pub(super) fn nemesis(&mut self) {
        if self.healed {
            return;
        }
        let every = self.settings.nemesis_every_us;
        let next = self.now + every / 2 + self.random.below(every);
        self.queue.at(next, SimEvent::Nemesis);
        let total: u64 = self.settings.acts.iter().map(|(_, weight)| weight).sum();
        let mut at = self.random.below(total);
        let drawn = self.settings.acts.iter().find(|(_, weight)| {
            let here = at < *weight;
            at = at.saturating_sub(*weight);
            here
        });
        let Some(&(act, _)) = drawn else { return };
        let n = self.settings.config.n as u64;
        let victim = ReplicaId(self.random.below(n) as u16);
        let until = self.now + self.random.within(20_000..1_500_000);
        self.act(act, victim, until);
    }

    /// Does something to a replica, until a time where it lasts.
    pub fn act(&mut self, act: Act, victim: ReplicaId, until: Micros) {
        self.stats.acts += 1;
        self.trace.note(self.now, ("act", act as u8, victim, until), || {
            format!("nemesis: {act:?} {victim} until {:.6}", until as f64 / 1e6)
        });
        if let Some(recorder) = &mut self.recorder {
            recorder.on_act(act, victim, until);
        }
        let node = victim.0 as usize;
        match act {
            Act::Isolate => {
                self.links.cut(until, |from, to| from == victim || to == victim);
            }
            Act::Mute => self.links.cut(until, |from, _| from == victim),
            Act::Deafen => self.links.cut(until, |_, to| to == victim),
            Act::Star => self.links.cut(until, |from, to| from != victim && to != victim),
            Act::CutSome => {
                let random = &mut self.random;
                self.links.cut(until, |_, _| random.chance(400_000));
            }
            Act::Pause => self.nodes[node].paused_until = until,
            Act::SlowDisk => self.nodes[node].slow_until = until,
            Act::FullDisk => {
                self.nodes[node].disk.set_full(true);
                self.queue.at(until, SimEvent::Room { at: victim });
            }
            Act::FailSync => self.nodes[node].disk.fail_next_sync(),
            Act::DieInside => self.nodes[node].disk.die_after(until % 12),
            Act::ClockJump => {
                let clock = &mut self.nodes[node].clock_us;
                let by = until - self.now;
                *clock =
                    if until.is_multiple_of(2) { *clock + by } else { clock.saturating_sub(by) };
            }
            Act::Crash => self.crash_until(victim, until),
            Act::CrashAll => {
                for replica in 0..self.settings.config.n as u16 {
                    let back = self.now + self.random.within(1_000..600_000);
                    self.crash_until(ReplicaId(replica), back);
                }
            }
            Act::Rot if self.may_damage(victim) => {
                self.crash_until(victim, until);
                self.rot(victim);
            }
            Act::Harm if self.may_damage(victim) => self.harm(victim, until),
            Act::Rot | Act::Harm => {}
        }
    }

    fn crash_until(&mut self, victim: ReplicaId, until: Micros) {
        if self.crash(victim) {
            self.queue.at(until, SimEvent::Start { at: victim });
        }
    }

    /// Disks of `f` replicas at the most are damaged, once each.
    fn may_damage(&self, victim: ReplicaId) -> bool {
        let damaged = self.nodes.iter().filter(|node| node.rotten).count();
        !self.nodes[victim.0 as usize].rotten && damaged < self.settings.config.f()
    }

    fn rot(&mut self, victim: ReplicaId) {
        let node = &mut self.nodes[victim.0 as usize];
        if node.node.is_none() {
            node.rotten = node.disk.rot(&mut self.random).is_some();
        }
    }

    /// Kills a process, and does harm to a file it has left.
    fn harm(&mut self, victim: ReplicaId, until: Micros) {
        if !self.kill(victim) {
            return;
        }
        self.queue.at(until, SimEvent::Start { at: victim });
        let other = self.random.below(self.nodes.len() as u64) as usize;
        let other = self.nodes[other].disk.clone();
        let node = &mut self.nodes[victim.0 as usize];
        if let Some(what) = node.disk.harm(&mut self.random, &other) {
            node.rotten = true;
            self.stats.harmed += 1;
            self.trace.note(self.now, ("harm", &what), || format!("nemesis: {victim} {what}"));
        }
    }

    /// Nothing goes wrong any more, and all that can start does.
    pub fn heal(&mut self) {
        self.healed = true;
        self.links.heal();
        self.trace.note(self.now, "heal", || "all is healed".to_owned());
        if let Some(recorder) = &mut self.recorder {
            recorder.on_heal();
        }
        for replica in 0..self.nodes.len() {
            let node = &mut self.nodes[replica];
            node.paused_until = 0;
            node.slow_until = 0;
            node.disk.set_full(false);
            let at = ReplicaId(replica as u16);
            if node.node.is_none() {
                self.queue.at(self.now + 1, SimEvent::Start { at });
            } else {
                self.wake(at);
            }
        }
    }
}
