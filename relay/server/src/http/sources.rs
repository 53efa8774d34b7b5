//! `GET /api/sources`.

use std::sync::Arc;

use axum::Json;
use axum::extract;
use axum::http::header::CACHE_CONTROL;
use axum::response::IntoResponse;
use soundport_api::Source;

use super::State;

/// All sources, as JSON.
pub(super) async fn list(extract::State(state): extract::State<State>) -> impl IntoResponse {
    let sources: Arc<[Source]> = state.sources.borrow().clone();
    ([(CACHE_CONTROL, "no-store")], Json(sources.to_vec()))
}
