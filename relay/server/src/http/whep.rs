//! WHEP (draft-ietf-wish-whep): a listener's session by HTTP. What it shares with WHIP is RFC 9725.

use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Path, Request, State as Extract};
use axum::http::header::{CONTENT_TYPE, ETAG, HeaderName, IF_MATCH, LOCATION};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http_body_util::BodyExt;
use soundport_api::SourceState;
use soundport_core::SessionId;
use soundport_core::SourceId;
use soundport_core::fanout::{Connect, ConnectError, Credentials, OfferError, Session};

use super::problem::Refusal;
use super::{BODY_LIMIT_BYTES, State};
use crate::fanout::Overloaded;
use crate::network::candidates;

const SDP: &str = "application/sdp";
const FRAGMENT: &str = "application/trickle-ice-sdpfrag";
/// Read of a body that is too large, so that clients who write before they read meet the refusal, not a reset.
const BODY_DRAINED_BYTES: usize = 4 << 20;

const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");
const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");

/// The WHEP endpoint of each source, and its sessions.
pub(super) fn routes() -> Router<State> {
    Router::new()
        .route("/whep/{source}", post(listen).get(endpoint).head(endpoint_head))
        .route("/whep/{source}/{session}", get(resource).head(resource_head).patch(patch).delete(end))
}

/// Tells in every answer to `OPTIONS` what an endpoint takes; browsers' preflights are answered before any route.
pub(super) async fn advertise(request: Request, next: Next) -> Response {
    let asked = request.method() == Method::OPTIONS && request.uri().path().starts_with("/whep/");
    let mut response = next.run(request).await;
    if asked {
        response.headers_mut().insert(ACCEPT_POST, HeaderValue::from_static(SDP));
        response.headers_mut().insert(ACCEPT_PATCH, HeaderValue::from_static(FRAGMENT));
    }
    response
}

async fn listen(
    Extract(state): Extract<State>,
    Path(source): Path<String>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    require_content_type(&headers, SDP)?;
    let source = audible(&state, source)?;
    let offer = text(body).await?;
    let announce = state.announce.borrow().clone();
    let candidates = candidates(state.media, &announce, from.ip()).await;
    let connect = Connect { source, offer, candidates };
    let (session, answer) = state.fanout.connect(connect).await??;
    let location = format!("/whep/{}/{}", session.source, session.id);
    let headers = [(CONTENT_TYPE, SDP.to_owned()), (LOCATION, location), (ETAG, etag(&session))];
    Ok((StatusCode::CREATED, headers, answer).into_response())
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
    let session = find(&state, &path).await?;
    Ok((StatusCode::NO_CONTENT, [(ETAG, etag(&session))]).into_response())
}

async fn resource_head(
    Extract(state): Extract<State>,
    Path(path): Path<(String, String)>,
) -> Result<Response, Refusal> {
    let session = find(&state, &path).await?;
    Ok((StatusCode::OK, [(CONTENT_TYPE, SDP.to_owned()), (ETAG, etag(&session))]).into_response())
}

/// Trickles candidates (which the relay, being ICE-lite, has no use for) or restarts ICE (RFC 9725, section 4.3).
async fn patch(
    Extract(state): Extract<State>,
    Path(path): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let session = find(&state, &path).await?;
    require_content_type(&headers, FRAGMENT)?;
    let if_match = headers.get(IF_MATCH).ok_or(Refusal::PreconditionMissing)?;
    let if_match = if_match.to_str().map_err(|_| Refusal::PreconditionFailed)?;
    // RFC 9725 writes the star in quotes, RFC 9110 without: both are meant.
    let restart = matches!(if_match.trim(), "*" | "\"*\"");
    if !restart && !if_match.split(',').any(|tag| tag.trim() == etag(&session)) {
        return Err(Refusal::PreconditionFailed);
    }
    let fragment = text(body).await?;
    match fragment_credentials(&fragment)? {
        Some(remote) if remote != session.remote => {
            if !restart {
                return Err(Refusal::Unacceptable(
                    "The fragment has new ICE credentials; to restart ICE send If-Match: *.".into(),
                ));
            }
            let restarted = state.fanout.restart(session.id, remote).await?.ok_or(Refusal::UnknownSession)?;
            let (session, answer) = restarted.map_err(|error| refuse_offer(&error))?;
            let headers = [(CONTENT_TYPE, FRAGMENT.to_owned()), (ETAG, etag(&session))];
            Ok((StatusCode::OK, headers, answer).into_response())
        }
        Some(_) | None => Ok(StatusCode::NO_CONTENT.into_response()),
    }
}

async fn end(
    Extract(state): Extract<State>,
    Path(path): Path<(String, String)>,
) -> Result<StatusCode, Refusal> {
    let session = find(&state, &path).await?;
    match state.fanout.disconnect(session.id).await? {
        true => Ok(StatusCode::OK),
        false => Err(Refusal::UnknownSession),
    }
}

/// The source, if it is there and has ever had sound.
fn audible(state: &State, source: String) -> Result<SourceId, Refusal> {
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

async fn find(state: &State, (source, session): &(String, String)) -> Result<Session, Refusal> {
    let id: SessionId = session.parse().map_err(|_| Refusal::UnknownSession)?;
    let session = state.fanout.session(id).await?.ok_or(Refusal::UnknownSession)?;
    if session.source.as_str() == source { Ok(session) } else { Err(Refusal::UnknownSession) }
}

fn require_content_type(headers: &HeaderMap, expected: &'static str) -> Result<(), Refusal> {
    let sent = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = sent.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case(expected) { Ok(()) } else { Err(Refusal::WrongContentType { expected }) }
}

async fn text(mut body: Body) -> Result<String, Refusal> {
    let mut bytes = Vec::new();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Refusal::Malformed(format!("The body ends early: {error}.")))?;
        let Ok(data) = frame.into_data() else { continue };
        length += data.len();
        if length <= BODY_LIMIT_BYTES {
            bytes.extend_from_slice(&data);
        } else if length > BODY_DRAINED_BYTES {
            break;
        }
    }
    if length > BODY_LIMIT_BYTES {
        return Err(Refusal::BodyTooLarge);
    }
    String::from_utf8(bytes).map_err(|_| Refusal::Malformed("The body is not UTF-8 text.".into()))
}

/// The ICE credentials in an SDP fragment (RFC 8840, section 9), if it has any.
fn fragment_credentials(fragment: &str) -> Result<Option<Credentials>, Refusal> {
    let is_sdp = |line: &str| line.as_bytes().get(1) == Some(&b'=');
    if fragment.lines().all(str::is_empty) || !fragment.lines().filter(|line| !line.is_empty()).all(is_sdp) {
        return Err(Refusal::Malformed("The body is not an SDP fragment (RFC 8840).".into()));
    }
    let value = |name: &str| {
        let line =
            fragment.lines().find_map(|line| line.strip_prefix("a=")?.strip_prefix(name)?.strip_prefix(':'));
        line.map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    };
    match (value("ice-ufrag"), value("ice-pwd")) {
        (Some(ufrag), Some(password)) => Ok(Some(Credentials { ufrag, password })),
        (None, None) => Ok(None),
        (Some(_), None) | (None, Some(_)) => Err(Refusal::Unacceptable(
            "The fragment has half of the ICE credentials; send ufrag and pwd.".into(),
        )),
    }
}

fn etag(session: &Session) -> String {
    format!("\"{}\"", session.ice_tag)
}

fn refuse_offer(error: &OfferError) -> Refusal {
    let detail = format!("{error}.");
    match error {
        OfferError::Malformed(_) => Refusal::Malformed(detail),
        OfferError::Incomplete(_) | OfferError::NoOpus | OfferError::Refused(_) => {
            Refusal::Unacceptable(detail)
        }
    }
}

impl From<ConnectError> for Refusal {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Offer(error) => refuse_offer(&error),
            ConnectError::Full(_) => Self::Busy(format!("{error}; try again later.")),
        }
    }
}

impl From<Overloaded> for Refusal {
    fn from(_: Overloaded) -> Self {
        Self::Busy("The relay is too busy to answer; try again in a moment.".into())
    }
}
