//! `GET /metrics`: what was counted, as Prometheus text.

use std::fmt::Write;

use axum::extract;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;

use soundport_api::{Source, SourceState};
use soundport_core::talkback::TalkCounters;

use super::State;
use super::ogg::OggCounters;
use super::problem::Refusal;
use crate::discovery::SapCounters;
use crate::fanout::MediaCounters;
use crate::ingest::RtpCounters;

/// Prometheus' text format, version 0.0.4.
const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All counters of ingest and fan-out.
pub(super) async fn show(extract::State(state): extract::State<State>) -> Result<impl IntoResponse, Refusal> {
    let media = state.fanout.counters().await?;
    let rtp = state
        .ingest
        .counters()
        .await
        .ok_or_else(|| Refusal::Busy("Ingest is too busy to answer; try again.".into()))?;
    let mut text = render(&rtp, &media, state.fanout.frames_dropped());
    let help = "Connections to the HTTPS port that became neither HTTP nor media.";
    metric(&mut text, "soundport_https_refused_total", "counter", help, &[("", state.doorman.refused())]);
    render_ogg(&mut text, &state.ogg.counters());
    render_sources(&mut text, &state.sources.borrow());
    metric(
        &mut text,
        "soundport_event_streams",
        "gauge",
        "Streams of events that are open.",
        &[("", state.events.subscribers() as u64)],
    );
    if let Some(talk) = state.talkback.counters().await {
        render_talk(&mut text, &talk, state.talkback.dropped());
    }
    if let Some(sap) = &state.sap {
        render_sap(&mut text, sap);
    }
    Ok(([(CONTENT_TYPE, TEXT)], text))
}

fn render(rtp: &RtpCounters, media: &MediaCounters, frames_dropped: u64) -> String {
    let RtpCounters { ingest, strangers } = rtp;
    let dropped = "soundport_rtp_dropped_total";
    let mut text = String::new();
    metric(
        &mut text,
        "soundport_rtp_datagrams_total",
        "counter",
        "Datagrams that came to the RTP ports.",
        &[("", ingest.received)],
    );
    let reasons = [
        ("{reason=\"malformed\"}", ingest.malformed),
        ("{reason=\"rtcp\"}", ingest.rtcp),
        ("{reason=\"too_large\"}", ingest.too_large),
        ("{reason=\"payload_type\"}", ingest.unknown_payload_type),
        ("{reason=\"duplicate\"}", ingest.duplicate),
        ("{reason=\"late\"}", ingest.late),
        ("{reason=\"stray\"}", ingest.stray),
        ("{reason=\"too_many_sources\"}", ingest.refused),
        ("{reason=\"stranger\"}", *strangers),
    ];
    metric(&mut text, dropped, "counter", "Datagrams to the RTP ports that were dropped.", &reasons);
    metric(
        &mut text,
        "soundport_rtp_lost_total",
        "counter",
        "RTP packets that never came and were concealed.",
        &[("", ingest.lost)],
    );
    metric(
        &mut text,
        "soundport_frames_encoded_total",
        "counter",
        "Opus frames encoded.",
        &[("", ingest.encoded)],
    );
    metric(
        &mut text,
        "soundport_frames_dropped_total",
        "counter",
        "Opus frames dropped because the fan-out was behind.",
        &[("", frames_dropped)],
    );
    metric(
        &mut text,
        "soundport_sessions",
        "gauge",
        "Sessions, by WebRTC and by streams.",
        &[("", media.sessions as u64)],
    );
    metric(
        &mut text,
        "soundport_media_dropped_total",
        "counter",
        "Datagrams to the media port from strangers, or not understood.",
        &[("", media.fanout.dropped)],
    );
    metric(
        &mut text,
        "soundport_media_unsent_total",
        "counter",
        "Datagrams to listeners that the kernel would not take.",
        &[("", media.refused)],
    );
    render_detours(&mut text, media);
    text
}

/// Of other ways than UDP.
fn render_detours(text: &mut String, MediaCounters { tcp, streams, .. }: &MediaCounters) {
    let help = "TCP connections of media.";
    metric(text, "soundport_tcp_connections", "gauge", help, &[("", tcp.open as u64)]);
    let help = "TCP connections closed because of what they sent, or because they belonged to no session.";
    metric(text, "soundport_tcp_closed_total", "counter", help, &[("", tcp.closed)]);
    let help = "Packets to TCP connections that were dropped, for others were still waiting.";
    metric(text, "soundport_tcp_dropped_total", "counter", help, &[("", tcp.dropped)]);
    metric(text, "soundport_streams", "gauge", "Streams that are open.", &[("", streams.open as u64)]);
    let help = "Opus packets to streams that were dropped, for others were still waiting.";
    metric(text, "soundport_stream_dropped_total", "counter", help, &[("", streams.dropped)]);
}

/// Of players.
fn render_ogg(text: &mut String, OggCounters { open, cut_off, dropped }: &OggCounters) {
    let help = "Listeners by /sources/ID.ogg.";
    metric(text, "soundport_ogg_listeners", "gauge", help, &[("", *open as u64)]);
    let help = "Listeners by /sources/ID.ogg that were cut off because they read too slowly.";
    metric(text, "soundport_ogg_cut_off_total", "counter", help, &[("", *cut_off)]);
    let help = "Opus packets left out of /sources/ID.ogg because they came too late or were malformed.";
    metric(text, "soundport_ogg_dropped_total", "counter", help, &[("", *dropped)]);
}

fn render_sources(text: &mut String, sources: &[Source]) {
    let count = |state| sources.iter().filter(|source| source.state == state).count() as u64;
    let states = [
        ("{state=\"waiting\"}", count(SourceState::Waiting)),
        ("{state=\"live\"}", count(SourceState::Live)),
        ("{state=\"idle\"}", count(SourceState::Idle)),
        ("{state=\"lost\"}", count(SourceState::Lost)),
    ];
    metric(text, "soundport_sources", "gauge", "Sources, by state.", &states);
}

fn render_talk(text: &mut String, talk: &TalkCounters, dropped: u64) {
    let TalkCounters { talkers, voices, stray, encoded, refused, missed_ticks } = *talk;
    metric(text, "soundport_talkers", "gauge", "Those who are connected to talk.", &[("", talkers)]);
    let help = "Packets that talkers sent.";
    metric(text, "soundport_talk_packets_total", "counter", help, &[("", voices.packets)]);
    let reasons = [
        ("{reason=\"late\"}", voices.late),
        ("{reason=\"duplicate\"}", voices.duplicates),
        ("{reason=\"garbage\"}", voices.garbage),
        ("{reason=\"not_allowed\"}", stray),
        ("{reason=\"overload\"}", dropped),
    ];
    metric(
        text,
        "soundport_talk_dropped_total",
        "counter",
        "Packets of talkers that were dropped.",
        &reasons,
    );
    let help = "Packets of talkers that did not come in time.";
    metric(text, "soundport_talk_lost_total", "counter", help, &[("", voices.lost)]);
    let help = "Samples of talkers, at 48 kHz, that were made up.";
    metric(text, "soundport_talk_concealed_samples_total", "counter", help, &[("", voices.concealed)]);
    let help = "Opus frames encoded for those who hear talkers.";
    metric(text, "soundport_talk_frames_encoded_total", "counter", help, &[("", encoded)]);
    let help = "Datagrams that containers refused.";
    metric(text, "soundport_talk_refused_total", "counter", help, &[("", refused)]);
    let help = "Times of 10 ms that talkback was too late for.";
    metric(text, "soundport_talk_missed_ticks_total", "counter", help, &[("", missed_ticks)]);
}

fn render_sap(text: &mut String, sap: &SapCounters) {
    let (sap, strangers) = sap.get();
    metric(
        text,
        "soundport_sap_datagrams_total",
        "counter",
        "Datagrams that came to the announcements' port.",
        &[("", sap.received)],
    );
    let reasons = [
        ("{reason=\"malformed\"}", sap.malformed),
        ("{reason=\"too_large\"}", sap.too_large),
        ("{reason=\"unsupported\"}", sap.unsupported),
        ("{reason=\"no_audio\"}", sap.no_audio),
        ("{reason=\"microphone\"}", sap.microphones),
        ("{reason=\"too_many\"}", sap.refused),
        ("{reason=\"unknown_goodbye\"}", sap.unmatched_goodbyes),
        ("{reason=\"stranger\"}", strangers),
    ];
    let help = "Datagrams to the announcements' port that were dropped.";
    metric(text, "soundport_sap_dropped_total", "counter", help, &reasons);
    let help = "Announced streams whose format cannot be read.";
    metric(text, "soundport_sap_unreadable_total", "counter", help, &[("", sap.unreadable)]);
}

fn metric(text: &mut String, name: &str, kind: &str, help: &str, values: &[(&str, u64)]) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    for (labels, value) in values {
        let _ = writeln!(text, "{name}{labels} {value}");
    }
}
