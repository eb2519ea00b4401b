//! Kills and returns of replicas during a demo.

use std::str::FromStr;
use std::time::{Duration, Instant};

use super::load::LoadProgress;
use super::story::DemoStory;
use crate::cli::outcome::Failure;
use crate::hosts::embedded::Cluster;
use crate::model::types::ReplicaId;

/// When to kill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KillAt {
    Percent(u64),
    Request(u64),
}

impl FromStr for KillAt {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let at = match text.strip_suffix('%') {
            Some(percent) => percent.parse().ok().filter(|of| *of <= 100).map(Self::Percent),
            None => text.parse().ok().map(Self::Request),
        };
        at.ok_or_else(|| "expected a percentage such as 50%, or the number of a request".to_owned())
    }
}

/// Kills replicas and brings them back.
pub(super) struct DemoFaults {
    kill: usize,
    seed: u64,
    total: u64,
    stage: Stage,
}

enum Stage {
    /// Until so many requests are submitted.
    Calm {
        kill_at: u64,
    },
    /// These are dead, and return at this time or when so many requests are answered.
    Dead {
        killed: Vec<ReplicaId>,
        return_at: Instant,
        answered: u64,
    },
    Over,
}

impl DemoFaults {
    const AWAY: Duration = Duration::from_secs(1);

    pub fn new(at: KillAt, kill: usize, seed: u64, total: u64) -> Self {
        let kill_at = match at {
            KillAt::Percent(percent) => total / 100 * percent + total % 100 * percent / 100,
            KillAt::Request(request) => request.min(total),
        };
        let stage = if kill == 0 { Stage::Over } else { Stage::Calm { kill_at } };
        Self { kill, seed, total, stage }
    }

    /// How many requests are to be submitted before somebody is killed.
    pub fn kill_at(&self) -> Option<u64> {
        match self.stage {
            Stage::Calm { kill_at } => Some(kill_at),
            _ => None,
        }
    }

    /// Whether nothing more will happen.
    pub fn are_over(&self) -> bool {
        matches!(self.stage, Stage::Over)
    }

    /// Does what is due.
    pub fn step(
        &mut self,
        cluster: &mut Cluster,
        progress: LoadProgress,
        story: &mut DemoStory,
    ) -> Result<(), Failure> {
        match &self.stage {
            Stage::Calm { kill_at } if progress.submitted >= *kill_at => {
                let n = cluster.replicas();
                let victims = self.victims(cluster.leader().unwrap_or_default(), n);
                for victim in &victims {
                    story.killing(cluster, *victim);
                    cluster.kill(*victim);
                }
                let rest = self.total - progress.answered.min(self.total);
                self.stage = if n - victims.len() >= cluster.quorum() {
                    Stage::Dead {
                        killed: victims,
                        return_at: Instant::now() + Self::AWAY,
                        answered: progress.answered + rest.div_ceil(2),
                    }
                } else {
                    Stage::Over
                };
            }
            Stage::Dead { killed, return_at, answered }
                if Instant::now() >= *return_at || progress.answered >= *answered =>
            {
                for replica in killed {
                    cluster.restart(*replica)?;
                    cluster.look(*replica);
                    story.returned(*replica);
                }
                self.stage = Stage::Over;
            }
            _ => {}
        }
        Ok(())
    }

    /// The leader, or replica 0 where none leads, and after it those the seed chooses.
    fn victims(&self, leader: ReplicaId, n: usize) -> Vec<ReplicaId> {
        let mut others: Vec<ReplicaId> =
            (0..n as u16).map(ReplicaId).filter(|replica| *replica != leader).collect();
        let turned = (self.seed % others.len().max(1) as u64) as usize;
        others.rotate_left(turned);
        std::iter::once(leader).chain(others).take(self.kill).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_to_kill_is_a_percentage_or_a_request() {
        assert_eq!("50%".parse(), Ok(KillAt::Percent(50)));
        assert_eq!("1000".parse(), Ok(KillAt::Request(1000)));
        for wrong in ["", "%", "101%", "-1", "half"] {
            assert!(wrong.parse::<KillAt>().is_err(), "{wrong}");
        }
        let at = |at| DemoFaults::new(at, 1, 0, 190).kill_at();
        assert_eq!(at(KillAt::Percent(50)), Some(95));
        assert_eq!(at(KillAt::Request(900)), Some(190));
    }

    #[test]
    fn the_leader_is_killed_first_and_nobody_twice() {
        let faults = DemoFaults::new(KillAt::Percent(50), 5, 7, 10);
        let mut victims = faults.victims(ReplicaId(3), 5);
        assert_eq!(victims[0], ReplicaId(3));
        victims.sort();
        victims.dedup();
        assert_eq!(victims.len(), 5);
    }
}
