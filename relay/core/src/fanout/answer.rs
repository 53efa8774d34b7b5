//! The SDP answer: str0m's, with the offer's rejected sections put back, all of the relay's candidates in the accepted
//! one, and stereo asked for.

use std::fmt::Write;

use sdp_types::Attribute;
use str0m::IceCreds;

use super::datagram::Candidates;
use super::offer::{Flow, Offer, Section};

/// Opus as it is sent: stereo in both directions of the description, or Chrome and Safari play mono
/// (RFC 7587, section 6.1).
const TO_LISTENER: &str = "minptime=10;useinbandfec=1;stereo=1;sprop-stereo=1";

/// Opus as a talker is asked for it: speech at the browser's own rate, with what a lost packet held in the next one.
const FROM_TALKER: &str = "minptime=10;useinbandfec=1";

/// The same from one that offers stereo: music, at the rate that sources have.
const FROM_STEREO_TALKER: &str = "minptime=10;useinbandfec=1;stereo=1;maxaveragebitrate=128000";

/// Weaves `engine`, str0m's answer to [`Offer::narrowed`], into an answer to the offer as it came.
pub(super) fn weave(offer: &Offer, engine: &str, candidates: &Candidates) -> String {
    let (session, accepted_lines) = split(engine);
    let mut sdp = String::with_capacity(1024);
    for line in session.filter(|line| offer.bundled || !line.starts_with("a=group:")) {
        push(&mut sdp, line);
    }
    for section in &offer.sections {
        match section {
            Section::Accepted => accepted(&mut sdp, offer, accepted_lines, candidates),
            Section::Rejected { m_line, mid, formats } => {
                rejected(&mut sdp, m_line, mid.as_deref(), formats, accepted_lines);
            }
        }
    }
    sdp
}

/// The answer to an ICE restart: an SDP fragment (RFC 8840, section 9) with the relay's new credentials.
pub(super) fn fragment(offer: &Offer, credentials: &IceCreds, candidates: &Candidates) -> String {
    let mut sdp = String::with_capacity(512);
    push(&mut sdp, "a=ice-lite");
    push(&mut sdp, &format!("a=ice-ufrag:{}", credentials.ufrag));
    push(&mut sdp, &format!("a=ice-pwd:{}", credentials.pass));
    push(&mut sdp, &format!("m=audio 9 UDP/TLS/RTP/SAVPF {}", offer.payload_type()));
    push(&mut sdp, &format!("a=mid:{}", offer.mid().unwrap_or("0")));
    push_candidates(&mut sdp, candidates);
    sdp
}

fn split(engine: &str) -> (impl Iterator<Item = &str>, &str) {
    let cut = engine.find("m=audio").unwrap_or(engine.len());
    (engine[..cut].lines(), &engine[cut..])
}

fn accepted(sdp: &mut String, offer: &Offer, media: &str, candidates: &Candidates) {
    let fmtp = format!("a=fmtp:{} ", offer.payload_type());
    for line in media.lines() {
        let replaced = line.starts_with("a=candidate:")
            || line.starts_with("a=end-of-candidates")
            || line.starts_with(&fmtp)
            || (line.starts_with("a=mid:") && offer.mid().is_none());
        if !replaced {
            push(sdp, line);
        }
    }
    let parameters = match offer.flow {
        Flow::Out => TO_LISTENER,
        Flow::In if offer.is_stereo() => FROM_STEREO_TALKER,
        Flow::In => FROM_TALKER,
    };
    push(sdp, &format!("{fmtp}{parameters}"));
    push_candidates(sdp, candidates);
}

/// Rejects a section: the same m-line with port 0 (RFC 3264, section 6). It repeats the section's formats and the
/// transport of the accepted one, which browsers ignore and aiortc insists on.
fn rejected(sdp: &mut String, m_line: &str, mid: Option<&str>, formats: &[Attribute], accepted: &str) {
    const TRANSPORT: [&str; 5] = ["a=ice-ufrag:", "a=ice-pwd:", "a=fingerprint:", "a=setup:", "a=rtcp-mux"];

    push(sdp, m_line);
    push(sdp, "c=IN IP4 0.0.0.0");
    if let Some(mid) = mid {
        push(sdp, &format!("a=mid:{mid}"));
    }
    for line in accepted.lines().filter(|line| TRANSPORT.iter().any(|name| line.starts_with(name))) {
        push(sdp, line);
    }
    for format in formats {
        push(sdp, &format!("a={}:{}", format.attribute, format.value.as_deref().unwrap_or_default()));
    }
    // Or aiortc waits for this section's candidates before it looks at the next.
    push(sdp, "a=end-of-candidates");
    push(sdp, "a=inactive");
}

fn push_candidates(sdp: &mut String, candidates: &Candidates) {
    // RFC 8445, section 5.1.2.1: type preference of a host candidate, then our order, then component 1. A TCP candidate's local preference
    // begins with its direction (RFC 6544, section 4.2), and so is below any of UDP.
    const HOST: usize = 126 << 24;
    const PASSIVE: usize = 2 << 13;
    let udp = candidates.udp.iter().enumerate().map(|(n, address)| (0xffff - n, "udp", address, ""));
    let tcp = candidates.tcp.iter().enumerate();
    let tcp = tcp.map(|(n, address)| (PASSIVE | (0x1fff - n), "tcp", address, " tcptype passive"));
    for (foundation, (preference, transport, address, role)) in (1..).zip(udp.chain(tcp)) {
        let priority = HOST | preference << 8 | 255;
        let (ip, port) = (address.ip(), address.port());
        push(sdp, &format!("a=candidate:{foundation} 1 {transport} {priority} {ip} {port} typ host{role}"));
    }
    push(sdp, "a=end-of-candidates");
}

fn push(sdp: &mut String, line: &str) {
    // Writing to a String cannot fail.
    let _ = write!(sdp, "{line}\r\n");
}
