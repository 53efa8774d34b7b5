//! `GET /metrics`: what was counted, as Prometheus text.

use std::fmt::Write;

use axum::extract;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;

use super::State;
use super::problem::Refusal;
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
    Ok(([(CONTENT_TYPE, TEXT)], render(&rtp, &media, state.fanout.frames_dropped())))
}

fn render(rtp: &RtpCounters, media: &MediaCounters, frames_dropped: u64) -> String {
    let RtpCounters { ingest, strangers } = rtp;
    let dropped = "soundport_rtp_dropped_total";
    let mut text = String::new();
    metric(
        &mut text,
        "soundport_rtp_datagrams_total",
        "counter",
        "Datagrams that came to the RTP port.",
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
    metric(&mut text, dropped, "counter", "Datagrams to the RTP port that were dropped.", &reasons);
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
    metric(&mut text, "soundport_sessions", "gauge", "WebRTC sessions.", &[("", media.sessions as u64)]);
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
    text
}

fn metric(text: &mut String, name: &str, kind: &str, help: &str, values: &[(&str, u64)]) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
    for (labels, value) in values {
        let _ = writeln!(text, "{name}{labels} {value}");
    }
}
