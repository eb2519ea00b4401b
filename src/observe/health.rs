//! The health of a replica by its own word: reasons why it is not ready.

use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::report::{HostReport, present};
use crate::engine::activity::Stuck;
use crate::model::config::Config;
use crate::model::types::{Millis, Slot};

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
    #[must_use]
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
    #[must_use]
    pub fn of(config: &Config) -> Self {
        Self {
            live_within: Duration::from_secs(10),
            ready_within: Duration::from_secs(2),
            heard_within_ms: config.present_ms(),
            lag_max: config.checkpoint_every,
        }
    }

    /// Whether the worker has moved lately. One that has not begun is no worker that hangs.
    #[must_use]
    pub fn is_alive(&self, report: Option<&HostReport>, now: Instant) -> bool {
        report.is_none_or(|report| now.saturating_duration_since(report.at) <= self.live_within)
    }

    /// All that keeps a replica from being of use; nothing if it is ready.
    #[must_use]
    pub fn reasons(&self, report: Option<&HostReport>, now: Instant) -> Vec<Reason> {
        let Some(report) = report else {
            return vec![Reason { code: Code::Starting, text: STARTING.to_owned() }];
        };
        let mut reasons = Vec::new();
        let mut add = |holds: bool, code: Code, text: String| {
            if holds {
                reasons.push(Reason { code, text });
            }
        };
        let silent = now.saturating_duration_since(report.at);
        let text = report.stuck.as_ref().map_or_else(
            || format!("its worker has not moved for {:.1} s", silent.as_secs_f64()),
            Stuck::to_string,
        );
        add(silent > self.ready_within || report.stuck.is_some(), Code::Silent, text);
        let heard = present(&report.heard_at, report.now, self.heard_within_ms);
        let needed = report.quorum;
        let text = format!("it hears {} of the {} other replicas", heard - 1, report.n - 1);
        // Others have as long as a peer may be silent to be heard for the first time.
        let begins = report.up_for.as_millis() as u64 <= self.heard_within_ms;
        let (code, text) = if begins {
            (Code::Starting, format!("it has just started: {text} so far"))
        } else {
            (Code::NoQuorum, format!("{text}, and {} are needed", needed - 1))
        };
        add(heard < needed, code, text);
        let behind = lag(report);
        let text = format!("it is {behind} slots behind, and up to {} are usual", self.lag_max);
        add(behind > self.lag_max, Code::Behind, text);
        let state = if report.full { "full" } else { "slow" };
        add(report.fenced, Code::Fenced, format!("it waits for its disk, which is {state}"));
        add(report.draining, Code::Draining, "it is stopping".to_owned());
        reasons
    }
}

/// Slots by which the peer that is furthest was ahead when it last said so.
#[must_use]
pub fn lag(report: &HostReport) -> u64 {
    let furthest = report.executed_by.values().max().copied().unwrap_or(Slot(0));
    furthest.0.saturating_sub(report.status.executed.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::types::ReplicaId;

    fn limits() -> HealthLimits {
        HealthLimits::of(&Config::new(ReplicaId(0), 3))
    }

    fn codes(report: &HostReport) -> Vec<Code> {
        limits().reasons(Some(report), report.at).iter().map(|reason| reason.code).collect()
    }

    #[test]
    fn a_replica_that_hears_one_of_two_others_is_ready() {
        let mut report = HostReport::example();
        report.heard_at = [(ReplicaId(1), report.now)].into();

        assert_eq!(codes(&report), []);
    }

    #[test]
    fn a_replica_that_has_heard_nobody_lately_has_no_quorum() {
        let mut report = HostReport::example();
        report.up_for = Duration::from_secs(60);
        let long_ago = report.now - 1_001;
        report.heard_at = [(ReplicaId(1), long_ago), (ReplicaId(2), long_ago)].into();

        assert_eq!(codes(&report), [Code::NoQuorum]);
    }

    #[test]
    fn a_replica_that_has_just_started_may_not_have_heard_anybody_yet() {
        let mut report = HostReport::example();
        (report.heard_at, report.up_for) = (Default::default(), Duration::from_millis(300));

        assert_eq!(codes(&report), [Code::Starting]);
        report.up_for = Duration::from_secs(2);
        assert_eq!(codes(&report), [Code::NoQuorum]);
    }

    #[test]
    fn a_replica_is_behind_only_when_a_checkpoint_may_be_needed() {
        let (mut report, most) = (HostReport::example(), limits().lag_max);
        report.status.executed = Slot(10);

        report.executed_by = [(ReplicaId(1), Slot(5)), (ReplicaId(2), Slot(10 + most))].into();
        assert_eq!((lag(&report), codes(&report)), (most, vec![]));

        report.executed_by = [(ReplicaId(2), Slot(11 + most))].into();
        assert_eq!((lag(&report), codes(&report)), (most + 1, vec![Code::Behind]));
    }

    #[test]
    fn all_reasons_are_named_at_once() {
        let report = HostReport { fenced: true, draining: true, ..HostReport::example() };

        assert_eq!(codes(&report), [Code::Fenced, Code::Draining]);
    }

    #[test]
    fn a_worker_that_hangs_is_first_not_ready_and_then_not_alive() {
        let (report, limits) = (HostReport::example(), limits());
        let after = |seconds| report.at + Duration::from_secs(seconds);
        let ready = |seconds| limits.reasons(Some(&report), after(seconds)).is_empty();
        let alive = |seconds| limits.is_alive(Some(&report), after(seconds));

        assert_eq!((ready(1), alive(1)), (true, true));
        assert_eq!((ready(3), alive(3)), (false, true));
        assert_eq!((ready(11), alive(11)), (false, false));
    }

    #[test]
    fn a_replica_that_reads_its_disk_is_alive_and_not_ready() {
        let (limits, now) = (limits(), Instant::now());

        assert!(limits.is_alive(None, now));
        assert_eq!(limits.reasons(None, now)[0].code, Code::Starting);
    }
}
