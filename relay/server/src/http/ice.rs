//! What browsers are told of STUN and TURN servers, and what is wrong with these.

use axum::Json;
use axum::extract::State as Extract;
use axum::http::header::CACHE_CONTROL;
use axum::response::IntoResponse;

use super::State;

/// A browser's `RTCConfiguration`, with credentials minted for this request.
pub(super) async fn configuration(Extract(state): Extract<State>) -> impl IntoResponse {
    ([(CACHE_CONTROL, "no-store")], Json(state.ice.configuration()))
}

/// What becomes of trying the TURN servers.
pub(super) async fn check(Extract(state): Extract<State>) -> impl IntoResponse {
    ([(CACHE_CONTROL, "no-store")], Json(state.ice.check().await.to_vec()))
}
