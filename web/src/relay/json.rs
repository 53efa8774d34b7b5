//! From the browser's values to the types of `soundport-api`.
//!
//! The browser parses JSON already. What is left is written by hand: derived readers would weigh three times as much. A test reads
//! everything that the relay can write.

use js_sys::{Array, Object, Reflect};
use soundport_api::{Encoding, Format, Found, Source, SourceState, Talkback, TalkbackState, Talker};
use wasm_bindgen::{JsCast, JsValue};

/// Reads a text as a list of sources; none where it is not.
pub fn sources_from_text(text: &str) -> Option<Vec<Source>> {
    Fields(js_sys::JSON::parse(text).ok()?).list()?.iter().map(source).collect()
}

/// Reads a text as a source; none where it is not.
pub(super) fn source_from_text(text: &str) -> Option<Source> {
    source(&Fields::from_text(text)?)
}

/// Reads levels by the source's id: ten times a second.
pub(super) fn levels(text: &str) -> Option<Vec<(String, [f32; 2])>> {
    let levels = js_sys::JSON::parse(text).ok().filter(JsValue::is_object)?;
    let side = |sides: &Array, side| sides.get(side).as_f64().unwrap_or(0.0) as f32;
    let level = |entry: JsValue| {
        let entry: Array = entry.unchecked_into();
        let sides: Array = entry.get(1).dyn_into().ok()?;
        Some((entry.get(0).as_string()?, [side(&sides, 0), side(&sides, 1)]))
    };
    Some(Object::entries(levels.unchecked_ref()).iter().filter_map(level).collect())
}

/// An object of the browser's, of which some fields are asked. What is no object has none.
pub(crate) struct Fields(JsValue);

impl Fields {
    /// The fields of an object.
    pub(crate) fn of(object: JsValue) -> Self {
        Self(object)
    }

    /// Reads a text as a JSON object; none where it is not.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        js_sys::JSON::parse(text).ok().filter(JsValue::is_object).map(Self)
    }

    /// The field's text, where it has one.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.get(name).0.as_string()
    }

    /// The field's number, where it has one.
    pub(crate) fn number(&self, name: &str) -> Option<f64> {
        self.get(name).0.as_f64()
    }

    /// The field's whole number, where it has one.
    pub(crate) fn whole(&self, name: &str) -> Option<u32> {
        Some(self.number(name)? as u32)
    }

    /// Whether the field says that it is so.
    pub(crate) fn truth(&self, name: &str) -> bool {
        self.get(name).0.as_bool().unwrap_or(false)
    }

    /// The field, which may have fields of its own.
    pub(crate) fn get(&self, name: &str) -> Self {
        Self(Reflect::get(&self.0, &name.into()).unwrap_or_default())
    }

    fn list(&self) -> Option<Vec<Self>> {
        Some(self.0.dyn_ref::<Array>()?.iter().map(Self).collect())
    }
}

fn source(from: &Fields) -> Option<Source> {
    Some(Source {
        id: from.text("id")?,
        title: from.text("title")?,
        state: match from.text("state")?.as_str() {
            "waiting" => SourceState::Waiting,
            "live" => SourceState::Live,
            "idle" => SourceState::Idle,
            "lost" => SourceState::Lost,
            _ => return None,
        },
        format: format(&from.get("format")),
        talk: from.truth("talk"),
        talkback: talkback(&from.get("talkback")),
        room: from.truth("room"),
        listeners: from.whole("listeners")?,
        trouble: from.text("trouble"),
    })
}

fn format(from: &Fields) -> Option<Format> {
    Some(Format {
        encoding: match from.text("encoding")?.as_str() {
            "L16" => Encoding::L16,
            "L24" => Encoding::L24,
            "PCMU" => Encoding::Pcmu,
            "PCMA" => Encoding::Pcma,
            "opus" => Encoding::Opus,
            _ => return None,
        },
        rate: from.whole("rate")?,
        channels: u8::try_from(from.whole("channels")?).ok()?,
        found: match from.text("found")?.as_str() {
            "announced" => Found::Announced,
            "configured" => Found::Configured,
            "payload-type" => Found::PayloadType,
            "measured" => Found::Measured,
            "assumed" => Found::Assumed,
            _ => return None,
        },
    })
}

fn talkback(from: &Fields) -> Option<Talkback> {
    let talker = |from: &Fields| Some(Talker { id: from.whole("id")?, speaking: from.truth("speaking") });
    Some(Talkback {
        state: match from.text("state")?.as_str() {
            "closed" => TalkbackState::Closed,
            "opening" => TalkbackState::Opening,
            "open" => TalkbackState::Open,
            "refused" => TalkbackState::Refused,
            _ => return None,
        },
        talkers: from.get("talkers").list()?.iter().filter_map(talker).collect(),
        trouble: from.text("trouble"),
    })
}
