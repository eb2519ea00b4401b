//! Answers about replicas, from the frames that this process has of them.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Query, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::routing::get;
use axum::{Json, Router};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::answer::{ErrorResponse, refusal};
use super::state::AdminState;
use crate::model::types::{ClientId, ReplicaId, Slot};
use crate::observe::frame::{
    Blame, Channel, Frame, Input, Operator, RoleHolding, SlotLife, VERSION,
};
use crate::observe::scene::Scene;
use crate::observe::status::ReplicaStatus;

/// Lives of slots in an answer, unless fewer are asked for.
const SLOTS: usize = 100;
/// Lives of slots in an answer, however many are asked for.
const SLOTS_MAX: usize = 1_000;

/// The paths.
pub(super) fn router() -> Router<Arc<AdminState>> {
    Router::new()
        .route("/v1/scene", get(scene))
        .route("/v1/frame", get(frame))
        .route("/v1/replicas", get(replicas))
        .route("/v1/operators", get(operators))
        .route("/v1/channels", get(channels))
        .route("/v1/frontiers", get(frontiers))
        .route("/v1/blame", get(blame))
        .route("/v1/slots", get(slots))
}

/// The query string; one that cannot be read is refused with an error response like all others.
struct Asked<T>(T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = ErrorResponse;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ErrorResponse> {
        let asked = Query::try_from_uri(&parts.uri);
        let Query(asked) =
            asked.map_err(|why| refusal(StatusCode::BAD_REQUEST, why.body_text()))?;
        Ok(Self(asked))
    }
}

/// Of which replica: this process's own, unless another is named.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    replica: Option<ReplicaId>,
}

/// The latest frame of the replica that a request names.
struct Shown(Arc<Frame>);

impl FromRequestParts<Arc<AdminState>> for Shown {
    type Rejection = ErrorResponse;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &Arc<AdminState>,
    ) -> Result<Self, ErrorResponse> {
        let Asked(Which { replica }) = Asked::from_request_parts(parts, state).await?;
        let replica = replica.unwrap_or(state.me);
        let board = state.boards.get(replica.0 as usize).ok_or_else(|| {
            let last = state.boards.len() - 1;
            let why = format!("there is no replica {replica}; the cluster has 0 to {last}");
            refusal(StatusCode::NOT_FOUND, why)
        })?;
        let (frame, _) = board.frame().ok_or_else(|| {
            let why = board.sighting(replica).silence.unwrap_or_default();
            let why = format!("no frame of replica {replica}: {why}");
            refusal(StatusCode::SERVICE_UNAVAILABLE, why)
        })?;
        Ok(Self(frame))
    }
}

/// A part of a frame.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "PartOfFrame{T}")]
pub(super) struct Part<T> {
    /// The version of the format of frames.
    version: u32,
    /// Of which replica.
    replica: ReplicaId,
    /// The number of the frame.
    number: u64,
    /// When the frame was taken.
    at_us: u64,
    /// The time over which rates, shares and spreads are taken.
    window_us: u64,
    #[serde(flatten)]
    part: T,
}

impl<T> Part<T> {
    fn of(frame: &Frame, part: T) -> Json<Self> {
        let Frame { number, at_us, window_us, .. } = *frame;
        let (version, replica) = (VERSION, frame.status.replica);
        Json(Self { version, replica, number, at_us, window_us, part })
    }
}

async fn scene(State(state): State<Arc<AdminState>>) -> Json<Scene> {
    Json(state.scene())
}

async fn frame(Shown(frame): Shown) -> Json<Arc<Frame>> {
    Json(frame)
}

/// How each replica stands.
#[derive(Serialize, JsonSchema)]
pub(super) struct Replicas {
    /// The version of the format of frames.
    version: u32,
    replicas: Vec<Replica>,
}

/// A replica without its operators.
#[derive(Serialize, JsonSchema)]
struct Replica {
    replica: ReplicaId,
    /// How it stood when it was last seen.
    status: Option<ReplicaStatus>,
    /// How long ago that was.
    age_us: u64,
    /// Why there is no recent word of it.
    silence: Option<String>,
}

async fn replicas(State(state): State<Arc<AdminState>>) -> Json<Replicas> {
    let replicas = state.scene().replicas.into_iter().map(|sighting| Replica {
        replica: sighting.replica,
        status: sighting.frame.map(|frame| frame.status.clone()),
        age_us: sighting.age_us,
        silence: sighting.silence,
    });
    Json(Replicas { version: VERSION, replicas: replicas.collect() })
}

/// The operators of a replica.
#[derive(Serialize, JsonSchema)]
pub(super) struct Operators {
    operators: Vec<Operator>,
}

async fn operators(Shown(frame): Shown) -> Json<Part<Operators>> {
    Part::of(&frame, Operators { operators: frame.operators.clone() })
}

/// The streams between them.
#[derive(Serialize, JsonSchema)]
pub(super) struct Channels {
    channels: Vec<Channel>,
}

async fn channels(Shown(frame): Shown) -> Json<Part<Channels>> {
    Part::of(&frame, Channels { channels: frame.channels.clone() })
}

/// How far each operator has come: by its frontier where time is the slot, by what it still has pending
/// where time stands still, and from level `full` on by all inputs and who holds them back.
#[derive(Serialize, JsonSchema)]
pub(super) struct Frontiers {
    frontiers: Vec<Frontier>,
    holdings: Vec<RoleHolding>,
}

/// How far an operator has come.
#[derive(Serialize, JsonSchema)]
struct Frontier {
    /// By its name.
    operator: String,
    /// The first slot whose records may still come, where time is the slot.
    frontier: Option<Slot>,
    /// Its inputs; from level `full` on.
    inputs: Vec<Input>,
}

async fn frontiers(Shown(frame): Shown) -> Json<Part<Frontiers>> {
    let frontiers = frame.operators.iter().filter_map(|operator| {
        let (frontier, inputs) = (operator.frontier, operator.inputs.clone());
        let known = frontier.is_some() || !inputs.is_empty();
        known.then(|| Frontier { operator: operator.name.clone(), frontier, inputs })
    });
    let (frontiers, holdings) = (frontiers.collect(), frame.holdings.clone());
    Part::of(&frame, Frontiers { frontiers, holdings })
}

/// Why the application makes no progress.
#[derive(Serialize, JsonSchema)]
pub(super) struct Blamed {
    blame: Vec<Blame>,
}

async fn blame(Shown(frame): Shown) -> Json<Part<Blamed>> {
    Part::of(&frame, Blamed { blame: frame.blame.clone() })
}

/// Which lives: of one slot, of the slots that hold a request, or the last ones.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Lives {
    replica: Option<ReplicaId>,
    slot: Option<Slot>,
    client: Option<ClientId>,
    number: Option<u64>,
    last: Option<usize>,
}

/// What a replica remembers of slots.
#[derive(Serialize, JsonSchema)]
pub(super) struct Slots {
    /// The version of the format of frames.
    version: u32,
    /// Which replica.
    replica: ReplicaId,
    /// Details that were left out because there were too many at once or somebody was reading.
    lost: u64,
    /// The oldest slot it remembers.
    oldest: Option<Slot>,
    slots: Vec<SlotLife>,
}

async fn slots(
    State(state): State<Arc<AdminState>>,
    Asked(lives): Asked<Lives>,
) -> Result<Json<Slots>, ErrorResponse> {
    let (replica, past) = state.past(lives.replica)?;
    let slots = match (lives.slot, lives.client, lives.number) {
        (Some(slot), None, None) => past.slot(slot).into_iter().collect(),
        (None, Some(client), Some(number)) => past.of_request(client, number),
        (None, None, None) => past.last(lives.last.unwrap_or(SLOTS).min(SLOTS_MAX)),
        _ => {
            let why = "ask for ?slot=N, for ?client=C&number=N, or for ?last=N";
            return Err(refusal(StatusCode::BAD_REQUEST, why));
        }
    };
    let (lost, oldest) = (past.lost(), past.oldest());
    Ok(Json(Slots { version: VERSION, replica, lost, oldest, slots }))
}
