use std::collections::VecDeque;
use std::sync::Arc;

use super::{Limiter, TICK};
use crate::encode::OpusEncoder;
use crate::frame::RATE_HZ;
use crate::sample::{SILENCE, Sample, blend, ramp};

/// Ticks for which silence is still encoded after sound, so that decoders fade out: 200 ms.
const TAIL_TICKS: u32 = 20;

/// Past ticks that a new encoder is fed, so that a decoder can change over to it in the middle of sound. A CELT encoder
/// looks back two (RFC 6716, section 4.3.7.1: 1022 samples), but what it chose there depends on some more.
const PAST_TICKS: usize = 6;

/// Samples over which sound fades in that begins in the middle of a wave: 1 ms.
const ONSET: usize = RATE_HZ as usize / 1000;

/// Sound whose first sample is louder than this begins in the middle of a wave: -40 dBFS.
const MID_WAVE: f32 = 0.01;

/// One stream of Opus frames: what all who decode it hear.
#[derive(Debug)]
pub(crate) struct Mix {
    /// None where libopus would not make one: then nothing is heard, and the log says so.
    encoder: Option<OpusEncoder>,
    limiter: Limiter,
    /// What was encoded last, newest first.
    past: VecDeque<[Sample; TICK]>,
    /// Ticks since there was sound.
    quiet_ticks: u32,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Never heard.
    New,
    /// Heard, and over.
    Paused,
    /// Begins, or is decoded from here on by somebody who heard another mix: not to be predicted from earlier frames.
    Seam,
    /// Goes on.
    Sounding,
}

impl Mix {
    pub(crate) fn new(bitrate_bps: u32) -> Self {
        let encoder = OpusEncoder::new(bitrate_bps)
            .inspect_err(|error| tracing::error!(%error, "no Opus encoder: a mix is not heard"))
            .ok();
        let past = VecDeque::with_capacity(PAST_TICKS);
        Self { encoder, limiter: Limiter::new(), past, quiet_ticks: TAIL_TICKS, state: State::New }
    }

    /// Whether frames come out.
    pub(crate) fn is_sounding(&self) -> bool {
        matches!(self.state, State::Seam | State::Sounding)
    }

    /// One who heard another mix of the same sound hears this one from the next frame on.
    pub(crate) fn welcome(&mut self) {
        self.state = State::Seam;
    }

    /// A mix of its own for one who heard this one until now.
    pub(crate) fn branch(&mut self, bitrate_bps: u32) -> Self {
        let mut branch = Self {
            limiter: self.limiter.clone(),
            past: self.past.clone(),
            quiet_ticks: self.quiet_ticks,
            state: State::Seam,
            ..Self::new(bitrate_bps)
        };
        if let Some(encoder) = &mut branch.encoder {
            // These packets are for nobody: they only bring the encoder to where the decoder is.
            for tick in branch.past.iter().rev() {
                if let Err(error) = encoder.encode(tick) {
                    tracing::debug!(%error, "an encoder could not be fed the past");
                }
            }
        }
        branch
    }

    /// Takes the next tick of sound. None while it is silence, and has been for long enough.
    pub(crate) fn encode(&mut self, sound: &mut [Sample; TICK], sounds: bool) -> Option<Arc<[u8]>> {
        self.quiet_ticks = if sounds { 0 } else { self.quiet_ticks.saturating_add(1) };
        if self.quiet_ticks > TAIL_TICKS {
            self.state = if self.state == State::New { State::New } else { State::Paused };
            return None;
        }
        if self.state == State::New && sound[0].iter().any(|level| level.abs() > MID_WAVE) {
            for (i, sample) in sound.iter_mut().take(ONSET).enumerate() {
                *sample = blend(SILENCE, *sample, ramp(i, ONSET));
            }
        }
        self.limiter.process(sound);
        if !self.is_sounding() {
            self.past.clear();
        }
        self.past.truncate(PAST_TICKS - 1);
        self.past.push_front(*sound);
        let encoder = self.encoder.as_mut()?;
        let encoded = match std::mem::replace(&mut self.state, State::Sounding) {
            State::Sounding => encoder.encode(sound),
            State::Seam => encoder.encode_unpredicted(sound),
            State::New | State::Paused => encoder.reset().and_then(|()| encoder.encode_unpredicted(sound)),
        };
        encoded.inspect_err(|error| tracing::debug!(%error, "a frame could not be encoded")).ok()
    }
}
