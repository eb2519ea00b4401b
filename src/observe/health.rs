//! The health of a replica by its own word: reasons why it is not ready.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::status::{Link, ReplicaStatus};
use crate::engine::activity::Stuck;
use crate::model::config::Config;
use crate::model::types::Millis;

/// What is said of a replica whose process runs and has shown nothing yet.
pub const STARTING: &str = "it is starting: it reads its disk";

/// Something that keeps a replica from being of full use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reason {
    /// Which kind.
    pub code: Code,
    /// In words.
    pub text: String,
}

/// The kinds of reasons.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// It reads its disk.
    Starting,
    /// Its worker has not moved for some time.
    Silent,
    /// It does not hear enough others.
    NoQuorum,
    /// It has much to catch up on.
    Behind,
    /// It waits for its disk, full or slow.
    Fenced,
    /// It has been told to end.
    Draining,
    /// It is of full use, and the cluster does not answer requests.
    ClusterDown,
    /// A later version's.
    #[serde(other)]
    Other,
}

impl Code {
    /// Whether a replica with this reason can still vote.
    pub fn allows_votes(self) -> bool {
        matches!(self, Self::Behind | Self::ClusterDown | Self::Other)
    }
}

/// What is too long, and too far.
#[derive(Clone, Debug)]
pub struct HealthLimits {
    /// How long a worker may do one thing. Cutting a large checkpoint is one.
    pub live_within: Duration,
    /// How long a worker may be silent before the replica is of no use for now.
    pub ready_within: Duration,
    /// How long ago a peer may have been heard to count.
    pub heard_within_ms: Millis,
    /// How many slots a replica may be behind. Further back its peers may have forgotten them, and
    /// it needs a checkpoint.
    pub lag_max: u64,
}

impl HealthLimits {
    /// Those for a replica with these settings.
    pub fn of(config: &Config) -> Self {
        Self {
            live_within: Duration::from_secs(10),
            ready_within: Duration::from_secs(2),
            heard_within_ms: config.present_ms(),
            lag_max: config.checkpoint_every,
        }
    }

    /// Whether a worker that has not moved for so long still works.
    pub fn is_alive(&self, silent: Duration) -> bool {
        silent <= self.live_within
    }

    /// All that keeps a replica from being of use, which stood like this so long ago; nothing if it
    /// is ready.
    pub fn reasons(&self, status: &ReplicaStatus, silent: Duration) -> Vec<Reason> {
        let mut reasons = Vec::new();
        let mut add = |holds: bool, code: Code, text: String| {
            if holds {
                reasons.push(Reason { code, text });
            }
        };
        let text = status.stuck.as_ref().map_or_else(
            || format!("its worker has not moved for {:.1} s", silent.as_secs_f64()),
            Stuck::to_string,
        );
        add(silent > self.ready_within || status.stuck.is_some(), Code::Silent, text);
        let (n, needed) = (status.n, status.quorum);
        let heard = |link: &&Link| link.heard_ms_ago.is_some_and(|ago| ago <= self.heard_within_ms);
        let heard = status.links.iter().filter(heard).count();
        let text = format!("it hears {heard} of the {} other replicas", n - 1);
        // Others have as long as a peer may be silent to be heard for the first time.
        let (code, text) = if status.up_ms <= self.heard_within_ms {
            (Code::Starting, format!("it has just started: {text} so far"))
        } else {
            (Code::NoQuorum, format!("{text}, and {} are needed", needed - 1))
        };
        add(heard + 1 < needed, code, text);
        let (behind, most) = (status.lag, self.lag_max);
        let text = format!("it is {behind} slots behind, and up to {most} are usual");
        add(behind > most, Code::Behind, text);
        let full = status.disk.as_ref().is_some_and(|disk| disk.full);
        let state = if full { "full" } else { "slow" };
        add(status.fenced, Code::Fenced, format!("it waits for its disk, which is {state}"));
        add(status.draining, Code::Draining, "it is stopping".to_owned());
        reasons
    }
}

impl Reason {
    /// That a replica has not shown anything yet.
    pub fn starting() -> Self {
        Self { code: Code::Starting, text: STARTING.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::types::{ReplicaId, Slot};
    use crate::observe::counters::Status;

    fn limits() -> HealthLimits {
        HealthLimits::of(&Config::new(ReplicaId(0), 3))
    }

    /// Replica 0 of three that hear each other.
    fn example() -> ReplicaStatus {
        let heard = |peer| Link { heard_ms_ago: Some(0), ..Link::to(ReplicaId(peer)) };
        ReplicaStatus { links: [1, 2].map(heard).to_vec(), ..ReplicaStatus::example() }
    }

    fn codes(status: &ReplicaStatus) -> Vec<Code> {
        let reasons = limits().reasons(status, Duration::ZERO);
        reasons.iter().map(|reason| reason.code).collect()
    }

    #[test]
    fn a_replica_that_hears_one_of_two_others_is_ready() {
        let mut status = example();
        status.links[1].heard_ms_ago = None;

        assert_eq!(codes(&status), []);
    }

    #[test]
    fn a_replica_that_has_heard_nobody_lately_has_no_quorum() {
        let mut status = example();
        status.up_ms = 60_000;
        status.links.iter_mut().for_each(|link| link.heard_ms_ago = Some(1_001));

        assert_eq!(codes(&status), [Code::NoQuorum]);
    }

    #[test]
    fn a_replica_that_has_just_started_may_not_have_heard_anybody_yet() {
        let mut status = example();
        (status.links, status.up_ms) = (Vec::new(), 300);

        assert_eq!(codes(&status), [Code::Starting]);
        status.up_ms = 2_000;
        assert_eq!(codes(&status), [Code::NoQuorum]);
    }

    #[test]
    fn a_replica_is_behind_only_when_a_checkpoint_may_be_needed() {
        let most = limits().lag_max;
        let counters = Status { executed: Slot(10), ..Status::default() };
        let behind = |slots: [u64; 2]| {
            let mut links = example().links;
            for (link, slot) in links.iter_mut().zip(slots) {
                link.peer_executed = Some(Slot(slot));
            }
            let status = example().with(&counters, links);
            (status.lag, codes(&status))
        };

        assert_eq!(behind([5, 10 + most]), (most, vec![]));
        assert_eq!(behind([0, 11 + most]), (most + 1, vec![Code::Behind]));
    }

    #[test]
    fn all_reasons_are_named_at_once() {
        let status = ReplicaStatus { fenced: true, draining: true, ..example() };

        assert_eq!(codes(&status), [Code::Fenced, Code::Draining]);
    }

    #[test]
    fn a_worker_that_hangs_is_first_not_ready_and_then_not_alive() {
        let (status, limits) = (example(), limits());
        let ready = |seconds| limits.reasons(&status, Duration::from_secs(seconds)).is_empty();
        let alive = |seconds| limits.is_alive(Duration::from_secs(seconds));

        assert_eq!((ready(1), alive(1)), (true, true));
        assert_eq!((ready(3), alive(3)), (false, true));
        assert_eq!((ready(11), alive(11)), (false, false));
    }
}
