//! Answers about this node: its status, its settings, and whether it is of use.

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;

use super::answer::refusal;
use super::state::{AdminState, Setting};
use crate::model::types::ReplicaId;
use crate::observe::health::Reason;
use crate::observe::status::VERSION;

/// The settings of a node.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Settings")]
pub(super) struct SettingsInForce {
    /// The version of this format.
    version: u32,
    /// Of which replica.
    replica: ReplicaId,
    settings: Vec<Setting>,
}

/// Whether all is well with the replica.
#[derive(Serialize, JsonSchema)]
pub(super) struct Health {
    ok: bool,
    /// Why it is not.
    reasons: Vec<Reason>,
}

pub(super) async fn status(State(sources): State<Arc<AdminState>>) -> Response {
    match sources.status() {
        Some(status) => Json(status).into_response(),
        None => {
            let words = sources.limits.reasons(None, Instant::now()).pop();
            let words = words.map(|reason| reason.text);
            refusal(StatusCode::SERVICE_UNAVAILABLE, words.unwrap_or_default())
        }
    }
}

pub(super) async fn settings_in_force(
    State(sources): State<Arc<AdminState>>,
) -> Json<SettingsInForce> {
    let settings = sources.settings.clone();
    Json(SettingsInForce { version: VERSION, replica: sources.me, settings })
}

pub(super) async fn livez(State(sources): State<Arc<AdminState>>) -> Response {
    let (report, now) = (sources.report(), Instant::now());
    let ok = sources.limits.is_alive(report.as_ref(), now);
    let reasons = if ok { Vec::new() } else { sources.limits.reasons(report.as_ref(), now) };
    health(ok, reasons)
}

pub(super) async fn readyz(State(sources): State<Arc<AdminState>>) -> Response {
    let reasons = sources.reasons();
    health(reasons.is_empty(), reasons)
}

fn health(ok: bool, reasons: Vec<Reason>) -> Response {
    let status = if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Health { ok, reasons })).into_response()
}
