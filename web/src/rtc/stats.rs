//! From the browser's counters to the figures of the details panel.

use std::collections::VecDeque;

use wasm_bindgen::JsValue;

use crate::js::StatsMap;
use crate::relay::json::Fields;
use crate::state::Way;
use crate::words;

/// How many readings a figure is taken over: with one a second, the last three seconds.
const WINDOW: usize = 4;

/// The figures of the details panel; none where the browser does not say.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Report {
    /// The codec and what was agreed on, such as `Opus 48 kHz stereo`.
    pub codec: Option<String>,
    /// Payload bits a second.
    pub bits_per_sec: Option<f64>,
    /// Share of packets that never came, 0..1.
    pub lost: Option<f64>,
    /// How unevenly packets come (RFC 3550, section 6.4.1), in milliseconds.
    pub jitter_millis: Option<f64>,
    /// Share of the sound that was made up for packets that came late or not at all, 0..1.
    pub concealed: Option<f64>,
    /// From the relay's sending to the loudspeaker, in milliseconds, as far as the browser knows.
    pub delay_millis: Option<f64>,
    /// The part of the delay that packets wait in the browser, in milliseconds.
    pub buffer_millis: Option<f64>,
    /// There and back to the relay, in milliseconds.
    pub round_trip_millis: Option<f64>,
    /// The way that packets take.
    pub way: Option<Way>,
    /// The relay's port on that way, where it is the relay that is reached there.
    pub port: Option<u32>,
}

/// The browser's counters at one moment.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Snapshot {
    pub(super) timestamp_millis: f64,
    pub(super) packets: f64,
    pub(super) lost: f64,
    pub(super) bytes: f64,
    pub(super) jitter_secs: Option<f64>,
    /// How long packets wait, where that is known as it is.
    pub(super) held_secs: Option<f64>,
    pub(super) buffer_delay_secs: Option<f64>,
    pub(super) buffer_emitted: f64,
    pub(super) samples: Option<f64>,
    pub(super) concealed: f64,
    pub(super) round_trip_secs: Option<f64>,
    pub(super) codec: Option<String>,
    pub(super) way: Option<Way>,
    pub(super) port: Option<u32>,
}

/// The last few snapshots of one session.
#[derive(Debug, Default)]
pub(super) struct Window(VecDeque<Snapshot>);

impl Window {
    /// Takes a snapshot, and works out the figures over the window; `output_secs` is the loudspeaker's own latency.
    pub(super) fn push(&mut self, snapshot: Snapshot, output_secs: Option<f64>) -> Report {
        if self.0.len() == WINDOW {
            self.0.pop_front();
        }
        self.0.push_back(snapshot);
        // Both ends are there: one was pushed just above.
        let (Some(first), Some(last)) = (self.0.front(), self.0.back()) else { return Report::default() };
        Report::between(first, last, output_secs)
    }
}

impl Report {
    fn between(first: &Snapshot, last: &Snapshot, output_secs: Option<f64>) -> Self {
        let secs = (last.timestamp_millis - first.timestamp_millis) / 1_000.0;
        let received = last.packets - first.packets;
        let lost = (last.lost - first.lost).max(0.0);
        let samples = last.samples.zip(first.samples).map(|(last, first)| last - first);
        let waited = last.buffer_delay_secs.zip(first.buffer_delay_secs).map(|(last, first)| last - first);
        let buffer_secs = last
            .held_secs
            .or_else(|| waited.and_then(|waited| ratio(waited, last.buffer_emitted - first.buffer_emitted)));
        // By a stream both ways count: what waits in it, waits on the way here.
        let ways = if last.held_secs.is_some() { 1.0 } else { 2.0 };
        let way_secs = last.round_trip_secs.unwrap_or(0.0) / ways;
        Self {
            codec: last.codec.clone(),
            bits_per_sec: ratio((last.bytes - first.bytes) * 8.0, secs),
            lost: ratio(lost, received + lost),
            jitter_millis: last.jitter_secs.map(millis),
            concealed: samples
                .and_then(|samples| ratio((last.concealed - first.concealed).max(0.0), samples)),
            delay_millis: buffer_secs.map(|buffer| millis(buffer + way_secs + output_secs.unwrap_or(0.0))),
            buffer_millis: buffer_secs.map(millis),
            round_trip_millis: last.round_trip_secs.map(millis),
            way: last.way,
            port: last.port,
        }
    }
}

impl Snapshot {
    /// Reads the counters of the one audio stream; none before it or its way is there. Which fields there are depends on the browser.
    pub(super) fn read(map: &StatsMap) -> Option<Self> {
        let (mut inbound, mut transport, mut chosen) = (None, None, None);
        map.for_each(&mut |entry| {
            let entry = Fields::of(entry);
            match entry.text("type").as_deref() {
                Some("inbound-rtp") => inbound = Some(entry),
                Some("transport") => transport = Some(entry),
                // Firefox has no transport entry, and marks the pair itself.
                Some("candidate-pair") if entry.truth("selected") => chosen = Some(entry),
                Some("candidate-pair") if entry.truth("nominated") && chosen.is_none() => {
                    chosen = Some(entry)
                }
                _ => {}
            }
        });
        let pair = transport.and_then(|entry| named(map, &entry, "selectedCandidatePairId")).or(chosen);
        // Before the first packet nothing is counted, and there may be a way already.
        let timestamp_millis = inbound.as_ref().or(pair.as_ref())?.number("timestamp")?;
        let inbound = inbound.unwrap_or_else(|| Fields::of(JsValue::UNDEFINED));
        let count = |name| inbound.number(name).unwrap_or(0.0);
        Some(Self {
            timestamp_millis,
            packets: count("packetsReceived"),
            lost: count("packetsLost"),
            bytes: count("bytesReceived"),
            jitter_secs: inbound.number("jitter"),
            held_secs: None,
            buffer_delay_secs: inbound.number("jitterBufferDelay"),
            buffer_emitted: count("jitterBufferEmittedCount"),
            samples: inbound.number("totalSamplesReceived"),
            concealed: count("concealedSamples") - count("silentConcealedSamples"),
            round_trip_secs: pair.as_ref().and_then(|pair| pair.number("currentRoundTripTime")),
            codec: named(map, &inbound, "codecId").as_ref().and_then(codec_in_words),
            way: pair.as_ref().and_then(|pair| way(map, pair)),
            port: pair.as_ref().and_then(|pair| named(map, pair, "remoteCandidateId")?.whole("port")),
        })
    }
}

/// The entry whose name stands in this one's field.
fn named(map: &StatsMap, entry: &Fields, field: &str) -> Option<Fields> {
    map.get(&entry.text(field)?).map(Fields::of)
}

fn codec_in_words(codec: &Fields) -> Option<String> {
    let mime_type = codec.text("mimeType")?;
    let name = match mime_type.strip_prefix("audio/") {
        Some(name) if name.eq_ignore_ascii_case("opus") => "Opus",
        Some(name) => name,
        None => &mime_type,
    };
    let fmtp = codec.text("sdpFmtpLine").unwrap_or_default();
    let stereo = fmtp.split(';').any(|parameter| parameter.trim() == "stereo=1");
    let channels = if stereo { "stereo" } else { "mono" };
    let rate = codec.whole("clockRate").map_or_else(String::new, words::kilohertz);
    Some(format!("{name} {rate} {channels}"))
}

fn way(map: &StatsMap, pair: &Fields) -> Option<Way> {
    let local = named(map, pair, "localCandidateId")?;
    let to_turn = local.text("relayProtocol");
    Some(Way::of(&local.text("candidateType")?, &local.text("protocol")?, to_turn.as_deref()))
}

fn ratio(part: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| part / whole)
}

fn millis(secs: f64) -> f64 {
    secs * 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(secs: f64) -> Snapshot {
        Snapshot {
            timestamp_millis: 1.0e6 + secs * 1_000.0,
            packets: secs * 98.0,
            lost: secs * 2.0,
            bytes: secs * 16_000.0,
            jitter_secs: Some(0.0015),
            buffer_delay_secs: Some(secs * 48_000.0 * 0.04),
            buffer_emitted: secs * 48_000.0,
            samples: Some(secs * 48_000.0),
            concealed: secs * 480.0,
            round_trip_secs: Some(0.004),
            ..Snapshot::default()
        }
    }

    fn close(found: Option<f64>, wanted: f64) {
        assert!(found.is_some_and(|found| (found - wanted).abs() < 1.0e-6), "{found:?} is not {wanted}");
    }

    #[test]
    fn figures_are_taken_over_the_window() {
        let mut window = Window::default();
        let reports: Vec<Report> =
            (0..6).map(|second| window.push(after(f64::from(second)), Some(0.01))).collect();
        let report = &reports[5];
        close(report.bits_per_sec, 128_000.0);
        close(report.lost, 0.02);
        close(report.concealed, 0.01);
        close(report.buffer_millis, 40.0);
        close(report.delay_millis, 52.0);
        close(report.jitter_millis, 1.5);
        assert_eq!(window.0.len(), WINDOW);
    }

    #[test]
    fn what_waits_in_a_stream_is_delay() {
        let slow = Snapshot { held_secs: Some(0.06), round_trip_secs: Some(0.9), ..after(0.0) };
        close(Window::default().push(slow, Some(0.01)).delay_millis, 970.0);
    }

    #[test]
    fn one_snapshot_says_nothing_of_rates() {
        let report = Window::default().push(after(3.0), None);
        assert_eq!((report.bits_per_sec, report.lost, report.delay_millis), (None, None, None));
        close(report.round_trip_millis, 4.0);
    }

    #[test]
    fn late_packets_that_undo_a_loss_are_no_negative_loss() {
        let mut window = Window::default();
        window.push(Snapshot { lost: 5.0, ..after(0.0) }, None);
        close(window.push(Snapshot { lost: 4.0, ..after(1.0) }, None).lost, 0.0);
    }
}
