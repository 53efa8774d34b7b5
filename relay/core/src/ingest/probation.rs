use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::RtpPort;
use super::facts::Beside;
use super::format::{Found, PayloadKind, SourceFormat, are_consistent, recognise};
use super::reorder::Held;
use crate::format::AudioFormat;
use crate::rtp::Packet;

/// How many streams may be under examination at once.
const MAX_STREAMS: usize = 64;

/// How many packets of each are kept.
const MAX_PACKETS: usize = 8;

/// How many of them are still heard after a wait: the largest burst of a sender.
const LATEST: usize = 3;

/// A stream that does not convince within this time is forgotten.
const PATIENCE: Duration = Duration::from_secs(2);

/// A stream of packets: one sender's address and SSRC, at one of the relay's ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct StreamKey {
    pub(crate) from: SocketAddr,
    pub(crate) to: RtpPort,
    pub(crate) ssrc: u32,
}

/// Examines streams that no source is known for: two packets in sequence that fit each other make one
/// (RFC 3550, appendix A.1). Nothing of what came until then is lost.
#[derive(Debug, Default)]
pub(crate) struct Probation {
    /// The longest known first.
    streams: Vec<Candidate>,
}

/// A stream under examination.
#[derive(Debug)]
pub(crate) struct Candidate {
    pub(crate) key: StreamKey,
    pub(crate) payload_type: u8,
    /// When its first packet came.
    pub(crate) since: Instant,
    /// When its latest packet came.
    pub(crate) heard: Instant,
    /// What it sends, once it is proven.
    pub(crate) proven: Option<SourceFormat>,
    /// The latest packets, by time of arrival.
    pub(crate) packets: Vec<Held>,
}

impl Probation {
    /// Takes a packet, and returns its stream if that has proven to be one.
    /// The second value is how many packets were given up for it.
    ///
    /// `expected` is what this stream is said to hold by its sender or the configuration.
    pub(crate) fn examine(
        &mut self,
        key: StreamKey,
        packet: &Packet<'_>,
        expected: Option<SourceFormat>,
        now: Instant,
    ) -> (Option<&Candidate>, u64) {
        let mut given_up = self.forget_old(now);
        let known = self.streams.iter().position(|s| s.key == key && s.payload_type == packet.payload_type);
        let index = known.unwrap_or_else(|| {
            given_up += self.make_room();
            self.streams.push(Candidate::new(key, packet.payload_type, now));
            self.streams.len() - 1
        });
        let candidate = &mut self.streams[index];
        given_up += candidate.take(packet, expected, now);
        (candidate.proven.is_some().then_some(&*candidate), given_up)
    }

    /// Takes a proven stream out.
    pub(crate) fn graduate(&mut self, key: StreamKey, payload_type: u8) -> Option<Candidate> {
        let is_it = |s: &Candidate| s.key == key && s.payload_type == payload_type && s.proven.is_some();
        let index = self.streams.iter().position(is_it)?;
        Some(self.streams.remove(index))
    }

    /// Streams of which nothing is known yet, though packets in sequence came.
    pub(crate) fn unrecognised(&self, now: Instant) -> impl Iterator<Item = Beside> {
        let is_told = move |stream: &&Candidate| {
            let fresh = now.saturating_duration_since(stream.heard) < PATIENCE;
            fresh && stream.proven.is_none() && stream.packets.len() >= LATEST
        };
        self.streams.iter().filter(is_told).map(Candidate::unrecognised)
    }

    fn forget_old(&mut self, now: Instant) -> u64 {
        let mut packets = 0;
        self.streams.retain(|stream| {
            let fresh = now.saturating_duration_since(stream.heard) < PATIENCE;
            packets += if fresh { 0 } else { stream.packets.len() as u64 };
            fresh
        });
        packets
    }

    fn make_room(&mut self) -> u64 {
        if self.streams.len() < MAX_STREAMS {
            return 0;
        }
        self.streams.remove(0).packets.len() as u64
    }
}

impl Candidate {
    /// Leaves only the latest packets: what came before is too old to be heard now.
    pub(crate) fn keep_latest(&mut self) {
        let old = self.packets.len().saturating_sub(LATEST);
        self.packets.drain(..old);
    }

    fn new(key: StreamKey, payload_type: u8, now: Instant) -> Self {
        Self { key, payload_type, since: now, heard: now, proven: None, packets: Vec::new() }
    }

    /// What the packets themselves show, whatever is said of them.
    pub(crate) fn shown(&self) -> Option<AudioFormat> {
        let pairs = self.packets.iter().filter_map(|first| Some((first, self.successor(first)?)));
        pairs.filter_map(|(first, second)| recognise(first, second)).next()
    }

    fn unrecognised(&self) -> Beside {
        let mut steps = self.packets.iter().filter_map(|first| {
            let second = self.successor(first)?;
            Some(second.timestamp.wrapping_sub(first.timestamp))
        });
        Beside::Unrecognised {
            from: self.key.from,
            to: self.key.to,
            payload_type: self.payload_type,
            payload_bytes: self.packets.last().map_or(0, |latest| latest.payload.len()),
            ticks: steps.next(),
        }
    }

    fn successor(&self, first: &Held) -> Option<&Held> {
        let next = first.sequence.wrapping_add(1);
        self.packets.iter().find(|held| held.sequence == next)
    }

    /// Returns how many packets were given up.
    fn take(&mut self, packet: &Packet<'_>, expected: Option<SourceFormat>, now: Instant) -> u64 {
        self.heard = now;
        if self.packets.iter().any(|held| held.sequence == packet.sequence) {
            return 1;
        }
        let mut given_up = 0;
        if self.packets.len() == MAX_PACKETS {
            self.packets.remove(0);
            given_up = 1;
        }
        self.packets.push(Held::new(packet, now));
        self.proven = self.proven.or_else(|| self.prove(expected));
        given_up
    }

    fn prove(&self, expected: Option<SourceFormat>) -> Option<SourceFormat> {
        let known = match (expected, PayloadKind::of_type(self.payload_type)) {
            (Some(expected), _) => Some(expected),
            (None, Some(PayloadKind::Fixed(audio))) => {
                Some(SourceFormat { audio, found: Found::PayloadType })
            }
            (None, Some(PayloadKind::Dynamic)) => None,
            (None, None) => return None,
        };
        self.packets.iter().find_map(|first| {
            let second = self.successor(first)?;
            match known {
                Some(known) => are_consistent(known.audio, first, second).then_some(known),
                None => recognise(first, second).map(SourceFormat::recognised),
            }
        })
    }
}
