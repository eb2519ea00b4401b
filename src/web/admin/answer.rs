//! Error responses in JSON.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Serialize;

/// Body of an error response.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Refusal")]
pub(super) struct ErrorBody {
    /// Why the request was not answered.
    error: String,
}

/// An error response.
pub(super) struct ErrorResponse(StatusCode, ErrorBody);

/// An error response.
pub(super) fn refusal(status: StatusCode, why: impl Into<String>) -> ErrorResponse {
    ErrorResponse(status, ErrorBody { error: why.into() })
}

impl IntoResponse for ErrorResponse {
    fn into_response(self) -> Response {
        (self.0, Json(self.1)).into_response()
    }
}
