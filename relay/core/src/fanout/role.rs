//! What a peer is here for.

use std::time::Instant;

use str0m::rtp::RtpPacket;

use crate::frame::OpusFrame;
use crate::mic::{MicFrame, TalkerId};
use crate::session::SessionId;

/// What a peer is here for.
pub(super) enum Role {
    Listener(Listening),
    Talker(Talking),
}

/// The relay's side of a stream that a listener hears.
pub(super) struct Listening {
    /// RTP timestamp of the source's time zero: random, as RFC 3550, section 5.1, asks.
    timestamp_base: u32,
    /// Where the next frame is expected on the source's timeline.
    next_time: Option<u64>,
    /// It also talks, and so hears a mix without its own voice.
    pub(super) has_own_mix: bool,
}

/// The relay's side of a microphone.
pub(super) struct Talking {
    /// Its number.
    pub(super) id: TalkerId,
    /// The talker's own session as a listener.
    pub(super) listener: Option<SessionId>,
    /// The SSRCs that the engine was told of (RFC 3550, section 5.1).
    known: Vec<u32>,
}

/// A browser draws a new SSRC for each track; more than these are somebody's play.
const MAX_SSRCS: usize = 8;

impl Listening {
    pub(super) fn new(timestamp_base: u32) -> Self {
        Self { timestamp_base, next_time: None, has_own_mix: false }
    }

    /// The RTP timestamp of `frame`, not yet cut to 32 bits, and whether it is the first after a pause.
    pub(super) fn stamp(&mut self, frame: &OpusFrame) -> (u64, bool) {
        let time = frame.time.wrapping_add(u64::from(self.timestamp_base));
        let next = frame.time + u64::from(frame.samples);
        (time, self.next_time.replace(next) != Some(frame.time))
    }
}

impl Talking {
    pub(super) fn new(id: TalkerId, listener: Option<SessionId>) -> Self {
        Self { id, listener, known: Vec::new() }
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
