//! What WHEP and WHIP share of a session: its resource, and how requests about it are read (RFC 9725).

use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Request, State as Extract};
use axum::http::header::{ALLOW, CONTENT_TYPE, ETAG, HeaderName, IF_MATCH, LINK};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{AppendHeaders, IntoResponse, Response};
use http_body_util::BodyExt;
use soundport_core::SessionId;
use soundport_core::fanout::{ConnectError, Credentials, MAX_PATIENCE, OfferError, Session};

use super::problem::Refusal;
use super::{BODY_LIMIT_BYTES, State, whip};
use crate::fanout::Overloaded;

pub(super) const SDP: &str = "application/sdp";
const FRAGMENT: &str = "application/trickle-ice-sdpfrag";
/// Read of a body that is too large, so that clients who write before they read meet the refusal, not a reset.
const BODY_DRAINED_BYTES: usize = 4 << 20;

const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");
const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");

/// A browser connects within a second, or not at all.
const PATIENCE: Duration = Duration::from_secs(20);

/// Whose sessions are asked about: those of the other kind are not found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Listener,
    Talker,
}

/// Tells in every answer to `OPTIONS` what an endpoint takes; browsers' preflights are answered before any route.
pub(super) async fn advertise(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let is_media = path.starts_with("/whep/") || path.starts_with("/whip/");
    let asked = request.method() == Method::OPTIONS && is_media;
    let is_talk_session = path.strip_prefix("/whip/").is_some_and(|path| path.contains('/'));
    let mut response = next.run(request).await;
    if asked {
        response.headers_mut().insert(ACCEPT_POST, HeaderValue::from_static(SDP));
        response.headers_mut().insert(ACCEPT_PATCH, HeaderValue::from_static(FRAGMENT));
        if is_talk_session {
            response.headers_mut().insert(ALLOW, HeaderValue::from_static(whip::SESSION_METHODS));
        }
    }
    response
}

/// Trickles candidates (which the relay, being ICE-lite, has no use for) or restarts ICE (RFC 9725, section 4.3).
pub(super) async fn patch(
    kind: Kind,
    Extract(state): Extract<State>,
    Path(path): Path<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Refusal> {
    let session = find(&state, kind, &path).await?;
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
        Some(remote) if session.ice.as_ref().is_none_or(|ice| remote != ice.remote) => {
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

/// Ends a session.
pub(super) async fn end(
    kind: Kind,
    Extract(state): Extract<State>,
    Path(path): Path<(String, String)>,
) -> Result<StatusCode, Refusal> {
    let session = find(&state, kind, &path).await?;
    match state.fanout.disconnect(session.id).await? {
        true => Ok(StatusCode::OK),
        false => Err(Refusal::UnknownSession),
    }
}

/// The session at a path.
pub(super) async fn find(
    state: &State,
    kind: Kind,
    (source, session): &(String, String),
) -> Result<Session, Refusal> {
    let id: SessionId = session.parse().map_err(|_| Refusal::UnknownSession)?;
    let session = state.fanout.session(id).await?.ok_or(Refusal::UnknownSession)?;
    let found = if session.talker.is_some() { Kind::Talker } else { Kind::Listener };
    // A stream is ended by its own connection.
    if session.source.as_str() == source && found == kind && session.ice.is_some() {
        Ok(session)
    } else {
        Err(Refusal::UnknownSession)
    }
}

/// How long a session may wait for its connection: `?wait=` says it in seconds, for who carries the answer by hand.
pub(super) fn patience(query: Option<&str>) -> Result<Duration, Refusal> {
    let query = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let Some((_, wait)) = query.into_iter().find(|(key, _)| key == "wait") else { return Ok(PATIENCE) };
    let most = MAX_PATIENCE.as_secs();
    match wait.parse() {
        Ok(secs) if (1..=most).contains(&secs) => Ok(Duration::from_secs(secs)),
        _ => Err(Refusal::Unacceptable(format!("?wait= takes 1 to {most} seconds."))),
    }
}

pub(super) fn require_content_type(headers: &HeaderMap, expected: &'static str) -> Result<(), Refusal> {
    let sent = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let essence = sent.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case(expected) { Ok(()) } else { Err(Refusal::WrongContentType { expected }) }
}

/// Reads a body that must be text.
pub(super) async fn text(mut body: Body) -> Result<String, Refusal> {
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

/// Names the ICE session.
pub(super) fn etag(session: &Session) -> String {
    format!("\"{}\"", session.ice.as_ref().map_or("", |ice| &ice.tag))
}

/// The STUN and TURN servers that a new session may use, with credentials minted for it.
pub(super) fn linked(state: &State) -> AppendHeaders<Vec<(HeaderName, HeaderValue)>> {
    AppendHeaders(state.ice.links().into_iter().map(|link| (LINK, link)).collect())
}

fn refuse_offer(error: &OfferError) -> Refusal {
    let detail = format!("{error}.");
    match error {
        OfferError::Malformed(_) => Refusal::Malformed(detail),
        OfferError::Incomplete(_)
        | OfferError::NoOpus
        | OfferError::NoMicrophone
        | OfferError::NotAlone(_)
        | OfferError::Refused(_) => Refusal::Unacceptable(detail),
    }
}

impl From<ConnectError> for Refusal {
    fn from(error: ConnectError) -> Self {
        match error {
            ConnectError::Offer(error) => refuse_offer(&error),
            ConnectError::TooManyWait => {
                Self::Busy(format!("{error}; try again later, or without ?wait= for who connects at once."))
            }
            ConnectError::Full(_) => Self::Busy(format!("{error}; try again later.")),
            ConnectError::TalkersFull(_) => {
                Self::TalkersFull(format!("{error}; try again when one has gone."))
            }
            ConnectError::NotListening(_) => Self::Unacceptable(format!(
                "{error}; name in ?with= the WHEP session by which this talker listens, or leave it out."
            )),
        }
    }
}

impl From<Overloaded> for Refusal {
    fn from(_: Overloaded) -> Self {
        Self::Busy("The relay is too busy to answer; try again in a moment.".into())
    }
}
