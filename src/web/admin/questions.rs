//! What can be asked.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::Semaphore;

use super::history::{self, History};
use super::{Shown, metrics, orders, schema, watching};
use crate::model::types::ReplicaId;
use crate::observe::board::Board;
use crate::observe::health::{Code, Limits, Reason};
use crate::observe::report::Report;
use crate::observe::status::{Bounds, ReplicaStatus, VERSION};
use crate::observe::verdict::Verdict;

/// Each path, and what is answered there.
const INDEX: [(&str, &str); 19] = [
    ("/", "a page to watch the cluster on"),
    ("/v1", "this list"),
    ("/v1/schema", "what the answers look like, as JSON Schema"),
    ("/v1/status", "how the replica stands: role, view, progress, links, clients, disk"),
    ("/v1/settings", "the settings of this node that are in force"),
    ("/v1/scene", "all replicas, each by its latest frame, and what is wrong"),
    ("/v1/frame", "one replica at one moment: all of what follows; ?replica=N, as for the others"),
    ("/v1/replicas", "how each replica stands"),
    ("/v1/graph", "the operators of a replica and the streams between them, with a place for each"),
    ("/v1/operators", "the operators: records, rates, share of the time, how long they run"),
    ("/v1/channels", "the streams between them: records, rates, what waits"),
    ("/v1/frontiers", "how far each operator has come, and what each role has not let go of"),
    ("/v1/blame", "who holds back the application, and why"),
    ("/v1/slots", "the lives of slots: ?slot=N, ?client=C&number=N or ?last=N"),
    ("/v1/history", "requests a second and latencies of all replicas in the last five minutes"),
    ("/v1/events", "what happened lately; as text/event-stream, frames as they are taken"),
    ("/metrics", "figures of this replica for Prometheus"),
    ("/livez", "200 while the worker moves; 503: only a restart helps"),
    (
        "/readyz",
        "200 while the replica is of full use in a cluster that answers; 503 with the reasons why not",
    ),
];

/// The paths that are there where replicas take orders; all are asked with POST.
const ORDERS: [(&str, &str); 3] = [
    ("/v1/replicas/{replica}/kill", "end a replica, as a crash does"),
    ("/v1/replicas/{replica}/pause", "let a replica do nothing for a while"),
    ("/v1/replicas/{replica}/restart", "start a replica again from its disk"),
];

/// Those who may be told what happens at a time.
const STREAMS_MAX: usize = 16;

/// A setting that is in force.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Setting {
    /// Its name, the tables it stands in first.
    pub name: String,
    /// Its value, as text.
    pub value: String,
}

/// The settings of a node.
#[derive(Serialize, JsonSchema)]
pub(super) struct Settings {
    /// The version of this format.
    version: u32,
    /// Of which replica.
    replica: ReplicaId,
    settings: Vec<Setting>,
}

/// What the answers are made from.
pub(super) struct Sources {
    pub me: ReplicaId,
    /// One for each replica of the cluster.
    pub boards: Vec<Board>,
    /// Whether replicas can be killed, paused and restarted from here.
    takes_orders: bool,
    /// Places for those who are told what happens.
    pub streams: Arc<Semaphore>,
    pub history: Arc<History>,
    settings: Vec<Setting>,
    bounds: Bounds,
    limits: Limits,
}

impl Sources {
    /// The cluster's number, in hexadecimal.
    pub(super) fn cluster(&self) -> String {
        self.bounds.cluster.clone()
    }

    fn report(&self) -> Option<Report> {
        self.boards.get(self.me.0 as usize)?.get()
    }

    /// All that keeps this replica from being of use to clients: what ails it, and that the cluster does
    /// not answer requests.
    pub(super) fn reasons(&self) -> Vec<Reason> {
        let mut reasons = self.limits.reasons(self.report().as_ref(), Instant::now());
        let scene = self.scene();
        if reasons.is_empty() && matches!(scene.verdict, Verdict::Down | Verdict::Fatal) {
            reasons.push(Reason { code: Code::ClusterDown, text: scene.headline() });
        }
        reasons
    }

    /// How this replica stands; nothing before its first tick.
    pub(super) fn status(&self) -> Option<ReplicaStatus> {
        let report = self.report()?;
        let reasons = self.limits.reasons(Some(&report), Instant::now());
        Some(ReplicaStatus::new(&report, &self.bounds, reasons))
    }
}

/// What can be asked here.
#[derive(Serialize, JsonSchema)]
pub(super) struct Index {
    /// The version of this list.
    version: u32,
    paths: Vec<Entry>,
}

/// A path.
#[derive(Serialize, JsonSchema)]
struct Entry {
    path: &'static str,
    /// What is answered there, in words.
    what: &'static str,
    /// Where that is described, if it is JSON.
    schema: Option<&'static str>,
}

/// Why something was not answered.
#[derive(Serialize, JsonSchema)]
pub(super) struct Refusal {
    error: String,
}

/// Whether all is well with the replica.
#[derive(Serialize, JsonSchema)]
pub(super) struct Health {
    ok: bool,
    /// Why it is not.
    reasons: Vec<Reason>,
}

/// The answer to what is not answered.
pub(super) fn refusal(status: StatusCode, why: impl Into<String>) -> Response {
    (status, Json(Refusal { error: why.into() })).into_response()
}

/// Which answer belongs to which path.
pub(super) fn router(shown: Shown, history: Arc<History>) -> Router {
    let Shown { config, boards, bounds, orders, settings, .. } = shown;
    let (limits, replicas, protocol) = (Limits::of(&config), boards.len(), bounds.protocol.clone());
    let nothing =
        || async { refusal(StatusCode::NOT_FOUND, "nothing is here; GET /v1 lists what is") };
    let streams = Arc::new(Semaphore::new(STREAMS_MAX));
    let takes_orders = orders.is_some();
    let me = config.me;
    let sources = Sources { me, boards, streams, history, settings, bounds, limits, takes_orders };
    let router = Router::new()
        .merge(watching::router())
        .route("/metrics", get(metrics::metrics))
        .route("/v1/history", get(history::history))
        .route("/v1", get(index))
        .route("/v1/schema", get(schema::schema))
        .route("/v1/status", get(status))
        .route("/v1/settings", get(settings_in_force))
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .fallback(nothing)
        .with_state(Arc::new(sources))
        .merge(super::page::router(protocol));
    match orders {
        Some(orders) => router.merge(orders::router(replicas, orders)),
        None => router,
    }
}

async fn index(State(sources): State<Arc<Sources>>) -> Json<Index> {
    let orders = if sources.takes_orders { &ORDERS[..] } else { &[] };
    let paths = INDEX.iter().chain(orders);
    let paths = paths.map(|&(path, what)| Entry { path, what, schema: schema::place(path) });
    Json(Index { version: VERSION, paths: paths.collect() })
}

async fn status(State(sources): State<Arc<Sources>>) -> Response {
    match sources.status() {
        Some(status) => Json(status).into_response(),
        None => {
            let words = sources.limits.reasons(None, Instant::now()).pop();
            let words = words.map(|reason| reason.text);
            refusal(StatusCode::SERVICE_UNAVAILABLE, words.unwrap_or_default())
        }
    }
}

async fn settings_in_force(State(sources): State<Arc<Sources>>) -> Json<Settings> {
    let settings = sources.settings.clone();
    Json(Settings { version: VERSION, replica: sources.me, settings })
}

async fn livez(State(sources): State<Arc<Sources>>) -> Response {
    let (report, now) = (sources.report(), Instant::now());
    let ok = sources.limits.is_alive(report.as_ref(), now);
    let reasons = if ok { Vec::new() } else { sources.limits.reasons(report.as_ref(), now) };
    health(ok, reasons)
}

async fn readyz(State(sources): State<Arc<Sources>>) -> Response {
    let reasons = sources.reasons();
    health(reasons.is_empty(), reasons)
}

fn health(ok: bool, reasons: Vec<Reason>) -> Response {
    let status = if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Health { ok, reasons })).into_response()
}
