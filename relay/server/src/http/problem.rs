//! Refusals, each as problem details (RFC 9457).

use axum::Json;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use soundport_api::Problem;

/// Every reason for which a request is refused.
#[derive(Debug)]
pub(crate) enum Refusal {
    NoSuchPage,
    MethodNotAllowed,
    UnknownHost(String),
    StrangeOrigin,
    UnknownSource(String),
    UnknownSession,
    NotLive(String),
    TalkNotAllowed(String),
    NoContainer(String),
    TalkersFull(String),
    NoWebSocket,
    BadTicket,
    WrongContentType { expected: &'static str },
    BodyTooLarge,
    TooSlow,
    Malformed(String),
    Unacceptable(String),
    PreconditionMissing,
    PreconditionFailed,
    Busy(String),
}

impl Refusal {
    /// Status, short name, and title: the same each time.
    fn kind(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::NoSuchPage => (StatusCode::NOT_FOUND, "not-found", "Nothing is here"),
            Self::MethodNotAllowed => {
                (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", "The method is not allowed here")
            }
            Self::UnknownHost(_) => {
                (StatusCode::MISDIRECTED_REQUEST, "unknown-host", "The host name is not known")
            }
            Self::StrangeOrigin => {
                (StatusCode::FORBIDDEN, "strange-origin", "The page may not use the relay")
            }
            Self::UnknownSource(_) => (StatusCode::NOT_FOUND, "unknown-source", "There is no such source"),
            Self::UnknownSession => (StatusCode::NOT_FOUND, "unknown-session", "There is no such session"),
            Self::NotLive(_) => (StatusCode::CONFLICT, "not-live", "The source sends nothing yet"),
            Self::TalkNotAllowed(_) => {
                (StatusCode::FORBIDDEN, "talk-not-allowed", "Nobody may talk into the source")
            }
            Self::NoContainer(_) => {
                (StatusCode::CONFLICT, "no-container", "Nobody knows where the container is")
            }
            Self::TalkersFull(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, "talkers-full", "As many talk as may at once")
            }
            Self::NoWebSocket => (StatusCode::UPGRADE_REQUIRED, "no-websocket", "A WebSocket is spoken here"),
            Self::BadTicket => (StatusCode::FORBIDDEN, "bad-ticket", "The ticket is not good"),
            Self::WrongContentType { .. } => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "wrong-content-type",
                "The content type is not supported",
            ),
            Self::BodyTooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The body is too large"),
            Self::TooSlow => (StatusCode::REQUEST_TIMEOUT, "too-slow", "The request took too long"),
            Self::Malformed(_) => (StatusCode::BAD_REQUEST, "malformed", "The body cannot be read"),
            Self::Unacceptable(_) => {
                (StatusCode::UNPROCESSABLE_ENTITY, "unacceptable", "The description cannot be accepted")
            }
            Self::PreconditionMissing => {
                (StatusCode::PRECONDITION_REQUIRED, "if-match-missing", "If-Match is missing")
            }
            Self::PreconditionFailed => {
                (StatusCode::PRECONDITION_FAILED, "if-match-failed", "The ICE session has changed")
            }
            Self::Busy(_) => (StatusCode::SERVICE_UNAVAILABLE, "busy", "The relay is busy"),
        }
    }

    /// What happened this time, and what to do.
    fn detail(self) -> String {
        match self {
            Self::NoSuchPage => "Check the address; the page is at /, the sources at /api/sources.".into(),
            Self::MethodNotAllowed => "Use one of the methods in the Allow header.".into(),
            Self::UnknownHost(host) => {
                format!("Plain HTTP is for this machine alone and does not answer to {host}; use localhost, or name the page’s origin with --origin, behind a reverse proxy too (X-Forwarded-Host proves nothing).")
            }
            Self::StrangeOrigin => {
                "Another site's page asks; to let it in, name its origin: --origin https://desktop.example.org, and crossorigin on its <audio>.".into()
            }
            Self::UnknownSource(id) => format!("No source is called {id}; GET /api/sources lists those there are."),
            Self::UnknownSession => "It has ended, or never was; make a new one with POST.".into(),
            Self::NotLive(id) => format!("{id} is known, but no packet has come; start its sound, then try again."),
            Self::TalkNotAllowed(id) => {
                format!("To allow it, write talk = true in the [[source]] of {id}, or start the relay with --allow-talk.")
            }
            Self::NoContainer(id) => format!("{id} is known, but not its address; start its container, then try again."),
            Self::NoWebSocket => {
                "Open a WebSocket; if this came through a proxy, let it pass on the headers Upgrade and Connection.".into()
            }
            Self::BadTicket => {
                "Get a ticket with POST /api/streams, and use it once, within ten seconds, as the subprotocol ticket.<ticket>.".into()
            }
            Self::WrongContentType { expected } => format!("Send {expected}."),
            Self::BodyTooLarge => format!("Send at most {} bytes.", super::BODY_LIMIT_BYTES),
            Self::TooSlow => format!("Send the whole request within {} s.", super::REQUEST_TIMEOUT.as_secs()),
            Self::Malformed(what) | Self::Unacceptable(what) | Self::Busy(what) | Self::TalkersFull(what) => what,
            Self::PreconditionMissing => {
                "Send If-Match with the session's ETag to trickle candidates, or * to restart ICE (RFC 9725, section 4.3).".into()
            }
            Self::PreconditionFailed => "Send the ETag of the last answer in If-Match, or * to restart ICE.".into(),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, name, title) = self.kind();
        let retry_after =
            matches!(self, Self::NotLive(_) | Self::NoContainer(_) | Self::TalkersFull(_) | Self::Busy(_))
                .then_some([(RETRY_AFTER, "2")]);
        let problem = Problem {
            kind: format!("/problems/{name}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: self.detail(),
        };
        let content_type = [(CONTENT_TYPE, "application/problem+json")];
        match retry_after {
            Some(retry_after) => (status, retry_after, content_type, Json(problem)).into_response(),
            None => (status, content_type, Json(problem)).into_response(),
        }
    }
}
