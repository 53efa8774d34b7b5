//! The relay's events, read while they come: an `EventSource` could neither carry a token nor be told apart from one that hangs.

use std::cell::Cell;
use std::rc::Rc;

use js_sys::Uint8Array;
use soundport_api::{Relay, Source, event_name};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{AbortController, ReadableStreamDefaultReader, Response};

use super::http;
use super::json::{self, Fields};
use super::sse::{Message, Parser};
use crate::js::Chunk;

/// What comes of a stream.
#[derive(Debug, Clone, PartialEq)]
pub enum Told {
    /// Something came, if only to say that the stream lives.
    Alive,
    /// The relay itself: first of all, and when it changes.
    Relay(Relay),
    /// All sources there are.
    Sources(Vec<Source>),
    /// A source came or changed.
    Source(Source),
    /// A source is no longer known.
    Gone(String),
    /// Largest sample magnitudes, left and right, by the source's id.
    Levels(Vec<(String, [f32; 2])>),
    /// The relay has no stream for this page, or is no relay.
    Refused,
    /// The stream broke, or never began.
    Broken,
}

/// A stream of events, which ends when dropped.
pub struct Stream {
    abort: AbortController,
    dropped: Rc<Cell<bool>>,
}

impl Stream {
    /// Opens the stream at `url`; `tell` hears the rest, last of all [`Told::Refused`] or [`Told::Broken`], until this is dropped.
    pub fn open(url: String, tell: impl Fn(Told) + 'static) -> Option<Self> {
        let abort = AbortController::new().ok()?;
        let signal = abort.signal();
        let dropped = Rc::new(Cell::new(false));
        let unheard = Rc::clone(&dropped);
        spawn_local(async move {
            let tell = move |told| {
                if !unheard.get() {
                    tell(told);
                }
            };
            let end = match http::open(&url, &signal).await {
                Ok(response) if is_stream(&response) => {
                    // A stream that breaks off is an error to the browser.
                    let _ = read(&response, &tell).await;
                    Told::Broken
                }
                Ok(_) => Told::Refused,
                Err(_) => Told::Broken,
            };
            tell(end);
        });
        Some(Self { abort, dropped })
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.dropped.set(true);
        self.abort.abort();
    }
}

fn is_stream(response: &Response) -> bool {
    let kind = response.headers().get("Content-Type").ok().flatten();
    response.ok() && kind.is_some_and(|kind| kind.starts_with("text/event-stream"))
}

async fn read(response: &Response, tell: &dyn Fn(Told)) -> Result<(), JsValue> {
    let Some(body) = response.body() else { return Ok(()) };
    let reader: ReadableStreamDefaultReader = body.get_reader().unchecked_into();
    let mut parser = Parser::default();
    loop {
        let chunk: Chunk = JsFuture::from(reader.read()).await?.unchecked_into();
        let Some(bytes) = chunk.value() else { return Ok(()) };
        tell(Told::Alive);
        let bytes = Uint8Array::to_vec(&bytes);
        let pushed = parser.push(&bytes, &mut |message| {
            if let Some(told) = told(message) {
                tell(told);
            }
        });
        if pushed.is_err() {
            return Ok(());
        }
    }
}

/// What a message means; none where this page does not know.
fn told(message: Message) -> Option<Told> {
    let data = &message.data;
    Some(match message.name.as_str() {
        event_name::RELAY => {
            let relay = Fields::from_text(data)?;
            Told::Relay(Relay {
                instance: relay.text("instance")?,
                trouble: relay.text("trouble"),
                ice: relay.truth("ice"),
                ice_trouble: relay.text("ice_trouble"),
                announced: relay.truth("announced"),
            })
        }
        event_name::SOURCES => Told::Sources(json::sources_from_text(data)?),
        event_name::SOURCE => Told::Source(json::source_from_text(data)?),
        event_name::GONE => Told::Gone(Fields::from_text(data)?.text("id")?),
        event_name::LEVELS => Told::Levels(json::levels(data)?),
        _ => return None,
    })
}
