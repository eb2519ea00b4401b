//! One replica at one moment, as it is shown.
//!
//! Within a [version](VERSION) fields keep their names and meanings; new ones may be added, so a
//! reader passes over those it does not know. Times are microseconds since the Unix epoch by the
//! replica's own clock, durations microseconds, rates per second over [`Frame::window_us`].

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::status::ReplicaStatus;
use crate::model::batch::BatchId;
use crate::model::events::Wait;
use crate::model::histogram::quantile_us;
use crate::model::types::{ClientId, ReplicaId, Slot, View};
use crate::observe::graph::{EdgeKind, OperatorKind};

/// The version of this format.
pub const VERSION: u32 = 2;

/// How closely a replica is watched.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    JsonSchema,
    clap::ValueEnum,
)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Not at all, but for how it stands.
    Off,
    /// Records are counted, and the time of operators is taken in one turn of seventeen.
    #[default]
    Basic,
    /// Also by what timely itself logs: the time of every run, its own operators, what waits in
    /// each channel, and who holds back each input.
    Full,
    /// Also the dataflows that observe, but for the one that reads the logs.
    All,
}

/// One replica's consistent cut.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Frame {
    /// The version of this format.
    pub version: u32,
    /// How the replica stands.
    pub status: ReplicaStatus,
    /// Which of its frames this is, counted from 1 in each of its lives.
    pub number: u64,
    /// When it was taken.
    pub at_us: u64,
    /// The time over which rates, shares and spreads are taken: that of the last forty frames,
    /// which is ten seconds unless the replica has been slow to show itself, or there were fewer.
    pub window_us: u64,
    /// How closely the replica is watched.
    pub level: Level,
    /// Details that were left out since the replica started, because there were too many at once or
    /// somebody was reading.
    pub lost: u64,
    /// Requests executed a second.
    pub request_rate: f64,
    /// Slots executed a second.
    pub slot_rate: f64,
    /// From when a request's batch was packed here to when it was executed, for clients of this
    /// replica. Requests that wait to be packed, because much is on its way, wait longer than that.
    pub latency: Spread,
    /// The same since the replica started.
    pub latencies: Histogram,
    /// How often each [kind](Happened::kind) of thing has happened since the replica started.
    pub counts: BTreeMap<String, u64>,
    /// Its operators, in the order of their addresses.
    pub operators: Vec<Operator>,
    /// The streams between them.
    pub channels: Vec<Channel>,
    /// What each role still has pending, and what it waits for.
    pub holdings: Vec<RoleHolding>,
    /// Why the application does not go on: the first link is the application's own, each next one
    /// says why the one before it holds. Empty if nothing waits.
    pub blame: Vec<Blame>,
    /// The lives of slots that were executed since the frame before, the latest few, and of those
    /// that are still open.
    pub slots: Vec<SlotLife>,
    /// What happened since the frame before.
    pub happened: Vec<Happened>,
}

impl Frame {
    /// The frame of a replica that is not watched: how it stands, and nothing else.
    pub fn unwatched(status: ReplicaStatus, number: u64, at_us: u64) -> Self {
        Self { version: VERSION, status, number, at_us, level: Level::Off, ..Self::default() }
    }
}

/// An operator of a replica's graph.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Operator {
    /// Where it is in the replica's dataflow, the same on all replicas; after a 0, where on the
    /// worker if it is in another dataflow.
    pub address: Vec<usize>,
    /// Its name in the wiring.
    pub name: String,
    /// What it is there for; nothing for one of timely's own.
    pub kind: Option<OperatorKind>,
    /// How often it ran since the replica started.
    pub runs: u64,
    /// Records it has taken since the replica started.
    pub records_in: u64,
    /// Records it has sent since the replica started.
    pub records_out: u64,
    /// Batches of records it has taken since the replica started.
    pub batches_in: u64,
    /// Batches of records it has sent since the replica started.
    pub batches_out: u64,
    /// Records it takes a second.
    pub rate_in: f64,
    /// Records it sends a second.
    pub rate_out: f64,
    /// Its share of the time, from 0 to 1.
    pub busy: f64,
    /// For how long it has run since the replica started.
    pub busy_us: u64,
    /// How long a run takes.
    pub run: Spread,
    /// The first slot whose records may still come, where time is the slot; nothing where time
    /// stands still.
    pub frontier: Option<Slot>,
    /// Its inputs; from level `full` on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<Input>,
    /// Updates of progress that the operators inside it have exchanged since the replica started,
    /// if it is a scope; from level `full` on.
    #[serde(default)]
    pub progress: u64,
}

/// An input of an operator, as timely logs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Input {
    /// The operators that send to it, timely's own among them.
    pub from: Vec<String>,
    /// Records that wait on the way.
    pub queued: u64,
    /// Its frontier, the least times that may still come, and who holds it at each. Nothing comes
    /// any more where the list is empty; there is none where times are of a type that is not
    /// followed.
    pub held: Option<Vec<Held>>,
}

/// Who holds back an input at a time: the way from there to a pointstamp.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Held {
    /// The time that may still come.
    pub time: String,
    /// The operator that holds it back.
    pub by: String,
    /// By what.
    pub what: Hold,
    /// The time of that, of which what comes here can be made.
    pub at: String,
    /// How many capabilities of that time it has, or how many records wait.
    pub count: u64,
    /// The operators between, from the input on, and at last the one that holds.
    pub path: Vec<String>,
}

/// What holds back a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Hold {
    /// The operator may send records of it.
    Capability,
    /// Records of it wait to be taken by the operator.
    Message,
}

/// A stream between two operators, with what timely itself put on the way left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Channel {
    /// The name of the operator that sends.
    pub from: String,
    /// The name of the operator that takes.
    pub to: String,
    /// What it stands for.
    pub kind: EdgeKind,
    /// The type of its records, or the name of a back edge.
    pub label: Option<String>,
    /// Records sent since the replica started.
    pub sent: u64,
    /// Records that wait to be taken by `to`, from this stream or another that leads there. Between
    /// two turns nothing waits inside a replica whose worker is alone.
    pub queued: u64,
    /// Records a second.
    pub rate: f64,
}

/// How a duration is spread, in microseconds; each figure is at most a quarter too high.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Spread {
    /// How many there were.
    pub count: u64,
    /// Half of them took no more than this.
    pub p50_us: u64,
    /// 99 of 100 took no more than this.
    pub p99_us: u64,
    /// None took more.
    pub max_us: u64,
}

/// What a role still has pending; see [`events::Holding`](crate::model::events::Holding).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RoleHolding {
    /// The role, by its operator's name.
    pub role: String,
    /// The lowest slot it has pending; nothing if it holds none, or holds no slots at all.
    pub slot: Option<Slot>,
    /// How many things it holds.
    pub held: u64,
    /// Bytes of memory that it holds, near enough.
    #[serde(default)]
    pub bytes: u64,
    /// What it waits for before it releases the first.
    pub wait: Wait,
    /// For how long it has been waiting for that with that slot, to the last time it was asked.
    pub waited_us: u64,
    /// How many messages it has passed over since the replica started, by the reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub refused: BTreeMap<String, u64>,
}

impl Spread {
    /// The spread of durations of which each bucket, in ascending order, holds so many.
    pub fn of(buckets: &[(usize, u64)]) -> Self {
        let quantile = |of_100| quantile_us(buckets, of_100);
        Self {
            count: buckets.iter().map(|(_, count)| count).sum(),
            p50_us: quantile(50),
            p99_us: quantile(99),
            max_us: quantile(100),
        }
    }
}

/// Durations by how long they were.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Histogram {
    /// The sum of all, in microseconds.
    pub sum_us: u64,
    /// For each power of two of nanoseconds how many were shorter than that, and not shorter than
    /// the one before; ascending, and without empty ones.
    pub below_ns: Vec<(u64, u64)>,
}

/// A link of the chain from what waits to what holds it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Blame {
    /// The operator that waits, or `disk` or `link`.
    pub operator: String,
    /// The replica it is of, if that is another one.
    pub replica: Option<ReplicaId>,
    /// The slot it waits with.
    pub slot: Option<Slot>,
    /// What it waits for, in words.
    pub text: String,
}

/// What a replica saw of a slot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SlotLife {
    /// The slot.
    pub slot: Slot,
    /// The view in which it was last proposed, as far as this replica saw.
    pub view: View,
    /// What it holds, once that is executed; nothing for an empty one.
    pub batch: Option<BatchLife>,
    /// When the requests were packed, if that was here.
    pub packed_at: Option<u64>,
    /// Who proposed it.
    pub proposer: Option<ReplicaId>,
    /// When its proposal left this replica, or arrived.
    pub proposed_at: Option<u64>,
    /// When this replica's vote left, for which it must have been on the disk.
    pub voted_at: Option<u64>,
    /// Whose votes arrived, and when.
    pub votes: Vec<(ReplicaId, u64)>,
    /// When enough of them had, or it was known from elsewhere to be decided.
    pub decided_at: Option<u64>,
    /// When it was executed.
    pub executed_at: Option<u64>,
}

/// A batch of requests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct BatchLife {
    /// Its name.
    pub id: BatchId,
    /// How many requests it holds.
    pub requests: u64,
    /// How many bytes.
    pub bytes: u64,
    /// Whose requests: the first few runs of consecutive numbers.
    pub runs: Vec<RequestRun>,
}

/// Consecutive requests of one client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RequestRun {
    /// The client's session, or its connection.
    pub client: ClientId,
    /// The number of the first request.
    pub first: u64,
    /// The number of the last.
    pub last: u64,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Happened {
    /// When.
    pub at_us: u64,
    /// Which kind of thing, in one word: `suspected`, `entered_view`, `leads`, ...
    pub kind: String,
    /// The view it is about.
    pub view: Option<View>,
    /// The slot it is about.
    pub slot: Option<Slot>,
    /// In words, without the replica's name: `suspects the leader of view 3: ...`.
    pub text: String,
}
