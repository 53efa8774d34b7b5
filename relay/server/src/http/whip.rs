//! WHIP (RFC 9725): a talker's session by HTTP.

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, RawQuery, State as Extract};
use axum::http::header::{ALLOW, CONTENT_TYPE, ETAG, HeaderName, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, post};
use soundport_api::TALKER_HEADER;
use soundport_core::fanout::{Connect, Purpose};
use soundport_core::{SessionId, SourceId};

use super::State;
use super::forwarded::Client;
use super::problem::Refusal;
use super::session::{self, Kind, SDP, etag, linked, patience, require_content_type, text};

/// What a session answers to.
pub(super) const SESSION_METHODS: &str = "DELETE,OPTIONS,PATCH";

/// The WHIP endpoint of each source, and its sessions. Other methods are kept for later (RFC 9725, section 4.2).
pub(super) fn routes() -> Router<State> {
    let session = delete(|state, path| session::end(Kind::Talker, state, path))
        .get(reserved)
        .post(reserved)
        .put(reserved)
        .patch(|state, path, headers, body| session::patch(Kind::Talker, state, path, headers, body));
    Router::new().route("/whip/{source}", post(talk)).route("/whip/{source}/{session}", session)
}

async fn talk(
    Extract(state): Extract<State>,
    Path(source): Path<String>,
    RawQuery(query): RawQuery,
    client: Client,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    require_content_type(&headers, SDP)?;
    let source = open_to_talkers(&state, source)?;
    let patience = patience(query.as_deref())?;
    let offer = text(body).await?;
    let listener = own_listener(query.as_deref().unwrap_or_default())?;
    let candidates = state.network.reachable(client.ip).await;
    let connect = Connect { source, purpose: Purpose::Talk(listener), offer, candidates, patience };
    let (session, answer) = state.fanout.connect(connect).await??;
    let location = client.path(&format!("/whip/{}/{}", session.source, session.id));
    let talker = session.talker.map(|talker| talker.to_string()).unwrap_or_default();
    let headers = [
        (CONTENT_TYPE, SDP.to_owned()),
        (LOCATION, location),
        (ETAG, etag(&session)),
        (HeaderName::from_static(TALKER_HEADER), talker),
    ];
    Ok((StatusCode::CREATED, headers, linked(&state), answer).into_response())
}

/// These methods are kept for later (RFC 9725, section 4.2); but a session that is no more is not found, rather than that.
async fn reserved(
    Extract(state): Extract<State>,
    Path(path): Path<(String, String)>,
) -> Result<Response, Refusal> {
    session::find(&state, Kind::Talker, &path).await?;
    Ok(([(ALLOW, SESSION_METHODS)], Refusal::MethodNotAllowed).into_response())
}

/// The session by which the talker listens, where `?with=` names one.
fn own_listener(query: &str) -> Result<Option<SessionId>, Refusal> {
    let with = form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == "with");
    let session = with.map(|(_, session)| session.parse()).transpose();
    session.map_err(|_| {
        let what = "?with= names no WHEP session; give the last part of its Location, or leave it out.";
        Refusal::Unacceptable(what.into())
    })
}

/// The source, if it may be talked into, and its container is known.
pub(super) fn open_to_talkers(state: &State, source: String) -> Result<SourceId, Refusal> {
    let may_talk = state.sources.borrow().iter().find(|known| known.id == source).map(|known| known.talk);
    match may_talk {
        None => Err(Refusal::UnknownSource(source)),
        Some(false) => Err(Refusal::TalkNotAllowed(source)),
        Some(true) if !state.talkable.borrow().contains(&source) => Err(Refusal::NoContainer(source)),
        Some(true) => Ok(SourceId::new(source)),
    }
}
