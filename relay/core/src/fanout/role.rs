//! What a peer is here for.

use std::sync::Arc;
use std::time::Instant;

use str0m::rtp::RtpPacket;

use crate::frame::{OpusFrame, Recipients};
use crate::mic::{MicFrame, TalkerId};
use crate::session::SessionId;

/// What a peer is here for.
pub(super) enum Role {
    Listener(Listening),
    Talker(Talking),
}

/// The relay's side of a stream that a listener hears.
pub(super) struct Listening {
    /// What is added to a frame's time to make its RTP timestamp: random at first, as RFC 3550, section 5.1, asks.
    timestamp_base: u64,
    last: Option<Last>,
    /// It also talks, and so hears a mix without its own voice.
    pub(super) has_own_mix: bool,
}

/// The frame that was sent last.
#[derive(Debug, Clone, Copy)]
struct Last {
    /// Whether it was mixed, and so on the mixer's timeline, not the container's.
    mixed: bool,
    /// Where the next one is expected on its timeline.
    next_time: u64,
    sent: Instant,
}

/// The relay's side of a microphone.
pub(super) struct Talking {
    /// Its number.
    pub(super) id: TalkerId,
    /// The talker's own session as a listener.
    pub(super) listener: Option<SessionId>,
    /// The SSRCs that the engine was told of (RFC 3550, section 5.1).
    known: Vec<u32>,
    /// The packets of its stream so far, and the extended timestamp of the last.
    streamed: (u64, u64),
}

/// A browser draws a new SSRC for each track; more than these are somebody's play.
const MAX_SSRCS: usize = 8;

impl Listening {
    pub(super) fn new(timestamp_base: u32) -> Self {
        Self { timestamp_base: timestamp_base.into(), last: None, has_own_mix: false }
    }

    /// The RTP timestamp of `frame`, not yet cut to 32 bits, and whether it is the first after a pause.
    pub(super) fn stamp(&mut self, frame: &OpusFrame, now: Instant) -> (u64, bool) {
        let mixed = frame.to != Recipients::All;
        if let Some(last) = self.last.filter(|last| last.mixed != mixed) {
            // Another timeline: its frames follow on the last as the clock says, but for the length of a frame.
            let waited = (now.saturating_duration_since(last.sent).as_millis() as u64 * 48)
                .saturating_sub(frame.samples.into());
            let expected = self.timestamp_base.wrapping_add(last.next_time).wrapping_add(waited);
            self.timestamp_base = expected.wrapping_sub(frame.time);
        }
        let next_time = frame.time.wrapping_add(frame.samples.into());
        let last = self.last.replace(Last { mixed, next_time, sent: now });
        let goes_on = last.is_some_and(|last| last.mixed == mixed && last.next_time == frame.time);
        (self.timestamp_base.wrapping_add(frame.time), !goes_on)
    }
}

impl Talking {
    pub(super) fn new(id: TalkerId, listener: Option<SessionId>) -> Self {
        Self { id, listener, known: Vec::new(), streamed: (0, 0) }
    }

    /// The SSRC of a datagram that is RTP of payload type `pt`, if the engine is yet to be told of it: neither offers
    /// nor packets need name the section that they belong to, where there is but one (RFC 9143, section 9.2).
    pub(super) fn news(&mut self, datagram: &[u8], pt: u8) -> Option<u32> {
        let [0x80..=0xbf, second, _, _, _, _, _, _, a, b, c, d, ..] = *datagram else { return None };
        let ssrc = u32::from_be_bytes([a, b, c, d]);
        if second & 0x7f != pt || self.known.contains(&ssrc) || self.known.len() == MAX_SSRCS {
            return None;
        }
        self.known.push(ssrc);
        Some(ssrc)
    }

    /// A packet of a stream, as talkback takes it. Streams keep the order, so the sequence is the relay's own count.
    pub(super) fn streamed(&mut self, timestamp: u32, data: Arc<[u8]>, received: Instant) -> MicFrame {
        let (sequence, last) = self.streamed;
        let step = timestamp.wrapping_sub(last as u32) as i32;
        // Above the wrap, so that an older packet's time is no less than zero.
        let first = u64::from(timestamp) + (1 << 32);
        let time = if sequence == 0 { first } else { last.wrapping_add_signed(step.into()) };
        self.streamed = (sequence + 1, time);
        MicFrame { talker: self.id, sequence, time, received, data }
    }

    /// A decrypted packet, as talkback takes it.
    pub(super) fn frame(&self, packet: RtpPacket, received: Instant) -> MicFrame {
        MicFrame {
            talker: self.id,
            sequence: *packet.seq_no,
            time: packet.time.numer(),
            received,
            data: packet.payload,
        }
    }
}
