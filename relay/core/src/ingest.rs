//! Container to relay: RTP packets become Opus frames.
//!
//! ```text
//! datagram ─▶ rtp ─▶ probation ─▶ source ─▶ stream: order, holes ─▶ sound: conceal, 48 kHz, frames, Opus ─▶ OpusFrame
//! ```
//!
//! Which packets belong to which source is decided here: in [`place`], by what the configuration says, what containers
//! announce ([`announced`]), and where packets come from. What becomes of them is decided below. A source that nobody
//! hears, or that sends nothing but silence, is followed and not played.

mod announced;
mod chain;
mod conceal;
mod config;
mod configured;
mod door;
mod facts;
mod format;
mod g711;
mod level;
mod mix;
mod naming;
mod pcm;
mod place;
mod port;
mod probation;
mod rate;
mod reorder;
mod resample;
mod sound;
mod source;
mod status;
mod stream;
mod timeline;

use std::collections::{HashSet, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

pub use self::announced::Farewell;
pub use self::config::{IngestConfig, SourceConfig};
pub use self::door::{TurnedAway, TurnedAwayFor};
pub use self::facts::{Barrier, Beside, EncoderFacts, SourceFacts};
pub use self::format::{Found, SourceFormat};
pub use self::port::{Attention, RtpPort, WantedPort};
pub use self::status::{IngestCounters, SourceState, SourceStatus};
pub use crate::encode::EncodeConfig;

use self::announced::Pending;
use self::door::Door;
use self::level::LevelMeter;
use self::probation::{Probation, StreamKey};
use self::sound::Outlet;
use self::source::{Origin, Source};
use crate::frame::{OpusFrame, SourceId};
use crate::rtp::{Packet, Rejected};

/// How many sources there may be: as many as may be announced, and as many again.
const MAX_SOURCES: usize = 512;

/// Frames that wait to be fetched: all sources may end their sound at once.
const MAX_FRAMES: usize = 4096;

/// A source silent for longer than this may be taken over by another sender of the same address or name.
const TAKEN_OVER_AFTER: Duration = Duration::from_millis(250);

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
    /// Announcements of a name whose holder may yet be alive.
    pending: Vec<Pending>,
    /// Whose levels are watched, whether they are there or not.
    watched: HashSet<SourceId>,
    /// Ids that are somebody else's: no source gets one.
    reserved: HashSet<SourceId>,
    frames: VecDeque<OpusFrame>,
    counters: IngestCounters,
    /// Who was turned away lately.
    door: Door,
    /// Apart, so that the whole Internet cannot make it forget a container.
    strangers: Door,
    revision: u64,
}

impl Ingest {
    /// An ingest with no source.
    pub fn new(config: IngestConfig) -> Self {
        Self {
            config,
            sources: Vec::new(),
            probation: Probation::default(),
            pending: Vec::new(),
            watched: HashSet::new(),
            reserved: HashSet::new(),
            frames: VecDeque::new(),
            counters: IngestCounters::default(),
            door: Door::default(),
            strangers: Door::default(),
            revision: 0,
        }
    }

    /// Every packet from `from` belongs to the source `id`, which exists from now on.
    pub fn pin(&mut self, from: SenderAddr, id: SourceId, title: &str, now: Instant) {
        let from = canonical(from);
        self.sources.retain(|source| source.id != id);
        for source in self.sources.iter_mut().filter(|source| source.key.is_some_and(|key| key.from == from))
        {
            source.key = None;
        }
        self.add(Source::new(id, title.to_owned(), Origin::Pinned(from), self.config.encode, now));
        self.revision += 1;
    }

    /// Takes a datagram that came to the relay's port `to`. Junk is dropped and counted.
    pub fn handle_datagram(&mut self, from: SenderAddr, to: RtpPort, datagram: &[u8], now: Instant) {
        self.counters.received += 1;
        let packet = match Packet::parse(datagram) {
            Ok(packet) if packet.payload.is_empty() => {
                return self.reject(from, to, Rejected::Malformed, now);
            }
            Ok(packet) => packet,
            Err(rejected) => return self.reject(from, to, rejected, now),
        };
        let key = StreamKey { from: canonical(from), to, ssrc: packet.ssrc };
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
            let why = TurnedAwayFor::SecondPayloadType(packet.payload_type);
            self.door.turn_away(key.from, to, why, now);
        }
    }

    /// Takes note of a datagram from outside private networks, which is not looked at.
    pub fn turn_away_stranger(&mut self, from: SenderAddr, to: RtpPort, now: Instant) {
        self.strangers.turn_away(canonical(from), to, TurnedAwayFor::Stranger, now);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.settle_pending(now);
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
        let pending = self.pending.iter().map(Pending::deadline);
        self.sources.iter().filter_map(Source::poll_timeout).chain(pending).min()
    }

    /// Says how many listen to a source. While nobody does, nothing is encoded. False if there is no such source, and the id is not reserved.
    pub fn set_listeners(&mut self, source: &SourceId, listeners: u32) -> bool {
        let Some(source) = self.sources.iter_mut().find(|known| known.id == *source) else {
            return self.reserved.contains(source);
        };
        if source.listeners != listeners {
            source.set_listeners(listeners);
            self.revision += 1;
        }
        true
    }

    /// Says which ids no container may have. Those that have one are gone, until they come back under another: their ids
    /// are returned.
    pub fn reserve(&mut self, reserved: HashSet<SourceId>) -> Vec<SourceId> {
        self.reserved = reserved;
        let displaced: Vec<SourceId> = self
            .sources
            .extract_if(.., |source| self.reserved.contains(&source.id))
            .map(|source| source.id)
            .collect();
        self.revision += displaced.len() as u64;
        displaced
    }

    /// Says whose levels are watched, now or when they come: only theirs are measured.
    pub fn set_watched(&mut self, watched: HashSet<SourceId>) {
        self.watched = watched;
        for source in &mut self.sources {
            watch(source, &self.watched);
        }
    }

    /// The largest sample magnitudes, left and right, of each source that is watched, since they were taken last.
    pub fn take_levels(&mut self) -> impl Iterator<Item = (&SourceId, [f32; 2])> {
        self.sources.iter_mut().filter_map(|source| {
            let levels = source.meter.as_mut()?.take();
            Some((&source.id, levels))
        })
    }

    /// All sources, the longest known first.
    pub fn sources(&self) -> impl Iterator<Item = SourceStatus> {
        self.sources.iter().map(Source::status)
    }

    /// Changes whenever what [`Ingest::sources`] or [`Ingest::ports`] says changes.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// What was met so far.
    pub fn counters(&self) -> IngestCounters {
        self.counters
    }

    fn reject(&mut self, from: SenderAddr, to: RtpPort, rejected: Rejected, now: Instant) {
        let why = match rejected {
            Rejected::TooLarge => {
                self.counters.too_large += 1;
                Some(TurnedAwayFor::TooLarge)
            }
            Rejected::Rtcp => {
                self.counters.rtcp += 1;
                None
            }
            Rejected::Malformed => {
                self.counters.malformed += 1;
                Some(TurnedAwayFor::NotRtp)
            }
        };
        if let Some(why) = why {
            self.door.turn_away(canonical(from), to, why, now);
        }
        tracing::trace!(from = %from.0, %rejected, "datagram dropped");
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

    /// Takes a new source in, and says where it stands.
    fn add(&mut self, mut source: Source) -> usize {
        watch(&mut source, &self.watched);
        self.sources.push(source);
        self.sources.len() - 1
    }

    /// An id like `base` that no source has.
    fn free_id(&self, base: &str) -> (SourceId, usize) {
        let is_reserved = |id: &String| self.reserved.iter().any(|reserved| reserved.as_str() == id);
        let free =
            |id: &String| self.sources.iter().all(|source| source.id.as_str() != id) && !is_reserved(id);
        // There are no more sources than numbers tried, so one is free.
        let number = (1..=MAX_SOURCES + self.reserved.len() + 1)
            .find(|&n| free(&naming::numbered(base, n)))
            .unwrap_or(1);
        (SourceId::new(naming::numbered(base, number)), number)
    }
}

/// A source has a meter while it is watched.
fn watch(source: &mut Source, watched: &HashSet<SourceId>) {
    match (watched.contains(&source.id), source.meter.is_some()) {
        (true, false) => source.meter = Some(LevelMeter::default()),
        (false, true) => source.meter = None,
        (true, true) | (false, false) => {}
    }
}

/// IPv4 in IPv6's clothes is IPv4.
fn canonical(from: SenderAddr) -> SocketAddr {
    SocketAddr::new(from.0.ip().to_canonical(), from.0.port())
}
