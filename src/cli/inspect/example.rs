//! Frames for the tests of what shows them.

use std::sync::Arc;

use crate::model::batch::BatchId;
use crate::model::events::Wait;
use crate::model::types::{ClientId, ReplicaId, Slot, View};
use crate::observe::findings::{Code, Finding, Severity};
use crate::observe::frame::{
    BatchLife, Blame, Channel, Frame, Happened, Level, Operator, RequestRun, RoleHolding, SlotLife,
    Spread, VERSION,
};
use crate::observe::graph::{EdgeKind, OperatorKind};
use crate::observe::scene::{Scene, Sighting};
use crate::observe::status::{ReplicaRole, ReplicaStatus};
use crate::observe::verdict::Verdict;

/// When all of it was.
pub(in crate::cli) const AT_US: u64 = 1_700_000_005_000_000;

fn operator(place: usize, name: &str, kind: Option<OperatorKind>, busy: f64) -> Operator {
    let spread = Spread { count: 1_000, p50_us: 2, p99_us: 1_200, max_us: 9_000 };
    Operator {
        address: vec![0, place],
        name: name.to_owned(),
        kind,
        runs: 2_000,
        records_in: 4_000,
        records_out: 3_000,
        batches_in: 1_000,
        batches_out: 900,
        rate_in: 400.0,
        rate_out: 12_345.0,
        busy,
        busy_us: 250_000,
        run: spread,
        frontier: (name == "executor").then_some(Slot(2_000)),
        inputs: Vec::new(),
        progress: 0,
    }
}

/// What a replica saw of a slot that took it 900 us.
pub(in crate::cli) fn life(replica: u16, slot: u64) -> SlotLife {
    let start = AT_US - 1_000_000 + slot * 1_000;
    let run = RequestRun { client: ClientId(5), first: 10 * slot, last: 10 * slot + 9 };
    SlotLife {
        slot: Slot(slot),
        view: View(4),
        batch: Some(BatchLife {
            id: BatchId { source: ReplicaId(1), incarnation: 2, number: slot },
            requests: 10,
            bytes: 500,
            runs: vec![run],
        }),
        packed_at: (replica == 1).then_some(start),
        proposer: Some(ReplicaId(1)),
        proposed_at: Some(start + 200 + u64::from(replica) * 10),
        voted_at: Some(start + 500 + u64::from(replica) * 10),
        votes: (0..3)
            .map(|voter| (ReplicaId(voter), start + 600 + u64::from(voter) * 100))
            .collect(),
        decided_at: Some(start + 700),
        executed_at: Some(start + 900),
    }
}

/// A replica of three in view 4, which replica 0 leads.
pub(in crate::cli) fn frame(replica: u16) -> Frame {
    let role = if replica == 0 { ReplicaRole::Leader } else { ReplicaRole::Follower };
    let (view, executed, stable) = (View(4), Slot(2_000), Slot(1_792));
    let replica = ReplicaId(replica);
    let status =
        ReplicaStatus { replica, role, view, executed, stable, ..ReplicaStatus::example() };
    let votes = Wait::for_word("vote", vec![ReplicaId(2)]);
    let channel = |from: &str, to: &str, kind, label: &str, queued| Channel {
        from: from.to_owned(),
        to: to.to_owned(),
        kind,
        label: Some(label.to_owned()),
        sent: 6_000,
        queued,
        rate: 1_200.0,
    };
    Frame {
        version: VERSION,
        status,
        number: 20,
        at_us: AT_US,
        window_us: 10_000_000,
        level: Level::Basic,
        lost: 0,
        request_rate: 4_000.0,
        slot_rate: 400.0,
        latency: Spread { count: 4_000, p50_us: 600, p99_us: 2_000, max_us: 9_000 },
        latencies: Default::default(),
        counts: Default::default(),
        operators: vec![
            operator(1, "clock", Some(OperatorKind::Boundary), 0.001),
            operator(2, "Map", None, 0.002),
            operator(3, "learner", Some(OperatorKind::Role), 0.06),
            operator(4, "executor", Some(OperatorKind::Role), 0.25),
        ],
        channels: vec![
            channel("committer", "learner", EdgeKind::Link, "Commit", 3),
            channel("release", "executor", EdgeKind::Forward, "Ordered", 0),
        ],
        holdings: vec![RoleHolding {
            role: "learner".to_owned(),
            slot: Some(Slot(2_000)),
            held: 1,
            bytes: 5 << 20,
            wait: votes,
            waited_us: 3_000_000,
            refused: [("late".to_owned(), 7)].into(),
        }],
        blame: vec![
            Blame {
                operator: "executor".to_owned(),
                replica: None,
                slot: Some(Slot(2_000)),
                text: "executor waits for release".to_owned(),
            },
            Blame {
                operator: "learner".to_owned(),
                replica: None,
                slot: Some(Slot(2_000)),
                text: "learner holds slot 2000: it lacks the vote of replica 2".to_owned(),
            },
        ],
        slots: vec![life(replica.0, 1_998), life(replica.0, 1_999)],
        happened: vec![Happened {
            at_us: AT_US - 2_000_000,
            kind: "entered_view".to_owned(),
            view: Some(View(4)),
            slot: None,
            text: "enters view 4".to_owned(),
        }],
    }
}

/// Three replicas, of which the last is silent.
pub(in crate::cli) fn scene() -> Scene {
    let seen = |replica: u16| {
        let silent = replica == 2;
        Sighting {
            replica: ReplicaId(replica),
            frame: Some(Arc::new(frame(replica))),
            age_us: if silent { 3_200_000 } else { 40_000 },
            silence: silent.then(|| "no answer within 400ms".to_owned()),
            ..Sighting::default()
        }
    };
    let finding = Finding {
        code: Code::Away,
        severity: Severity::Degraded,
        replica: Some(ReplicaId(2)),
        text: "replica 2 is away".to_owned(),
        because: vec!["it has not answered for 3.2 s".to_owned(), "nobody hears it".to_owned()],
    };
    let replicas = (0..3).map(seen).collect();
    let (verdict, findings) = (Verdict::Degraded, vec![finding]);
    let cluster = String::new();
    Scene { version: VERSION, cluster, at_us: AT_US, replicas, verdict, findings }
}
