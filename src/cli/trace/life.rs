//! Life of a slot, step by step, as all replicas together saw it.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::cli::output::words::span;
use crate::model::types::ReplicaId;
use crate::observe::frame::SlotLife;

/// Something that happened to a slot on a replica.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct SlotStep {
    pub stage: SlotStage,
    /// Where.
    pub replica: ReplicaId,
    /// When, by that replica's clock, in microseconds from the first step.
    pub at_us: i64,
    /// When, and where, that happened which it had to wait for.
    pub since: Option<Since>,
    /// The replica whose vote it was, if one was heard.
    pub voter: Option<ReplicaId>,
}

/// When and where a step began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Since {
    pub replica: ReplicaId,
    pub at_us: i64,
}

/// The stages of a slot's life, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum SlotStage {
    /// The requests were packed, where their clients are.
    Packed,
    /// A replica proposed them.
    Proposed,
    /// The proposal arrived.
    Arrived,
    /// The replica's vote left, for which it had to be on the disk.
    Voted,
    /// A vote arrived.
    Heard,
    /// With the votes heard there it is decided.
    Decided,
    /// It was executed.
    Executed,
}

/// All steps of a slot, sorted by stage.
pub(super) fn steps(lives: &BTreeMap<ReplicaId, SlotLife>) -> Vec<SlotStep> {
    let on =
        |replica: ReplicaId, at: Option<u64>| Some(Since { replica, at_us: at?.cast_signed() });
    let latest = lives.values().max_by_key(|life| (life.view, life.proposer));
    let proposer = latest.and_then(|life| life.proposer);
    let packed = lives.iter().find_map(|(replica, life)| on(*replica, life.packed_at));
    let proposed = proposer.and_then(|proposer| on(proposer, lives.get(&proposer)?.proposed_at));
    let mut steps: Vec<SlotStep> = Vec::new();
    let mut add = |stage, at: Option<Since>, since, voter| {
        steps.extend(at.map(|Since { replica, at_us }| SlotStep {
            stage,
            replica,
            at_us,
            since,
            voter,
        }));
    };
    add(SlotStage::Packed, packed, None, None);
    for (&replica, life) in lives {
        let arrived = on(replica, life.proposed_at);
        let decided = on(replica, life.decided_at);
        if Some(replica) == proposer {
            add(SlotStage::Proposed, arrived, packed, None);
        } else {
            add(SlotStage::Arrived, arrived, proposed, None);
        }
        add(SlotStage::Voted, on(replica, life.voted_at), arrived, None);
        for (voter, at) in &life.votes {
            let left = lives.get(voter).and_then(|life| on(*voter, life.voted_at));
            add(SlotStage::Heard, on(replica, Some(*at)), left, Some(*voter));
        }
        add(SlotStage::Decided, decided, arrived, None);
        add(SlotStage::Executed, on(replica, life.executed_at), decided.or(arrived), None);
    }
    let first = packed.or(proposed).map(|first| first.at_us);
    let first = first.or_else(|| steps.iter().map(|step| step.at_us).min()).unwrap_or(0);
    for step in &mut steps {
        step.at_us = step.at_us.saturating_sub(first);
        if let Some(since) = &mut step.since {
            since.at_us = since.at_us.saturating_sub(first);
        }
    }
    steps.sort_by_key(|step| (step.stage, step.replica, step.at_us));
    steps
}

impl SlotStep {
    /// How long it took, if that is known. Between two machines less than nothing is possible, by their
    /// clocks.
    pub fn took_us(&self) -> Option<i64> {
        Some(self.at_us - self.since?.at_us)
    }
}

/// What must be said about clocks: who seems to have done something before it could.
pub(super) fn skew(steps: &[SlotStep]) -> Vec<String> {
    let mut least: BTreeMap<(ReplicaId, ReplicaId), i64> = BTreeMap::new();
    for step in steps {
        let (Some(since), Some(took)) = (step.since, step.took_us()) else { continue };
        if since.replica != step.replica && took < 0 {
            let worst = least.entry((since.replica, step.replica)).or_default();
            *worst = took.min(*worst);
        }
    }
    let say = |((sender, heard), took): ((ReplicaId, ReplicaId), i64)| {
        let by = span(took.unsigned_abs());
        format!(
            "by their clocks replica {heard} received a message of replica {sender} {by} before it was sent"
        )
    };
    least.into_iter().map(say).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::inspect::example;

    fn lives() -> BTreeMap<ReplicaId, SlotLife> {
        (0..3).map(|replica| (ReplicaId(replica), example::life(replica, 7))).collect()
    }

    /// Stage, replica, time and how long it took.
    fn told(steps: &[SlotStep], stage: SlotStage) -> Vec<(u16, i64, Option<i64>)> {
        let steps = steps.iter().filter(|step| step.stage == stage);
        steps.map(|step| (step.replica.0, step.at_us, step.took_us())).collect()
    }

    #[test]
    fn each_step_is_told_with_what_it_waited_for() {
        // View 4 of three replicas is led by replica 1, whose clients asked.
        let steps = steps(&lives());

        assert_eq!(told(&steps, SlotStage::Packed), [(1, 0, None)]);
        assert_eq!(told(&steps, SlotStage::Proposed), [(1, 210, Some(210))]);
        assert_eq!(told(&steps, SlotStage::Arrived), [(0, 200, Some(-10)), (2, 220, Some(10))]);
        assert_eq!(
            told(&steps, SlotStage::Voted),
            [(0, 500, Some(300)), (1, 510, Some(300)), (2, 520, Some(300))]
        );
        assert_eq!(told(&steps, SlotStage::Heard).len(), 9);
        assert_eq!(told(&steps, SlotStage::Decided)[0], (0, 700, Some(500)));
        assert_eq!(told(&steps, SlotStage::Executed)[2], (2, 900, Some(200)));
    }

    #[test]
    fn a_clock_that_is_behind_is_told_and_not_hidden() {
        assert_eq!(
            skew(&steps(&lives())),
            ["by their clocks replica 0 received a message of replica 1 10 us before it was sent"]
        );
    }

    #[test]
    fn a_replica_that_fetched_the_slot_has_no_votes_and_no_proposal() {
        let mut lives = lives();
        let fetched = lives.get_mut(&ReplicaId(2)).unwrap();
        fetched.votes.clear();
        (fetched.proposed_at, fetched.voted_at, fetched.decided_at) = (None, None, None);

        let steps = steps(&lives);

        let of_it: Vec<_> = steps.iter().filter(|step| step.replica == ReplicaId(2)).collect();
        assert_eq!(of_it.len(), 1);
        assert_eq!((of_it[0].stage, of_it[0].took_us()), (SlotStage::Executed, None));
    }

    #[test]
    fn without_the_replica_that_packed_it_time_begins_with_the_proposal() {
        let mut lives = lives();
        lives.get_mut(&ReplicaId(1)).unwrap().packed_at = None;

        assert_eq!(told(&steps(&lives), SlotStage::Proposed), [(1, 0, None)]);
    }
}
