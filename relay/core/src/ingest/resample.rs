use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{
    Async, FixedAsync, Resampler as _, ResamplerConstructionError, SincInterpolationParameters,
    SincInterpolationType, WindowFunction,
};

use crate::frame::RATE_HZ;
use crate::sample::{SILENCE, Sample};

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

#[cfg(test)]
mod tests {
    use super::*;

    /// A tone from `rate_hz`, resampled.
    fn resampled(rate_hz: u32, tone_hz: f64, seconds: usize) -> Vec<Sample> {
        let mut resampler = Resampler::new(rate_hz).unwrap();
        let mut out = Vec::new();
        let total = rate_hz as usize * seconds;
        let tone: Vec<Sample> = (0..total)
            .map(|n| {
                (std::f64::consts::TAU * (tone_hz * n as f64 / f64::from(rate_hz)).fract()).sin() as f32 * 0.5
            })
            .map(|level| [level; 2])
            .collect();
        tone.chunks(317).for_each(|packet| resampler.process(packet, &mut out));
        out
    }

    /// Level of a tone, and of all the rest against it in dB.
    fn purity(sound: &[Sample], tone_hz: f64) -> (f64, f64) {
        let angle = |n: usize| std::f64::consts::TAU * (tone_hz * n as f64 / 48_000.0).fract();
        let (mut sine, mut cosine) = (0.0, 0.0);
        for (n, sample) in sound.iter().enumerate() {
            sine += f64::from(sample[0]) * angle(n).sin();
            cosine += f64::from(sample[0]) * angle(n).cos();
        }
        let half = sound.len() as f64 / 2.0;
        (sine, cosine) = (sine / half, cosine / half);
        let rest = |(n, sample): (usize, &Sample)| {
            (f64::from(sample[0]) - sine * angle(n).sin() - cosine * angle(n).cos()).powi(2)
        };
        let rest: f64 = sound.iter().enumerate().map(rest).sum::<f64>() / half;
        let level = sine.hypot(cosine);
        (level, 20.0 * (rest.sqrt() / level).log10())
    }

    #[test]
    fn tones_stay_pure() {
        for rate_hz in [44_100, 22_050, 32_000, 96_000] {
            for tone_hz in [100.0, 1000.0, 8000.0] {
                let sound = resampled(rate_hz, tone_hz, 2);
                let (level, rest_db) = purity(&sound[24_000..72_000], tone_hz);
                println!("{rate_hz} Hz, tone of {tone_hz} Hz: level {level:.5}, rest {rest_db:.1} dB");
                assert!((level / 0.5 - 1.0).abs() < 0.001, "{rate_hz} Hz, {tone_hz} Hz: level {level}");
                assert!(rest_db < -90.0, "{rate_hz} Hz, {tone_hz} Hz: THD+N {rest_db:.1} dB");
            }
        }
    }

    #[test]
    fn sound_comes_soon() {
        let mut resampler = Resampler::new(44_100).unwrap();
        let mut out = Vec::new();
        let peak = |out: &[Sample]| out.iter().position(|sample| sample[0] > 0.8);
        resampler.process(&[SILENCE; 999], &mut out);
        resampler.process(&[[1.0; 2]], &mut out);
        let waited = (0..).find(|_| {
            resampler.process(&[SILENCE], &mut out);
            peak(&out).is_some()
        });
        let waited_ms = waited.unwrap() as f64 / 44.1;
        assert!(waited_ms <= 3.0, "a click took {waited_ms:.2} ms");
    }
}
