//! The faults of a run, drawn from a seed, and their repair.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use taraflow::hosts::simulation::Random;

use crate::support::nodes::{Nodes, REPLICAS};
use crate::support::proxy::{Condition, Mishap};
use crate::support::shim::Shim;

/// Owns what has gone wrong and is not put right.
pub struct Nemesis {
    random: Random,
    next: Instant,
    /// When each replica that is down starts, and each that is paused goes on.
    down_until: BTreeMap<usize, Instant>,
    paused_until: BTreeMap<usize, Instant>,
    /// Those that are down as soon as they have done what they were told to: to end in order.
    ending: BTreeSet<usize>,
    /// The disks that replicas get when they return, where there is a compiler to make them.
    shim: Option<Shim>,
    /// Those on a disk one of whose syncs will fail, and when those without room have some again.
    failing: BTreeSet<usize>,
    full_until: BTreeMap<usize, Instant>,
    /// When each link is sound again.
    sound_at: BTreeMap<usize, Instant>,
    began: Instant,
    /// How often each kind of thing has gone wrong.
    pub acts: BTreeMap<&'static str, u64>,
}

impl Nemesis {
    /// The nemesis of a seed.
    pub fn of(seed: u64) -> Self {
        Self {
            random: Random::new(seed),
            next: Instant::now(),
            down_until: BTreeMap::new(),
            paused_until: BTreeMap::new(),
            ending: BTreeSet::new(),
            shim: Shim::build(),
            failing: BTreeSet::new(),
            full_until: BTreeMap::new(),
            sound_at: BTreeMap::new(),
            began: Instant::now(),
            acts: BTreeMap::new(),
        }
    }

    /// Puts right what has lasted long enough, and does the next thing when its time has come.
    pub fn step(&mut self, nodes: &mut Nodes) {
        let now = Instant::now();
        self.mend(nodes, |until| until <= now);
        for index in 0..REPLICAS {
            if let Some(status) = nodes.has_ended(index) {
                self.note_end(nodes, index, status, now);
            }
        }
        if now >= self.next {
            self.next = now + self.within(150..900);
            let until = now + self.within(50..1500);
            self.act(nodes, until);
        }
    }

    /// A replica ends in order when it is told to, and with a code of its own when its disk fails.
    fn note_end(&mut self, nodes: &mut Nodes, index: usize, status: ExitStatus, now: Instant) {
        const DISK: Option<i32> = Some(8);
        nodes.wait(index);
        let was_told = self.ending.remove(&index);
        let has_bad_disk = self.failing.contains(&index) || self.full_until.contains_key(&index);
        if has_bad_disk && status.code() == DISK {
            let until = now + self.within(50..500);
            self.down_until.entry(index).or_insert(until);
            self.paused_until.remove(&index);
            *self.acts.entry("disk failed").or_default() += 1;
            return;
        }
        assert!(was_told, "replica {index} ended by itself: {status}");
        assert!(status.success(), "replica {index} was told to end: {status}");
    }

    /// Puts everything right, and all replicas on disks that work.
    pub fn heal(&mut self, nodes: &mut Nodes) {
        self.mend(nodes, |_| true);
        for index in std::mem::take(&mut self.ending) {
            let status = nodes.wait(index);
            assert!(status.success() || self.failing.contains(&index), "{status}");
        }
        for index in std::mem::take(&mut self.failing) {
            if nodes.runs(index) {
                nodes.kill(index);
            }
            self.down_until.insert(index, Instant::now());
        }
        for (index, _) in std::mem::take(&mut self.down_until) {
            nodes.start(index);
        }
    }

    /// Starts a replica that was down, and one of three on a disk that will fail.
    fn bring_back(&mut self, nodes: &mut Nodes, index: usize) {
        self.failing.remove(&index);
        let Some(shim) = &self.shim else { return nodes.start(index) };
        let count = (self.random.below(3) == 0).then(|| self.random.within(1..300));
        self.failing.extend(count.map(|_| index));
        shim.start(nodes, index, count);
    }

    /// Leaves a replica's disk without room for a while.
    fn fill(&mut self, victim: usize, until: Instant) -> &'static str {
        let Some(shim) = &self.shim else { return "nothing" };
        shim.fill(victim, true);
        self.full_until.insert(victim, until);
        "disk full"
    }

    fn within(&mut self, range: std::ops::Range<u64>) -> Duration {
        Duration::from_millis(self.random.within(range))
    }

    fn mend(&mut self, nodes: &mut Nodes, is_over: impl Fn(Instant) -> bool) {
        for (index, _) in self.paused_until.extract_if(.., |_, until| is_over(*until)) {
            nodes.signal(index, Signal::CONT);
        }
        let ending = &self.ending;
        let is_back =
            |index: &usize, until: &mut Instant| is_over(*until) && !ending.contains(index);
        let back: Vec<_> = self.down_until.extract_if(.., is_back).collect();
        for (index, _) in back {
            self.bring_back(nodes, index);
        }
        for (index, _) in self.full_until.extract_if(.., |_, until| is_over(*until)) {
            self.shim.iter().for_each(|shim| shim.fill(index, false));
        }
        for (link, _) in self.sound_at.extract_if(.., |_, until| is_over(*until)) {
            nodes.proxies()[link].set(Condition::Sound);
        }
    }

    fn act(&mut self, nodes: &mut Nodes, until: Instant) {
        let victim = self.random.below(REPLICAS as u64) as usize;
        let links = nodes.proxies().len();
        let link = self.random.below(links as u64) as usize;
        let condition = match self.random.below(4) {
            0 => Condition::Slow(self.within(1..80)),
            1 => Condition::Stuck,
            2 => Condition::Lossy,
            _ => Condition::Cut,
        };
        let between = |nodes: &Nodes, is_hit: &dyn Fn(usize, usize) -> bool| -> Vec<usize> {
            let proxies = nodes.proxies().iter().enumerate();
            proxies.filter(|(_, each)| is_hit(each.from, each.to)).map(|(at, _)| at).collect()
        };
        let act = match self.random.below(14) {
            0..=1 => self.take_down(nodes, victim, until, Signal::KILL),
            2 => self.take_down(nodes, victim, until, Signal::TERM),
            3 => {
                for index in 0..REPLICAS {
                    self.take_down(nodes, index, until, Signal::KILL);
                }
                "all killed"
            }
            4..=5 => self.pause(nodes, victim, until),
            6 => {
                let hit = between(nodes, &|from, to| from == victim || to == victim);
                self.disturb(nodes, &hit, condition, until, "isolated")
            }
            7 => {
                let hit = between(nodes, &|from, _| from == victim);
                self.disturb(nodes, &hit, condition, until, "mute")
            }
            8 => {
                let hit = between(nodes, &|_, to| to == victim);
                self.disturb(nodes, &hit, condition, until, "deaf")
            }
            9 => self.disturb(nodes, &[link], condition, until, "link"),
            10..=11 => self.fill(victim, until),
            _ => {
                let mishap = *self.random.pick(&[Mishap::Flip, Mishap::Close, Mishap::HalfOpen]);
                nodes.proxies()[link].strike(mishap);
                "mishap"
            }
        };
        let lasts = until.saturating_duration_since(Instant::now()).as_millis();
        let at = self.began.elapsed().as_secs_f64();
        eprintln!("[{at:.3} s] {act}: replica {victim}, link {link}, {condition:?}, {lasts} ms");
        *self.acts.entry(act).or_default() += 1;
    }

    fn disturb(
        &mut self,
        nodes: &Nodes,
        links: &[usize],
        condition: Condition,
        until: Instant,
        act: &'static str,
    ) -> &'static str {
        for &link in links {
            nodes.proxies()[link].set(condition);
            self.sound_at.insert(link, until);
        }
        act
    }

    fn pause(&mut self, nodes: &Nodes, victim: usize, until: Instant) -> &'static str {
        if !nodes.runs(victim) || self.ending.contains(&victim) {
            return "nothing";
        }
        nodes.signal(victim, Signal::STOP);
        self.paused_until.insert(victim, until);
        "paused"
    }

    fn take_down(
        &mut self,
        nodes: &mut Nodes,
        victim: usize,
        until: Instant,
        signal: Signal,
    ) -> &'static str {
        // One that is paused would not hear of it, and one that has been told twice ends at once.
        let is_deaf = self.paused_until.contains_key(&victim) || self.ending.contains(&victim);
        if !nodes.runs(victim) || (signal == Signal::TERM && is_deaf) {
            return "nothing";
        }
        self.paused_until.remove(&victim);
        self.down_until.insert(victim, until);
        if signal == Signal::KILL {
            nodes.kill(victim);
            self.ending.remove(&victim);
            return "killed";
        }
        nodes.signal(victim, signal);
        self.ending.insert(victim);
        "ended"
    }
}
