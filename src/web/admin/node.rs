//! Answers about this node: its status, its settings, and whether it is of use.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;

use super::answer::{ErrorResponse, refusal};
use super::state::{AdminState, Setting};
use crate::model::types::ReplicaId;
use crate::observe::health::{Reason, STARTING};
use crate::observe::status::{ReplicaStatus, VERSION};

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

pub(super) async fn status(
    State(state): State<Arc<AdminState>>,
) -> Result<Json<ReplicaStatus>, ErrorResponse> {
    let status = state.status().map(|(status, _)| Json(status));
    status.ok_or_else(|| refusal(StatusCode::SERVICE_UNAVAILABLE, STARTING))
}

pub(super) async fn settings_in_force(
    State(state): State<Arc<AdminState>>,
) -> Json<SettingsInForce> {
    let settings = state.settings.clone();
    Json(SettingsInForce { version: VERSION, replica: state.me, settings })
}

pub(super) async fn livez(State(state): State<Arc<AdminState>>) -> Response {
    // One that has not begun is no worker that hangs.
    let hangs = state.status().filter(|(_, silent)| !state.limits.is_alive(*silent));
    health(hangs.is_none(), hangs.map_or(Vec::new(), |(status, _)| status.not_ready))
}

pub(super) async fn readyz(State(state): State<Arc<AdminState>>) -> Response {
    let reasons = state.reasons();
    health(reasons.is_empty(), reasons)
}

fn health(ok: bool, reasons: Vec<Reason>) -> Response {
    let status = if ok { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Health { ok, reasons })).into_response()
}
