//! What is shown of all replicas, as far as this process knows them.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use super::questions::{Sources, refusal};
use super::stream::events;
use crate::clock::Clock;
use crate::observe::board;
use crate::observe::frame::{
    Blame, Channel, Frame, Happened, Holding, Input, Operator, SlotLife, VERSION,
};
use crate::observe::past::Past;
use crate::observe::scene::Scene;
use crate::observe::status::ReplicaStatus;
use crate::types::{ClientId, ReplicaId, Slot};

/// Lives of slots in an answer, unless fewer are asked for.
const SLOTS: usize = 100;
/// Lives of slots in an answer, however many are asked for.
const SLOTS_MAX: usize = 1_000;

/// The paths.
pub(super) fn router() -> Router<Arc<Sources>> {
    Router::new()
        .route("/v1/scene", get(scene))
        .route("/v1/frame", get(frame))
        .route("/v1/replicas", get(replicas))
        .route("/v1/operators", get(operators))
        .route("/v1/channels", get(channels))
        .route("/v1/frontiers", get(frontiers))
        .route("/v1/blame", get(blame))
        .route("/v1/slots", get(slots))
        .route("/v1/events", get(events))
}

/// Of which replica: this process's own, unless another is named.
#[derive(Deserialize)]
struct Which {
    replica: Option<ReplicaId>,
}

/// A part of a frame, and of which frame.
#[derive(Serialize)]
struct Part<T> {
    version: u32,
    replica: ReplicaId,
    number: u64,
    at_us: u64,
    window_us: u64,
    #[serde(flatten)]
    part: T,
}

impl Sources {
    /// All replicas, as they are known here.
    pub(super) fn scene(&self) -> Scene {
        board::scene(&self.boards, Clock::start().now_us())
    }

    fn frame(&self, which: &Which) -> Result<Arc<Frame>, Box<Response>> {
        let replica = which.replica.unwrap_or(self.me);
        let Some(board) = self.boards.get(replica.0 as usize) else {
            let last = self.boards.len() - 1;
            let why = format!("there is no replica {replica}; the cluster has 0 to {last}");
            return Err(Box::new(refusal(StatusCode::NOT_FOUND, why)));
        };
        match board.frame() {
            Some((frame, _)) => Ok(frame),
            None => {
                let why = board.sighting(replica).silence.unwrap_or_default();
                let why = format!("no frame of replica {replica}: {why}");
                Err(Box::new(refusal(StatusCode::SERVICE_UNAVAILABLE, why)))
            }
        }
    }

    fn part<T: Serialize>(&self, which: &Which, of: impl FnOnce(&Frame) -> T) -> Response {
        match self.frame(which) {
            Err(refused) => *refused,
            Ok(frame) => Json(Part {
                version: VERSION,
                replica: frame.status.replica,
                number: frame.number,
                at_us: frame.at_us,
                window_us: frame.window_us,
                part: of(&frame),
            })
            .into_response(),
        }
    }

    pub(super) fn past(
        &self,
        replica: Option<ReplicaId>,
    ) -> Result<(ReplicaId, Past), Box<Response>> {
        let replica = replica.unwrap_or(self.me);
        let past = self.boards.get(replica.0 as usize).and_then(|board| board.past());
        past.map(|past| (replica, past)).ok_or_else(|| {
            let why = format!("replica {replica} is not watched here: ask its own admin port");
            Box::new(refusal(StatusCode::NOT_FOUND, why))
        })
    }
}

async fn scene(State(sources): State<Arc<Sources>>) -> Json<Scene> {
    Json(sources.scene())
}

async fn frame(State(sources): State<Arc<Sources>>, Query(which): Query<Which>) -> Response {
    match sources.frame(&which) {
        Err(refused) => *refused,
        Ok(frame) => Json(&*frame).into_response(),
    }
}

#[derive(Serialize)]
struct Replicas {
    version: u32,
    replicas: Vec<Replica>,
}

/// A replica without its operators.
#[derive(Serialize)]
struct Replica {
    replica: ReplicaId,
    status: Option<ReplicaStatus>,
    age_us: u64,
    silence: Option<String>,
}

async fn replicas(State(sources): State<Arc<Sources>>) -> Json<Replicas> {
    let replicas = sources.scene().replicas.into_iter().map(|sighting| Replica {
        replica: sighting.replica,
        status: sighting.frame.map(|frame| frame.status.clone()),
        age_us: sighting.age_us,
        silence: sighting.silence,
    });
    Json(Replicas { version: VERSION, replicas: replicas.collect() })
}

#[derive(Serialize)]
struct Operators {
    operators: Vec<Operator>,
}

async fn operators(State(sources): State<Arc<Sources>>, Query(which): Query<Which>) -> Response {
    sources.part(&which, |frame| Operators { operators: frame.operators.clone() })
}

#[derive(Serialize)]
struct Channels {
    channels: Vec<Channel>,
}

async fn channels(State(sources): State<Arc<Sources>>, Query(which): Query<Which>) -> Response {
    sources.part(&which, |frame| Channels { channels: frame.channels.clone() })
}

/// How far each operator has come: by its frontier where time is the slot, by what it has not let go of
/// where time stands still, and at level `full` by all inputs and who holds them back.
#[derive(Serialize)]
struct Frontiers {
    frontiers: Vec<Frontier>,
    holdings: Vec<Holding>,
}

#[derive(Serialize)]
struct Frontier {
    operator: String,
    frontier: Option<Slot>,
    inputs: Vec<Input>,
}

async fn frontiers(State(sources): State<Arc<Sources>>, Query(which): Query<Which>) -> Response {
    sources.part(&which, |frame| {
        let frontiers = frame.operators.iter().filter_map(|operator| {
            let (frontier, inputs) = (operator.frontier, operator.inputs.clone());
            let known = frontier.is_some() || !inputs.is_empty();
            known.then(|| Frontier { operator: operator.name.clone(), frontier, inputs })
        });
        Frontiers { frontiers: frontiers.collect(), holdings: frame.holdings.clone() }
    })
}

#[derive(Serialize)]
struct Blamed {
    blame: Vec<Blame>,
}

async fn blame(State(sources): State<Arc<Sources>>, Query(which): Query<Which>) -> Response {
    sources.part(&which, |frame| Blamed { blame: frame.blame.clone() })
}

/// Which lives: of one slot, of the slots that hold a request, or the last ones.
#[derive(Deserialize)]
struct Lives {
    replica: Option<ReplicaId>,
    slot: Option<Slot>,
    client: Option<ClientId>,
    number: Option<u64>,
    last: Option<usize>,
}

#[derive(Serialize)]
struct Slots {
    version: u32,
    replica: ReplicaId,
    lost: u64,
    oldest: Option<Slot>,
    slots: Vec<SlotLife>,
}

async fn slots(State(sources): State<Arc<Sources>>, Query(lives): Query<Lives>) -> Response {
    let (replica, past) = match sources.past(lives.replica) {
        Ok(found) => found,
        Err(refused) => return *refused,
    };
    let slots = match (lives.slot, lives.client, lives.number) {
        (Some(slot), None, None) => past.slot(slot).into_iter().collect(),
        (None, Some(client), Some(number)) => past.of_request(client, number),
        (None, None, None) => past.last(lives.last.unwrap_or(SLOTS).min(SLOTS_MAX)),
        _ => {
            let why = "ask for ?slot=N, for ?client=C&number=N, or for ?last=N";
            return refusal(StatusCode::BAD_REQUEST, why);
        }
    };
    let (lost, oldest) = (past.lost(), past.oldest());
    Json(Slots { version: VERSION, replica, lost, oldest, slots }).into_response()
}

/// What happened lately in a replica of this process.
#[derive(Serialize)]
pub(super) struct Story {
    pub version: u32,
    pub replica: ReplicaId,
    pub happened: Vec<Happened>,
}
