//! A source's way from its container to Opus frames.

use std::time::Duration;

use soundport_api::{Check, Finding, TalkbackState};
use soundport_core::Encoding;
use soundport_core::ingest::{Barrier, Beside, Found, SourceFacts};

use super::words::{count, send_here, send_pcm, time};
use super::{Facts, RelayFacts, trouble, unknown, well};

/// A source whose packets stopped for longer than this sends no more.
const STOPPED_AFTER: Duration = Duration::from_secs(1);

/// One that was not silent within this time sounds: a pause between two sentences is no trouble.
const SILENT_AFTER: Duration = Duration::from_secs(2);

/// A sound server that has just begun to send does so within this time: PulseAudio waits for two seconds of sound.
const BEGINS_WITHIN: Duration = Duration::from_secs(4);

/// What is so of the source itself, in the order that sound takes.
pub(super) fn findings(facts: &Facts, relay: &RelayFacts) -> Vec<Finding> {
    let mut findings = match &facts.ingest {
        Some(source) => of_container(source, relay),
        None if facts.source.room => of_room(facts),
        None => vec![unknown(Check::Packets, "The relay has just learnt of it.", "Ask again.")],
    };
    findings.extend(talkback(facts));
    findings
}

fn of_container(source: &SourceFacts, relay: &RelayFacts) -> Vec<Finding> {
    let mut findings = vec![packets(source, relay)];
    findings.extend(suspended(source));
    if sends(source) {
        findings.push(zeros(source));
    }
    findings.extend(format(source));
    findings.push(encoder(source));
    findings
}

fn of_room(facts: &Facts) -> Vec<Finding> {
    let talkers = facts.source.talkback.as_ref().map_or(&[][..], |talkback| &talkback.talkers);
    let speaking = talkers.iter().filter(|talker| talker.speaking).count();
    let said = format!(
        "A room has no container: what is heard are those who talk. {} connected to talk, {speaking} of them heard now.",
        match talkers.len() {
            1 => "1 is".to_owned(),
            more => format!("{more} are"),
        },
    );
    vec![well(Check::Packets, said)]
}

fn sends(source: &SourceFacts) -> bool {
    source.heard.is_some_and(|age| age < STOPPED_AFTER)
}

fn sounds(source: &SourceFacts) -> bool {
    sends(source) && source.sounded.is_some_and(|age| age < SILENT_AFTER)
}

fn packets(source: &SourceFacts, relay: &RelayFacts) -> Finding {
    const CHECK: Check = Check::Packets;
    let port = source.port.0;
    if let Some(barrier) = &source.barrier {
        return blocked(barrier, port, relay);
    }
    if let Some(age) = source.heard.filter(|_| sends(source)) {
        let from = source.status.address.map_or_else(String::new, |ip| format!(" from {ip}"));
        return well(CHECK, format!("Packets come{from} to port {port}; the latest {} ago.", time(age)));
    }
    if source.pinned {
        return well(CHECK, "It is the relay’s own, and sends nothing until it has something to say.");
    }
    if let Some(namesake) = &source.namesake {
        return trouble(
            CHECK,
            format!("Its packets stopped, and another container of the same name is heard as {namesake}."),
            format!(
                "Listen to {namesake}, or give each container a name of its own: `docker run --hostname NAME …`, or `hostname:` in the compose file."
            ),
        );
    }
    if let Some(beside) = source.beside.first() {
        return beside_it(beside, source);
    }
    let last = match source.heard {
        Some(age) => format!("Its latest packet came {} ago", time(age)),
        None => format!("No packet has come to port {port}"),
    };
    if source.announced.is_some() {
        return unknown(CHECK, format!("{last}."), "See what is said of its sound server.");
    }
    let from = source.status.address.map_or_else(String::new, |ip| format!(" and host {ip}"));
    let look = format!("To see whether anything arrives: `tcpdump -ni any udp port {port}{from}`.");
    let send = send_here(source.port);
    if source.said_goodbye {
        let said = format!("{last}: its sender said goodbye, and sends no more.");
        return trouble(CHECK, said, format!("Start its sender again. {send}"));
    }
    match source.heard {
        Some(_) => trouble(
            CHECK,
            format!("{last}, and it announces nothing: the container, its sender or the network is gone."),
            format!("Start the container and its sender again. {send} {look}"),
        ),
        None => trouble(
            CHECK,
            match source.status.address {
                Some(ip) => format!("{last} from {ip}, and it announces nothing."),
                None => format!("{last}, and nothing is announced."),
            },
            format!("{send} {look} Let no firewall close {port}/udp."),
        ),
    }
}

fn blocked(barrier: &Barrier, port: u16, relay: &RelayFacts) -> Finding {
    const CHECK: Check = Check::Packets;
    match barrier {
        Barrier::SystemPort { announced, main } => trouble(
            CHECK,
            format!("Its sound goes to port {announced}, which is the system’s own and is not opened."),
            send_here(*main),
        ),
        Barrier::Multicast(group) => trouble(
            CHECK,
            format!("It sends to the multicast group {group}, which the relay does not join."),
            format!(
                "Start the relay with `--multicast`; or send to the relay alone. {}",
                send_here(relay.rtp_port)
            ),
        ),
        Barrier::Port(words) => trouble(
            CHECK,
            words.as_str(),
            format!(
                "To see who holds it: `ss -lunp sport = :{port}`. Or send to port {}, which the relay has.",
                relay.rtp_port.0
            ),
        ),
        Barrier::Name(words) => trouble(
            CHECK,
            words.as_str(),
            "Start the container, or correct from in its [[source]]; an IP address will do as well.",
        ),
        Barrier::Format(_) => unknown(
            CHECK,
            "It announces a format that is not read, so its packets are not looked at.",
            "See what is said of its format.",
        ),
    }
}

/// Packets of its container come, but not as this source's.
fn beside_it(beside: &Beside, source: &SourceFacts) -> Finding {
    let port = source.port.0;
    match beside {
        Beside::Unrecognised { from, to, .. } => well(
            Check::Packets,
            format!("Packets come from {} to port {}, but nothing is heard in them.", from.ip(), to.0),
        ),
        Beside::TurnedAway(away) => well(
            Check::Packets,
            format!(
                "{} came from {} to port {}, the latest {} ago, but nothing is heard in them.",
                count(away.count, "packet", "packets"),
                away.from.ip(),
                away.to.0,
                time(away.age)
            ),
        ),
        Beside::Taken { by, to } => trouble(
            Check::Packets,
            format!(
                "Packets of its container come to port {}, where they are heard as {by}; this source’s are awaited at port {port}.",
                to.0
            ),
            format!("Send to port {port}, or write port = {} in its [[source]], or leave port out.", to.0),
        ),
    }
}

fn suspended(source: &SourceFacts) -> Option<Finding> {
    let announced = time(source.announced?);
    if source.barrier.is_some() || !source.beside.is_empty() || source.namesake.is_some() {
        return None;
    }
    if sends(source) {
        return Some(well(Check::Suspended, format!("It announced itself {announced} ago, and sends.")));
    }
    if source.heard.is_none() && source.announced_for.is_none_or(|since| since < BEGINS_WITHIN) {
        let said = format!("It announced itself {announced} ago for the first time, and has not sent yet.");
        return Some(unknown(Check::Suspended, said, "Ask again in a few seconds."));
    }
    let last = match source.heard {
        Some(age) => format!("its latest packet came {} ago", time(age)),
        None => "no packet has come yet".to_owned(),
    };
    let port = source.port.0;
    Some(trouble(
        Check::Suspended,
        format!(
            "It announced itself {announced} ago, but {last}: its sound server runs, and sleeps because nothing plays."
        ),
        format!(
            "Play something in the container, and it wakes by itself. To see what sleeps: `pactl list short sinks`. To keep it awake: `pactl unload-module module-suspend-on-idle`. If it is RUNNING, the packets are lost on the way: open {port}/udp between the two."
        ),
    ))
}

fn zeros(source: &SourceFacts) -> Finding {
    const CHECK: Check = Check::Zeros;
    let since = match source.sounded {
        _ if source.pinned && !sounds(source) => {
            return well(CHECK, "It is the relay’s own, and silent until it has something to say.");
        }
        Some(age) if sounds(source) => {
            return well(CHECK, format!("There was sound in its packets {} ago.", time(age)));
        }
        Some(age) => format!("for {}", time(age)),
        None => "since the first".to_owned(),
    };
    trouble(
        CHECK,
        format!(
            "Its packets have held nothing but zeros {since}: the app in the container is silent or muted, or plays into another sink than the one that is sent."
        ),
        "Inside the container: `pactl list short sink-inputs` says which app plays into which sink (none: it does not play), `pactl list short source-outputs` which one is sent, and `pactl list sinks` what is muted. To play into the one that is sent: `pactl set-default-sink NAME`, and `pactl move-sink-input NUMBER NAME` for what plays already.",
    )
}

fn format(source: &SourceFacts) -> Option<Finding> {
    const CHECK: Check = Check::Format;
    if let Some(Barrier::Format(words)) = &source.barrier {
        return Some(trouble(CHECK, format!("It is {words}."), send_pcm(source.port)));
    }
    if let Some(beside) = source.beside.first() {
        return strange(beside, source);
    }
    let known = source.status.format?;
    let how = match known.found {
        Found::Announced => "as it announces",
        Found::Configured => "as its [[source]] says",
        Found::PayloadType => "as its payload type says",
        Found::Measured => "as its packets show",
        Found::Assumed => "which nobody says, and its packets have not contradicted yet",
    };
    let said = format!("{} Hz, {how}", known.audio.rate_hz);
    let format = known.audio;
    if let Some(shown) = source.shown {
        return Some(trouble(
            CHECK,
            format!("It is read as {format}, {how}, but its packets are those of {shown}: noise is heard."),
            correct(&format!("format = \"{shown}\""), known.found),
        ));
    }
    if let Some(paced) = source.paced_hz {
        return Some(trouble(
            CHECK,
            format!(
                "It is read at {said}, but {paced} samples come in a second: its pitch is wrong, and it stutters."
            ),
            correct(
                &format!("format = \"{}/{paced}/{}\"", format.encoding.name(), format.channels),
                known.found,
            ),
        ));
    }
    if let Some((own, announced)) = source.other_payload_type {
        return Some(unknown(
            CHECK,
            format!(
                "Its packets are of payload type {own}, while it announces {announced}: they are taken for {format}, {how}."
            ),
            "If it sounds wrong, start its sender again, so that it announces what it sends.",
        ));
    }
    match known.found {
        Found::Assumed => Some(unknown(
            CHECK,
            format!("It is taken for {format}, {how}."),
            format!("If it sounds wrong, say what it sends: format = \"{format}\" in its [[source]]."),
        )),
        _ => Some(well(CHECK, format!("It is {format}, {how}."))),
    }
}

/// What comes is no sound that is read.
fn strange(beside: &Beside, source: &SourceFacts) -> Option<Finding> {
    let said = match beside {
        Beside::Unrecognised { payload_type, payload_bytes, ticks, .. } => {
            let step = ticks.map_or_else(String::new, |ticks| format!(", {ticks} timestamps apart"));
            format!(
                "Its packets are of payload type {payload_type} with {payload_bytes} bytes{step}: nothing that is read looks like that."
            )
        }
        Beside::TurnedAway(away) => format!("{}.", super::relay::why(away.why)),
        Beside::Taken { .. } => return None,
    };
    Some(trouble(Check::Format, said, send_pcm(source.port)))
}

fn correct(line: &str, found: Found) -> String {
    match found {
        Found::Announced => {
            format!(
                "Correct what the sender announces, or start it again; or have it announce nothing, and write {line} in a [[source]] of it."
            )
        }
        _ => format!("Write {line} in its [[source]], or leave format out, and reload the relay (SIGHUP)."),
    }
}

fn encoder(source: &SourceFacts) -> Finding {
    const CHECK: Check = Check::Encoder;
    let encoder = source.encoder;
    let is_opus = source.status.format.is_some_and(|format| format.audio.encoding == Encoding::Opus);
    let frames = format!("{} kb/s, {} ms frames", encoder.bitrate_bps / 1000, encoder.frame.as_millis());
    match source.status.listeners {
        0 => well(CHECK, "Nobody listens, so nothing is encoded."),
        _ if is_opus => well(CHECK, "It is Opus already, and passed on as it is."),
        _ if encoder.failed => trouble(
            CHECK,
            "The encoder could not be made, so nothing is heard.",
            "See the relay’s log for the reason; free memory, and start the relay again.",
        ),
        _ if encoder.frames_failed > 0 => trouble(
            CHECK,
            format!("{} could not be encoded.", count(encoder.frames_failed, "frame", "frames")),
            "Start the relay with `SOUNDPORT_LOG=soundport=debug`; its log says why each was not.",
        ),
        _ if !sounds(source) => well(CHECK, "Silence is not encoded; it begins with the first sound."),
        listeners => {
            let heard = count(listeners.into(), "session", "sessions");
            well(CHECK, format!("It is encoded once ({frames}) for {heard}."))
        }
    }
}

fn talkback(facts: &Facts) -> Option<Finding> {
    let talkback = facts.source.talkback.as_ref().filter(|_| !facts.source.room)?;
    let refused = (talkback.state == TalkbackState::Refused).then_some(talkback.trouble.as_deref())??;
    Some(trouble(
        Check::Talkback,
        refused,
        "Inside the container: `pactl list short modules` must name `module-rtp-recv`, loaded with `sap_address=0.0.0.0`.",
    ))
}
