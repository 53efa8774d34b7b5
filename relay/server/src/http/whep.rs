//! WHEP (draft-ietf-wish-whep): a listener's session by HTTP. What it shares with WHIP is RFC 9725.

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State as Extract};
use axum::http::header::{CONTENT_TYPE, ETAG, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use soundport_api::SourceState;
use soundport_core::SourceId;
use soundport_core::fanout::{Connect, Purpose};

use super::State;
use super::forwarded::Client;
use super::problem::Refusal;
use super::session::{self, Kind, SDP, etag, find, linked, patience, require_content_type, text};

/// The WHEP endpoint of each source, and its sessions.
pub(super) fn routes() -> Router<State> {
    let session = get(resource)
        .head(resource_head)
        .patch(|state, path, headers, body| session::patch(Kind::Listener, state, path, headers, body))
        .delete(|state, path| session::end(Kind::Listener, state, path));
    Router::new()
        .route("/whep/{source}", post(listen).get(endpoint).head(endpoint_head))
        .route("/whep/{source}/{session}", session)
}

async fn listen(
    Extract(state): Extract<State>,
    Path(source): Path<String>,
    RawQuery(query): RawQuery,
    client: Client,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    require_content_type(&headers, SDP)?;
    let source = audible(&state, source)?;
    let patience = patience(query.as_deref())?;
    let offer = text(body).await?;
    let candidates = state.network.reachable(client.ip).await;
    let connect = Connect { source, purpose: Purpose::Listen, offer, candidates, patience };
    let (session, answer) = state.fanout.connect(connect).await??;
    let location = client.path(&format!("/whep/{}/{}", session.source, session.id));
    let headers = [(CONTENT_TYPE, SDP.to_owned()), (LOCATION, location), (ETAG, etag(&session))];
    Ok((StatusCode::CREATED, headers, linked(&state), answer).into_response())
}

async fn endpoint(Extract(state): Extract<State>, Path(source): Path<String>) -> Result<StatusCode, Refusal> {
    known(&state, source)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn endpoint_head(
    Extract(state): Extract<State>,
    Path(source): Path<String>,
) -> Result<Response, Refusal> {
    known(&state, source)?;
    Ok((StatusCode::OK, [(CONTENT_TYPE, SDP)]).into_response())
}

async fn resource(
    Extract(state): Extract<State>,
    Path(path): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let session = find(&state, Kind::Listener, &path).await?;
    Ok((StatusCode::NO_CONTENT, [(ETAG, etag(&session))]).into_response())
}

async fn resource_head(
    Extract(state): Extract<State>,
    Path(path): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let session = find(&state, Kind::Listener, &path).await?;
    Ok((StatusCode::OK, [(CONTENT_TYPE, SDP.to_owned()), (ETAG, etag(&session))]).into_response())
}

/// The source, if it is there and has ever had sound.
pub(super) fn audible(state: &State, source: String) -> Result<SourceId, Refusal> {
    match known(state, source)? {
        (source, SourceState::Live | SourceState::Idle) => Ok(source),
        (source, SourceState::Waiting | SourceState::Lost) => Err(Refusal::NotLive(source.to_string())),
    }
}

fn known(state: &State, source: String) -> Result<(SourceId, SourceState), Refusal> {
    let found = state.sources.borrow().iter().find(|known| known.id == source).map(|known| known.state);
    match found {
        Some(state) => Ok((SourceId::new(source), state)),
        None => Err(Refusal::UnknownSource(source)),
    }
}
