use std::sync::Arc;

use opus::{Application, Bitrate, Channels, Encoder};

use crate::frame::{FrameLength, RATE_HZ};
use crate::sample::{SILENCE, Sample, blend, ramp};

/// How sound is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EncodeConfig {
    /// How much sound a frame holds. Defaults to 10 ms.
    pub frame: FrameLength,
    /// Bits per second that a source's Opus takes. Defaults to 128 000.
    pub bitrate_bps: u32,
}

impl Default for EncodeConfig {
    fn default() -> Self {
        Self { frame: FrameLength::default(), bitrate_bps: 128_000 }
    }
}

/// The largest Opus packet of one frame, in bytes (RFC 6716, section 3.2.1), with its first byte.
const MAX_PACKET: usize = 1276;

/// The slowest and best of libopus' searches.
const COMPLEXITY: i32 = 10;

/// Samples over which the very first frame fades in: a listener joins in the middle of a wave.
const ONSET: usize = RATE_HZ as usize / 1000;

/// A source's Opus encoder: 48 kHz stereo.
#[derive(Debug)]
pub(crate) struct OpusEncoder {
    encoder: Encoder,
    begun: bool,
}

impl OpusEncoder {
    pub(crate) fn new(bitrate_bps: u32) -> opus::Result<Self> {
        // At this bitrate both modes are CELT alone: of equal quality, but this one looks ahead 2.5 ms instead of 6.5.
        let mut encoder = Encoder::new(RATE_HZ, Channels::Stereo, Application::LowDelay)?;
        encoder.set_bitrate(Bitrate::Bits(i32::try_from(bitrate_bps).unwrap_or(i32::MAX)))?;
        encoder.set_complexity(COMPLEXITY)?;
        // Unconstrained, pure tones take half as much again as was asked for.
        encoder.set_vbr(true)?;
        encoder.set_vbr_constraint(true)?;
        Ok(Self { encoder, begun: false })
    }

    /// Encodes one frame.
    pub(crate) fn encode(&mut self, frame: &[Sample]) -> opus::Result<Arc<[u8]>> {
        let mut packet = [0; MAX_PACKET];
        let length = if std::mem::replace(&mut self.begun, true) {
            self.encoder.encode_float(frame.as_flattened(), &mut packet)?
        } else {
            let fade = |(i, &sample)| blend(SILENCE, sample, ramp(i, ONSET));
            let first: Vec<Sample> = frame.iter().enumerate().map(fade).collect();
            self.encoder.encode_float(first.as_flattened(), &mut packet)?
        };
        Ok(packet[..length].into())
    }

    /// Encodes one frame that can be decoded after any other of the same sound.
    pub(crate) fn encode_unpredicted(&mut self, frame: &[Sample]) -> opus::Result<Arc<[u8]>> {
        self.encoder.set_prediction_disabled(true)?;
        let encoded = self.encode(frame);
        self.encoder.set_prediction_disabled(false)?;
        encoded
    }

    /// Forgets the past, so that the next frame can be decoded without it.
    pub(crate) fn reset(&mut self) -> opus::Result<()> {
        self.encoder.reset_state()
    }
}
