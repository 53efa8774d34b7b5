//! `GET /api/events`: what happens, as server-sent events (HTML, section 9.2).
//!
//! One task turns changes into bytes; every subscriber is handed the same ones.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{RawQuery, State as Extract};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Serialize;
use soundport_api::{Gone, Levels, Relay, Source, event_name};
use soundport_core::SourceId;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Notify, broadcast, watch};
use tokio::time::{MissedTickBehavior, interval};
use tracing::debug;

use super::State;
use super::problem::Refusal;
use crate::ingest::IngestHandle;

/// Streams served at once.
const MAX_SUBSCRIBERS: usize = 4096;

/// Events that a subscriber may be behind before it is given the whole list instead.
const BACKLOG: usize = 256;

/// A stream that says nothing else says this often that it lives.
const SIGN_OF_LIFE: Duration = Duration::from_secs(10);

/// How often levels are told.
const LEVELS_EVERY: Duration = Duration::from_millis(100);

/// Ids that one subscriber may ask the levels of, and all of them together: there are no more sources.
const MAX_ASKED: usize = 512;

/// Nginx passes a response with this on as it comes.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// All streams of events.
#[derive(Clone)]
pub(crate) struct Events(Arc<Hub>);

struct Hub {
    now: Mutex<Now>,
    levels: broadcast::Sender<Arc<Levels>>,
    /// Wakes the task that tells levels, when somebody begins to ask for them.
    asked: Notify,
    ingest: IngestHandle,
}

/// What a new subscriber is told first, and where it hears the rest.
struct Now {
    relay: Relay,
    sources: Arc<[Source]>,
    news: broadcast::Sender<Bytes>,
    subscribers: usize,
    /// How many subscribers ask for the levels of each source.
    watched: HashMap<SourceId, usize>,
}

impl Events {
    /// Streams that tell of these from now on, by tasks of their own.
    pub(crate) fn start(
        relay: watch::Receiver<Relay>,
        sources: watch::Receiver<Arc<[Source]>>,
        ingest: IngestHandle,
    ) -> Self {
        let now = Now {
            relay: relay.borrow().clone(),
            sources: sources.borrow().clone(),
            news: broadcast::Sender::new(BACKLOG),
            subscribers: 0,
            watched: HashMap::new(),
        };
        let levels = broadcast::Sender::new(4);
        let events = Self(Arc::new(Hub { now: Mutex::new(now), levels, asked: Notify::new(), ingest }));
        tokio::spawn(events.clone().tell_news(relay, sources));
        tokio::spawn(events.clone().tell_levels());
        events
    }

    /// How many streams there are.
    pub(super) fn subscribers(&self) -> usize {
        self.now().subscribers
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.0.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn tell_news(self, mut relay: watch::Receiver<Relay>, mut sources: watch::Receiver<Arc<[Source]>>) {
        let mut life = interval(SIGN_OF_LIFE);
        life.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                changed = relay.changed() => {
                    if changed.is_err() { return }
                    let fresh = relay.borrow_and_update().clone();
                    self.now().set_relay(fresh);
                }
                changed = sources.changed() => {
                    if changed.is_err() { return }
                    let fresh = sources.borrow_and_update().clone();
                    self.now().set_sources(fresh);
                }
                _ = life.tick() => self.now().tell(Bytes::from_static(b":\n\n")),
            }
        }
    }

    async fn tell_levels(self) {
        let mut ticks = interval(LEVELS_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            if self.0.levels.receiver_count() == 0 {
                self.0.asked.notified().await;
            }
            ticks.tick().await;
            if let Some(levels) = self.0.ingest.levels().await {
                // Whoever asked may be gone by now.
                let _ = self.0.levels.send(Arc::new(levels));
            }
        }
    }

    fn subscribe(&self, mut asked: HashSet<String>) -> Result<Subscriber, Refusal> {
        let mut now = self.now();
        if now.subscribers >= MAX_SUBSCRIBERS {
            return Err(Refusal::Busy(format!(
                "The relay serves as many event streams as it may ({MAX_SUBSCRIBERS}); try again later."
            )));
        }
        now.subscribers += 1;
        let first = Some(now.beginning());
        let news = now.news.subscribe();
        let levels = (!asked.is_empty()).then(|| self.0.levels.subscribe());
        if !asked.is_empty() {
            let before = now.watched.len();
            asked.retain(|id| now.watch(id));
            now.tell_watched(before, &self.0.ingest);
            self.0.asked.notify_one();
        }
        Ok(Subscriber { events: self.clone(), first, news, levels, asked, sounding: HashSet::new() })
    }
}

impl Now {
    fn beginning(&self) -> Bytes {
        let mut bytes = event(event_name::RELAY, &self.relay).to_vec();
        bytes.extend_from_slice(&event(event_name::SOURCES, &*self.sources));
        bytes.into()
    }

    fn set_relay(&mut self, fresh: Relay) {
        self.tell(event(event_name::RELAY, &fresh));
        self.relay = fresh;
    }

    fn set_sources(&mut self, fresh: Arc<[Source]>) {
        let known: HashMap<&str, &Source> =
            self.sources.iter().map(|source| (source.id.as_str(), source)).collect();
        for source in fresh.iter().filter(|source| known.get(source.id.as_str()) != Some(source)) {
            self.tell(event(event_name::SOURCE, source));
        }
        let left: HashSet<&str> = fresh.iter().map(|source| source.id.as_str()).collect();
        for source in self.sources.iter().filter(|source| !left.contains(source.id.as_str())) {
            self.tell(event(event_name::GONE, &Gone { id: source.id.clone() }));
        }
        self.sources = fresh;
    }

    /// Somebody asks for a source's levels. False where more are asked for than there can be.
    fn watch(&mut self, id: &str) -> bool {
        let room = self.watched.len() < MAX_ASKED;
        let id = SourceId::new(id);
        let may = room || self.watched.contains_key(&id);
        if may {
            *self.watched.entry(id).or_default() += 1;
        }
        may
    }

    fn unwatch(&mut self, id: &str) {
        let id = SourceId::new(id);
        if let Some(count) = self.watched.get_mut(&id) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.watched.remove(&id);
            }
        }
    }

    /// Says whose levels are watched, if they are others now. Under the lock, so that ingest is told last what is so last.
    fn tell_watched(&self, before: usize, ingest: &IngestHandle) {
        if self.watched.len() != before {
            ingest.watch(self.watched.keys().cloned().collect());
        }
    }

    fn tell(&self, bytes: Bytes) {
        // Where nobody listens nothing is to be told.
        let _ = self.news.send(bytes);
    }
}

/// One stream.
struct Subscriber {
    events: Events,
    first: Option<Bytes>,
    news: broadcast::Receiver<Bytes>,
    levels: Option<broadcast::Receiver<Arc<Levels>>>,
    asked: HashSet<String>,
    /// Which of those asked for were not silent when last told of.
    sounding: HashSet<String>,
}

impl Subscriber {
    /// What is to be sent next; none when the relay ends.
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        loop {
            tokio::select! {
                news = self.news.recv() => match news {
                    Ok(bytes) => return Some(bytes),
                    Err(RecvError::Lagged(missed)) => {
                        debug!(missed, "A stream of events is behind and begins anew");
                        let now = self.events.now();
                        self.news = now.news.subscribe();
                        return Some(now.beginning());
                    }
                    Err(RecvError::Closed) => return None,
                },
                levels = next_levels(&mut self.levels) => {
                    if let Some(bytes) = self.take_levels(&levels) {
                        return Some(bytes);
                    }
                }
            }
        }
    }

    fn take_levels(&mut self, levels: &Levels) -> Option<Bytes> {
        let mut told: Levels = BTreeMap::new();
        for (id, peaks) in levels.iter().filter(|(id, _)| self.asked.contains(*id)) {
            let sounds = peaks.iter().any(|peak| *peak > 0.0);
            let sounded = if sounds { !self.sounding.insert(id.clone()) } else { self.sounding.remove(id) };
            if sounds || sounded {
                told.insert(id.clone(), peaks.map(rounded));
            }
        }
        (!told.is_empty()).then(|| event(event_name::LEVELS, &told))
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        let mut now = self.events.now();
        now.subscribers = now.subscribers.saturating_sub(1);
        if self.asked.is_empty() {
            return;
        }
        let before = now.watched.len();
        for id in &self.asked {
            now.unwatch(id);
        }
        now.tell_watched(before, &self.events.0.ingest);
    }
}

/// The stream of a subscriber, who may ask for levels: `?levels=id,id`.
pub(super) async fn stream_events(
    Extract(state): Extract<State>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let subscriber = state.events.subscribe(asked(query.as_deref().unwrap_or_default()))?;
    let stream = stream::unfold(subscriber, |mut subscriber| async {
        let bytes = subscriber.next().await?;
        Some((Ok::<_, std::convert::Infallible>(bytes), subscriber))
    });
    let headers = [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-store"), (ACCEL_BUFFERING, "no")];
    Ok((headers, Body::from_stream(stream)).into_response())
}

fn asked(query: &str) -> HashSet<String> {
    let levels = form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key == "levels");
    let mut asked = HashSet::new();
    for (_, ids) in levels {
        asked.extend(ids.split(',').filter(|id| !id.is_empty()).take(MAX_ASKED).map(str::to_owned));
    }
    asked.into_iter().take(MAX_ASKED).collect()
}

async fn next_levels(levels: &mut Option<broadcast::Receiver<Arc<Levels>>>) -> Arc<Levels> {
    let Some(levels) = levels else {
        return std::future::pending().await;
    };
    loop {
        match levels.recv().await {
            Ok(levels) => return levels,
            // Levels that were missed are of no use.
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => std::future::pending().await,
        }
    }
}

fn rounded(peak: f32) -> f32 {
    (peak * 10_000.0).ceil() / 10_000.0
}

fn event(name: &str, data: &(impl Serialize + ?Sized)) -> Bytes {
    // The interface's types are maps with text keys, lists, texts and finite numbers: JSON can write them all.
    let data = serde_json::to_string(data).unwrap_or_default();
    format!("event: {name}\ndata: {data}\n\n").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_asked_for_by_id() {
        let sorted = |query| {
            let mut ids: Vec<String> = asked(query).into_iter().collect();
            ids.sort();
            ids.join(" ")
        };
        assert_eq!(sorted("levels=kiosk,desktop"), "desktop kiosk");
        assert_eq!(sorted("levels=kiosk%2Cdesktop&levels=tv&other=1"), "desktop kiosk tv");
        assert_eq!(sorted(""), "");
    }
}
