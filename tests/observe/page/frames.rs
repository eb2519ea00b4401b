//! A made-up cluster: what its replicas would show, without running one.

use serde_json::{Value, json};
use taraflow::dataflows::{AnyProtocol, tara};
use taraflow::model::config::Config;
use taraflow::model::types::ReplicaId;
use taraflow::observe::frame::Frame;
use taraflow::observe::graph::OperatorGraph;

/// When the made-up cluster began, in microseconds.
pub const BEGAN: u64 = 1_700_000_000_000_000;
/// Replicas in it.
const N: u64 = 3;
/// Slots it decides between two frames of a replica.
const STEP: u64 = 100;

/// The graph of its replicas.
pub fn graph() -> OperatorGraph {
    tara::PROTOCOL.graph(&Config::new(ReplicaId(0), 3))
}

/// The frame of `replica` that is the one with this `number`, a quarter of a second after the one
/// before.
///
/// View 1 begins with frame 20, and replica 2 votes late.
pub fn frame(replica: u64, number: u64) -> Frame {
    let at = BEGAN + number * 250_000 + replica * 700;
    let view = u64::from(number >= 20);
    let furthest = number * STEP;
    let behind = if replica == 2 { 37.min(furthest) } else { 0 };
    let executed = furthest - behind;
    let busy = |name: &str| match name {
        "executor" if replica == 2 => 0.81,
        "executor" => 0.38,
        "committer" => 0.11,
        "learner" | "request_source" => 0.07,
        _ => 0.004,
    };
    let spread = json!({"count": 900, "p50_us": 7, "p99_us": 30, "max_us": 410});
    let operators = graph().operators.into_iter().enumerate().map(|(at, operator)| {
        json!({
            "address": [0, at], "name": operator.name, "kind": operator.kind,
            "runs": number * 900, "records_in": number * 4_000, "records_out": number * 3_000,
            "batches_in": number * 400, "batches_out": number * 400, "rate_in": 420.0,
            "rate_out": 410.0, "busy": busy(&operator.name), "busy_us": number * 9_000, "run": spread,
            "frontier": (operator.name == "executor").then_some(executed),
        })
    });
    let channels = graph().edges.into_iter().map(|edge| {
        let rare = ["CatchUp", "Record", "View", "new_view", "restored", "fetched", "ViewRequest"];
        let idle = edge.label.as_deref().is_some_and(|label| rare.contains(&label));
        let rate = if idle { 0.0 } else { 420.0 };
        json!({"from": edge.from, "to": edge.to, "kind": edge.kind, "label": edge.label,
            "sent": number * 100, "queued": 0, "rate": rate})
    });
    let frame = json!({
        "version": 2,
        "status": status(replica, view, executed, behind),
        "number": number, "at_us": at, "window_us": 10_000_000, "level": "full", "lost": 0,
        "request_rate": 21_000.0 + (number % 7) as f64 * 150.0 - behind as f64 * 120.0,
        "slot_rate": 400.0,
        "latency": {"count": 9_000, "p50_us": 640 + replica * 60 + number % 5 * 9,
            "p99_us": 2_500 + number % 11 * 40, "max_us": 9_000},
        "latencies": {"sum_us": 0, "below_ns": []}, "counts": {},
        "operators": operators.collect::<Vec<_>>(),
        "channels": channels.collect::<Vec<_>>(),
        "holdings": [
            {"role": "learner", "slot": executed, "held": 3, "wait": {"word": {"what": "vote", "of": [2]}}, "waited_us": 14_000},
            {"role": "executor", "slot": executed, "held": 0, "wait": {"role": "release"}, "waited_us": 900},
        ],
        "blame": [
            {"operator": "executor", "replica": null, "slot": executed,
                "text": format!("waits for release to hand over slot {executed}")},
            {"operator": "learner", "replica": null, "slot": executed,
                "text": format!("holds slot {executed}: it lacks the vote of replica 2")},
        ],
        "slots": (furthest.saturating_sub(6)..furthest).map(|slot| life(replica, slot, view, at)).collect::<Vec<_>>(),
        "happened": happened(replica, number, at),
    });
    serde_json::from_value(frame).unwrap()
}

/// All frames of all replicas up to a number, in the order of time.
pub fn frames(last: u64) -> Vec<Frame> {
    (1..=last).flat_map(|number| (0..N).map(move |replica| frame(replica, number))).collect()
}

/// A recording of these lines.
pub fn recording(lines: impl IntoIterator<Item = String>) -> String {
    let head = json!({"taraflow_trace": 1, "protocol": "tara", "n": N, "seed": 42}).to_string();
    let lines: Vec<_> = lines.into_iter().collect();
    let frames = lines.iter().filter(|line| !line.starts_with("{\"fault\":")).count();
    let end = json!({"end": true, "frames": frames}).to_string();
    [vec![head], lines, vec![end]].concat().join("\n") + "\n"
}

/// A frame as a line.
pub fn line(frame: Frame) -> String {
    serde_json::to_string(&frame).unwrap()
}

fn status(replica: u64, view: u64, executed: u64, behind: u64) -> Value {
    json!({
        "version": 1, "program": "0", "cluster": "8f21c07be4d933aa", "protocol": "tara",
        "replica": replica, "n": N, "role": if view % N == replica { "leader" } else { "follower" },
        "view": view, "leader": view % N, "executed": executed, "stable": executed / 256 * 256,
        "lag": behind, "up_ms": 1, "starts": 1, "durable": true, "fenced": false, "draining": false,
        "not_ready": [], "requests": executed, "duplicates": 0, "checkpoints": 1,
        "checkpoints_installed": 0, "diverged": [],
        "clients": {"redis": 12, "native": 1, "max": 1_000, "waiting_bytes": 0, "waiting_bytes_max": 1},
        "links": [], "connections_ended": {}, "disk": disk(replica, executed), "memory": memory(replica),
        "machine": machine(executed),
    })
}

/// Replica 0 saves a checkpoint, and replica 1 fetches one.
fn disk(replica: u64, executed: u64) -> Value {
    let saving = json!({"slot": executed, "parts_done": 1_300, "parts": 3_100, "bytes": 93 << 20,
        "fetched": replica == 1, "under_way_ms": 2_300});
    json!({"syncs": 0, "groups": 0, "median_us": 0, "p99_us": 0, "mean_us": 0, "max_us": 0,
        "saving": (replica < 2).then_some(saving)})
}

fn machine(executed: u64) -> Value {
    json!({"memory_bytes": 200 << 20, "processors": 0.42, "threads": 9, "open_files": 40,
        "journal_bytes": 64 << 20, "free_bytes": 3_u64 << 30, "packs_bytes": 740 << 20,
        "checkpoints": [{"slot": executed / 256 * 256, "bytes": 12 << 20, "age_ms": 61_000}]})
}

fn memory(replica: u64) -> Value {
    json!({"state_bytes": 700 << 20, "state_bytes_max": (replica > 0).then_some(1 << 30),
        "copied_bytes": 42 << 20, "recent_bytes": 180 << 20, "sessions_bytes": 3 << 20,
        "waiting_bytes": 0, "links_bytes": 9 << 20, "journal_bytes": 0,
        "resident_bytes": 1_100_u64 << 20})
}

fn life(replica: u64, slot: u64, view: u64, at: u64) -> Value {
    // The same moment on all replicas: that of the frame, less what is the replica's own.
    let begun = at - replica * 700 - 16_000 + slot % 6 * 2_400;
    let shift = |by: u64| begun + by + (slot * 7 + replica * 31) % 60;
    let late = if replica == 2 { 520 } else { 0 };
    json!({
        "slot": slot, "view": view,
        "batch": {"id": {"source": 1, "incarnation": 1, "number": slot}, "requests": 47 + slot % 6,
            "bytes": 5_120, "runs": [{"client": 5, "first": slot * 47, "last": slot * 47 + 46}]},
        "packed_at": (replica == 1).then_some(begun - 60),
        "proposer": view % N,
        "proposed_at": if view % N == replica { begun } else { shift(90) },
        "voted_at": shift(330 + late),
        "votes": [[0, shift(380)], [1, shift(430)], [2, shift(900)]],
        "decided_at": shift(430),
        "executed_at": shift(500),
    })
}

fn happened(replica: u64, number: u64, at: u64) -> Value {
    let line = |kind: &str, text: &str| json!([{"at_us": at - 9_000, "kind": kind, "view": 1, "slot": null, "text": text}]);
    match (number, replica) {
        (18, 1 | 2) => {
            line("suspected", "suspects the leader of view 0: requests have waited for 310 ms")
        }
        (20, 1) => line("leads", "leads view 1 from slot 1960; 3 slots were left behind"),
        (20, _) => line("entered_view", "enters view 1"),
        (number, 0) if number % 8 == 0 => line("stable", "knows that its checkpoint is stable"),
        _ => json!([]),
    }
}
