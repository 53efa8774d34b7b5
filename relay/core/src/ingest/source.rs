mod facts;

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::config::SourceConfig;
use super::facts::Barrier;
use super::format::{Found, SourceFormat};
use super::level::LevelMeter;
use super::pcm;
use super::probation::{Candidate, StreamKey};
use super::sound::Outlet;
use super::status::{SourceState, SourceStatus};
use super::stream::Stream;
use super::{Farewell, RtpPort, naming};
use crate::announcement::Announcement;
use crate::encode::EncodeConfig;
use crate::format::AudioFormat;
use crate::frame::SourceId;
use crate::rtp::Packet;

/// A source whose packets stopped for longer than this is idle.
const IDLE_AFTER: Duration = Duration::from_millis(500);

/// So is one that sends nothing but silence for this long: longer than a pause between two sentences.
const SILENT_AFTER: Duration = Duration::from_secs(2);

/// One that neither sends nor is announced is lost after this.
const LOST_AFTER: Duration = Duration::from_secs(30);

/// A lost source that nobody asked for and nobody hears is forgotten after this.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(30 + 600);

/// How a source came to be, and so whose packets are its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Origin {
    /// One address and port of this process.
    Pinned(SocketAddr),
    /// An entry of the configuration.
    Configured(SourceConfig),
    /// An announcement: the name is the source's identity, wherever it comes from.
    Announced,
    /// A sender that became a source by itself, and those from its address that come after it.
    Found(IpAddr),
}

/// How surely a stream of packets is a source's own. The larger the surer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Claim {
    /// The configuration gives it all that comes to this port.
    Port,
    /// The configuration gives it all that comes from this address.
    Sender,
    /// Its sender announced this port.
    Announced,
    /// It announced this very stream.
    Stream,
    /// It is pinned to it.
    Pinned,
}

/// An announcement, and when it was heard last.
#[derive(Debug, Clone)]
pub(crate) struct Heard {
    pub(crate) announcement: Announcement,
    pub(crate) at: Instant,
    /// When it was heard first.
    since: Instant,
}

/// The sound of one container: who it is, who sends it now, and what became of it.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) id: SourceId,
    title: String,
    /// Which of several of one name it is.
    pub(crate) number: usize,
    pub(crate) origin: Origin,
    /// The name that it was announced by, ever.
    pub(crate) name: Option<String>,
    pub(crate) announced: Option<Heard>,
    /// The announcement was taken back by its sender.
    farewell: bool,
    pub(crate) listeners: u32,
    /// While somebody watches its level.
    pub(crate) meter: Option<LevelMeter>,
    state: SourceState,
    /// Which packets are its own now.
    pub(crate) key: Option<StreamKey>,
    /// Which were before.
    former: Option<StreamKey>,
    /// When the latest packet came.
    pub(crate) heard: Option<Instant>,
    /// When the latest came that was not silent.
    sounded: Option<Instant>,
    /// When it was last known to be there.
    known: Instant,
    pub(crate) payload_type: u8,
    /// What its first packets themselves showed.
    shown: Option<AudioFormat>,
    /// What is wrong with the port that its packets go to.
    pub(crate) port_trouble: Option<String>,
    /// Why what is announced cannot come here.
    pub(crate) trouble_ahead: Option<Barrier>,
    stream: Stream,
}

impl Source {
    pub(crate) fn new(
        id: SourceId,
        title: String,
        origin: Origin,
        config: EncodeConfig,
        now: Instant,
    ) -> Self {
        let stream = Stream::new(id.clone(), config);
        Self {
            id,
            title,
            number: 1,
            origin,
            name: None,
            announced: None,
            farewell: false,
            listeners: 0,
            meter: None,
            state: SourceState::Waiting,
            key: None,
            former: None,
            heard: None,
            sounded: None,
            known: now,
            payload_type: 0,
            shown: None,
            port_trouble: None,
            trouble_ahead: None,
            stream,
        }
    }

    pub(crate) fn status(&self) -> SourceStatus {
        SourceStatus {
            id: self.id.clone(),
            title: self.title.clone(),
            state: self.state,
            format: self.stream.format().or_else(|| self.promised_format()),
            listeners: self.listeners,
            address: self.address(),
            trouble: self.barrier().map(|barrier| barrier.to_string()),
        }
    }

    /// Where its container is: what sends now before what is announced or configured.
    fn address(&self) -> Option<IpAddr> {
        let sending = self.key.map(|key| key.from.ip());
        let announced = self.announced.as_ref().map(|heard| heard.announcement.key.sender);
        let configured = match &self.origin {
            Origin::Configured(config) => config.from.as_ref().and_then(|from| from.first().copied()),
            Origin::Pinned(_) | Origin::Announced | Origin::Found(_) => None,
        };
        // Who is silent may hear all the same; who said goodbye does not.
        if self.farewell { configured } else { sending.or(announced).or(configured) }
    }

    /// Whether no packet came for longer than `time`.
    pub(crate) fn silent_for(&self, time: Duration, now: Instant) -> bool {
        self.heard.is_none_or(|heard| now.saturating_duration_since(heard) > time)
    }

    /// Whether a stream of packets is its own, by what is known of it beforehand.
    pub(crate) fn claim(&self, key: StreamKey) -> Option<Claim> {
        let announced = self.announced.as_ref().map(|heard| &heard.announcement);
        let announced = announced.filter(|a| a.key.sender == key.from.ip() && a.port == key.to.0);
        match (announced, &self.origin) {
            (_, Origin::Pinned(from)) => (*from == key.from).then_some(Claim::Pinned),
            (Some(Announcement { ssrc: Some(ssrc), .. }), _) if *ssrc == key.ssrc => Some(Claim::Stream),
            (Some(_), _) => Some(Claim::Announced),
            (None, Origin::Configured(config)) => config.claim(key),
            (None, Origin::Announced | Origin::Found(_)) => None,
        }
    }

    /// What a stream of this payload type is said to hold.
    pub(crate) fn expected(&self, payload_type: u8) -> Option<SourceFormat> {
        let announced = self.announced.as_ref().map(|heard| &heard.announcement);
        let announced = announced.filter(|announced| announced.payload_type == payload_type);
        if let Some(Announcement { format: Ok(audio), .. }) = announced {
            return Some(SourceFormat { audio: *audio, found: Found::Announced });
        }
        self.configured_format()
    }

    /// From now on the sound is that of another stream of packets; those that came already are heard.
    pub(crate) fn adopt(&mut self, candidate: Candidate, out: &mut Outlet<'_>) {
        let Some(proven) = candidate.proven else {
            return;
        };
        let proven = self.expected(candidate.payload_type).unwrap_or(proven);
        self.former = self.key.replace(candidate.key).filter(|former| *former != candidate.key);
        self.payload_type = candidate.payload_type;
        self.shown = candidate.shown();
        self.farewell = false;
        let sounds = candidate.packets.iter().any(|packet| !pcm::is_silent(proven.audio, &packet.payload));
        self.note_packet(candidate.heard, sounds);
        let audible = self.is_audible(candidate.heard);
        self.stream.adopt(proven, candidate.packets, audible, out);
        self.state = self.state_at(candidate.heard);
    }

    /// Takes a packet of its own. Returns whether something changed that [`Source::status`] says.
    pub(crate) fn receive(&mut self, packet: &Packet<'_>, now: Instant, out: &mut Outlet<'_>) -> bool {
        let format = self.stream.format();
        let sounds = format.is_none_or(|format| match &mut self.meter {
            Some(meter) => meter.hear(format.audio, packet.payload),
            None => !pcm::is_silent(format.audio, packet.payload),
        });
        self.note_packet(now, sounds);
        if self.is_audible(now) {
            self.stream.receive(packet, now, out);
        } else {
            self.stream.skip(packet, now, out);
        }
        let state = self.state_at(now);
        std::mem::replace(&mut self.state, state) != state || format != self.stream.format()
    }

    /// Returns whether the state changed.
    pub(crate) fn handle_timeout(&mut self, now: Instant, out: &mut Outlet<'_>) -> bool {
        self.stream.handle_timeout(now, out);
        let state = self.state_at(now);
        std::mem::replace(&mut self.state, state) != state
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let after = |instant: Option<Instant>, time| instant.map(|instant: Instant| instant + time);
        let next = match self.state {
            SourceState::Waiting => None,
            SourceState::Live => after(self.heard, IDLE_AFTER).min(after(self.sounded, SILENT_AFTER)),
            SourceState::Idle if self.announced.is_some() || matches!(self.origin, Origin::Pinned(_)) => None,
            SourceState::Idle => after(self.heard, self.lost_after()),
            SourceState::Lost if self.is_kept() => None,
            SourceState::Lost => Some(self.known + FORGOTTEN_AFTER),
        };
        self.stream.poll_timeout().into_iter().chain(next).min()
    }

    pub(crate) fn is_forgotten(&self, now: Instant) -> bool {
        let gone = now.saturating_duration_since(self.known) >= FORGOTTEN_AFTER;
        gone && self.announced.is_none() && !self.is_kept()
    }

    /// The encoder lives while somebody listens.
    pub(crate) fn set_listeners(&mut self, listeners: u32) {
        self.listeners = listeners;
        if listeners == 0 {
            self.stream.stop();
        }
    }

    /// It is announced, for the first time or again. Returns whether something changed that [`Source::status`] says.
    pub(crate) fn announce(
        &mut self,
        announcement: Announcement,
        now: Instant,
        out: &mut Outlet<'_>,
    ) -> bool {
        let before = self.status();
        let is_new = self.announced.as_ref().is_none_or(|heard| heard.announcement != announcement);
        if !matches!(self.origin, Origin::Configured(_)) {
            self.title = naming::numbered_title(&announcement.name, self.number);
        }
        self.name = Some(announcement.name.clone());
        let since = self.announced.as_ref().map_or(now, |heard| heard.since);
        self.announced = Some(Heard { announcement, at: now, since });
        (self.farewell, self.known) = (false, now);
        if self.is_unreadable() {
            self.key = None;
            self.stream.stop();
        } else if is_new && self.claim_of_own().is_some() {
            self.correct_format(out);
        }
        self.state = self.state_at(now);
        is_new || before != self.status()
    }

    /// Its announcement is taken back, or was not repeated.
    pub(crate) fn withdraw(&mut self, farewell: Farewell, now: Instant) {
        self.announced = None;
        self.farewell = farewell == Farewell::Goodbye;
        self.known = now;
        self.state = self.state_at(now);
    }

    /// The configuration says something else of it now.
    pub(crate) fn configure(
        &mut self,
        config: SourceConfig,
        encode: EncodeConfig,
        now: Instant,
        out: &mut Outlet<'_>,
    ) {
        self.title.clone_from(&config.title);
        let known_by_id = config.means_by_id();
        self.origin = Origin::Configured(config);
        self.stream.set_config(encode, out);
        if !known_by_id && self.claim_of_own().is_none() {
            self.key = None;
        }
        self.correct_format(out);
        self.state = self.state_at(now);
    }

    /// Sound is encoded otherwise from now on.
    pub(crate) fn set_encode(&mut self, config: EncodeConfig, out: &mut Outlet<'_>) {
        self.stream.set_config(config, out);
    }

    /// The port that its packets come to, or will.
    pub(crate) fn port(&self, main: RtpPort) -> RtpPort {
        let announced = self.announced.as_ref().map(|heard| RtpPort(heard.announcement.port));
        let configured = match &self.origin {
            Origin::Configured(config) => config.port,
            Origin::Pinned(_) | Origin::Announced | Origin::Found(_) => None,
        };
        let current = self.key.filter(|_| self.state != SourceState::Lost).map(|key| key.to);
        announced.or(configured).or(current).unwrap_or(main)
    }

    /// How much a stream from the same address is like the one this source had: SSRC before port.
    pub(crate) fn likeness(&self, key: StreamKey) -> u8 {
        self.key.map_or(0, |own| 2 * u8::from(own.ssrc == key.ssrc) + u8::from(own.from == key.from))
    }

    /// Whether a pinned source left this stream for another that still sounds.
    pub(crate) fn shuns(&self, key: StreamKey, time: Duration, now: Instant) -> bool {
        self.former == Some(key) && matches!(self.origin, Origin::Pinned(_)) && !self.silent_for(time, now)
    }

    /// Whether it may go to make room: silent, neither pinned, configured nor announced, and heard by nobody.
    pub(crate) fn may_be_evicted(&self, now: Instant) -> bool {
        !self.is_kept() && self.announced.is_none() && self.silent_for(IDLE_AFTER, now)
    }

    /// Whether its sender said what it sends, and that cannot be read.
    pub(crate) fn is_unreadable(&self) -> bool {
        let unreadable = self.announced.as_ref().is_some_and(|heard| heard.announcement.format.is_err());
        unreadable && self.configured_format().is_none()
    }

    /// Whether its sender took its announcement back.
    pub(crate) fn said_goodbye(&self) -> bool {
        self.farewell
    }

    /// Whether it is a sender that nobody configured or announced.
    pub(crate) fn is_mere_sender(&self) -> bool {
        matches!(self.origin, Origin::Found(_)) && self.announced.is_none()
    }

    /// Whether the configuration names it by this id, and says nothing of where it comes from.
    pub(crate) fn is_named_alone(&self, id: &str) -> bool {
        let Origin::Configured(config) = &self.origin else {
            return false;
        };
        config.means_by_id() && self.id.as_str() == id
    }

    fn note_packet(&mut self, now: Instant, sounds: bool) {
        self.heard = Some(now);
        self.known = self.known.max(now);
        if sounds {
            self.sounded = Some(now);
        }
    }

    fn state_at(&self, now: Instant) -> SourceState {
        let wanted = self.announced.is_some() || self.is_asked_for();
        let Some(heard) = self.heard else {
            return if wanted { SourceState::Waiting } else { SourceState::Lost };
        };
        let silent = now.saturating_duration_since(heard);
        let is_pinned = matches!(self.origin, Origin::Pinned(_));
        if self.announced.is_none() && !is_pinned && silent >= self.lost_after() {
            SourceState::Lost
        } else if silent >= IDLE_AFTER || !self.is_sounding(now) {
            SourceState::Idle
        } else {
            SourceState::Live
        }
    }

    fn lost_after(&self) -> Duration {
        if self.farewell { IDLE_AFTER } else { LOST_AFTER }
    }

    fn is_sounding(&self, now: Instant) -> bool {
        self.sounded.is_some_and(|sounded| now.saturating_duration_since(sounded) < SILENT_AFTER)
    }

    fn is_audible(&self, now: Instant) -> bool {
        self.listeners > 0 && self.is_sounding(now)
    }

    /// The claim on the stream that is its own now.
    pub(crate) fn claim_of_own(&self) -> Option<Claim> {
        self.key.and_then(|key| self.claim(key))
    }

    fn correct_format(&mut self, out: &mut Outlet<'_>) {
        if let Some(expected) = self.expected(self.payload_type) {
            self.stream.correct(expected, out);
        }
    }

    fn promised_format(&self) -> Option<SourceFormat> {
        let announced =
            self.announced.as_ref().and_then(|heard| self.expected(heard.announcement.payload_type));
        announced.or_else(|| self.configured_format())
    }

    fn configured_format(&self) -> Option<SourceFormat> {
        let Origin::Configured(SourceConfig { format: Some(audio), .. }) = &self.origin else {
            return None;
        };
        Some(SourceFormat { audio: *audio, found: Found::Configured })
    }

    /// Whether it is pinned or configured.
    pub(crate) fn is_asked_for(&self) -> bool {
        matches!(self.origin, Origin::Pinned(_) | Origin::Configured(_))
    }

    /// Whether it stays although it is gone: it was asked for, or is heard.
    pub(crate) fn is_kept(&self) -> bool {
        self.listeners > 0 || self.is_asked_for()
    }
}
