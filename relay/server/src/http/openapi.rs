//! `GET /api/openapi.json`: this interface, as OpenAPI.

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::IntoResponse;

/// Held against the relay by the end-to-end tests.
const TEXT: &str = include_str!("../../../../docs/openapi.json");

/// The text as it stands in the repository.
pub(super) async fn show() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-cache")], TEXT)
}
