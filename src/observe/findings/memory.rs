//! Findings about states that are near the limit of their memory, or above it.

use super::rules::Cluster;
use super::{Code, Finding, Severity};
use crate::model::types::ReplicaId;
use crate::observe::blame::replicas as list;
use crate::observe::memory::{MemoryStatus, size};

impl Cluster<'_> {
    /// States of equal slots are equal, so replicas share a finding.
    pub(super) fn little_memory(&self) -> Vec<Finding> {
        let of_limits = self.fresh.iter().filter_map(|frame| {
            let (state, max, percent) = frame.status.memory.of_limit()?;
            Some((frame.status.replica, state, max, percent))
        });
        let (above, below): (Vec<_>, Vec<_>) =
            of_limits.partition(|(_, state, max, _)| state > max);
        let near = below.into_iter().filter(|(.., percent)| *percent >= MemoryStatus::NEAR_PERCENT);
        [above, near.collect()].iter().filter_map(|those| finding(those)).collect()
    }
}

/// That the states of these replicas are near their limit, or all above it.
fn finding(those: &[(ReplicaId, u64, u64, u64)]) -> Option<Finding> {
    let (_, state, max, percent) = *those.iter().max_by_key(|(_, state, ..)| *state)?;
    let who: Vec<ReplicaId> = those.iter().map(|(replica, ..)| *replica).collect();
    let (takes, limit, whose) = (size(state), size(max), list(&who));
    let (text, why) = if state > max {
        let text = format!(
            "the state of {whose} takes {takes}, more than limits.memory_max allows ({limit}): delete \
             keys, or raise limits.memory_max on all replicas"
        );
        (text, "writes are refused")
    } else {
        let text = format!(
            "the state of {whose} takes {takes}, {percent} % of limits.memory_max ({limit}): delete \
             keys, or raise limits.memory_max on all replicas"
        );
        (text, "above the limit writes are refused")
    };
    Some(Finding {
        code: Code::LittleMemory,
        severity: Severity::Degraded,
        replica: who.first().filter(|_| who.len() == 1).copied(),
        text,
        because: vec![why.to_owned()],
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::events::Wait;
    use crate::model::types::Slot;
    use crate::observe::frame::{Frame, RoleHolding};
    use crate::observe::saving::SavingStatus;
    use crate::observe::scene::{Scene, Sighting};
    use crate::observe::status::{DiskStatus, Link, ReplicaStatus};

    /// Three replicas that hear each other, changed by `change`.
    fn findings(change: impl Fn(usize, &mut Frame)) -> Vec<Finding> {
        let sighting = |replica: u16| {
            let heard =
                |peer| Link { up: true, heard_ms_ago: Some(10), ..Link::to(ReplicaId(peer)) };
            let links = (0..3).filter(|peer| *peer != replica).map(heard).collect();
            let replica = ReplicaId(replica);
            let status = ReplicaStatus { replica, links, ..ReplicaStatus::example() };
            let mut frame = Frame::unwatched(status, 1, 0);
            change(usize::from(replica.0), &mut frame);
            Sighting { replica, frame: Some(Arc::new(frame)), ..Sighting::default() }
        };
        Scene::of((0..3).map(sighting).collect(), 0).findings
    }

    fn holding(frame: &mut Frame, state: u64, max: u64) {
        let memory = &mut frame.status.memory;
        (memory.state_bytes, memory.state_bytes_max) = (Some(state << 20), Some(max << 20));
    }

    #[test]
    fn a_state_near_its_limit_is_told_with_its_figures_and_what_to_do() {
        assert_eq!(findings(|_, frame| holding(frame, 899, 1_000)), []);

        let [near] = &findings(|_, frame| holding(frame, 900, 1_000))[..] else { panic!("one") };
        assert_eq!((near.code, near.severity), (Code::LittleMemory, Severity::Degraded));
        assert_eq!(
            near.text,
            "the state of replicas 0, 1 and 2 takes 900 MiB, 90 % of limits.memory_max (1000 MiB): \
             delete keys, or raise limits.memory_max on all replicas"
        );
        assert_eq!(near.because, ["above the limit writes are refused"]);
    }

    #[test]
    fn a_state_above_its_limit_is_told_apart_from_one_that_is_near() {
        let sizes = [1_001, 950, 10];
        let told = findings(|replica, frame| holding(frame, sizes[replica], 1_000));
        let [above, near] = &told[..] else { panic!("{told:#?}") };
        assert_eq!((above.replica, near.replica), (Some(ReplicaId(0)), Some(ReplicaId(1))));
        assert!(above.text.contains("more than limits.memory_max allows (1000 MiB)"), "{above:#?}");
        assert_eq!(above.because, ["writes are refused"]);
    }

    /// A role that has held one thing for so long.
    fn pending(role: &str, wait: Wait, seconds: u64) -> RoleHolding {
        RoleHolding {
            role: role.to_owned(),
            slot: None,
            held: 1,
            bytes: 0,
            wait,
            waited_us: 1_000_000 * seconds,
            refused: Default::default(),
        }
    }

    #[test]
    fn a_checkpoint_on_its_way_is_no_finding() {
        let saves = |_, frame: &mut Frame| {
            let saving =
                SavingStatus { parts_done: 3, parts: 9, bytes: 4096, ..Default::default() };
            frame.status.disk = Some(DiskStatus { saving: Some(saving), ..DiskStatus::default() });
            let pending = pending("checkpointer", Wait::Saving, 60);
            frame.holdings.push(RoleHolding { slot: Some(Slot(7)), ..pending });
        };
        assert_eq!(findings(saves), []);

        // Where so much is ahead of it that the leader waits, that is said, and how far it is.
        let waits = |replica, frame: &mut Frame| {
            saves(replica, frame);
            let asks = pending("request_source", Wait::Proposal(ReplicaId(0)), 5);
            let proposes = pending("proposer", Wait::for_role("checkpointer"), 5);
            frame.holdings.extend([asks, proposes]);
        };
        let told = findings(waits);
        let because = told.first().map(|finding| finding.because.join("; ")).unwrap_or_default();
        assert!(
            because.contains("waits for its disk to save a checkpoint (3 of 9 parts"),
            "{told:#?}"
        );
        assert!(!because.contains("application"), "{told:#?}");
    }

    #[test]
    fn a_replica_that_fetches_a_checkpoint_is_behind_because_of_that() {
        let told = findings(|replica, frame| {
            frame.status.executed = Slot(if replica == 2 { 1_000 } else { 90_000 });
            for link in frame.status.links.iter_mut().filter(|link| link.peer == ReplicaId(2)) {
                link.peer_executed = Some(Slot(1_000));
            }
            if replica != 2 {
                return;
            }
            let (slot, fetched) = (Slot(80_000), true);
            let saving = SavingStatus { slot, parts_done: 12, fetched, ..Default::default() };
            frame.status.disk = Some(DiskStatus { saving: Some(saving), ..DiskStatus::default() });
            let pending = pending("catch_up", Wait::Slots(vec![ReplicaId(0), ReplicaId(1)]), 9);
            frame.holdings.push(RoleHolding { slot: Some(Slot(1_000)), ..pending });
        });
        let [behind] = &told[..] else { panic!("{told:#?}") };
        assert_eq!((behind.code, behind.replica), (Code::Lagging, Some(ReplicaId(2))));
        let because = "it fetches the checkpoint before slot 80000: 12 parts so far, 0 B";
        assert_eq!(behind.because, [because]);
    }
}
