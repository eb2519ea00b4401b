//! The page, its files, and the graph it draws.

use std::sync::{Arc, OnceLock};

use axum::extract::{Path, State};
use axum::http::HeaderValue;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use schemars::JsonSchema;
use serde::Serialize;

use super::answer::refusal;
use crate::web::page::{self, Asset, Figures, GraphOf};

/// The version of the answer about the graph.
const VERSION: u32 = 1;

/// The pictures of one protocol's graph, made when they are first asked for.
struct Drawn {
    protocol: String,
    graph_of: GraphOf,
    figures: OnceLock<Option<Figures>>,
}

/// A replica's graph.
#[derive(Serialize, JsonSchema)]
pub(super) struct Drawing<'a> {
    /// The version of this answer.
    version: u32,
    protocol: &'a str,
    #[serde(flatten)]
    figures: &'a Figures,
}

/// Which answer belongs to which path.
pub(super) fn router(protocol: String, graph_of: GraphOf) -> Router {
    let drawn = Drawn { protocol, graph_of, figures: OnceLock::new() };
    Router::new()
        .route("/", get(index))
        .route("/page/{name}", get(file))
        .route("/v1/graph", get(graph))
        .with_state(Arc::new(drawn))
}

async fn index() -> Response {
    answer("text/html; charset=utf-8", page::INDEX)
}

async fn file(Path(name): Path<String>) -> Response {
    match page::ASSETS.iter().copied().flatten().find(|asset| asset.name == name) {
        Some(Asset { media_type, text, .. }) => answer(media_type, text),
        None => refusal(StatusCode::NOT_FOUND, "the page has no such file").into_response(),
    }
}

fn answer(media_type: &'static str, text: &'static str) -> Response {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static(media_type)),
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static(page::CONTENT_SECURITY_POLICY)),
        (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    (headers, text).into_response()
}

async fn graph(State(drawn): State<Arc<Drawn>>) -> Response {
    let Drawn { protocol, graph_of, figures } = &*drawn;
    match figures.get_or_init(|| graph_of(protocol).as_ref().map(Figures::of)) {
        Some(figures) => Json(Drawing { version: VERSION, protocol, figures }).into_response(),
        None => {
            refusal(StatusCode::NOT_FOUND, "no graph of this protocol is known").into_response()
        }
    }
}
