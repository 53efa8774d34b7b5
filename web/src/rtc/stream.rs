//! The last rung: sound over a WebSocket to where the page came from. What it does is written in `lazy/stream.js`, loaded when it is needed.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use js_sys::{Promise, Reflect};
use soundport_api::Relay;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{AudioContext, AudioNode, MediaStreamTrack};

use super::stats::Snapshot;
use super::wire::Standing;
use crate::relay::json::Fields;
use crate::state::{Refusal, Way};

#[wasm_bindgen]
extern "C" {
    /// What `lazy/stream.js` leaves.
    pub(super) type Streams;

    #[wasm_bindgen(method)]
    pub(super) fn listen(this: &Streams, base: &str, source: &str, into: &AudioNode) -> Line;
    #[wasm_bindgen(method)]
    pub(super) fn talk(
        this: &Streams,
        base: &str,
        source: &str,
        with: Option<&str>,
        track: &MediaStreamTrack,
        context: &AudioContext,
        stereo: bool,
    ) -> Line;
    #[wasm_bindgen(method)]
    fn hint(
        this: &Streams,
        answer: &str,
        turn_only: bool,
        announced: bool,
        host: &str,
        ice_trouble: Option<&str>,
        unable: Option<&str>,
    ) -> String;

    /// One stream, whose fields say how it stands.
    #[derive(Clone)]
    pub(super) type Line;

    #[wasm_bindgen(method)]
    fn close(this: &Line);
    #[wasm_bindgen(method)]
    pub(super) fn hold(this: &Line, millis: f64);
    #[wasm_bindgen(method)]
    pub(super) fn hear(this: &Line, track: &MediaStreamTrack);
}

/// A stream that opens by itself; closed when dropped.
pub(super) struct Stream {
    line: RefCell<Option<Line>>,
    /// Whether what it needs could not be loaded.
    missing: Cell<bool>,
}

impl Stream {
    /// Loads what is needed, then opens.
    pub(super) fn open(start: impl FnOnce(&Streams) -> Line + 'static) -> Rc<Self> {
        let stream = Rc::new(Self { line: RefCell::default(), missing: Cell::new(false) });
        let opened = Rc::downgrade(&stream);
        spawn_local(async move {
            let streams = load().await;
            if let Some(stream) = opened.upgrade() {
                stream.missing.set(streams.is_none());
                stream.line.replace(streams.map(|streams| start(&streams)));
            }
        });
        stream
    }

    /// How it stands.
    pub(super) fn standing(&self) -> Standing {
        if self.missing.get() {
            return Standing::Refused(Refusal::Unreachable);
        }
        let Some(fields) = self.fields() else { return Standing::Opening };
        let detail = fields.text("detail").unwrap_or_default();
        match (fields.text("phase").as_deref(), fields.whole("status")) {
            (Some("opening"), _) => Standing::Opening,
            (Some("open"), _) => Standing::Connected,
            (Some("refused"), Some(0)) if detail.is_empty() => Standing::Refused(Refusal::Unreachable),
            (Some("refused"), Some(0)) => Standing::Unable(detail),
            (Some("refused"), Some(status)) => {
                let retry_after_secs = fields.whole("retryAfter");
                Standing::Refused(Refusal::Status { code: status as u16, retry_after_secs, detail })
            }
            _ => Standing::Broken,
        }
    }

    /// The name that the relay gave the session.
    pub(super) fn name(&self) -> Option<String> {
        self.fields()?.text("session")
    }

    /// The number by which the relay tells of this talker.
    pub(super) fn talker(&self) -> Option<u32> {
        self.fields()?.whole("talker")
    }

    /// The counters now.
    pub(super) fn snapshot(&self) -> Option<Snapshot> {
        let fields = self.fields()?;
        let ring = fields.get("report");
        let secs = |figure: f64| figure / 1_000.0;
        Some(Snapshot {
            timestamp_millis: js_sys::Date::now(),
            packets: fields.number("packets")?,
            bytes: fields.number("bytes")?,
            jitter_secs: ring.number("jitter").map(secs),
            held_secs: ring.number("delay").map(secs),
            samples: ring.number("played"),
            concealed: ring.number("concealed").unwrap_or(0.0),
            round_trip_secs: fields.number("roundTrip").map(secs),
            codec: Some("Opus 48 kHz stereo".into()),
            way: Some(Way::Stream),
            ..Snapshot::default()
        })
    }

    /// Does something with it, where it has begun.
    pub(super) fn with(&self, act: impl FnOnce(&Line)) {
        // Nothing is borrowed meanwhile: what throws would leave it so for ever.
        let line = self.line.borrow().clone();
        if let Some(line) = line {
            act(&line);
        }
    }

    fn fields(&self) -> Option<Fields> {
        self.line.borrow().clone().map(|line| Fields::of(line.into()))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.with(Line::close);
    }
}

/// Why WebRTC does not get through, and what to do; none before a stream was needed. By the relay's answer, whether it allows no way but
/// TURN, what it says of itself, its host as the page knows it, and why this browser cannot take a stream instead.
pub fn media_hint(
    answer: &str,
    turn_only: bool,
    relay: Option<&Relay>,
    host: &str,
    unable: Option<&str>,
) -> Option<String> {
    let announced = relay.is_none_or(|relay| relay.announced);
    let ice_trouble = relay.and_then(|relay| relay.ice_trouble.as_deref());
    Some(loaded()?.hint(answer, turn_only, announced, host, ice_trouble, unable))
}

/// Once loaded it is there; a page that could not load it asks again when it is next needed.
async fn load() -> Option<Streams> {
    if let Some(streams) = loaded() {
        return Some(streams);
    }
    let document = web_sys::window()?.document()?;
    let script = document.create_element("script").ok()?;
    script.set_attribute("type", "module").ok()?;
    // Beside the page, wherever the relay is; another version of the page asks for another version of it.
    script.set_attribute("src", concat!("lazy/stream.js?", env!("CARGO_PKG_VERSION"))).ok()?;
    let over = Promise::new(&mut |done, _| {
        for event in ["load", "error"] {
            // Only a listener that is none is refused.
            let _ = script.add_event_listener_with_callback(event, &done);
        }
    });
    document.document_element()?.append_child(&script).ok()?;
    JsFuture::from(over).await.ok()?;
    loaded()
}

fn loaded() -> Option<Streams> {
    let streams = Reflect::get(&js_sys::global(), &"soundportStream".into()).ok()?;
    streams.is_object().then(|| streams.unchecked_into())
}
