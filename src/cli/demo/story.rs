//! Events of a demo, told on standard error as they happen.

use std::collections::BTreeSet;
use std::time::Instant;

use crossbeam_channel::Receiver;
use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use crate::hosts::embedded::{Cluster, Seen};
use crate::model::events::Event;
use crate::model::types::{ReplicaId, View};

/// Tells the story of a run.
pub(super) struct DemoStory {
    seen: Receiver<Seen>,
    bar: ProgressBar,
    /// Suspicions told.
    suspected: BTreeSet<(ReplicaId, View)>,
    /// Replicas that have returned, and not yet said where they stand.
    returned: Vec<ReplicaId>,
    /// Replicas that have yet to catch up, since when, and with how far.
    behind: Vec<(ReplicaId, Instant, u64)>,
}

impl DemoStory {
    const TEMPLATE: &str = "{bar:32} {human_pos}/{human_len} requests, {rate}/s, {elapsed}";

    pub fn new(seen: Receiver<Seen>, total: u64) -> Self {
        // Hidden where standard error is no terminal.
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template(Self::TEMPLATE) {
            let rate = |state: &ProgressState, out: &mut dyn std::fmt::Write| {
                // A string takes all that is written.
                let _ = write!(out, "{}", HumanCount(state.per_sec() as u64));
            };
            bar.set_style(style.with_key("rate", rate));
        }
        let (suspected, returned, behind) = (BTreeSet::new(), Vec::new(), Vec::new());
        Self { seen, bar, suspected, returned, behind }
    }

    fn say(&self, at: std::time::Duration, text: &str) {
        let line = format!("[{:7.3} s] {text}", at.as_secs_f64());
        if self.bar.is_hidden() {
            say!("{line}");
        } else {
            self.bar.println(line);
        }
    }

    /// Tells what has happened since it was last asked to.
    pub fn tell(&mut self, cluster: &Cluster, answered: u64) {
        self.bar.set_position(answered);
        while let Ok(Seen { replica, at, event }) = self.seen.try_recv() {
            if let Some(text) = self.line(replica, &event) {
                self.say(at, &format!("replica {replica} {text}"));
            }
        }
        let returned = std::mem::take(&mut self.returned);
        for replica in returned {
            self.welcome(cluster, replica);
        }
        let behind = std::mem::take(&mut self.behind);
        for (replica, since, goal) in behind {
            if cluster.status(replica).executed.0 < goal {
                self.behind.push((replica, since, goal));
                continue;
            }
            let took = since.elapsed().as_secs_f64() * 1e3;
            self.say(cluster.elapsed(), &format!("replica {replica} caught up in {took:.0} ms"));
        }
    }

    fn line(&mut self, replica: ReplicaId, event: &Event) -> Option<String> {
        match event {
            Event::Suspected { of, view, .. } => {
                let new = self.suspected.insert((replica, *view));
                new.then(|| format!("suspects the leader of view {of}"))
            }
            // That there is a leader to begin with is no news.
            Event::Leads { view, .. } if *view == View(0) => None,
            Event::Leads { view, base, recovered } => Some(format!(
                "leads view {view} from slot {base}, {recovered} {} recovered",
                if *recovered == 1 { "slot" } else { "slots" }
            )),
            Event::Installed { slot } => {
                Some(format!("installed a checkpoint of all slots below {slot}"))
            }
            Event::Diverged { slot, replica } => {
                Some(format!("found another state at slot {slot} in replica {replica}"))
            }
            _ => None,
        }
    }

    /// A replica is about to be killed.
    pub fn killing(&mut self, cluster: &Cluster, victim: ReplicaId) {
        let status = cluster.status(victim);
        let role = match cluster.leader() {
            Some(leader) if leader == victim => "the leader",
            Some(_) => "a follower",
            None => "a replica",
        };
        let (view, slot) = (status.view, status.executed);
        let text = format!("replica {victim}, {role} of view {view}, killed at slot {slot}");
        self.say(cluster.elapsed(), &text);
    }

    /// A replica has been started again.
    pub fn returned(&mut self, replica: ReplicaId) {
        self.returned.push(replica);
    }

    fn welcome(&mut self, cluster: &Cluster, replica: ReplicaId) {
        let status = cluster.status(replica);
        let Some((slot, _)) = status.digest else {
            self.returned.push(replica);
            return;
        };
        let all = (0..cluster.replicas() as u16).map(|other| cluster.status(ReplicaId(other)));
        let furthest = all.map(|status| status.executed).max().unwrap_or_default();
        let behind = furthest.0.saturating_sub(slot.0);
        let text = format!("replica {replica} is back at slot {slot}, {behind} slots behind");
        self.say(cluster.elapsed(), &text);
        self.behind.push((replica, Instant::now(), furthest.0));
    }

    /// Nothing more is to come.
    pub fn end(&mut self, cluster: &Cluster) {
        self.tell(cluster, self.bar.position());
        self.bar.finish_and_clear();
    }
}
