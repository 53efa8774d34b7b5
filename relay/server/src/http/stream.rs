//! Streams: the same Opus by WebSocket (RFC 6455), for browsers that no way of WebRTC reaches.
//!
//! `POST /api/streams` gives a ticket, which a page of another origin cannot ask for unless it is let in; `GET /stream` takes it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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
use tokio::sync::{mpsc, watch};
use tokio::task::yield_now;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tracing::debug;

use super::problem::Refusal;
use super::session::{require_content_type, text};
use super::{State, stopped, whep, whip};
use crate::fanout::FanoutHandle;

const JSON: &str = "application/json";

/// How long a ticket is good: it is used at once.
const TICKET_LASTS: Duration = Duration::from_secs(10);

/// Tickets that are not used yet.
const MAX_TICKETS: usize = 1024;

/// Messages that wait for a connection that takes none: 640 ms of 10 ms frames.
const BACKLOG: usize = 64;

/// How often the other end is asked whether it lives.
const PING_EVERY: Duration = Duration::from_secs(1);

/// While it owes an answer for longer than this, what was sent before still waits on the way: more would only be later.
const BEHIND: Duration = Duration::from_secs(1);

/// A message that took so long to be sent has made those behind it late.
const LATE: Duration = Duration::from_millis(300);

/// A connection that takes or answers nothing for so long is closed.
const STALLED: Duration = Duration::from_secs(20);

/// Messages that are taken in a second, and at once. A talker sends 100 at most, and answers.
const MESSAGES_PER_SEC: f64 = 200.0;
const MESSAGES_AT_ONCE: f64 = 400.0;

/// The largest message: the longest Opus packet, and more than that.
const MAX_MESSAGE_BYTES: usize = 8 * 1024;

/// Text that is sent back.
const MAX_ECHO_BYTES: usize = 64;

/// Close codes of our own (RFC 6455, section 7.4.2).
const ENDED: u16 = 4000;
const TOO_SLOW: u16 = 4001;
/// And those of the standard (section 7.4.1).
const GOING_AWAY: u16 = 1001;
const TOO_MANY: u16 = 1008;

/// What all streams share: tickets that were given and not used yet, and whether the relay stops.
#[derive(Clone, Default)]
pub(crate) struct Streams(Arc<Shared>);

#[derive(Default)]
struct Shared {
    tickets: Mutex<HashMap<String, Wanted>>,
    stopping: watch::Sender<bool>,
}

/// What a ticket is good for.
struct Wanted {
    source: SourceId,
    purpose: Purpose,
    given: Instant,
}

impl Streams {
    /// Says goodbye to all. Done when all have gone.
    pub(crate) async fn stop(&self) {
        self.0.stopping.send_replace(true);
        self.0.stopping.closed().await;
    }

    fn tickets(&self) -> MutexGuard<'_, HashMap<String, Wanted>> {
        self.0.tickets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give(&self, source: SourceId, purpose: Purpose) -> Result<String, Refusal> {
        let busy = || Refusal::Busy("The relay cannot give a ticket now; try again in a moment.".into());
        let number = getrandom::u64().and_then(|high| Ok((high, getrandom::u64()?)));
        let (high, low) = number.map_err(|_| busy())?;
        let ticket = format!("{high:016x}{low:016x}");
        let mut given = self.tickets();
        given.retain(|_, wanted| wanted.given.elapsed() < TICKET_LASTS);
        if given.len() >= MAX_TICKETS {
            return Err(busy());
        }
        given.insert(ticket.clone(), Wanted { source, purpose, given: Instant::now() });
        Ok(ticket)
    }

    fn take(&self, ticket: &str) -> Option<Wanted> {
        let wanted = self.tickets().remove(ticket)?;
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
    let ticket = state.streams.give(source, purpose)?;
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
    let wanted = ticket(&headers).and_then(|ticket| state.streams.take(ticket)).ok_or(Refusal::BadTicket)?;
    // Much may happen between a ticket and its use.
    let source = wanted.source.to_string();
    match wanted.purpose {
        Purpose::Listen => whep::audible(&state, source)?,
        Purpose::Talk(_) => whip::open_to_talkers(&state, source)?,
    };
    let (sender, messages) = mpsc::channel(BACKLOG);
    let session = state.fanout.open_stream(wanted.source, wanted.purpose, sender).await??;
    let upgrade = upgrade.protocols([STREAM_PROTOCOL]);
    // The frame's size, too: room is made for what a frame says it holds.
    let upgrade = upgrade.max_message_size(MAX_MESSAGE_BYTES).max_frame_size(MAX_MESSAGE_BYTES);
    Ok(upgrade.on_upgrade(move |socket| async move {
        let (id, fanout) = (session.id, state.fanout.clone());
        let stopping = state.streams.0.stopping.subscribe();
        let closing = Stream::new(socket, fanout, session).run(messages, stopping).await;
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
    /// Since when the other end owes an answer.
    asked: Option<Instant>,
    told_alive: Instant,
    allowance: Allowance,
}

impl Stream {
    fn new(socket: WebSocket, fanout: FanoutHandle, session: Session) -> Self {
        let now = Instant::now();
        Self { socket, fanout, session, asked: None, told_alive: now, allowance: Allowance::new(now) }
    }

    /// Runs until either end is over; with which code it was closed, if by us.
    async fn run(
        mut self,
        mut messages: mpsc::Receiver<StreamMessage>,
        mut stopping: watch::Receiver<bool>,
    ) -> Option<u16> {
        let mut pings = interval(PING_EVERY);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut next = Some(self.greeting());
        loop {
            if let Some(message) = next.take() {
                let begun = Instant::now();
                match timeout(STALLED, self.socket.send(message)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => return None,
                    Err(_) => return Some(TOO_SLOW),
                }
                while begun.elapsed() > LATE && messages.try_recv().is_ok() {}
            }
            tokio::select! {
                message = messages.recv() => match message {
                    Some(message) => next = self.fresh(&message),
                    None => return self.close(ENDED, "The relay ended the session.").await,
                },
                received = self.socket.recv() => {
                    let Some(Ok(message)) = received else { return None };
                    if !self.allowance.take(Instant::now()) {
                        return self.close(TOO_MANY, "Too many messages.").await;
                    }
                    next = self.receive(message)?;
                    // One who writes without pause leaves the others their time.
                    yield_now().await;
                }
                _ = pings.tick() => match self.asked {
                    Some(asked) if asked.elapsed() > STALLED => {
                        return self.close(TOO_SLOW, "Nothing was answered.").await;
                    }
                    Some(_) => {}
                    None => {
                        self.asked = Some(Instant::now());
                        next = Some(Message::Ping(Bytes::new()));
                    }
                },
                () = stopped(&mut stopping) => {
                    return self.close(GOING_AWAY, "The relay stops.").await;
                }
            }
        }
    }

    fn greeting(&self) -> Message {
        let talker = self.session.talker.map(|talker| talker.0);
        let opened = StreamOpened { session: self.session.id.to_string(), talker };
        // Names and numbers: JSON can write them.
        Message::Text(serde_json::to_string(&opened).unwrap_or_default().into())
    }

    /// A message for the wire, unless the other end is too far behind.
    fn fresh(&self, message: &StreamMessage) -> Option<Message> {
        if self.asked.is_some_and(|asked| asked.elapsed() > BEHIND) {
            return None;
        }
        let mut bytes = Vec::with_capacity(4 + message.data.len());
        bytes.extend_from_slice(&message.timestamp.to_be_bytes());
        bytes.extend_from_slice(&message.data);
        Some(Message::Binary(bytes.into()))
    }

    /// What is answered; the outer none where the other end says goodbye.
    fn receive(&mut self, message: Message) -> Option<Option<Message>> {
        match message {
            Message::Binary(bytes) => {
                if let Some((timestamp, packet)) = bytes.split_first_chunk::<4>()
                    && self.session.talker.is_some()
                    && !packet.is_empty()
                {
                    self.fanout.hear(self.session.id, u32::from_be_bytes(*timestamp), packet.into());
                }
                Some(None)
            }
            Message::Text(text) => Some((text.len() <= MAX_ECHO_BYTES).then_some(Message::Text(text))),
            Message::Ping(_) => Some(None),
            Message::Pong(_) => {
                self.asked = None;
                if self.told_alive.elapsed() >= PING_EVERY {
                    self.told_alive = Instant::now();
                    self.fanout.tell_alive(self.session.id);
                }
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

/// How many messages are still taken: it grows with time.
struct Allowance {
    left: f64,
    since: Instant,
}

impl Allowance {
    fn new(now: Instant) -> Self {
        Self { left: MESSAGES_AT_ONCE, since: now }
    }

    fn take(&mut self, now: Instant) -> bool {
        let earned = now.saturating_duration_since(self.since).as_secs_f64() * MESSAGES_PER_SEC;
        self.left = (self.left + earned).min(MESSAGES_AT_ONCE) - 1.0;
        self.since = now;
        self.left >= 0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_good_once() {
        let tickets = Streams::default();
        let ticket = tickets.give(SourceId::new("desktop"), Purpose::Listen).unwrap();
        assert!(tickets.take("0123").is_none());
        assert_eq!(tickets.take(&ticket).unwrap().source.as_str(), "desktop");
        assert!(tickets.take(&ticket).is_none());
    }

    #[test]
    fn there_is_an_end_to_tickets() {
        let tickets = Streams::default();
        let give = || tickets.give(SourceId::new("desktop"), Purpose::Listen);
        assert!((0..MAX_TICKETS).all(|_| give().is_ok()));
        assert!(give().is_err());
    }

    #[test]
    fn a_talker_may_go_on_for_ever_and_a_flood_may_not() {
        let begin = Instant::now();
        let mut allowance = Allowance::new(begin);
        let talks = |n: u32| begin + Duration::from_millis(10) * n;
        assert!((0..100_000).all(|n| allowance.take(talks(n))));
        assert!((0..500).any(|_| !allowance.take(talks(100_000))));
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
