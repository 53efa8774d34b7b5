//! Container to relay: RTP packets become Opus frames.
//!
//! ```text
//! datagram ─▶ rtp ─▶ probation ─▶ source ─▶ stream: order, PCM, holes ─▶ sound: conceal, 48 kHz, frames, Opus ─▶ OpusFrame
//! ```
//!
//! Which packets belong to which source is decided here; what becomes of them below. What a container announces of
//! itself (SAP) does not belong here.

mod conceal;
mod encode;
mod format;
mod naming;
mod pcm;
mod probation;
mod reorder;
mod resample;
mod sound;
mod source;
mod status;
mod stream;
mod timeline;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

pub use self::status::{IngestCounters, SourceFormat, SourceState, SourceStatus};

use self::format::Payload;
use self::probation::{Candidate, Probation, StreamKey};
use self::sound::Outlet;
use self::source::{Origin, Source};
use self::stream::Stream;
use crate::frame::{FrameLength, OpusFrame, SourceId};
use crate::rtp::{Packet, Rejected};

/// How many sources there may be.
const MAX_SOURCES: usize = 256;

/// A source silent for longer than this may be taken over by another sender from the same address.
const TAKEN_OVER_AFTER: Duration = Duration::from_millis(250);

/// How sound is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IngestConfig {
    /// How much sound a frame holds. Defaults to 10 ms.
    pub frame: FrameLength,
    /// Bits per second that a source's Opus takes. Defaults to 128 000.
    pub bitrate_bps: u32,
}

impl Default for IngestConfig {
    fn default() -> Self {
        Self { frame: FrameLength::default(), bitrate_bps: 128_000 }
    }
}

/// The address and port that a packet came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SenderAddr(pub SocketAddr);

/// The machine that turns containers' packets into Opus frames.
///
/// Drain [`Ingest::poll_frame`] after each `handle_…`, and call [`Ingest::handle_timeout`] when
/// [`Ingest::poll_timeout`] says so. Datagrams that wait are to be handled before a timeout is.
#[derive(Debug)]
pub struct Ingest {
    config: IngestConfig,
    sources: Vec<Source>,
    probation: Probation,
    frames: VecDeque<OpusFrame>,
    counters: IngestCounters,
    revision: u64,
}

impl Ingest {
    /// An ingest with no source.
    pub fn new(config: IngestConfig) -> Self {
        Self {
            config,
            sources: Vec::new(),
            probation: Probation::default(),
            frames: VecDeque::new(),
            counters: IngestCounters::default(),
            revision: 0,
        }
    }

    /// Every packet from `from` belongs to the source `id`, which exists from now on.
    pub fn pin(&mut self, from: SenderAddr, id: SourceId, title: &str) {
        let origin = Origin::Pinned(canonical(from));
        self.sources.retain(|source| source.id != id);
        for source in
            self.sources.iter_mut().filter(|source| source.key.is_some_and(|key| key.from == canonical(from)))
        {
            source.key = None;
        }
        let stream = Stream::new(id.clone(), self.config);
        self.sources.push(Source::new(id, title.to_owned(), origin, stream));
        self.revision += 1;
    }

    /// Takes a datagram that came to the RTP port. Junk is dropped and counted.
    pub fn handle_datagram(&mut self, from: SenderAddr, datagram: &[u8], now: Instant) {
        self.counters.received += 1;
        let packet = match Packet::parse(datagram) {
            Ok(packet) if packet.payload.is_empty() => return self.reject(from, Rejected::Malformed),
            Ok(packet) => packet,
            Err(rejected) => return self.reject(from, rejected),
        };
        let key = StreamKey { from: canonical(from), ssrc: packet.ssrc };
        let Some(source) = self.sources.iter_mut().find(|source| source.key == Some(key)) else {
            return self.examine(key, &packet, now);
        };
        if packet.payload_type == source.payload_type {
            let mut out = Outlet { frames: &mut self.frames, counters: &mut self.counters };
            self.revision += u64::from(source.receive(&packet, now, &mut out));
        } else if source.silent_for(TAKEN_OVER_AFTER, now) {
            source.key = None;
            self.examine(key, &packet, now);
        } else {
            self.counters.unknown_payload_type += 1;
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        let mut out = Outlet { frames: &mut self.frames, counters: &mut self.counters };
        for source in &mut self.sources {
            self.revision += u64::from(source.handle_timeout(now, &mut out));
        }
        let before = self.sources.len();
        self.sources.retain(|source| !source.is_forgotten(now));
        self.revision += (before - self.sources.len()) as u64;
    }

    /// The next frame that is ready.
    pub fn poll_frame(&mut self) -> Option<OpusFrame> {
        self.frames.pop_front()
    }

    /// When [`Ingest::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.sources.iter().filter_map(Source::poll_timeout).min()
    }

    /// Says how many listen to a source. While nobody does, nothing is encoded.
    pub fn set_listeners(&mut self, source: &SourceId, listeners: u32, _now: Instant) {
        let Some(source) = self.sources.iter_mut().find(|known| known.id == *source) else {
            return;
        };
        if source.listeners != listeners {
            source.set_listeners(listeners);
            self.revision += 1;
        }
    }

    /// All sources, the longest known first.
    pub fn sources(&self) -> impl Iterator<Item = SourceStatus> {
        self.sources.iter().map(Source::status)
    }

    /// Changes whenever what [`Ingest::sources`] says changes.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// What was met so far.
    pub fn counters(&self) -> IngestCounters {
        self.counters
    }

    fn reject(&mut self, from: SenderAddr, rejected: Rejected) {
        match rejected {
            Rejected::TooLarge => self.counters.too_large += 1,
            Rejected::Rtcp => self.counters.rtcp += 1,
            Rejected::Malformed => self.counters.malformed += 1,
        }
        tracing::trace!(from = %from.0, %rejected, "datagram dropped");
    }

    /// Takes a packet of a stream that belongs to no source yet.
    fn examine(&mut self, key: StreamKey, packet: &Packet<'_>, now: Instant) {
        if Payload::of_type(packet.payload_type).is_none() {
            self.counters.unknown_payload_type += 1;
            tracing::trace!(from = %key.from, payload_type = packet.payload_type, "payload type is not L16");
            return;
        }
        if self.sources.iter().any(|source| source.shuns(key, TAKEN_OVER_AFTER, now)) {
            self.counters.stray += 1;
            return;
        }
        let (candidate, given_up) = self.probation.examine(key, packet, now);
        self.counters.stray += given_up;
        let Some(since) = candidate.map(|candidate| candidate.since) else {
            return;
        };
        let Some(index) = self.place(key, since, now) else {
            return;
        };
        let Some(mut candidate) = self.probation.graduate(key) else {
            return;
        };
        if now.saturating_duration_since(since) > TAKEN_OVER_AFTER {
            candidate.keep_latest();
        }
        self.adopt(index, candidate);
    }

    /// Which source a proven stream's sound belongs to; none while that is open.
    fn place(&mut self, key: StreamKey, since: Instant, now: Instant) -> Option<usize> {
        if let Some(index) = self.sources.iter().position(|source| source.origin == Origin::Pinned(key.from))
        {
            return Some(index);
        }
        let origin = Origin::Found(key.from.ip());
        let kin = || self.sources.iter().enumerate().filter(|(_, source)| source.origin == origin);
        let free = kin().filter(|(_, source)| source.silent_for(TAKEN_OVER_AFTER, now));
        if let Some((index, _)) = free.max_by_key(|(_, source)| (source.likeness(key), source.heard)) {
            return Some(index);
        }
        // A sender that is restarted may be quicker than its silence is noticed: wait until that is clear.
        let waited = now.saturating_duration_since(since) > TAKEN_OVER_AFTER;
        if kin().next().is_some() && !waited {
            return None;
        }
        self.make_room(now).then(|| self.found(key))
    }

    /// Gives up the source that was silent the longest, if there is no room for another.
    fn make_room(&mut self, now: Instant) -> bool {
        if self.sources.len() < MAX_SOURCES {
            return true;
        }
        let quiet = self.sources.iter().enumerate().filter(|(_, source)| source.may_be_evicted(now));
        let Some((index, _)) = quiet.min_by_key(|(_, source)| source.heard) else {
            self.counters.refused += 1;
            return false;
        };
        let source = self.sources.remove(index);
        tracing::info!(source = %source.id, "silent source given up to make room");
        self.counters.evicted += 1;
        self.revision += 1;
        true
    }

    /// Makes a source of a sender that nobody configured.
    fn found(&mut self, key: StreamKey) -> usize {
        let ip = key.from.ip();
        let base = naming::slug(ip);
        let free = |id: &String| self.sources.iter().all(|source| source.id.as_str() != id);
        // There are no more sources than numbers tried, so one is free.
        let number = (1..=MAX_SOURCES + 1).find(|&n| free(&naming::numbered(&base, n))).unwrap_or(1);
        let id = SourceId::new(naming::numbered(&base, number));
        tracing::info!(source = %id, from = %key.from, "new source");
        let stream = Stream::new(id.clone(), self.config);
        self.sources.push(Source::new(id, naming::title(ip, number), Origin::Found(ip), stream));
        self.sources.len() - 1
    }

    fn adopt(&mut self, index: usize, candidate: Candidate) {
        let mut out = Outlet { frames: &mut self.frames, counters: &mut self.counters };
        let source = &mut self.sources[index];
        tracing::info!(source = %source.id, from = %candidate.key.from, ssrc = candidate.key.ssrc, "sender");
        source.adopt(candidate, &mut out);
        self.revision += 1;
    }
}

/// IPv4 in IPv6's clothes is IPv4.
fn canonical(from: SenderAddr) -> SocketAddr {
    SocketAddr::new(from.0.ip().to_canonical(), from.0.port())
}
