//! What concerns no source alone: who sends and is not heard, where browsers are told to go, and TURN.

use std::net::IpAddr;
use std::sync::Arc;

use soundport_api::{Check, Checkup, Diagnosis, Finding, IceCheck, Verdict};
use soundport_core::SessionId;
use soundport_core::fanout::Audience;
use soundport_core::ingest::{Beside, RtpPort, TurnedAway, TurnedAwayFor};

use super::session::is_direct;
use super::words::{count, listed, send_here, send_pcm, time};
use super::{trouble, unknown, well};
use crate::network::Reach;

/// Whoever sends sound sends at least so many packets in half a minute.
const A_SENDER_SENDS: u64 = 10;

/// What is known of the relay itself.
#[derive(Debug)]
pub(crate) struct RelayFacts {
    /// The port for all containers' RTP.
    pub(crate) rtp_port: RtpPort,
    /// Where browsers are told to reach it.
    pub(crate) reach: Reach,
    /// What became of trying the TURN servers.
    pub(crate) turn: Arc<[IceCheck]>,
    /// Their addresses.
    pub(crate) turn_addresses: Vec<IpAddr>,
    /// Who was turned away lately.
    pub(crate) turned_away: Vec<TurnedAway>,
    /// Packets in which nothing is recognised.
    pub(crate) unrecognised: Vec<Beside>,
    /// Announcements from outside private networks, ever.
    pub(crate) strange_announcements: u64,
}

/// What all sources' diagnoses come to.
pub(crate) fn checkup(relay: &RelayFacts, sources: Vec<Diagnosis>) -> Checkup {
    let mut findings = door(relay, sources.is_empty());
    findings.push(reach(relay));
    findings.extend(servers(relay));
    let verdicts = findings.iter().map(|finding| finding.verdict);
    let verdict = verdicts.chain(sources.iter().map(|source| source.verdict)).max().unwrap_or(Verdict::Well);
    let own = findings.iter().find(|finding| finding.verdict == Verdict::Trouble);
    let of_source = || sources.iter().find(|source| source.verdict == Verdict::Trouble);
    let summary = match (own, of_source()) {
        (Some(own), _) => own.said.clone(),
        (None, Some(source)) => format!("{}: {}", source.title, source.summary),
        (None, None) => "Nothing is in the way of any sound.".to_owned(),
    };
    Checkup { verdict, summary, findings, sources }
}

/// Whether the TURN servers work, for those who need them.
pub(super) fn turn(relay: &RelayFacts, audience: &Audience, own: &[SessionId]) -> Option<Finding> {
    let finding = servers(relay)?;
    let mut asks = audience.sessions.iter().filter(|session| own.contains(&session.id)).peekable();
    let does_without = asks.peek().is_some() && asks.all(is_direct);
    if finding.verdict == Verdict::Trouble && does_without {
        let said = format!("{} Your own connection does without.", finding.said);
        return Some(Finding { verdict: Verdict::Unknown, said, ..finding });
    }
    Some(finding)
}

/// Why what came was turned away.
pub(super) fn why(why: TurnedAwayFor) -> String {
    match why {
        TurnedAwayFor::NotRtp => "What comes from it is not RTP".to_owned(),
        TurnedAwayFor::TooLarge => "Its packets are larger than any that are read (9000 bytes)".to_owned(),
        TurnedAwayFor::PayloadType(number) => {
            format!("Its packets are of payload type {number}, which stands for no sound that is read")
        }
        TurnedAwayFor::SecondPayloadType(number) => {
            format!("It sends packets of a second payload type, {number}, beside the first")
        }
        TurnedAwayFor::Unawaited => "Its packets come to a port that is another source’s own".to_owned(),
        TurnedAwayFor::Stranger => "It is in no private network, so it is not listened to".to_owned(),
    }
}

/// Who sends and is not heard.
fn door(relay: &RelayFacts, is_empty: bool) -> Vec<Finding> {
    let mut findings: Vec<Finding> = relay.turned_away.iter().map(turned_away).collect();
    findings.extend(relay.unrecognised.iter().filter_map(unrecognised));
    if relay.strange_announcements > 0 {
        findings.push(unknown(
            Check::Packets,
            format!(
                "{} came from outside private networks, and were not read.",
                count(relay.strange_announcements, "announcement", "announcements")
            ),
            "Announce from a private network, or over a VPN.",
        ));
    }
    if findings.is_empty() && is_empty {
        let port = relay.rtp_port.0;
        findings.push(trouble(
            Check::Packets,
            format!("No container is known: nothing is announced, and nothing has come to port {port}."),
            format!("{} To hear something at once, start the relay with `--demo`. To see whether anything arrives: `tcpdump -ni any udp port {port}`.", send_here(relay.rtp_port)),
        ));
    }
    findings
}

fn turned_away(away: &TurnedAway) -> Finding {
    let said = format!(
        "{} from {} to port {} went unheard, the latest {} ago. {}.",
        count(away.count, "packet", "packets"),
        away.from,
        away.to.0,
        time(away.age),
        why(away.why)
    );
    let remedy = match away.why {
        TurnedAwayFor::Stranger => {
            "Send from a private network (10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 100.64.0.0/10, fd00::/8), or over a VPN.".to_owned()
        }
        TurnedAwayFor::Unawaited => {
            format!("Send to another port, or correct port and from in the [[source]] that has port {}.", away.to.0)
        }
        TurnedAwayFor::SecondPayloadType(_) => {
            "Send the second stream from another port, and it becomes a source of its own.".to_owned()
        }
        TurnedAwayFor::NotRtp | TurnedAwayFor::TooLarge | TurnedAwayFor::PayloadType(_) => send_pcm(away.to),
    };
    let check = if is_format(away.why) { Check::Format } else { Check::Packets };
    // A few are somebody who tries doors, and no sender of sound.
    if away.count < A_SENDER_SENDS { unknown(check, said, remedy) } else { trouble(check, said, remedy) }
}

fn is_format(why: TurnedAwayFor) -> bool {
    !matches!(why, TurnedAwayFor::Unawaited | TurnedAwayFor::Stranger)
}

fn unrecognised(beside: &Beside) -> Option<Finding> {
    let Beside::Unrecognised { from, to, payload_type, payload_bytes, ticks } = beside else { return None };
    let step = ticks.map_or_else(String::new, |ticks| format!(", {ticks} timestamps apart"));
    Some(trouble(
        Check::Format,
        format!(
            "Packets come from {from} to port {}, of payload type {payload_type} with {payload_bytes} bytes{step}: nothing that is read looks like that.",
            to.0
        ),
        format!(
            "Send L16, L24, PCMU, PCMA or Opus. If they are one of these, say which: [[source]] with from = \"{}\" and a format, such as format = \"L16/48000/2\".",
            from.ip()
        ),
    ))
}

fn reach(relay: &RelayFacts) -> Finding {
    let said = relay.reach.offer();
    match relay.reach.is_known {
        true => well(Check::Announce, said),
        false => unknown(Check::Announce, said, relay.reach.remedy()),
    }
}

fn servers(relay: &RelayFacts) -> Option<Finding> {
    const CHECK: Check = Check::Turn;
    let mut troubles = relay.turn.iter().filter_map(|check| check.trouble.as_deref());
    if let Some(first) = troubles.next() {
        let rest: Vec<&str> = troubles.collect();
        let said = std::iter::once(first).chain(rest).collect::<Vec<_>>().join(" ");
        return Some(trouble(
            CHECK,
            said,
            "Correct it in [ice] and reload the relay (SIGHUP); `soundport check` tries the servers at once.",
        ));
    }
    let urls: Vec<String> = relay.turn.iter().map(|check| check.url.clone()).collect();
    (!urls.is_empty()).then(|| well(CHECK, format!("{} took the relay’s credentials.", listed(&urls))))
}
