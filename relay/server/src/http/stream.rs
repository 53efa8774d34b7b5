//! Streams: the same Opus by WebSocket (RFC 6455), for browsers that no way of WebRTC reaches.
//!
//! `POST /api/streams` gives a ticket, which a page of another origin cannot ask for unless it is let in; `GET /stream` takes it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::State as Extract;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::http::header::SEC_WEBSOCKET_PROTOCOL;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use soundport_api::{
    STREAM_PROTOCOL, StreamOpened, StreamPurpose, StreamRequest, StreamTicket, TICKET_PROTOCOL,
};
use soundport_core::fanout::{ConnectError, Purpose, Session, StreamMessage};
use soundport_core::{SessionId, SourceId};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tracing::debug;

use super::State;
use super::problem::Refusal;
use super::session::{require_content_type, text};
use super::{whep, whip};
use crate::fanout::FanoutHandle;

const JSON: &str = "application/json";

/// How long a ticket is good: it is used at once.
const TICKET_LASTS: Duration = Duration::from_secs(10);

/// Tickets that are not used yet.
const MAX_TICKETS: usize = 1024;

/// Messages that wait for a connection that takes none: 640 ms of 10 ms frames.
const BACKLOG: usize = 64;

/// What waited longer than this many messages after it is late, and not sent.
const FRESH: usize = 32;

/// How often the other end is asked whether it lives.
const PING_EVERY: Duration = Duration::from_secs(5);

/// A connection that takes nothing for so long is closed.
const STALLED: Duration = Duration::from_secs(20);

/// The largest message: the longest Opus packet, and more than that.
const MAX_MESSAGE_BYTES: usize = 8 * 1024;

/// Text that is sent back.
const MAX_ECHO_BYTES: usize = 64;

/// Close codes of our own (RFC 6455, section 7.4.2).
const ENDED: u16 = 4000;
const TOO_SLOW: u16 = 4001;

/// Tickets that were given, and not used yet.
#[derive(Clone, Default)]
pub(crate) struct Tickets(Arc<Mutex<HashMap<String, Wanted>>>);

/// What a ticket is good for.
struct Wanted {
    source: SourceId,
    purpose: Purpose,
    given: Instant,
}

impl Tickets {
    fn give(&self, source: SourceId, purpose: Purpose) -> Result<String, Refusal> {
        let busy = || Refusal::Busy("The relay cannot give a ticket now; try again in a moment.".into());
        let number = getrandom::u64().and_then(|high| Ok((high, getrandom::u64()?)));
        let (high, low) = number.map_err(|_| busy())?;
        let ticket = format!("{high:016x}{low:016x}");
        let mut given = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        given.retain(|_, wanted| wanted.given.elapsed() < TICKET_LASTS);
        if given.len() >= MAX_TICKETS {
            return Err(busy());
        }
        given.insert(ticket.clone(), Wanted { source, purpose, given: Instant::now() });
        Ok(ticket)
    }

    fn take(&self, ticket: &str) -> Option<Wanted> {
        let wanted = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(ticket)?;
        (wanted.given.elapsed() < TICKET_LASTS).then_some(wanted)
    }
}

pub(super) fn routes() -> Router<State> {
    Router::new().route("/api/streams", post(ask)).route("/stream", get(open))
}

async fn ask(
    Extract(state): Extract<State>,
    headers: HeaderMap,
    body: Body,
) -> Result<impl IntoResponse, Refusal> {
    require_content_type(&headers, JSON)?;
    let body = text(body).await?;
    let request: StreamRequest = serde_json::from_str(&body)
        .map_err(|error| Refusal::Malformed(format!("The body is no request for a stream: {error}.")))?;
    let (source, purpose) = match request.purpose {
        StreamPurpose::Listen => (whep::audible(&state, request.source)?, Purpose::Listen),
        StreamPurpose::Talk => {
            let source = whip::open_to_talkers(&state, request.source)?;
            let listener = match request.with {
                Some(session) => Some(listener_of(&state, &source, &session).await?),
                None => None,
            };
            (source, Purpose::Talk(listener))
        }
    };
    let ticket = state.tickets.give(source, purpose)?;
    Ok((StatusCode::CREATED, Json(StreamTicket { ticket })))
}

async fn listener_of(state: &State, source: &SourceId, name: &str) -> Result<SessionId, Refusal> {
    let unknown = || ConnectError::NotListening(source.clone());
    let id: SessionId = name.parse().map_err(|_| unknown())?;
    let session = state.fanout.session(id).await?.filter(|session| session.source == *source);
    Ok(session.map(|session| session.id).ok_or_else(unknown)?)
}

async fn open(
    Extract(state): Extract<State>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Refusal> {
    let upgrade = upgrade.map_err(|_| Refusal::NoWebSocket)?;
    let wanted = ticket(&headers).and_then(|ticket| state.tickets.take(ticket)).ok_or(Refusal::BadTicket)?;
    let (sender, messages) = mpsc::channel(BACKLOG);
    let session = state.fanout.open_stream(wanted.source, wanted.purpose, sender).await??;
    let upgrade = upgrade.protocols([STREAM_PROTOCOL]).max_message_size(MAX_MESSAGE_BYTES);
    Ok(upgrade.on_upgrade(move |socket| async move {
        let (id, fanout) = (session.id, state.fanout.clone());
        let closing = Stream { socket, fanout, session, messages }.run().await;
        debug!(session = %id, code = closing, "Stream ended");
        // Where it was the relay that ended it there is nothing left to end.
        let _ = state.fanout.disconnect(id).await;
    }))
}

/// The ticket among the subprotocols.
fn ticket(headers: &HeaderMap) -> Option<&str> {
    let offered = headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|value| value.to_str().ok());
    offered.flat_map(|list| list.split(',')).find_map(|name| name.trim().strip_prefix(TICKET_PROTOCOL))
}

/// One open stream.
struct Stream {
    socket: WebSocket,
    fanout: FanoutHandle,
    session: Session,
    messages: mpsc::Receiver<StreamMessage>,
}

impl Stream {
    /// Runs until either end is over; with which code it was closed, if by us.
    async fn run(mut self) -> Option<u16> {
        let mut pings = interval(PING_EVERY);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut next = Some(self.greeting());
        loop {
            if let Some(message) = next.take() {
                match timeout(STALLED, self.socket.send(message)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => return None,
                    Err(_) => return Some(TOO_SLOW),
                }
            }
            tokio::select! {
                message = self.messages.recv() => match message {
                    Some(message) => next = self.fresh(message),
                    None => return self.close(ENDED, "The relay ended the session.").await,
                },
                received = self.socket.recv() => match received {
                    Some(Ok(message)) => next = self.receive(message)?,
                    Some(Err(_)) | None => return None,
                },
                _ = pings.tick() => next = Some(Message::Ping(Bytes::new())),
            }
        }
    }

    fn greeting(&self) -> Message {
        let talker = self.session.talker.map(|talker| talker.0);
        let opened = StreamOpened { session: self.session.id.to_string(), talker };
        // Names and numbers: JSON can write them.
        Message::Text(serde_json::to_string(&opened).unwrap_or_default().into())
    }

    /// A message for the wire, unless so much came after it that it is late.
    fn fresh(&self, message: StreamMessage) -> Option<Message> {
        if self.messages.len() > FRESH {
            return None;
        }
        let mut bytes = Vec::with_capacity(4 + message.data.len());
        bytes.extend_from_slice(&message.timestamp.to_be_bytes());
        bytes.extend_from_slice(&message.data);
        Some(Message::Binary(bytes.into()))
    }

    /// What is answered; the outer none where the other end says goodbye.
    fn receive(&self, message: Message) -> Option<Option<Message>> {
        match message {
            Message::Binary(bytes) => {
                if let Some((timestamp, packet)) = bytes.split_first_chunk::<4>()
                    && !packet.is_empty()
                {
                    self.fanout.hear(self.session.id, u32::from_be_bytes(*timestamp), packet.into());
                }
                Some(None)
            }
            Message::Text(text) => Some((text.len() <= MAX_ECHO_BYTES).then_some(Message::Text(text))),
            Message::Ping(_) | Message::Pong(_) => {
                self.fanout.tell_alive(self.session.id);
                Some(None)
            }
            Message::Close(_) => None,
        }
    }

    async fn close(mut self, code: u16, reason: &'static str) -> Option<u16> {
        let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
        // A connection that takes no goodbye is closed without.
        let _ = timeout(PING_EVERY, self.socket.send(Message::Close(Some(frame)))).await;
        Some(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_good_once() {
        let tickets = Tickets::default();
        let ticket = tickets.give(SourceId::new("desktop"), Purpose::Listen).unwrap();
        assert!(tickets.take("0123").is_none());
        assert_eq!(tickets.take(&ticket).unwrap().source.as_str(), "desktop");
        assert!(tickets.take(&ticket).is_none());
    }

    #[test]
    fn there_is_an_end_to_tickets() {
        let tickets = Tickets::default();
        let give = || tickets.give(SourceId::new("desktop"), Purpose::Listen);
        assert!((0..MAX_TICKETS).all(|_| give().is_ok()));
        assert!(give().is_err());
    }

    #[test]
    fn the_ticket_is_found_among_the_subprotocols() {
        let headers = |value: &'static str| {
            let value = axum::http::HeaderValue::from_static(value);
            HeaderMap::from_iter([(SEC_WEBSOCKET_PROTOCOL, value)])
        };
        assert_eq!(ticket(&headers("soundport, ticket.0a1b")), Some("0a1b"));
        assert_eq!(ticket(&headers("soundport")), None);
    }
}
