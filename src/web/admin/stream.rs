//! `GET /v1/events`: frames, silences and findings as a stream.
//!
//! A slow reader sees fewer frames: what is sent next is made when there is room for it, from the state at
//! that time. So nothing accumulates here for any reader.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Extension;
use axum::Json;
use axum::extract::State;
use axum::http::header::ACCEPT;
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;

use super::answer::{ErrorResponse, refusal};
use super::state::AdminState;
use crate::model::types::ReplicaId;
use crate::observe::findings::Finding;
use crate::observe::frame::{Happened, VERSION};

/// How often it is looked whether there is something new.
const EVERY: Duration = Duration::from_millis(100);

/// Mark of a connection that is to last, because what it carries has no end: how often it was ready for more.
#[derive(Clone, Debug, Default)]
pub(super) struct LongLived(Arc<AtomicU64>);

impl LongLived {
    fn go_on(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub fn progress(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What happened lately in a replica of this process.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Story")]
pub(super) struct Happenings {
    /// The version of the format of frames.
    version: u32,
    /// Which replica.
    replica: ReplicaId,
    happened: Vec<Happened>,
}

/// Frames as they are taken, or, to those who do not ask for a stream, what happened lately.
pub(super) async fn events(
    State(state): State<Arc<AdminState>>,
    Extension(lasting): Extension<LongLived>,
    headers: HeaderMap,
) -> Result<Response, ErrorResponse> {
    let accepted = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    if !accepted.contains("text/event-stream") {
        let (replica, past) = state.past(None)?;
        let happened = past.happened();
        return Ok(Json(Happenings { version: VERSION, replica, happened }).into_response());
    }
    let place = Arc::clone(&state.streams).try_acquire_owned().map_err(|_| {
        let why = "too many streams are open; close a page that shows this replica";
        refusal(StatusCode::SERVICE_UNAVAILABLE, why)
    })?;
    lasting.go_on();
    let watcher = Watcher {
        state,
        seen: BTreeMap::new(),
        silent: BTreeMap::new(),
        findings: None,
        next: VecDeque::new(),
        lasting,
        _place: place,
    };
    let events = stream::unfold(watcher, |mut watcher| async move {
        let event = watcher.next().await;
        Some((Ok::<_, Infallible>(event), watcher))
    });
    Ok(Sse::new(events).into_response())
}

/// A reader of the stream, and what it has been sent.
struct Watcher {
    state: Arc<AdminState>,
    /// The life and number of the last frame sent, by replica.
    seen: BTreeMap<ReplicaId, (u64, u64)>,
    /// Why each replica was last reported silent.
    silent: BTreeMap<ReplicaId, Option<String>>,
    findings: Option<Vec<Finding>>,
    next: VecDeque<Event>,
    lasting: LongLived,
    _place: OwnedSemaphorePermit,
}

/// Loss of contact with a replica.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Silence")]
pub(super) struct SilenceEvent<'a> {
    replica: ReplicaId,
    /// Why, as far as it is known.
    text: &'a str,
    /// Whether it is known not to run.
    ended: bool,
}

impl Watcher {
    async fn next(&mut self) -> Event {
        loop {
            // Nobody gets here while the reader has not taken what came before.
            self.lasting.go_on();
            if let Some(event) = self.next.pop_front() {
                return event;
            }
            self.look();
            if self.next.is_empty() {
                tokio::time::sleep(EVERY).await;
            }
        }
    }

    fn look(&mut self) {
        let scene = self.state.scene();
        for sighting in &scene.replicas {
            if let Some(frame) = &sighting.frame {
                let id = (frame.status.starts, frame.number);
                if self.seen.insert(sighting.replica, id) != Some(id) {
                    self.next.push_back(event("frame", &**frame));
                }
            }
            let said = self.silent.entry(sighting.replica).or_default();
            if *said != sighting.silence {
                said.clone_from(&sighting.silence);
                if let Some(text) = &sighting.silence {
                    let (replica, ended) = (sighting.replica, sighting.ended);
                    let silence = SilenceEvent { replica, text, ended };
                    self.next.push_back(event("silence", &silence));
                }
            }
        }
        if self.findings.as_ref() != Some(&scene.findings) {
            self.next.push_back(event("findings", &scene.findings));
            self.findings = Some(scene.findings);
        }
    }
}

fn event(kind: &str, what: &impl Serialize) -> Event {
    let data = serde_json::to_string(what).expect("numbers, texts and lists always encode");
    Event::default().event(kind).data(data)
}
