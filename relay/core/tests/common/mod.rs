//! Senders in virtual time, an ingest that hears them, and ears that measure what comes out.
#![allow(clippy::unwrap_used, reason = "a test may fail")]
#![allow(dead_code, unreachable_pub, reason = "each test uses a part")]

pub mod ear;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use soundport_core::ingest::{
    EncodeConfig, Ingest, IngestConfig, RtpPort, SenderAddr, SourceState, SourceStatus,
};
use soundport_core::{OpusFrame, SourceId};

/// Packets, and when they come.
pub type Datagrams = Vec<(Duration, Vec<u8>)>;

/// How loud the senders' tones are; full scale is 1.
pub const LEVEL: f64 = 0.5;

/// The beginning of virtual time.
#[expect(clippy::disallowed_methods, reason = "virtual time begins somewhere")]
fn beginning() -> Instant {
    Instant::now()
}

/// An ingest, its clock, and everything it gave out.
pub struct Rig {
    pub ingest: Ingest,
    pub begin: Instant,
    pub frames: Vec<OpusFrame>,
    /// When each frame came out.
    pub out_at: Vec<Duration>,
    /// Sources are listened to as soon as they are there.
    pub listen: bool,
    /// The port that datagrams come to.
    pub port: RtpPort,
}

impl Rig {
    pub fn new() -> Self {
        Self::with(EncodeConfig::default())
    }

    /// With sound encoded so.
    pub fn with(encode: EncodeConfig) -> Self {
        let ingest = Ingest::new(IngestConfig { encode, ..IngestConfig::default() });
        let port = IngestConfig::default().port;
        Self { ingest, begin: beginning(), frames: vec![], out_at: vec![], listen: true, port }
    }

    /// What comes from `from` is the source `id`, heard from its first packet on.
    pub fn hear(&mut self, from: SocketAddr, id: &str) {
        let id = SourceId::new(id);
        self.ingest.pin(SenderAddr(from), id.clone(), &id.to_string(), self.begin);
        self.ingest.set_listeners(&id, 1);
    }

    /// Hands in a datagram `at` a time; what is due before is done before.
    pub fn datagram(&mut self, at: Duration, from: SocketAddr, bytes: &[u8]) {
        self.run_until(at);
        self.ingest.handle_datagram(SenderAddr(from), self.port, bytes, self.begin + at);
        self.drain(at);
    }

    pub fn run_until(&mut self, at: Duration) {
        while let Some(due) = self.ingest.poll_timeout().filter(|due| *due <= self.begin + at) {
            self.ingest.handle_timeout(due);
            self.drain(due.saturating_duration_since(self.begin));
            assert!(self.ingest.poll_timeout().is_none_or(|next| next > due), "a timeout that stays due");
        }
    }

    /// Hands in many datagrams, by time of arrival.
    pub fn play(&mut self, from: SocketAddr, datagrams: &[(Duration, Vec<u8>)]) {
        for (at, bytes) in datagrams {
            self.datagram(*at, from, bytes);
        }
    }

    pub fn source(&self, id: &str) -> Option<SourceStatus> {
        self.ingest.sources().find(|source| source.id.as_str() == id)
    }

    pub fn state(&self, id: &str) -> Option<SourceState> {
        self.source(id).map(|source| source.state)
    }

    /// A source's format, and how it was found.
    pub fn format(&self, id: &str) -> String {
        let format = self.source(id).unwrap().format.unwrap();
        format!("{} {:?}", format.audio, format.found)
    }

    pub fn ids(&self) -> Vec<String> {
        self.ingest.sources().map(|source| source.id.to_string()).collect()
    }

    /// Where the sound that came out ends on the timeline, in samples.
    pub fn end(&self) -> u64 {
        self.frames.last().map_or(0, |frame| frame.time + (self.frames[1].time - self.frames[0].time))
    }

    fn drain(&mut self, at: Duration) {
        if self.listen {
            let unheard: Vec<SourceId> =
                self.ingest.sources().filter(|s| s.listeners == 0).map(|s| s.id).collect();
            for id in unheard {
                self.ingest.set_listeners(&id, 1);
            }
        }
        while let Some(frame) = self.ingest.poll_frame() {
            self.frames.push(frame);
            self.out_at.push(at);
        }
    }
}

/// A sender of tones as RTP.
#[derive(Clone)]
pub struct Sender {
    pub ssrc: u32,
    pub payload_type: u8,
    pub sequence: u16,
    pub timestamp: u32,
    pub rate_hz: u32,
    pub channels: u8,
    /// Tones of the left and the right ear.
    pub tones_hz: [f64; 2],
    /// Samples made so far.
    pub position: u64,
}

impl Sender {
    /// 48 kHz stereo, payload type 127, 440 Hz left and 880 Hz right.
    pub fn new(ssrc: u32) -> Self {
        Self {
            ssrc,
            payload_type: 127,
            sequence: 1000,
            timestamp: 77_000,
            rate_hz: 48_000,
            channels: 2,
            tones_hz: [440.0, 880.0],
            position: 0,
        }
    }

    pub fn packet(&mut self, frames: usize) -> Vec<u8> {
        let mut bytes = vec![0x80, self.payload_type];
        bytes.extend(self.sequence.to_be_bytes());
        bytes.extend(self.timestamp.to_be_bytes());
        bytes.extend(self.ssrc.to_be_bytes());
        for _ in 0..frames {
            for tone in &self.tones_hz[..usize::from(self.channels)] {
                let phase = (self.position as f64 / f64::from(self.rate_hz) * tone).fract();
                let level = (phase * std::f64::consts::TAU).sin() * LEVEL * 32_767.0;
                bytes.extend((level.round() as i16).to_be_bytes());
            }
            self.position += 1;
        }
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(frames as u32);
        bytes
    }

    /// Packets of `sizes` in turn, sent `burst` at a time when the last of them is full, beginning at `from`.
    pub fn send(&mut self, from: Duration, length: Duration, sizes: &[usize], burst: usize) -> Datagrams {
        let begin = self.position;
        let clock =
            |position: u64| Duration::from_secs_f64((position - begin) as f64 / f64::from(self.rate_hz));
        let mut made: Vec<(u64, Vec<u8>)> = vec![];
        let mut sizes = sizes.iter().cycle();
        let mut copy = self.clone();
        while clock(copy.position) < length {
            let bytes = copy.packet(*sizes.next().unwrap());
            made.push((copy.position, bytes));
        }
        let mut datagrams = vec![];
        for chunk in made.chunks(burst) {
            let at = from + clock(chunk.last().unwrap().0);
            datagrams.extend(chunk.iter().map(|(_, bytes)| (at, bytes.clone())));
        }
        *self = copy;
        datagrams
    }
}

/// A small generator of numbers that look random, the same for the same seed (xorshift).
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// Evenly from 0 to 1.
    pub fn roll(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }
}

pub fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub fn addr(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

/// Asserts that consecutive frames step by exactly `step` samples.
pub fn assert_steps(frames: &[OpusFrame], step: u64) {
    for pair in frames.windows(2) {
        assert_eq!(pair[1].time - pair[0].time, step, "after {}", pair[0].time);
    }
}
