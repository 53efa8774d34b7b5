use super::EncodeConfig;
use super::conceal::Concealer;
use super::resample::Resampler;
use super::sound::Outlet;
use super::timeline::Timeline;
use crate::encode::OpusEncoder;
use crate::frame::{OpusFrame, RATE_HZ, Recipients, SourceId};
use crate::sample::Sample;

/// What it takes to make Opus frames of PCM: holes concealed, 48 kHz, frames, encoder.
///
/// About 100 kB: a source has one only while somebody hears it.
#[derive(Debug)]
pub(crate) struct Chain {
    id: SourceId,
    concealer: Concealer,
    resampler: Option<Resampler>,
    /// None where libopus would not make one: then nothing is heard, and the log says so.
    encoder: Option<OpusEncoder>,
    /// Sound at the source's rate that waits for its frame.
    sound: Vec<Sample>,
    resampled: Vec<Sample>,
    /// Frames that could not be encoded.
    failed: u64,
}

impl Chain {
    pub(crate) fn new(id: SourceId, config: EncodeConfig, rate_hz: u32) -> Self {
        let resampler = (rate_hz != RATE_HZ).then(|| Resampler::new(rate_hz)).transpose();
        let resampler = resampler.unwrap_or_else(|error| {
            tracing::error!(source = %id, rate_hz, %error, "no resampler: the pitch will be wrong");
            None
        });
        let encoder = OpusEncoder::new(config.bitrate_bps)
            .inspect_err(|error| tracing::error!(source = %id, %error, "no Opus encoder: nothing is heard"))
            .ok();
        let concealer = Concealer::new(rate_hz);
        Self { id, concealer, resampler, encoder, sound: Vec::new(), resampled: Vec::new(), failed: 0 }
    }

    /// Whether there is no encoder, and how many frames it would not encode.
    pub(crate) fn failures(&self) -> (bool, u64) {
        (self.encoder.is_none(), self.failed)
    }

    /// Takes sound; what was concealed before it is cross-faded into it.
    pub(crate) fn pass(&mut self, sound: &mut [Sample]) {
        self.concealer.pass(sound);
        self.sound.extend_from_slice(sound);
    }

    /// Makes up `gap` samples.
    pub(crate) fn fill(&mut self, gap: usize) {
        self.concealer.fill(gap, &mut self.sound);
    }

    /// Lets the sound fade out.
    pub(crate) fn end(&mut self) {
        self.concealer.end(&mut self.sound);
    }

    /// What comes next can be decoded without what went before.
    pub(crate) fn reset(&mut self) {
        if let Some(Err(error)) = self.encoder.as_mut().map(OpusEncoder::reset) {
            tracing::debug!(source = %self.id, %error, "the encoder was not reset");
        }
    }

    /// Encodes every frame that is full.
    pub(crate) fn encode_into(&mut self, timeline: &mut Timeline, out: &mut Outlet<'_>) {
        let mut encoding = Encode { encoder: &mut self.encoder, id: &self.id, failed: &mut self.failed };
        let emit = |time, frame: &[Sample]| encoding.encode(time, frame, out);
        match &mut self.resampler {
            None => timeline.push(&self.sound, emit),
            Some(resampler) => {
                self.resampled.clear();
                resampler.process(&self.sound, &mut self.resampled);
                timeline.push(&self.resampled, emit);
            }
        }
        self.sound.clear();
    }

    /// Fills the last frame with silence and encodes it.
    pub(crate) fn complete(&mut self, timeline: &mut Timeline, out: &mut Outlet<'_>) {
        let mut encoding = Encode { encoder: &mut self.encoder, id: &self.id, failed: &mut self.failed };
        timeline.complete(|time, frame| encoding.encode(time, frame, out));
    }
}

/// What encoding a frame takes of a chain, whose sound is borrowed meanwhile.
struct Encode<'a> {
    encoder: &'a mut Option<OpusEncoder>,
    id: &'a SourceId,
    failed: &'a mut u64,
}

impl Encode<'_> {
    fn encode(&mut self, time: u64, frame: &[Sample], out: &mut Outlet<'_>) {
        let Some(encoder) = self.encoder else {
            return;
        };
        match encoder.encode(frame) {
            Ok(data) => {
                out.counters.encoded += 1;
                // A frame holds at most 20 ms.
                let samples = frame.len() as u32;
                out.push(OpusFrame { source: self.id.clone(), to: Recipients::All, time, samples, data });
            }
            Err(error) => {
                out.counters.dropped_frames += 1;
                *self.failed += 1;
                tracing::debug!(source = %self.id, time, %error, "a frame could not be encoded");
            }
        }
    }
}
