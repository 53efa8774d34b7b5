use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use rand::RngExt;
use rand::rngs::StdRng;

use super::answers::Answers;
use super::invitation::{Invitation, PAYLOAD_TYPE, SAP_PORT};
use super::{Leg, TICK, TalkPacket};
use crate::frame::SourceId;
use crate::sample::{SILENCE, Sample};

/// Samples in a packet: 5 ms, which every path carries whole, as stereo of 16 bits.
const PACKET: usize = TICK / 2;

/// Where containers' microphones are sent, if nobody says otherwise: even ports, out of the way of those that PulseAudio
/// draws for what it sends.
const PORTS: std::ops::Range<u16> = 23_550..23_999;

/// How often an open way is announced again. A receiver forgets what it did not hear of for some of these.
const ANNOUNCE_EVERY: Duration = Duration::from_secs(5);

/// How long a refusal takes to come back: much longer than from a container on this host, or in the next room.
const REFUSAL_TAKES: Duration = Duration::from_millis(60);

/// How long it takes to be told that nobody has an address: Linux asks three times for it, once a second.
const ABSENCE_TAKES: Duration = Duration::from_millis(3_500);

/// How often a container that takes nothing is tried again. Two datagrams each time: it refuses no more than one a second.
const RETRY_EVERY: Duration = Duration::from_millis(2_300);

/// Retries with one port.
const RETRIES_PER_PORT: u32 = 8;

/// How long a container may take until it is said that it takes nothing.
const PATIENCE: Duration = Duration::from_millis(1500);

/// How long a receiver takes to open its port once it is told.
const OPENING_TAKES: Duration = Duration::from_millis(20);

/// Probes before the retries.
const EAGER_PROBES: u32 = 4;

/// Packets of an open way that were refused before the first refusal was heard of: one tick's, and one more.
const REFUSED_AT_ONCE: f32 = 3.0;

/// Where a container's microphone goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Destination {
    /// The container.
    pub address: IpAddr,
    /// The port that RTP goes to, where somebody listens there without being told. None: one is drawn, and announced.
    pub port: Option<u16>,
}

/// Why a datagram did not arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Nobody has opened the port (ICMP port unreachable).
    Port,
    /// Nobody has the address.
    Host,
}

/// Whether what is sent arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The container is being told, since then; after so many probes.
    Opening { since: Instant, probes: u32 },
    /// It takes what is sent.
    Open,
}

/// The way into a container: RTP in L16, 48 kHz stereo, and the announcement of it.
///
/// Sound flows once a probe was not refused; a receiver that is only being set up would lose it.
#[derive(Debug)]
pub(crate) struct Way {
    to: Destination,
    invitation: Invitation,
    state: State,
    /// When an announcement, and a probe, are due.
    announcement_due: Instant,
    probe_due: Instant,
    /// When the latest probe was sent that nobody has refused.
    probed: Option<Instant>,
    /// What was refused since the way was open last: of the announcements, and of the sound.
    refused: [Option<Refusal>; 2],
    answers: Answers,
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
}

impl Way {
    pub(crate) fn new(to: Destination, title: &str, rng: &mut StdRng, now: Instant) -> Self {
        Self {
            to,
            invitation: invite(to, title, rng),
            state: State::Opening { since: now, probes: 0 },
            announcement_due: now,
            probe_due: now + OPENING_TAKES,
            probed: None,
            refused: [None; 2],
            answers: Answers::new(now),
            ssrc: rng.random(),
            sequence: rng.random(),
            timestamp: rng.random(),
        }
    }

    pub(crate) fn destination(&self) -> Destination {
        self.to
    }

    /// Whether what is said now arrives.
    pub(crate) fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// Why it does not, in words for people; none while it may yet.
    pub(crate) fn trouble(&self, now: Instant) -> Option<String> {
        let State::Opening { since, .. } = self.state else { return None };
        if now.saturating_duration_since(since) < PATIENCE {
            return None;
        }
        let Destination { address, port } = self.to;
        let announcement = self.refused[0];
        Some(match port {
            _ if self.is_absent() => format!("The container at {address} cannot be reached."),
            Some(port) => format!("Nothing in the container at {address} listens on UDP port {port}."),
            None if address.is_loopback() => format!(
                "The container shares this machine’s network, and nothing in it takes a microphone. Load \
                 module-rtp-recv in it with sap_address={address}."
            ),
            None if announcement == Some(Refusal::Port) => format!(
                "The container at {address} has no microphone: nothing there listens for announcements \
                 (UDP port {SAP_PORT}). Load module-rtp-recv in it."
            ),
            None => format!("The container at {address} is told of a microphone, and opens no port for it."),
        })
    }

    /// Sends one tick of sound, or only what it takes to open the way.
    pub(crate) fn send(
        &mut self,
        sound: &[Sample; TICK],
        source: &SourceId,
        rng: &mut StdRng,
        now: Instant,
        out: &mut Vec<TalkPacket>,
    ) {
        let refusal_takes = if self.is_absent() { ABSENCE_TAKES } else { REFUSAL_TAKES };
        if self.probed.is_some_and(|probed| now.saturating_duration_since(probed) >= refusal_takes) {
            (self.state, self.probed, self.refused) = (State::Open, None, [None; 2]);
            self.announcement_due = now + ANNOUNCE_EVERY;
        }
        match self.state {
            State::Open => {
                self.announce_if_due(ANNOUNCE_EVERY, source, now, out);
                out.extend(sound.chunks_exact(PACKET).map(|packet| self.packet(source, packet)));
            }
            State::Opening { .. } => self.knock(source, rng, now, out),
        }
    }

    /// A datagram to the container came back.
    pub(crate) fn refuse(&mut self, leg: Leg, refusal: Refusal, now: Instant) {
        if leg == Leg::Announcement {
            self.refused[0] = Some(refusal);
            return;
        }
        if self.state == State::Open {
            self.state = State::Opening { since: now, probes: 0 };
            self.announcement_due = now;
            self.probe_due = now + OPENING_TAKES;
            self.answers.spend(REFUSED_AT_ONCE, now);
        }
        self.refused[1] = Some(refusal);
        self.probed = None;
    }

    /// Says that there is nothing more to come.
    pub(crate) fn close(&self, source: &SourceId, out: &mut Vec<TalkPacket>) {
        if self.to.port.is_none() {
            out.push(self.announcement(source, true));
        }
    }

    /// Whether the latest that is known is that nobody has the address.
    fn is_absent(&self) -> bool {
        self.refused.contains(&Some(Refusal::Host))
    }

    /// Announces and probes, so that the container opens its port and shows it.
    fn knock(&mut self, source: &SourceId, rng: &mut StdRng, now: Instant, out: &mut Vec<TalkPacket>) {
        let State::Opening { since, probes } = self.state else { return };
        let is_due = self.to.port.is_none() && now >= self.announcement_due;
        let is_another_due = probes >= EAGER_PROBES && probes.is_multiple_of(RETRIES_PER_PORT);
        if is_due && is_another_due && !self.is_absent() {
            // The port may be somebody else's: try another.
            self.answers.spend(1.0, now);
            self.close(source, out);
            self.invitation = invite(self.to, &self.invitation.title, rng);
        }
        self.announce_if_due(RETRY_EVERY, source, now, out);
        // A probe that the container would not refuse aloud proves nothing.
        if self.probed.is_none() && now >= self.probe_due && self.answers.are_left(now) {
            self.answers.spend(1.0, now);
            out.push(self.packet(source, &[SILENCE; PACKET]));
            self.probed = Some(now);
            self.state = State::Opening { since, probes: probes.saturating_add(1) };
            self.probe_due = match probes {
                0..EAGER_PROBES => now + REFUSAL_TAKES * 2_u32.pow(probes) / 2,
                _ => self.announcement_due + REFUSAL_TAKES,
            };
        }
    }

    fn announce_if_due(
        &mut self,
        again_after: Duration,
        source: &SourceId,
        now: Instant,
        out: &mut Vec<TalkPacket>,
    ) {
        if now < self.announcement_due {
            return;
        }
        self.announcement_due = now + again_after;
        if self.to.port.is_none() {
            self.answers.spend(1.0, now);
            out.push(self.announcement(source, false));
        }
    }

    fn announcement(&self, source: &SourceId, goodbye: bool) -> TalkPacket {
        TalkPacket {
            source: source.clone(),
            leg: Leg::Announcement,
            to: SocketAddr::new(self.to.address, SAP_PORT),
            bytes: self.invitation.datagram(self.to.address, goodbye),
        }
    }

    /// The next packet (RFC 3550, section 5.1; RFC 3551, section 4.5.11).
    ///
    /// Timestamps count what was sent, not the time that went by: PulseAudio plays all later sound so much later.
    fn packet(&mut self, source: &SourceId, sound: &[Sample]) -> TalkPacket {
        let mut bytes = Vec::with_capacity(12 + 4 * PACKET);
        bytes.extend([0x80, PAYLOAD_TYPE]);
        bytes.extend(self.sequence.to_be_bytes());
        bytes.extend(self.timestamp.to_be_bytes());
        bytes.extend(self.ssrc.to_be_bytes());
        // A cast from float keeps within the range of the integer.
        bytes.extend(
            sound.as_flattened().iter().flat_map(|&level| ((level * 32_767.0).round() as i16).to_be_bytes()),
        );
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(PACKET as u32);
        let to = SocketAddr::new(self.to.address, self.invitation.port);
        TalkPacket { source: source.clone(), leg: Leg::Sound, to, bytes }
    }
}

fn invite(to: Destination, title: &str, rng: &mut StdRng) -> Invitation {
    let drawn = 2 * rng.random_range(PORTS);
    Invitation {
        session: rng.random(),
        hash: rng.random(),
        port: to.port.unwrap_or(drawn),
        title: title.to_owned(),
    }
}
