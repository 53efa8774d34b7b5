//! `GET /api/events` as a client reads it, without a browser.

mod parser;
mod subscribers;

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use soundport_api::{Gone, Levels, Relay, Source, SourceState, event_name};

pub use subscribers::Subscribers;

use self::parser::{Parser, Raw};
use crate::{Http, wait_for};

const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// A subscription on a thread of its own, with everything that came; closed on drop.
#[derive(Debug)]
pub struct Events {
    shared: Arc<Mutex<Log>>,
    stream: TcpStream,
    thread: Option<JoinHandle<()>>,
    /// How much of the log [`Self::wait_for`] has looked at.
    seen: usize,
}

/// What the relay tells its subscribers.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The relay itself.
    Relay(Relay),
    /// All sources.
    Sources(Vec<Source>),
    /// One came or changed.
    Source(Source),
    /// One went.
    Gone(Gone),
    /// How loud those asked for are.
    Levels(Levels),
    /// A comment: only a sign of life.
    Comment,
}

#[derive(Debug, Default)]
struct Log {
    entries: Vec<(Instant, Event)>,
    written: Vec<(String, String)>,
    sources: BTreeMap<String, Source>,
    ended: Option<String>,
}

impl Events {
    /// Subscribes without levels.
    ///
    /// # Errors
    /// When the answer is no stream of events.
    pub fn subscribe(http: &Http) -> Result<Self> {
        Self::open(http, "/api/events")
    }

    /// Subscribes with the levels of these sources.
    ///
    /// # Errors
    /// As [`Self::subscribe`].
    pub fn with_levels(http: &Http, ids: &[&str]) -> Result<Self> {
        Self::open(http, &format!("/api/events?levels={}", ids.join(",")))
    }

    /// Waits for an event after those that were looked at before, for which `probe` has an answer.
    ///
    /// # Errors
    /// When none comes within `limit`, or the stream ends; the text holds what came instead.
    pub fn wait_for<T>(
        &mut self,
        what: &str,
        limit: Duration,
        mut probe: impl FnMut(&Event) -> Option<T>,
    ) -> Result<T> {
        let began = self.seen;
        let answer = wait_for(what, limit, || {
            let log = lock(&self.shared);
            for (_, event) in &log.entries[self.seen..] {
                self.seen += 1;
                if let Some(answer) = probe(event) {
                    return Ok(Some(Ok(answer)));
                }
            }
            Ok(log.ended.clone().map(Err))
        });
        let came = || format!("{what}: came {:#?}", changes(&lock(&self.shared).entries[began..]));
        match answer.with_context(came)? {
            Ok(answer) => Ok(answer),
            Err(ended) => bail!("the stream of events ended ({ended}) before {}", came()),
        }
    }

    /// Waits until a source is as `is` wants it, by what the events have said of it so far.
    ///
    /// # Errors
    /// When it is not within `limit`; the text holds what is known of all sources.
    pub fn wait_source(
        &self,
        id: &str,
        what: &str,
        limit: Duration,
        is: impl Fn(&Source) -> bool,
    ) -> Result<Source> {
        wait_for(&format!("{id} to be {what}"), limit, || Ok(self.source(id).filter(|source| is(source))))
            .with_context(|| format!("by its events the sources are {:#?}", self.sources()))
    }

    /// Waits until a source is in a state, and returns how long that took.
    ///
    /// # Errors
    /// As [`Self::wait_source`].
    pub fn wait_state(&self, id: &str, state: SourceState, limit: Duration) -> Result<Duration> {
        let start = Instant::now();
        self.wait_source(id, &format!("{state:?}"), limit, |source| source.state == state)?;
        Ok(start.elapsed())
    }

    /// The sources by all events so far, as a page knows them.
    pub fn sources(&self) -> Vec<Source> {
        lock(&self.shared).sources.values().cloned().collect()
    }

    /// One of [`Self::sources`].
    pub fn source(&self, id: &str) -> Option<Source> {
        lock(&self.shared).sources.get(id).cloned()
    }

    /// Everything that came, with its time.
    pub fn log(&self) -> Vec<(Instant, Event)> {
        lock(&self.shared).entries.clone()
    }

    /// Name and data of everything that came, as it was written.
    pub fn written(&self) -> Vec<(String, String)> {
        lock(&self.shared).written.clone()
    }

    /// The states that a source went through, without repetitions.
    pub fn states(&self, id: &str) -> Vec<SourceState> {
        let log = lock(&self.shared);
        let of = |event: &Event| match event {
            Event::Source(source) if source.id == id => Some(source.state),
            Event::Sources(all) => all.iter().find(|source| source.id == id).map(|source| source.state),
            _ => None,
        };
        let mut states: Vec<SourceState> = log.entries.iter().filter_map(|(_, event)| of(event)).collect();
        states.dedup();
        states
    }

    /// Why the stream ended, if it has.
    pub fn ended(&self) -> Option<String> {
        lock(&self.shared).ended.clone()
    }

    fn open(http: &Http, path: &str) -> Result<Self> {
        let mut stream = request(http, path)?;
        stream.set_read_timeout(Some(ANSWER_LIMIT))?;
        let mut parser = Parser::default();
        let mut first = Vec::new();
        while parser.head().is_none() {
            first.extend(parser.feed(&read(&mut stream)?)?);
        }
        let head = parser.head().unwrap_or_default().to_owned();
        ensure!(head.starts_with("http/1.1 200"), "{path} answered {head}");
        ensure!(head.contains("content-type: text/event-stream"), "not a stream of events: {head}");
        stream.set_read_timeout(None)?;
        let shared = Arc::new(Mutex::new(Log::default()));
        let (log, mut reader) = (Arc::clone(&shared), stream.try_clone()?);
        let thread = thread::Builder::new().name("events".into()).spawn(move || {
            let mut raw = Ok(first);
            loop {
                let taken = raw.and_then(|raw| lock(&log).take(raw));
                if let Err(error) = taken {
                    lock(&log).ended = Some(format!("{error:#}"));
                    return;
                }
                raw = read(&mut reader).and_then(|bytes| parser.feed(&bytes));
            }
        })?;
        Ok(Self { shared, stream, thread: Some(thread), seen: 0 })
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Event {
    fn read(raw: &Raw) -> Result<Self> {
        let Raw::Event { name, data } = raw else { return Ok(Self::Comment) };
        let context = || format!("event {name:?} with data {data}");
        Ok(match name.as_str() {
            event_name::RELAY => Self::Relay(serde_json::from_str(data).with_context(context)?),
            event_name::SOURCES => Self::Sources(serde_json::from_str(data).with_context(context)?),
            event_name::SOURCE => Self::Source(serde_json::from_str(data).with_context(context)?),
            event_name::GONE => Self::Gone(serde_json::from_str(data).with_context(context)?),
            event_name::LEVELS => Self::Levels(serde_json::from_str(data).with_context(context)?),
            _ => bail!("unknown {}", context()),
        })
    }
}

impl Log {
    fn take(&mut self, raw: Vec<Raw>) -> Result<()> {
        for raw in raw {
            let event = Event::read(&raw)?;
            if let Raw::Event { name, data } = raw {
                self.written.push((name, data));
            }
            match &event {
                Event::Sources(all) => {
                    self.sources = all.iter().map(|source| (source.id.clone(), source.clone())).collect();
                }
                Event::Source(source) => {
                    self.sources.insert(source.id.clone(), source.clone());
                }
                Event::Gone(gone) => {
                    self.sources.remove(&gone.id);
                }
                Event::Relay(_) | Event::Levels(_) | Event::Comment => {}
            }
            self.entries.push((Instant::now(), event));
        }
        Ok(())
    }
}

/// Opens a connection and asks for `path` on it.
fn request(http: &Http, path: &str) -> Result<TcpStream> {
    let host = http.base().trim_start_matches("http://");
    let mut stream = http.connect()?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {host}\r\naccept: text/event-stream\r\n\r\n")?;
    Ok(stream)
}

fn read(stream: &mut TcpStream) -> Result<Vec<u8>> {
    let mut buffer = vec![0; 16 << 10];
    let length = stream.read(&mut buffer)?;
    ensure!(length > 0, "the relay closed the stream");
    buffer.truncate(length);
    Ok(buffer)
}

/// All but levels and signs of life, of which there are too many to read.
fn changes(entries: &[(Instant, Event)]) -> Vec<&Event> {
    let events = entries.iter().map(|(_, event)| event);
    events.filter(|event| !matches!(event, Event::Levels(_) | Event::Comment)).collect()
}

fn lock(log: &Mutex<Log>) -> MutexGuard<'_, Log> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}
