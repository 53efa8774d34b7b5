//! What the doctor must know to say why a source is not heard.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use super::door::TurnedAway;
use super::format::SourceFormat;
use super::pcm::block_bytes;
use super::source::{Origin, Source};
use super::status::SourceStatus;
use super::{Ingest, RtpPort};
use crate::format::AudioFormat;
use crate::frame::SourceId;

/// What keeps a source's packets from coming in, or from being read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Barrier {
    /// It announces a port below 1024, which is the system's own.
    SystemPort {
        /// What it announces.
        announced: u16,
        /// Where it may send instead.
        main: RtpPort,
    },
    /// It announces a multicast group, and groups are not joined.
    Multicast(IpAddr),
    /// The port that it announces cannot be opened; why, in words for people.
    Port(String),
    /// It announces a format that is not read; why, in words for people.
    Format(String),
    /// The configuration names a host that cannot be found; what is wrong, in words for people.
    Name(String),
}

impl fmt::Display for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SystemPort { announced, main } => write!(
                f,
                "Its sound goes to port {announced}, which is the system’s own. Send it to port {} instead.",
                main.0
            ),
            Self::Multicast(group) => {
                write!(f, "It sends to the group {group}. Start the relay with --multicast to hear it.")
            }
            Self::Port(words) | Self::Format(words) | Self::Name(words) => f.write_str(words),
        }
    }
}

/// A source's encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EncoderFacts {
    /// Whether it is there: only while somebody hears.
    pub runs: bool,
    /// Whether libopus would not make one.
    pub failed: bool,
    /// Frames that it would not encode, since it is there.
    pub frames_failed: u64,
    /// Bits per second.
    pub bitrate_bps: u32,
    /// How long a frame is.
    pub frame: Duration,
}

/// Packets that come from a source's container and are not heard as it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Beside {
    /// They were turned away.
    TurnedAway(TurnedAway),
    /// Nothing is recognised in them.
    Unrecognised {
        /// Who sends them.
        from: SocketAddr,
        /// The relay's port that they come to.
        to: RtpPort,
        /// Their payload type.
        payload_type: u8,
        /// How large the payload of the latest is.
        payload_bytes: usize,
        /// By how much the timestamps of the latest two differ; none where there is but one, or order is lost.
        ticks: Option<u32>,
    },
    /// Another source has them.
    Taken {
        /// Which.
        by: SourceId,
        /// The relay's port that they come to.
        to: RtpPort,
    },
}

/// All that is known of a source on its way from the container to Opus frames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFacts {
    /// As it is listed.
    pub status: SourceStatus,
    /// Whether it is this process' own, such as the echo.
    pub pinned: bool,
    /// The relay's port that its packets come to, or should.
    pub port: RtpPort,
    /// How long ago it was announced last; none where it is not.
    pub announced: Option<Duration>,
    /// For how long it is announced by now.
    pub announced_for: Option<Duration>,
    /// Whether its sender said goodbye.
    pub said_goodbye: bool,
    /// How long ago its latest packet came.
    pub heard: Option<Duration>,
    /// How long ago the latest came that was not silent.
    pub sounded: Option<Duration>,
    /// What keeps its packets out.
    pub barrier: Option<Barrier>,
    /// What its packets themselves show, where that is another format than is said.
    pub shown: Option<AudioFormat>,
    /// The rate that its packets come at, where that is another than is said; in hertz.
    pub paced_hz: Option<u32>,
    /// The payload type of its packets, and the one announced, where they differ.
    pub other_payload_type: Option<(u8, u8)>,
    /// What comes from its container besides.
    pub beside: Vec<Beside>,
    /// Another source of the same name that is heard of now.
    pub namesake: Option<SourceId>,
    /// Its encoder.
    pub encoder: EncoderFacts,
}

impl Ingest {
    /// All that is known of the source of that id, or of each where it is none.
    pub fn facts(&self, id: Option<&SourceId>, now: Instant) -> impl Iterator<Item = SourceFacts> {
        let asked = self.sources.iter().filter(move |source| id.is_none_or(|id| *id == source.id));
        asked.map(move |source| self.facts_of(source, now))
    }

    /// Who was turned away lately, the latest first: also those that belong to no source.
    pub fn turned_away(&self, now: Instant) -> Vec<TurnedAway> {
        let mut away = self.door.lately(now);
        away.extend(self.strangers.lately(now));
        away
    }

    /// Packets in which nothing is recognised, and that no source claims.
    pub fn unrecognised(&self, now: Instant) -> impl Iterator<Item = Beside> {
        self.probation.unrecognised(now)
    }

    fn facts_of(&self, source: &Source, now: Instant) -> SourceFacts {
        let mut facts = source.facts(self.config.port, now);
        facts.beside = self.beside(source, facts.status.address, now);
        let is_silent = source.silent_for(super::TAKEN_OVER_AFTER, now);
        let is_namesake = |other: &&Source| {
            other.id != source.id
                && other.name == source.name
                && !other.silent_for(super::TAKEN_OVER_AFTER, now)
        };
        facts.namesake = source
            .name
            .as_ref()
            .filter(|_| is_silent)
            .and_then(|_| self.sources.iter().find(is_namesake))
            .map(|other| other.id.clone());
        facts
    }

    /// What comes from the container of a source that is silent.
    fn beside(&self, source: &Source, address: Option<IpAddr>, now: Instant) -> Vec<Beside> {
        let is_silent = source.silent_for(super::TAKEN_OVER_AFTER, now);
        let Some(address) = address.filter(|_| is_silent && !matches!(source.origin, Origin::Pinned(_)))
        else {
            return Vec::new();
        };
        let away = self.door.lately(now).into_iter().filter(|away| away.from.ip() == address);
        let unrecognised = self
            .probation
            .unrecognised(now)
            .filter(|beside| matches!(beside, Beside::Unrecognised { from, .. } if from.ip() == address));
        let taken = self.sources.iter().filter_map(|other| {
            let key = other.key.filter(|key| other.id != source.id && key.from.ip() == address)?;
            let sends = !other.silent_for(super::TAKEN_OVER_AFTER, now);
            (sends && other.is_mere_sender()).then(|| Beside::Taken { by: other.id.clone(), to: key.to })
        });
        unrecognised.chain(away.map(Beside::TurnedAway)).chain(taken).collect()
    }
}

/// The format that packets show, where it cannot be the one that was said: an instant takes another number of bytes.
pub(super) fn contradicts(known: SourceFormat, shown: AudioFormat) -> Option<AudioFormat> {
    let differs = block_bytes(known.audio) != block_bytes(shown);
    (differs && !known.is_open()).then_some(AudioFormat { rate_hz: known.audio.rate_hz, ..shown })
}
