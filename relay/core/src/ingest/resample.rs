use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{
    Async, FixedAsync, Resampler as _, ResamplerConstructionError, SincInterpolationParameters,
    SincInterpolationType, WindowFunction,
};

use super::pcm::{SILENCE, Sample};
use crate::frame::RATE_HZ;

/// Samples taken at a time. With half the filter this is the delay: 96 samples, 2.2 ms at 44.1 kHz.
const CHUNK: usize = 32;

/// The filter's length in input samples.
const TAPS: usize = 128;

/// Brings a source's sound to 48 kHz. Exists only where the source's rate is another.
pub(crate) struct Resampler {
    inner: Async<f32>,
    input: Vec<Sample>,
    output: Vec<Sample>,
}

impl Resampler {
    /// From `rate_hz` to 48 kHz.
    pub(crate) fn new(rate_hz: u32) -> Result<Self, ResamplerConstructionError> {
        // With as many filter phases as the reduced ratio has steps, the nearest phase is the exact one.
        let steps = (RATE_HZ / gcd(RATE_HZ, rate_hz)) as usize;
        let parameters = SincInterpolationParameters {
            sinc_len: TAPS,
            f_cutoff: None,
            oversampling_factor: steps,
            interpolation: SincInterpolationType::Nearest,
            window: WindowFunction::BlackmanHarris2,
        };
        let ratio = f64::from(RATE_HZ) / f64::from(rate_hz);
        let inner = Async::new_sinc(ratio, 1.0, &parameters, CHUNK, 2, FixedAsync::Input)?;
        let output = vec![SILENCE; inner.output_frames_max()];
        Ok(Self { inner, input: Vec::with_capacity(2 * CHUNK), output })
    }

    /// Takes sound at the source's rate, and appends what is ready at 48 kHz.
    pub(crate) fn process(&mut self, sound: &[Sample], out: &mut Vec<Sample>) {
        self.input.extend_from_slice(sound);
        let whole = self.input.len() - self.input.len() % CHUNK;
        for chunk in self.input[..whole].chunks_exact(CHUNK) {
            let frames = self.output.len();
            let (Ok(input), Ok(mut output)) = (
                InterleavedSlice::new(chunk.as_flattened(), 2, CHUNK),
                InterleavedSlice::new_mut(self.output.as_flattened_mut(), 2, frames),
            ) else {
                continue;
            };
            // Fails only on buffers too small, and both are sized by the resampler itself.
            if let Ok((_, written)) = self.inner.process_into_buffer(&input, &mut output, None) {
                out.extend_from_slice(&self.output[..written]);
            }
        }
        self.input.drain(..whole);
    }
}

impl std::fmt::Debug for Resampler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resampler").field("ratio", &self.inner.resample_ratio()).finish_non_exhaustive()
    }
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}
