//! Opus in Ogg (RFC 7845), without end: a source's sound for players that know no WebRTC.
//!
//! Players take what comes as one recording, so every sample of time must be in it: while the source is silent, silence is
//! written, by the clock; where a packet belongs is told by its timestamp.

mod header;
mod packet;
mod page;

use std::time::{Duration, Instant};

use self::page::{MAX_PACKET_BYTES, Pages};
use crate::frame::RATE_HZ;

/// A page is full with so much sound, in samples: 40 ms. One of each packet would cost more bytes, and more calls of the
/// system, than the sound is later.
const PAGE: u64 = 1_920;

/// So late, in samples, may a packet come before silence is written in its stead: 250 ms, for what comes in bursts is not
/// lost, and what a source had left when it paused comes after 200.
const PATIENCE: i64 = 12_000;

/// Silence is written up to this long ago, in samples: 60 ms, so that it never takes the place of the first sound after it.
const MARGIN: i64 = 2_880;

/// Silence is written in pieces of so many samples: 100 ms.
const PIECE: i64 = 4_800;

/// A timestamp that is off by more, in samples, is of another timeline: half a second.
const MAX_JUMP: u32 = 24_000;

/// Who was away for longer, in samples, is not given all that time as silence: two seconds.
const MAX_BEHIND: i64 = 96_000;

/// How fast a source may fall behind the clock, in parts of it, and still be followed.
const DRIFT: i64 = 1_000;

/// One listener's stream: packets in, pages out.
///
/// Call [`OggStream::handle_timeout`] when [`OggStream::poll_timeout`] has come. What is to be sent is appended to `out`.
#[derive(Debug)]
pub struct OggStream {
    pages: Pages,
    begun: Instant,
    /// Samples so far: the granule position (RFC 7845, section 4).
    written: u64,
    /// Where the source is at a time is so many samples ahead of the time since `begun`.
    lead: i64,
    /// The timestamp of what is written next; none before the first packet.
    next: Option<u32>,
    /// When the latest packet came.
    latest: Instant,
    /// Whether silence was written last.
    is_silent: bool,
    is_stereo: bool,
    dropped: u64,
}

impl OggStream {
    /// Begins a stream at `now`, with its two header pages. `serial` must be random (RFC 3533, section 4). Of `title` at
    /// most 256 bytes are taken; `rate_hz` is what the source sends, and of no consequence. So much silence goes `ahead`:
    /// what a player that begins at once has in hand when the source pauses.
    pub fn begin(
        serial: u32,
        title: &str,
        rate_hz: u32,
        ahead: Duration,
        now: Instant,
        out: &mut Vec<u8>,
    ) -> Self {
        let mut pages = Pages::new(serial);
        pages.push(&header::identification(rate_hz));
        pages.flush(0, out);
        pages.push(&header::comments(title));
        pages.flush(0, out);
        let mut stream = Self {
            pages,
            begun: now,
            written: 0,
            lead: 0,
            next: None,
            latest: now,
            is_silent: false,
            is_stereo: true,
            dropped: 0,
        };
        stream.write_silence(in_samples(ahead), out);
        stream.flush(out);
        stream.lead = stream.written.cast_signed();
        stream
    }

    /// Takes an Opus packet and the timestamp of its first sample, at 48 kHz. One that is no Opus, or whose time is over,
    /// is dropped and counted.
    pub fn handle_packet(&mut self, timestamp: u32, data: &[u8], now: Instant, out: &mut Vec<u8>) {
        let samples = packet::samples(data).filter(|_| data.len() <= MAX_PACKET_BYTES);
        let Some(samples) = samples else {
            self.dropped += 1;
            return;
        };
        let near = self.next.map(|next| timestamp.wrapping_sub(next).cast_signed());
        let near = near.filter(|gap| gap.unsigned_abs() <= MAX_JUMP).map(i64::from);
        let gap = near.unwrap_or_else(|| self.gap_by_clock(samples, now));
        if gap <= -i64::from(samples) {
            self.dropped += 1;
            return;
        }
        if near.is_none() {
            self.next = Some(timestamp.wrapping_sub(gap as u32));
        }
        self.write_silence(gap, out);
        self.is_stereo = packet::is_stereo(data);
        self.is_silent = false;
        self.write(data, samples, out);
        self.learn(near.is_some(), now);
    }

    /// Writes silence where nothing comes.
    pub fn handle_timeout(&mut self, now: Instant, out: &mut Vec<u8>) {
        if now < self.poll_timeout() {
            return;
        }
        let behind = self.behind(now);
        if behind > MAX_BEHIND {
            self.lead -= behind - MARGIN;
            self.next = None;
            return;
        }
        self.is_silent = true;
        // Whole packets, for most pieces.
        let frame = i64::from(packet::SILENCE_SAMPLES);
        self.write_silence((behind - MARGIN) / frame * frame, out);
        self.flush(out);
    }

    /// When [`OggStream::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Instant {
        let allowed = if self.is_silent { MARGIN + PIECE } else { PATIENCE };
        let samples = self.written.cast_signed() - self.lead + allowed;
        // Rounded up: else it would be due a moment before.
        let nanos = samples.max(0).cast_unsigned().saturating_mul(1_000_000_000).div_ceil(RATE_HZ.into());
        self.begun + Duration::from_nanos(nanos)
    }

    /// Ends the stream, with the page that says so.
    pub fn end(mut self, out: &mut Vec<u8>) {
        let silence = packet::silence(packet::SILENCE_SAMPLES, self.is_stereo);
        self.written += u64::from(packet::SILENCE_SAMPLES);
        if !self.pages.has_room(&silence) {
            self.flush(out);
        }
        self.pages.push(&silence);
        self.pages.finish(self.written, out);
    }

    /// Packets dropped so far.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// How many samples are missing before a packet that begins a timeline.
    fn gap_by_clock(&self, samples: u32, now: Instant) -> i64 {
        // What is saved begins with the first sound.
        if self.written == 0 { 0 } else { (self.behind(now) - i64::from(samples)).clamp(0, MAX_BEHIND) }
    }

    /// How far what is written is behind the source, in samples.
    fn behind(&self, now: Instant) -> i64 {
        self.elapsed(now) + self.lead - self.written.cast_signed()
    }

    fn elapsed(&self, now: Instant) -> i64 {
        in_samples(now.saturating_duration_since(self.begun))
    }

    /// A packet has come: the source is where the earliest say, for those that come late are no measure.
    fn learn(&mut self, follows: bool, now: Instant) {
        let lead = self.written.cast_signed() - self.elapsed(now);
        let passed = now.saturating_duration_since(self.latest).min(Duration::from_secs(1));
        let drifted = in_samples(passed) / DRIFT;
        if drifted > 0 || !follows {
            self.latest = now;
        }
        self.lead = if follows { lead.max(self.lead - drifted) } else { lead };
    }

    fn write(&mut self, data: &[u8], samples: u32, out: &mut Vec<u8>) {
        if !self.pages.has_room(data) {
            self.flush(out);
        }
        self.pages.push(data);
        self.written += u64::from(samples);
        self.next = self.next.map(|next| next.wrapping_add(samples));
        if self.written - self.pages.position() >= PAGE {
            self.flush(out);
        }
    }

    /// Writes so much silence, but for what is shorter than any packet.
    fn write_silence(&mut self, samples: i64, out: &mut Vec<u8>) {
        let mut left = samples;
        for length in packet::SILENCES {
            while left >= i64::from(length) {
                self.write(&packet::silence(length, self.is_stereo), length, out);
                left -= i64::from(length);
            }
        }
    }

    fn flush(&mut self, out: &mut Vec<u8>) {
        self.pages.flush(self.written, out);
    }
}

fn in_samples(time: Duration) -> i64 {
    (time.as_micros() * u128::from(RATE_HZ) / 1_000_000) as i64
}
