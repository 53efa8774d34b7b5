use std::sync::Arc;

use opus::{Application, Bitrate, Channels, Encoder};

use super::pcm::Sample;
use crate::frame::RATE_HZ;

/// The largest Opus packet of one frame, in bytes (RFC 6716, section 3.2.1), with its first byte.
const MAX_PACKET: usize = 1276;

/// The slowest and best of libopus' searches.
const COMPLEXITY: i32 = 10;

/// A source's Opus encoder: 48 kHz stereo.
#[derive(Debug)]
pub(crate) struct OpusEncoder(Encoder);

impl OpusEncoder {
    pub(crate) fn new(bitrate_bps: u32) -> opus::Result<Self> {
        let mut encoder = Encoder::new(RATE_HZ, Channels::Stereo, Application::LowDelay)?;
        encoder.set_bitrate(Bitrate::Bits(i32::try_from(bitrate_bps).unwrap_or(i32::MAX)))?;
        encoder.set_complexity(COMPLEXITY)?;
        encoder.set_vbr(true)?;
        Ok(Self(encoder))
    }

    /// Encodes one frame.
    pub(crate) fn encode(&mut self, frame: &[Sample]) -> opus::Result<Arc<[u8]>> {
        let mut packet = [0; MAX_PACKET];
        let length = self.0.encode_float(frame.as_flattened(), &mut packet)?;
        Ok(packet[..length].into())
    }

    /// Forgets the past, so that the next frame can be decoded without it.
    pub(crate) fn reset(&mut self) -> opus::Result<()> {
        self.0.reset_state()
    }
}
