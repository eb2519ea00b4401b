//! Routes of the admin API: each path and its handler.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use tokio::sync::Semaphore;

use super::answer::refusal;
use super::history::{Minutes, ServedHistory};
use super::state::{AdminConfig, AdminState};
use super::{frames, metrics, node, orders, page, schema, stream};
use crate::observe::health::HealthLimits;

/// Streams of events that may be open at a time.
const STREAMS_MAX: usize = 16;

/// The router of everything the port answers.
pub(super) fn router(config: AdminConfig, history: Arc<ServedHistory>) -> Router {
    let AdminConfig { config, boards, cluster, protocol, orders, settings, graph_of, .. } = config;
    let (limits, replicas) = (HealthLimits::of(&config), boards.len());
    let nothing =
        || async { refusal(StatusCode::NOT_FOUND, "no such path; GET /v1 lists those there are") };
    let streams = Arc::new(Semaphore::new(STREAMS_MAX));
    let takes_orders = orders.is_some();
    let me = config.me;
    let state =
        AdminState { me, boards, streams, history, settings, cluster, limits, takes_orders };
    let router = Router::new()
        .merge(frames::router())
        .route("/metrics", get(metrics::metrics))
        .route("/v1", get(schema::index))
        .route("/v1/schema", get(schema::schema))
        .route("/v1/events", get(stream::events))
        .route("/v1/history", get(minutes))
        .route("/v1/status", get(node::status))
        .route("/v1/settings", get(node::settings_in_force))
        .route("/livez", get(node::livez))
        .route("/readyz", get(node::readyz))
        .fallback(nothing)
        .with_state(Arc::new(state))
        .merge(page::router(protocol, graph_of));
    match orders {
        Some(orders) => router.merge(orders::router(replicas, orders)),
        None => router,
    }
}

async fn minutes(State(state): State<Arc<AdminState>>) -> Json<Minutes> {
    Json(state.history.minutes())
}
