//! Browsers to containers: what talkers' microphones send becomes a microphone in the container.
//!
//! ```text
//! MicFrame ─▶ voice: order, holes, Opus, clock ─▶ path: mix ─▶ limiter ─▶ way: RTP, announced by SAP ─▶ container
//!                                                        └──▶ room: each hears the others, Opus ─▶ OpusFrame
//! ```
//!
//! The relay's clock paces it: every 10 ms each [`Path`] that somebody is connected to takes as much of every voice, and
//! sends it on. Where nobody is connected nothing exists, and nobody wakes.

mod answers;
mod invitation;
mod limiter;
mod mix;
mod path;
mod room;
mod voice;
mod way;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::SeedableRng;
use rand::rngs::StdRng;

pub use self::invitation::SAP_PORT;
pub(crate) use self::invitation::USERNAME;
pub use self::limiter::Limiter;
pub use self::room::{Room, Spoken};
pub use self::voice::{Voice, VoiceCounters};
pub use self::way::{Destination, Refusal};

use self::path::Path;
use crate::frame::{OpusFrame, SourceId};
use crate::mic::{MicFrame, TalkerId};
use crate::session::SessionId;

/// Samples of one tick, the step that everything here goes by: 10 ms at 48 kHz.
pub const TICK: usize = 480;

/// The same as a duration.
const TICK_TIME: Duration = Duration::from_millis(10);

/// Who is later than this has missed ticks for good, rather than to send them all at once.
const HOPELESS: Duration = Duration::from_millis(200);

/// How often a status may change that nothing but time changes: who speaks, and what takes too long.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What is said of a source that may be spoken into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TalkConfig {
    /// The source.
    pub source: SourceId,
    /// What its microphone is called in the container.
    pub title: String,
    /// Where its container is; none while nobody knows, and for rooms.
    pub destination: Option<Destination>,
    /// Whether it is a room, whose talkers hear each other and which has no container.
    pub room: bool,
    /// Whether those who listen hear the talkers besides the container.
    pub monitor: bool,
    /// Bits per second of each mix that listeners hear, in frames of one tick.
    pub bitrate_bps: u32,
}

impl TalkConfig {
    /// Whether what its listeners hear is mixed here.
    pub(crate) fn is_mixed(&self) -> bool {
        self.room || self.monitor
    }
}

/// Which of two things a datagram is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Leg {
    /// RTP.
    Sound,
    /// SAP.
    Announcement,
}

/// A datagram for a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TalkPacket {
    /// Whose container it is for.
    pub source: SourceId,
    /// What it is.
    pub leg: Leg,
    /// Where it goes.
    pub to: SocketAddr,
    /// Its payload.
    pub bytes: Vec<u8>,
}

/// Whether what is said into a container arrives there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TalkState {
    /// Nobody is connected to talk.
    Closed,
    /// The container is being told.
    Opening,
    /// It arrives.
    Open,
    /// It does not. It is tried again and again.
    Refused,
}

/// A talker as others see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TalkerStatus {
    /// Its number.
    pub id: TalkerId,
    /// Whether it is heard now.
    pub speaking: bool,
}

/// What becomes of what is said into a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TalkStatus {
    /// The source.
    pub source: SourceId,
    /// Whether it arrives.
    pub state: TalkState,
    /// Those who are connected, the longest first.
    pub talkers: Vec<TalkerStatus>,
    /// Why it does not arrive, in words for people.
    pub trouble: Option<String>,
}

/// What talkback has met since it began. Every count but the first only grows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TalkCounters {
    /// Those who are connected to talk now.
    pub talkers: u64,
    /// What all voices went through.
    pub voices: VoiceCounters,
    /// Packets of those who may not talk.
    pub stray: u64,
    /// Opus frames that were encoded for those who hear talkers.
    pub encoded: u64,
    /// Datagrams that came back from containers.
    pub refused: u64,
    /// Ticks that were too late to be played.
    pub missed_ticks: u64,
}

/// What a call of [`Talkback`] leaves to be done.
#[derive(Debug, Default)]
pub struct TalkOutput {
    /// To be sent to containers.
    pub packets: Vec<TalkPacket>,
    /// For fan-out: what those hear who listen to talkers.
    pub frames: Vec<OpusFrame>,
}

/// All that is said into containers and rooms.
///
/// Drive it so: hand in frames, events and configuration; call [`Talkback::handle_timeout`] when
/// [`Talkback::poll_timeout`] has come; do what they put into `out`.
#[derive(Debug)]
pub struct Talkback {
    configs: HashMap<SourceId, TalkConfig>,
    paths: HashMap<SourceId, Path>,
    /// Which source each talker speaks into.
    places: HashMap<TalkerId, SourceId>,
    /// How many listen, where anybody does.
    listeners: HashMap<SourceId, u32>,
    /// When the next tick is due, while there are paths.
    tick_at: Option<Instant>,
    /// Where the timeline of all rooms begins.
    epoch: Instant,
    /// When statuses are looked at, for what time alone changes.
    look_at: Instant,
    statuses: Vec<TalkStatus>,
    revision: u64,
    /// Of what is over; the voices of those who are here count themselves.
    counters: TalkCounters,
    rng: StdRng,
}

impl Talkback {
    /// Nobody may talk yet. `seed` must be random: SSRCs and ports are drawn from it.
    pub fn new(seed: [u8; 32], now: Instant) -> Self {
        Self {
            configs: HashMap::new(),
            paths: HashMap::new(),
            places: HashMap::new(),
            listeners: HashMap::new(),
            tick_at: None,
            epoch: now,
            look_at: now,
            statuses: Vec::new(),
            revision: 0,
            counters: TalkCounters::default(),
            rng: StdRng::from_seed(seed),
        }
    }

    /// Says which sources may be spoken into from now on. The way into every other is closed: those that were open to
    /// talkers and are no more are returned, and whether they were rooms.
    pub fn configure(
        &mut self,
        configs: Vec<TalkConfig>,
        now: Instant,
        out: &mut TalkOutput,
    ) -> Vec<(SourceId, bool)> {
        let configs = configs.into_iter().map(|config| (config.source.clone(), config)).collect();
        let before = std::mem::replace(&mut self.configs, configs);
        for (source, path) in &mut self.paths {
            match self.configs.get(source) {
                Some(config) => path.configure(config, &mut self.rng, now, &mut out.packets),
                None => {
                    path.close(&mut out.packets);
                    self.counters.voices += path.counters();
                }
            }
        }
        self.paths.retain(|source, _| self.configs.contains_key(source));
        self.revision += 1;
        self.look(now);
        let is_over = |config: &TalkConfig| !self.configs.contains_key(&config.source);
        before.into_values().filter(is_over).map(|config| (config.source, config.room)).collect()
    }

    /// A talker is connected, who speaks into `source`, and hears it by the session `listener`. False if nobody may.
    pub fn join(
        &mut self,
        talker: TalkerId,
        source: &SourceId,
        listener: Option<SessionId>,
        now: Instant,
        out: &mut TalkOutput,
    ) -> bool {
        let Some(config) = self.configs.get(source) else { return false };
        let path = self.paths.entry(source.clone()).or_insert_with(|| {
            let mut path = Path::new(source.clone(), now);
            path.configure(config, &mut self.rng, now, &mut out.packets);
            path
        });
        path.join(talker, listener);
        self.places.insert(talker, source.clone());
        self.tick_at.get_or_insert(now);
        self.look(now);
        true
    }

    /// A talker no longer listens by the session that it named.
    pub fn deafen(&mut self, talker: TalkerId) {
        let path = self.places.get(&talker).and_then(|source| self.paths.get_mut(source));
        if let Some(path) = path {
            path.deafen(talker);
        }
    }

    /// A talker is gone.
    pub fn leave(&mut self, talker: TalkerId, now: Instant) {
        if let Some(path) = self.places.remove(&talker).and_then(|source| self.paths.get_mut(&source)) {
            self.counters.voices += path.leave(talker, now);
        }
        self.look(now);
    }

    /// Takes what a talker said.
    pub fn handle_frame(&mut self, frame: MicFrame) {
        let path = self.places.get(&frame.talker).and_then(|source| self.paths.get_mut(source));
        match path {
            Some(path) => path.hear(frame),
            None => self.counters.stray += 1,
        }
    }

    /// Takes what a container plays whose listeners hear it mixed; see [`Talkback::mixes`].
    pub fn handle_container_frame(&mut self, frame: &OpusFrame, now: Instant) {
        if let Some(path) = self.paths.get_mut(&frame.source) {
            path.hear_container(frame, now);
        }
    }

    /// Says how many listen to a source: what nobody hears is not encoded.
    pub fn set_listeners(&mut self, source: SourceId, listeners: u32) {
        match listeners {
            0 => drop(self.listeners.remove(&source)),
            _ => drop(self.listeners.insert(source, listeners)),
        }
        self.revision += 1;
    }

    /// How many listen to each source that anybody listens to.
    pub fn listeners(&self) -> &HashMap<SourceId, u32> {
        &self.listeners
    }

    /// A datagram to a container came back.
    pub fn refuse(&mut self, source: &SourceId, leg: Leg, refusal: Refusal, now: Instant) {
        self.counters.refused += 1;
        if let Some(path) = self.paths.get_mut(source) {
            path.refuse(leg, refusal, now);
            self.look(now);
        }
    }

    /// Plays the ticks that are due.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut TalkOutput) {
        let Some(mut tick_at) = self.tick_at.filter(|tick_at| *tick_at <= now) else { return };
        if now.saturating_duration_since(tick_at) > HOPELESS {
            let late = now.saturating_duration_since(tick_at);
            tracing::debug!(?late, "talkback is late, and lets sound go");
            self.counters.missed_ticks += (late.as_millis() / TICK_TIME.as_millis()) as u64;
            tick_at = now;
        }
        let frames_before = out.frames.len();
        while tick_at <= now {
            let time = samples(tick_at.saturating_duration_since(self.epoch));
            for (source, path) in &mut self.paths {
                let listeners = self.listeners.get(source).copied().unwrap_or_default();
                path.tick(time, listeners, &mut self.rng, now, out);
            }
            tick_at += TICK_TIME;
        }
        // Of one tick several frames may be the same: the bytes are counted, not who hears them.
        self.counters.encoded += distinct(&out.frames[frames_before..]);
        self.close_deserted(now, out);
        self.tick_at = (!self.paths.is_empty()).then_some(tick_at);
        if now >= self.look_at {
            self.look(now);
        }
    }

    /// When [`Talkback::handle_timeout`] is due; never while nobody talks.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.tick_at
    }

    /// What becomes of what is said, for every source that somebody is connected to.
    pub fn statuses(&self) -> &[TalkStatus] {
        &self.statuses
    }

    /// Changes whenever what [`Talkback::statuses`], [`Talkback::listeners`] or [`Talkback::mixes`] says changes.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// What was met so far.
    pub fn counters(&self) -> TalkCounters {
        let mut counters = TalkCounters { talkers: self.places.len() as u64, ..self.counters };
        self.paths.values().for_each(|path| counters.voices += path.counters());
        counters
    }

    /// The containers whose sound is mixed with talkers' now: their frames go to [`Talkback::handle_container_frame`].
    pub fn mixes(&self) -> impl Iterator<Item = &SourceId> {
        let in_use = self.paths.iter().filter(|(_, path)| path.is_in_use());
        in_use
            .map(|(source, _)| source)
            .filter(|source| self.configs.get(source).is_some_and(|config| config.monitor))
    }

    fn close_deserted(&mut self, now: Instant, out: &mut TalkOutput) {
        for path in self.paths.values().filter(|path| path.is_over(now)) {
            path.close(&mut out.packets);
        }
        self.paths.retain(|_, path| !path.is_over(now));
    }

    /// Notes what has changed.
    fn look(&mut self, now: Instant) {
        self.look_at = now + LOOK_EVERY;
        let in_use = self.paths.iter().filter(|(_, path)| path.is_in_use());
        let status = |(source, path): (&SourceId, &Path)| Some(path.status(self.configs.get(source)?, now));
        let mut statuses: Vec<TalkStatus> = in_use.filter_map(status).collect();
        statuses.sort_by(|one, other| one.source.cmp(&other.source));
        if self.statuses != statuses {
            self.statuses = statuses;
            self.revision += 1;
        }
    }
}

/// How many of these frames were encoded: those for several listeners share their bytes.
fn distinct(frames: &[OpusFrame]) -> u64 {
    let is_first = |(n, frame): &(usize, &OpusFrame)| {
        !frames[..*n].iter().any(|other| Arc::ptr_eq(&other.data, &frame.data))
    };
    frames.iter().enumerate().filter(is_first).count() as u64
}

/// So much time in samples at 48 kHz.
fn samples(time: Duration) -> u64 {
    // 48 samples are a millisecond; the cast is good for millions of years.
    (time.as_nanos() * 48 / 1_000_000) as u64
}
