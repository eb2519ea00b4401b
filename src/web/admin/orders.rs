//! Orders to the replicas of an embedded cluster, for people who want to see what happens.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::post;
use crossbeam_channel::Sender;

use super::answer::{ErrorResponse, refusal};
use crate::model::types::ReplicaId;

/// Where these paths begin: the only ones that are asked with POST.
pub(super) const PATHS: &str = "/v1/replicas/";

/// Something to be done to a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// Which replica.
    pub replica: ReplicaId,
    /// What is to be done to it.
    pub action: OrderAction,
}

/// Action on a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OrderAction {
    /// End it, as a crash does.
    Kill,
    /// Let it do nothing for a while.
    Pause,
    /// Start it again from its disk.
    Restart,
}

/// Receiver of orders.
struct OrderSink {
    replicas: usize,
    orders: Sender<Order>,
}

/// The paths; `orders` is read by whoever owns the replicas.
pub(super) fn router(replicas: usize, orders: Sender<Order>) -> Router {
    Router::new()
        .route("/v1/replicas/{replica}/{action}", post(order))
        .with_state(Arc::new(OrderSink { replicas, orders }))
}

async fn order(
    State(sink): State<Arc<OrderSink>>,
    Path((replica, action)): Path<(u16, String)>,
) -> Result<StatusCode, ErrorResponse> {
    let unknown = |why: String| Err(refusal(StatusCode::NOT_FOUND, why));
    let action = match action.as_str() {
        "kill" => OrderAction::Kill,
        "pause" => OrderAction::Pause,
        "restart" => OrderAction::Restart,
        _ => return unknown("the actions are kill, pause and restart".to_owned()),
    };
    if usize::from(replica) >= sink.replicas {
        return unknown(format!("there is no replica {replica}"));
    }
    let sent = sink.orders.try_send(Order { replica: ReplicaId(replica), action });
    sent.map(|()| StatusCode::NO_CONTENT).map_err(|_| {
        let why = "orders are not taken now: too many wait, or the cluster is ending";
        refusal(StatusCode::SERVICE_UNAVAILABLE, why)
    })
}
