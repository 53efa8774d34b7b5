//! What the page says: every state in words, and what to do.

mod number;
mod talk;
mod way;

pub use number::{kilobits, kilohertz, millis, percent};
pub use talk::{Notice, others, standing, standing_name, talk_hint, talk_notice};
pub use way::{STREAM_NOTE, way, way_label, way_name};

use soundport_api::{Encoding, Format, Found, SourceState};
use yew::AttrValue;

use crate::state::{Failure, Pause, Phase, Quiet};

/// A source's state while nobody listens here.
pub fn source_state(state: SourceState) -> &'static str {
    match state {
        SourceState::Waiting => "Waiting",
        SourceState::Live => "Live",
        SourceState::Idle => "Idle",
        SourceState::Lost => "Gone",
    }
}

/// What a source's state means, for a listener who wonders.
pub fn source_note(state: SourceState) -> &'static str {
    match state {
        SourceState::Waiting => "Nothing has come from it yet.",
        SourceState::Live => "",
        SourceState::Idle => "It has stopped playing for now.",
        SourceState::Lost => "It has left. It may come back.",
    }
}

/// What it means that a room is silent, and what to do.
pub const ROOM_NOTE: &str = "Listen and talk: you hear all others who are here.";

/// The name of a source's state, as tests and scripts read it from `data-source-state`.
pub fn source_state_name(state: SourceState) -> &'static str {
    match state {
        SourceState::Waiting => "waiting",
        SourceState::Live => "live",
        SourceState::Idle => "idle",
        SourceState::Lost => "lost",
    }
}

/// A sound format in small print, such as `44.1 kHz stereo · announced`.
pub fn format(format: Format) -> String {
    let found = match format.found {
        Found::Announced => "announced",
        Found::Configured => "as configured",
        Found::PayloadType => "by its packets’ type",
        Found::Measured => "measured",
        Found::Assumed => "assumed",
    };
    format!("{} · {found}", sound(format))
}

/// A sound format with all that is known of it.
pub fn whole_format(format: Format) -> String {
    let encoding = match format.encoding {
        Encoding::L16 => "L16",
        Encoding::L24 => "L24",
        Encoding::Pcmu => "PCMU",
        Encoding::Pcma => "PCMA",
        Encoding::Opus => "Opus",
    };
    let found = match format.found {
        Found::Announced => "announced by the container",
        Found::Configured => "set in the relay’s configuration",
        Found::PayloadType => "known from the packets’ payload type",
        Found::Measured => "measured from what arrives",
        Found::Assumed => "assumed, since nothing says otherwise",
    };
    format!("{encoding}, {}, {found}", sound(format))
}

fn sound(format: Format) -> String {
    let rate = kilohertz(format.rate);
    match format.channels {
        1 => format!("{rate} mono"),
        2 => format!("{rate} stereo"),
        channels => format!("{rate}, {channels} channels"),
    }
}

/// What is heard, in the order it began; empty where nothing is.
pub fn playing(heard: &[AttrValue]) -> String {
    match heard {
        [] => String::new(),
        [title] => title.to_string(),
        [title, others @ ..] => format!("{title} and {} more", others.len()),
    }
}

/// The tab's title: into what the person is heard, else what is heard, else the one source that the page shows.
pub fn tab_title(live: Option<&str>, heard: &[AttrValue], page: Option<&str>) -> String {
    if let Some(live) = live {
        return format!("● Live: {live} – Soundport");
    }
    match (heard, page) {
        ([], None) => "Soundport".into(),
        ([], Some(page)) => format!("{page} – Soundport"),
        _ => format!("▶ {} – Soundport", playing(heard)),
    }
}

/// The name of a listening state, as tests and scripts read it from `data-state`.
pub fn phase_name(phase: &Phase) -> &'static str {
    match phase {
        Phase::Ready => "ready",
        Phase::Connecting => "connecting",
        Phase::Listening => "listening",
        Phase::Silent(_) => "silent",
        Phase::Reconnecting(_) => "reconnecting",
        Phase::Failed(_) => "failed",
    }
}

/// A listening state in a word or two; none while not listening.
pub fn phase(phase: &Phase) -> Option<&'static str> {
    match phase {
        Phase::Ready => None,
        Phase::Connecting => Some("Connecting"),
        Phase::Listening => Some("Listening"),
        Phase::Silent(_) => Some("Silent"),
        Phase::Reconnecting(Pause::NotLive | Pause::Busy) => Some("Waiting"),
        Phase::Reconnecting(_) => Some("Reconnecting"),
        Phase::Failed(_) => Some("Not playing"),
    }
}

/// What a listening state means, and what to do; empty where the state says it all.
pub fn phase_note(phase: &Phase) -> String {
    match phase {
        Phase::Ready | Phase::Connecting | Phase::Listening => String::new(),
        Phase::Silent(quiet) => self::quiet(*quiet).into(),
        Phase::Reconnecting(pause) => self::pause(*pause).into(),
        Phase::Failed(failure) => self::failure(failure),
    }
}

fn quiet(quiet: Quiet) -> &'static str {
    match quiet {
        Quiet::SourceStopped => "It has stopped playing. You will hear it when it plays again.",
        Quiet::Zeros => "Connected. The container sends silence right now.",
        Quiet::NoPackets => "Connected, but no sound arrives. You will hear it when it does.",
    }
}

fn pause(pause: Pause) -> &'static str {
    match pause {
        Pause::Broken => "The connection broke. It comes back by itself.",
        Pause::NoRelay => "The relay does not answer. The sound comes back when it does.",
        Pause::SourceGone => "It has left. You will hear it when it is back.",
        Pause::NotLive => "Nothing has come from it yet. You will hear it when it plays.",
        Pause::Busy => "The relay is full. You are let in when there is room.",
    }
}

fn failure(failure: &Failure) -> String {
    match failure {
        Failure::NoRelay => "The relay does not answer. Start it, then listen again.".into(),
        Failure::UnknownSource => "The relay does not know this source any more.".into(),
        Failure::Refused(detail) if detail.is_empty() => "The relay refused. Its log says why.".into(),
        Failure::Forbidden(detail) | Failure::Refused(detail) => format!("The relay refused: {detail}"),
        Failure::NoMedia => "The relay answers, but its sound does not get through.".into(),
        Failure::Unable(words) => words.clone(),
        Failure::NoWebRtc => "This browser cannot receive sound. Use one with WebRTC switched on.".into(),
        Failure::Blocked => "No sound comes out. Press Try again; Details say why.".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_read_well() {
        let words = |rate, channels| {
            format(Format { encoding: Encoding::L16, rate, channels, found: Found::Announced })
        };
        assert_eq!(words(44_100, 2), "44.1 kHz stereo · announced");
        assert_eq!(words(48_000, 1), "48 kHz mono · announced");
        assert_eq!(words(22_050, 6), "22.05 kHz, 6 channels · announced");
        let measured = Format { encoding: Encoding::L24, rate: 96_000, channels: 2, found: Found::Measured };
        assert_eq!(whole_format(measured), "L24, 96 kHz stereo, measured from what arrives");
    }

    #[test]
    fn the_tab_names_what_is_heard() {
        let heard = ["Desktop".into(), "Kiosk".into(), "Bot".into()];
        assert_eq!(tab_title(None, &[], None), "Soundport");
        assert_eq!(tab_title(Some("Kiosk"), &heard, None), "● Live: Kiosk – Soundport");
        assert_eq!(tab_title(None, &[], Some("Kiosk")), "Kiosk – Soundport");
        assert_eq!(tab_title(None, &heard[..1], Some("Kiosk")), "▶ Desktop – Soundport");
        assert_eq!(tab_title(None, &heard, None), "▶ Desktop and 2 more – Soundport");
    }

    #[test]
    fn no_sentence_shouts_and_every_trouble_is_explained() {
        let quiets = [Quiet::SourceStopped, Quiet::Zeros, Quiet::NoPackets].map(Phase::Silent);
        let pauses = [Pause::Broken, Pause::NoRelay, Pause::SourceGone, Pause::NotLive, Pause::Busy]
            .map(Phase::Reconnecting);
        let failures = [
            Failure::NoRelay,
            Failure::UnknownSource,
            Failure::Refused("The offer holds no Opus.".into()),
            Failure::Refused(String::new()),
            Failure::NoMedia,
            Failure::NoWebRtc,
            Failure::Blocked,
        ]
        .map(Phase::Failed);
        for phase in quiets.iter().chain(&pauses).chain(&failures) {
            let note = phase_note(phase);
            assert!(note.ends_with('.') && !note.contains('!'), "{phase:?}: {note}");
            assert!(super::phase(phase).is_some(), "{phase:?}");
        }
    }
}
