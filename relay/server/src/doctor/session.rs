//! A session's way from the relay to somebody's ears, or from a microphone to the relay.

use std::net::IpAddr;
use std::time::Duration;

use soundport_api::{Check, Finding, SessionDiagnosis, StreamPurpose, Verdict};
use soundport_core::SessionId;
use soundport_core::fanout::{PeerAddr, Playback, Report, SessionFacts, Way};

use super::words::time;
use super::{RelayFacts, trouble, unknown, well, worst};

/// A browser connects within this time, or something is in the way.
const CONNECTS_WITHIN: Duration = Duration::from_secs(2);

/// A page may wait for its connection so long by itself; who asks for more carries the answer by hand.
const USUAL_PATIENCE: Duration = Duration::from_secs(20);

/// Browsers say that they live every 2.5 to 5 s (RFC 7675).
const SILENT_AFTER: Duration = Duration::from_secs(8);

/// A share of packets lost that is heard, in spite of what makes up for them.
const AUDIBLE_LOSS: f32 = 0.1;

pub(super) fn diagnose(session: &SessionFacts, own: &[SessionId], relay: &RelayFacts) -> SessionDiagnosis {
    let mut findings = vec![path(session, relay)];
    if !session.talks && is_connected(session) {
        findings.push(playback(session.playback));
    }
    SessionDiagnosis {
        number: session.number,
        own: own.contains(&session.id),
        purpose: if session.talks { StreamPurpose::Talk } else { StreamPurpose::Listen },
        age_secs: session.age.as_secs(),
        verdict: worst(&findings),
        findings,
    }
}

/// Where all is well and nothing is heard all the same, it can only be what nobody here knows.
pub(super) fn advise(session: &mut SessionDiagnosis) {
    let is_well = session.verdict == Verdict::Well;
    if let Some(playback) =
        session.findings.iter_mut().find(|finding| is_well && finding.check == Check::Playback)
    {
        playback.remedy = Some("If nothing is heard all the same, the browser or the system mutes it, which no page can know: look for a crossed-out loudspeaker on the tab, and at the volume and the device in the system’s sound settings.".to_owned());
    }
}

/// Whether sound can come by it.
pub(super) fn is_connected(session: &SessionFacts) -> bool {
    matches!(session.way, Way::Stream | Way::WebRtc { connected: true, .. })
}

/// Whether it does without TURN and without a stream.
pub(super) fn is_direct(session: &SessionFacts) -> bool {
    matches!(session.way, Way::WebRtc { connected: true, .. })
}

fn path(session: &SessionFacts, relay: &RelayFacts) -> Finding {
    const CHECK: Check = Check::Path;
    let age = time(session.age);
    match session.way {
        Way::None if session.patience > USUAL_PATIENCE => unknown(
            CHECK,
            format!("It has waited for its connection for {age}, and may for {}.", time(session.patience)),
            "Bring the relay’s answer to the player.",
        ),
        Way::None if session.age < CONNECTS_WITHIN => {
            unknown(CHECK, "It has just begun, and no packet of the browser has arrived yet.", "Ask again.")
        }
        Way::None => trouble(
            CHECK,
            format!("No packet of this browser has arrived by WebRTC in {age}. {}", relay.reach.offer()),
            relay.reach.remedy(),
        ),
        Way::WebRtc { from, connected: false } if session.age < CONNECTS_WITHIN => {
            unknown(CHECK, format!("It connects by {}.", transport(from)), "Ask again.")
        }
        Way::WebRtc { from, connected: false } => trouble(
            CHECK,
            format!(
                "Packets of this browser arrive by {}, but in {age} it has not connected: the relay’s answers do not reach it.",
                transport(from)
            ),
            format!(
                "Let what leaves from port {} of this machine pass, by UDP and TCP: a firewall there, or a router that sends answers another way.",
                relay.reach.media_port
            ),
        ),
        Way::WebRtc { .. } | Way::Stream if session.heard > SILENT_AFTER => trouble(
            CHECK,
            format!(
                "Nothing has come from this browser for {}: the way to it is cut, or it is gone.",
                time(session.heard)
            ),
            "The page connects anew by itself once the network is back; else reload it.",
        ),
        Way::WebRtc { from, .. } => connected(from, session.report, relay),
        Way::Stream => {
            let mut finding = well(
                CHECK,
                "It is connected by a stream over HTTPS, the last resort, for WebRTC did not connect.",
            );
            finding.remedy =
                Some(format!("It works, but sound comes later than need be. {}", relay.reach.remedy()));
            finding
        }
    }
}

fn connected(from: PeerAddr, report: Option<Report>, relay: &RelayFacts) -> Finding {
    const CHECK: Check = Check::Path;
    let by_turn = relay.turn_addresses.contains(&from.address().ip().to_canonical());
    let by = transport(from);
    let by = if by_turn { format!("TURN, which reaches the relay by {by}") } else { by };
    let mut said = format!("It is connected by {by}");
    let Some(report) = report else { return well(CHECK, format!("{said}.")) };
    if let Some(round_trip) = report.round_trip {
        said += &format!("; there and back takes {}", time(round_trip));
    }
    if let Some(lost) = report.lost {
        said += &format!("; {lost} of {} packets were lost", report.packets);
    } else {
        said += &format!("; {} packets were sent", report.packets);
    }
    match report.loss.filter(|loss| *loss > AUDIBLE_LOSS) {
        Some(loss) => trouble(
            CHECK,
            format!("{said}, lately {:.0} % of them: the sound breaks up.", loss * 100.0),
            "Move nearer to the wireless router, or use a cable; the way to this browser is overloaded.",
        ),
        None => well(CHECK, format!("{said}.")),
    }
}

/// How a browser's packets come: transport and family, not the address, which is nobody else's business.
fn transport(from: PeerAddr) -> String {
    let family = match from.address().ip().to_canonical() {
        IpAddr::V4(_) => "IPv4",
        IpAddr::V6(_) => "IPv6",
    };
    match from {
        PeerAddr::Udp(_) => format!("UDP over {family}"),
        PeerAddr::Tcp(_) => format!("TCP over {family}"),
    }
}

fn playback(playback: Option<Playback>) -> Finding {
    const CHECK: Check = Check::Playback;
    match playback {
        None => unknown(
            CHECK,
            "Its page has not said whether it plays; other players never say.",
            "Look at the player: is it muted, and which device does it play to?",
        ),
        Some(Playback::Playing) => well(CHECK, "The page plays it."),
        Some(Playback::Blocked) => trouble(
            CHECK,
            "The browser lets the page make no sound before somebody clicks in it (autoplay).",
            "Click or tap anywhere in the page. To let it sound by itself, allow sound for this site in the browser’s settings; in somebody else’s page its frame needs allow=\"autoplay\".",
        ),
        Some(Playback::Muted) => trouble(
            CHECK,
            "The page is muted, or its volume is zero.",
            "Press Unmute on its card, or turn the volume up.",
        ),
        Some(Playback::Solo) => trouble(
            CHECK,
            "The page plays another source alone (solo), so this one is not heard.",
            "Press Solo on the other one’s card once more.",
        ),
        Some(Playback::NoOutput) => trouble(
            CHECK,
            "The browser has no device to play to.",
            "Connect loudspeakers or headphones, or choose a device in the system’s sound settings; then reload the page.",
        ),
        Some(Playback::NoPackets) => trouble(
            CHECK,
            "The page is connected, but no sound arrives there.",
            "Where the source sends sound and its path is well, reload the page.",
        ),
    }
}
