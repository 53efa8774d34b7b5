//! `GET /sources/{id}.ogg`: a source as an endless file, for players that know no WebRTC.
//!
//! A task for each listener makes pages of its packets, and drops the listener who leaves too many of them waiting: a page
//! takes from there what the connection takes, however slowly.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, RawQuery, Request, State as Extract};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, ORIGIN, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, HeaderValue};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::stream;
use soundport_core::SourceId;
use soundport_core::fanout::{Purpose, Session, StreamMessage};
use soundport_core::ogg::OggStream;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, sleep_until, timeout};
use tracing::debug;

use super::origin::Origins;
use super::problem::Refusal;
use super::{State, stopped, whep};
use crate::fanout::FanoutHandle;

/// Packets on their way from the fan-out to the listener's task, which is never busy for long.
const PACKETS: usize = 64;

/// Pages that wait for a connection that takes none: ten seconds of sound, and longer of silence.
const PAGES: usize = 250;

/// The longest file that ends by itself: a day.
const MAX_SECONDS: u64 = 86_400;

/// Silence that goes ahead: players begin as soon as something is there, and a pause is known after a quarter of a second.
const HEAD_START: Duration = Duration::from_millis(500);

/// How often the fan-out is told that a listener is still there; it forgets those of whom it hears nothing.
const TELL_ALIVE_EVERY: Duration = Duration::from_secs(5);

/// Of browsers: keeps pages of other origins from playing it, but for those that ask by CORS and are let in.
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");
const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// Nginx passes a response with this on as it comes.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// All listeners of this kind.
#[derive(Clone, Default)]
pub(crate) struct OggStreams(Arc<Shared>);

#[derive(Default)]
struct Shared {
    open: AtomicUsize,
    cut_off: AtomicU64,
    dropped: AtomicU64,
    stopping: watch::Sender<bool>,
}

/// What happened to them.
#[derive(Debug, Clone, Copy)]
pub(super) struct OggCounters {
    pub(super) open: usize,
    /// Listeners who took too little.
    pub(super) cut_off: u64,
    /// Packets that came too late, or were no Opus.
    pub(super) dropped: u64,
}

impl OggStreams {
    /// Ends all. Done when all have been told.
    pub(crate) async fn stop(&self) {
        self.0.stopping.send_replace(true);
        self.0.stopping.closed().await;
    }

    pub(super) fn counters(&self) -> OggCounters {
        OggCounters {
            open: self.0.open.load(Ordering::Relaxed),
            cut_off: self.0.cut_off.load(Ordering::Relaxed),
            dropped: self.0.dropped.load(Ordering::Relaxed),
        }
    }
}

pub(super) fn routes(origins: &Origins) -> Router<State> {
    let guard = from_fn_with_state(Arc::new(origins.clone()), require_own_page);
    Router::new().route("/sources/{file}", get(play).head(describe).layer(guard))
}

/// A page may have this played without leave to read it: browsers say for whom they ask.
async fn require_own_page(Extract(origins): Extract<Arc<Origins>>, request: Request, next: Next) -> Response {
    if is_of_strange_page(&origins, request.headers()) {
        return Refusal::StrangeOrigin.into_response();
    }
    next.run(request).await
}

fn is_of_strange_page(origins: &Origins, headers: &HeaderMap) -> bool {
    let is = |name, values: &[&str]| {
        let value = headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        value.is_some_and(|value| values.contains(&value))
    };
    if is(FETCH_SITE, &["same-origin", "none"]) || is(FETCH_DEST, &["document"]) {
        return false;
    }
    match headers.get(ORIGIN) {
        Some(origin) => !origins.allow(origin),
        // A player, or a browser that does not say.
        None => headers.contains_key(FETCH_SITE),
    }
}

async fn play(
    Extract(state): Extract<State>,
    Path(file): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let source = audible(&state, &file)?;
    let length = length(query.as_deref())?;
    let (title, rate_hz) = about(&state, &source);
    let (sender, packets) = mpsc::channel(PACKETS);
    let serial = getrandom::u32()
        .map_err(|_| Refusal::Busy("The relay cannot begin a stream now; try again in a moment.".into()))?;
    let session = state.fanout.open_stream(source, Purpose::Listen, sender).await??;
    let (pages, waiting) = mpsc::channel(PAGES);
    let cut_off = Arc::new(AtomicBool::new(false));
    let mut first = Vec::new();
    // What is as long as was asked for is saved, not played.
    let ahead = if length.is_some() { Duration::ZERO } else { HEAD_START };
    let stream = OggStream::begin(serial, &title, rate_hz, ahead, Instant::now(), &mut first);
    // There is room for one.
    let _ = pages.try_send(first.into());
    let listener = Listener {
        open: Open::new(state.ogg.clone()),
        fanout: state.fanout.clone(),
        session,
        stream,
        pages,
        cut_off: cut_off.clone(),
    };
    let stopping = state.ogg.0.stopping.subscribe();
    tokio::spawn(listener.run(packets, length, stopping.clone()));
    Ok((headers(), body(waiting, cut_off, stopping)).into_response())
}

/// What would be played, without opening anything.
async fn describe(
    Extract(state): Extract<State>,
    Path(file): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    audible(&state, &file)?;
    length(query.as_deref())?;
    // A body whose length nobody knows: an empty one would be said to have none.
    let unknown = Body::from_stream(stream::pending::<io::Result<Bytes>>());
    Ok((headers(), unknown).into_response())
}

/// How long the file is to be: `?seconds=`; none for one without end.
fn length(query: Option<&str>) -> Result<Option<Duration>, Refusal> {
    let query = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let Some((_, seconds)) = query.into_iter().find(|(key, _)| key == "seconds") else { return Ok(None) };
    match seconds.parse() {
        Ok(seconds) if (1..=MAX_SECONDS).contains(&seconds) => Ok(Some(Duration::from_secs(seconds))),
        _ => Err(Refusal::Unacceptable(format!("?seconds= takes 1 to {MAX_SECONDS}."))),
    }
}

fn audible(state: &State, file: &str) -> Result<SourceId, Refusal> {
    let source = file.strip_suffix(".ogg").ok_or(Refusal::NoSuchPage)?;
    whep::audible(state, source.to_owned())
}

fn about(state: &State, id: &SourceId) -> (String, u32) {
    let sources = state.sources.borrow();
    let source = sources.iter().find(|source| source.id == id.as_str());
    let rate_hz = source.and_then(|source| source.format.as_ref()).map(|format| format.rate);
    let title = source.map_or_else(|| id.to_string(), |source| source.title.clone());
    (title, rate_hz.unwrap_or(soundport_core::RATE_HZ))
}

fn headers() -> [(HeaderName, &'static str); 5] {
    [
        (CONTENT_TYPE, "audio/ogg"),
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (RESOURCE_POLICY, "same-origin"),
        (ACCEL_BUFFERING, "no"),
    ]
}

/// What waits, until the task is done with it. `stopping` is held until the last of it is on its way.
fn body(pages: mpsc::Receiver<Bytes>, cut_off: Arc<AtomicBool>, stopping: watch::Receiver<bool>) -> Body {
    let state = (pages, cut_off, stopping);
    Body::from_stream(stream::unfold(state, |(mut pages, cut_off, stopping)| async move {
        let page = pages.recv().await;
        let page = match (page, cut_off.load(Ordering::Relaxed)) {
            // The rest is too old, and a file that ends here must not look whole.
            (_, true) => Err(io::Error::from(io::ErrorKind::TimedOut)),
            (Some(page), false) => Ok(page),
            (None, false) => return None,
        };
        Some((page, (pages, cut_off, stopping)))
    }))
}

/// Counts a listener while it lives.
struct Open(OggStreams);

impl Open {
    fn new(streams: OggStreams) -> Self {
        streams.0.open.fetch_add(1, Ordering::Relaxed);
        Self(streams)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Why a listener's stream ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// The relay or the source does, or it is as long as it is to be.
    Ended,
    /// The listener has gone.
    Left,
    /// The listener takes too little.
    TooSlow,
}

/// One listener.
struct Listener {
    open: Open,
    fanout: FanoutHandle,
    session: Session,
    stream: OggStream,
    pages: mpsc::Sender<Bytes>,
    cut_off: Arc<AtomicBool>,
}

impl Listener {
    async fn run(
        mut self,
        packets: mpsc::Receiver<StreamMessage>,
        length: Option<Duration>,
        stopping: watch::Receiver<bool>,
    ) {
        let feed = self.feed(packets, stopping);
        let ending = match length {
            Some(length) => timeout(length, feed).await.unwrap_or(Ending::Ended),
            None => feed.await,
        };
        let Self { open, fanout, session, stream, pages, cut_off } = self;
        let shared = &open.0.0;
        shared.dropped.fetch_add(stream.dropped(), Ordering::Relaxed);
        debug!(session = %session.id, ?ending, "Ogg stream ended");
        match ending {
            Ending::Ended => {
                let mut last = Vec::new();
                stream.end(&mut last);
                // Whoever took no page for ten seconds misses that it was the last.
                let _ = pages.try_send(last.into());
            }
            Ending::TooSlow => {
                shared.cut_off.fetch_add(1, Ordering::Relaxed);
                cut_off.store(true, Ordering::Relaxed);
            }
            Ending::Left => {}
        }
        // Where it was the relay that ended it there is nothing left to end.
        let _ = fanout.disconnect(session.id).await;
    }

    /// Makes pages of what comes, until there is a reason not to.
    async fn feed(
        &mut self,
        mut packets: mpsc::Receiver<StreamMessage>,
        mut stopping: watch::Receiver<bool>,
    ) -> Ending {
        let mut alive = interval(TELL_ALIVE_EVERY);
        alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut out = Vec::new();
        loop {
            tokio::select! {
                // What has come is written before it is thought late.
                biased;
                packet = packets.recv() => match packet {
                    Some(StreamMessage { timestamp, data, .. }) => {
                        self.stream.handle_packet(timestamp, &data, Instant::now(), &mut out);
                    }
                    None => return Ending::Ended,
                },
                _ = alive.tick() => self.fanout.tell_alive(self.session.id),
                () = self.pages.closed() => return Ending::Left,
                () = stopped(&mut stopping) => return Ending::Ended,
                () = sleep_until(self.stream.poll_timeout().into()) => {
                    self.stream.handle_timeout(Instant::now(), &mut out);
                }
            }
            if out.is_empty() {
                continue;
            }
            match self.pages.try_send(std::mem::take(&mut out).into()) {
                Ok(()) => {}
                Err(TrySendError::Full(_)) => return Ending::TooSlow,
                Err(TrySendError::Closed(_)) => return Ending::Left,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn players_and_own_pages_are_let_in_and_strange_pages_are_not() {
        let origins = Origins::new(&["https://desk.example.org".into()]);
        let strange = |headers: &[(&'static str, &'static str)]| {
            let headers = headers
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
            is_of_strange_page(&origins, &headers.collect())
        };
        assert!(!strange(&[]), "a player");
        assert!(!strange(&[("sec-fetch-site", "same-origin")]), "the relay's own page");
        assert!(!strange(&[("sec-fetch-site", "none")]), "typed");
        assert!(!strange(&[("sec-fetch-site", "cross-site"), ("sec-fetch-dest", "document")]), "a link");
        assert!(!strange(&[("sec-fetch-site", "cross-site"), ("origin", "https://desk.example.org")]));
        assert!(strange(&[("sec-fetch-site", "cross-site"), ("sec-fetch-dest", "audio")]));
        assert!(strange(&[("sec-fetch-site", "same-site"), ("sec-fetch-dest", "iframe")]));
        assert!(strange(&[("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")]));
        assert!(strange(&[("origin", "https://evil.example")]));
    }
}
