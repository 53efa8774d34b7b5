//! `GET /api/doctor`, `GET /api/sources/{id}/doctor`, and what pages tell of their playback.

use axum::body::Body;
use axum::extract::{Path, RawQuery, State as Extract};
use axum::http::header::CACHE_CONTROL;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::{get, put};
use axum::{Json, Router};
use soundport_api::{PlaybackState, Source};
use soundport_core::SessionId;
use soundport_core::fanout::Playback;

use super::State;
use super::problem::Refusal;
use super::session::{require_content_type, text};
use crate::doctor::gather::Owners;

const JSON: &str = "application/json";
const NO_STORE: [(axum::http::HeaderName, &str); 1] = [(CACHE_CONTROL, "no-store")];

/// A page has a session of each source at most, and one more while it changes its way.
const MAX_OWN: usize = 64;

pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/api/doctor", get(check_up))
        .route("/api/sources/{id}/doctor", get(diagnose))
        .route("/api/sessions/{session}/playback", put(note_playback))
}

/// All sources, and the relay.
async fn check_up(
    Extract(state): Extract<State>,
    RawQuery(query): RawQuery,
) -> Result<impl IntoResponse, Refusal> {
    let sources = state.sources.borrow().clone();
    let checkup = owners(&state).check_up(&sources, &own(query.as_deref())).await?;
    Ok((NO_STORE, Json(checkup)))
}

/// One source.
async fn diagnose(
    Extract(state): Extract<State>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<impl IntoResponse, Refusal> {
    let source: Option<Source> = state.sources.borrow().iter().find(|known| known.id == id).cloned();
    let source = source.ok_or(Refusal::UnknownSource(id))?;
    let diagnosis = owners(&state).diagnose(source, own(query.as_deref())).await?;
    Ok((NO_STORE, Json(diagnosis)))
}

/// A listener's page says what its browser does with the sound. Who knows the session's name may say so.
async fn note_playback(
    Extract(state): Extract<State>,
    Path(session): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<StatusCode, Refusal> {
    let session: SessionId = session.parse().map_err(|_| Refusal::UnknownSession)?;
    require_content_type(&headers, JSON)?;
    let body = text(body).await?;
    let said: soundport_api::Playback = serde_json::from_str(&body)
        .map_err(|error| Refusal::Malformed(format!("The body says nothing of playback: {error}.")))?;
    match state.fanout.note_playback(session, read(said.state)).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Refusal::UnknownSession),
    }
}

fn owners(state: &State) -> Owners<'_> {
    Owners {
        ingest: &state.ingest,
        fanout: &state.fanout,
        ice: &state.ice,
        network: &state.network,
        sap: state.sap.as_ref(),
        rtp_port: state.rtp_port,
    }
}

/// The sessions that the asker says are its own: what is no name is none.
fn own(query: Option<&str>) -> Vec<SessionId> {
    let query = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let named = query.filter(|(key, _)| key == "session");
    named.filter_map(|(_, name)| name.parse().ok()).take(MAX_OWN).collect()
}

fn read(state: PlaybackState) -> Playback {
    match state {
        PlaybackState::Playing => Playback::Playing,
        PlaybackState::Blocked => Playback::Blocked,
        PlaybackState::Muted => Playback::Muted,
        PlaybackState::Solo => Playback::Solo,
        PlaybackState::NoOutput => Playback::NoOutput,
        PlaybackState::NoPackets => Playback::NoPackets,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_sessions_are_read_and_everything_else_is_left_out() {
        let name = "0123456789abcdef0123456789abcdef";
        let query = format!("session={name}&session=x&levels=a&session={}", "f".repeat(32));
        assert_eq!(own(Some(&query)).len(), 2);
        assert_eq!(own(Some(&query))[0].to_string(), name);
        assert!(own(None).is_empty());
        assert_eq!(own(Some(&format!("session={name}&").repeat(1000))).len(), MAX_OWN);
    }
}
