//! What can be asked.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;

use crate::observe::health::{Limits, Reason};
use crate::observe::status::{Bounds, ReplicaStatus, VERSION};
use crate::server::Board;
use crate::settings::NodeSettings;

/// Each path, and what is answered there.
const INDEX: [(&str, &str); 6] = [
    ("/", "a page to watch the cluster on"),
    ("/v1", "this list"),
    ("/v1/status", "how the replica stands: role, view, progress, links, clients, disk"),
    ("/v1/graph", "the operators of a replica and the streams between them, laid out"),
    ("/livez", "200 while the worker moves; 503: only a restart helps"),
    ("/readyz", "200 while the replica is of full use; 503 with the reasons why not"),
];

/// What the answers are made from.
struct Sources {
    board: Board,
    bounds: Bounds,
    limits: Limits,
}

#[derive(Serialize)]
struct Index {
    version: u32,
    paths: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    path: &'static str,
    what: &'static str,
}

#[derive(Serialize)]
struct Refusal {
    error: String,
}

#[derive(Serialize)]
struct Health {
    ok: bool,
    reasons: Vec<Reason>,
}

/// The answer to what is not answered.
pub(super) fn refusal(status: StatusCode, why: impl Into<String>) -> Response {
    (status, Json(Refusal { error: why.into() })).into_response()
}

/// Which answer belongs to which path.
pub(super) fn router(settings: &NodeSettings, board: Board) -> Router {
    let (bounds, limits) = (Bounds::of(settings), Limits::of(&settings.config));
    let nothing =
        || async { refusal(StatusCode::NOT_FOUND, "nothing is here; GET /v1 lists what is") };
    Router::new()
        .route("/v1", get(index))
        .route("/v1/status", get(status))
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .fallback(nothing)
        .with_state(Arc::new(Sources { board, bounds, limits }))
        .merge(super::page::router(settings))
}

async fn index() -> Json<Index> {
    let paths = INDEX.iter().map(|&(path, what)| Entry { path, what }).collect();
    Json(Index { version: VERSION, paths })
}

async fn status(State(sources): State<Arc<Sources>>) -> Response {
    let Sources { board, bounds, limits } = &*sources;
    let now = Instant::now();
    match board.get() {
        Some(report) => {
            let reasons = limits.reasons(Some(&report), now);
            Json(ReplicaStatus::new(&report, bounds, reasons)).into_response()
        }
        None => {
            let words = limits.reasons(None, now).pop().map(|reason| reason.text);
            refusal(StatusCode::SERVICE_UNAVAILABLE, words.unwrap_or_default())
        }
    }
}

async fn livez(State(sources): State<Arc<Sources>>) -> Response {
    let (report, now) = (sources.board.get(), Instant::now());
    let ok = sources.limits.is_alive(report.as_ref(), now);
    let reasons = if ok { Vec::new() } else { sources.limits.reasons(report.as_ref(), now) };
    health(ok, reasons)
}

async fn readyz(State(sources): State<Arc<Sources>>) -> Response {
    let reasons = sources.limits.reasons(sources.board.get().as_ref(), Instant::now());
    health(reasons.is_empty(), reasons)
}

fn health(ok: bool, reasons: Vec<Reason>) -> Response {
    let status = if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Health { ok, reasons })).into_response()
}
