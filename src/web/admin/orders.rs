//! What a page may tell an embedded cluster to do to its replicas, for people who want to see what happens.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use crossbeam_channel::Sender;

use super::questions::refusal;
use crate::model::types::ReplicaId;

/// Where these paths begin: the only ones that are asked with POST.
pub(super) const PATHS: &str = "/v1/replicas/";

/// Something to be done to a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// To which.
    pub replica: ReplicaId,
    /// What.
    pub what: What,
}

/// What can be done to a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// End it, as a crash does.
    Kill,
    /// Let it do nothing for a while.
    Pause,
    /// Start it again from its disk.
    Restart,
}

struct Taker {
    replicas: usize,
    orders: Sender<Order>,
}

/// The paths; `orders` is read by whoever owns the replicas.
pub(super) fn router(replicas: usize, orders: Sender<Order>) -> Router {
    Router::new()
        .route("/v1/replicas/{replica}/{what}", post(order))
        .with_state(Arc::new(Taker { replicas, orders }))
}

async fn order(
    State(taker): State<Arc<Taker>>,
    Path((replica, what)): Path<(u16, String)>,
) -> Response {
    let what = match what.as_str() {
        "kill" => What::Kill,
        "pause" => What::Pause,
        "restart" => What::Restart,
        _ => {
            return refusal(StatusCode::NOT_FOUND, "a replica can be told to kill, pause, restart");
        }
    };
    if usize::from(replica) >= taker.replicas {
        return refusal(StatusCode::NOT_FOUND, format!("there is no replica {replica}"));
    }
    match taker.orders.try_send(Order { replica: ReplicaId(replica), what }) {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(_) => {
            let why = "orders are not taken now: too many wait, or the cluster is ending";
            refusal(StatusCode::SERVICE_UNAVAILABLE, why)
        }
    }
}
