use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{
    Adjustable as _, Async, FixedAsync, Indexing, Resampler as _, SincInterpolationParameters,
    SincInterpolationType, WindowFunction,
};

use crate::sample::{SILENCE, Sample};
use crate::talkback::TICK;

/// The filter's length in samples; half of it is the delay: 0.3 ms.
const TAPS: usize = 32;

/// Filters between two samples; between those the coefficients are interpolated.
const PHASES: usize = 256;

/// The speed is never further from 1 than this.
pub(crate) const MAX_DEVIATION: f64 = 0.03;

/// Plays sound a little faster or slower, by resampling: pitch changes with speed, and no sample is dropped or repeated.
///
/// Works on what is the same in both ears, and on what is not; of most voices that is nothing, and costs nothing.
pub(crate) struct Stretch {
    /// None where it could not be made: then the speed is always 1.
    inner: Option<Async<f32>>,
    /// Which of the two there is.
    parts: Indexing,
}

/// With only what is the same in both ears, and with both.
const MONO: [bool; 2] = [true, false];
const STEREO: [bool; 2] = [true, true];

impl Stretch {
    pub(crate) fn new() -> Self {
        let parameters = SincInterpolationParameters {
            sinc_len: TAPS,
            f_cutoff: Some(0.95),
            oversampling_factor: PHASES,
            interpolation: SincInterpolationType::Linear,
            window: WindowFunction::Blackman2,
        };
        let inner = Async::new_sinc(1.0, 1.0 + 2.0 * MAX_DEVIATION, &parameters, TICK, 2, FixedAsync::Output)
            .inspect_err(|error| tracing::error!(%error, "no resampler: a talker's clock is not followed"))
            .ok();
        Self { inner, parts: Indexing { active_channels_mask: Some(MONO.into()), ..Indexing::default() } }
    }

    /// Forgets the past.
    pub(crate) fn reset(&mut self) {
        if let Some(inner) = &mut self.inner {
            inner.reset();
            self.parts.active_channels_mask = Some(MONO.into());
        }
    }

    /// Goes over to another speed during the next tick. Returns how many samples that takes.
    pub(crate) fn set_speed(&mut self, deviation: f64) -> usize {
        let Some(inner) = &mut self.inner else {
            return TICK;
        };
        let speed = 1.0 + deviation.clamp(-MAX_DEVIATION, MAX_DEVIATION);
        if let Err(error) = inner.set_resample_ratio(1.0 / speed, true) {
            tracing::debug!(%error, "the speed was not changed");
        }
        inner.input_frames_next()
    }

    /// Makes a tick of as many samples as [`set_speed`](Self::set_speed) asked for, and uses them up.
    pub(crate) fn process(&mut self, sound: &mut [Sample], out: &mut [Sample; TICK]) {
        let Some(inner) = &mut self.inner else {
            out.iter_mut().zip(sound).for_each(|(out, sample)| *out = *sample);
            return;
        };
        if sound.iter().any(|[left, right]| left != right) {
            // From here on for good: what is left out has no past.
            self.parts.active_channels_mask = Some(STEREO.into());
        }
        for sample in sound.iter_mut() {
            let [left, right] = *sample;
            *sample = [(left + right) * 0.5, (left - right) * 0.5];
        }
        out.fill(SILENCE);
        let frames = sound.len();
        let done = match (
            InterleavedSlice::new(sound.as_flattened(), 2, frames),
            InterleavedSlice::new_mut(out.as_flattened_mut(), 2, TICK),
        ) {
            (Ok(input), Ok(mut output)) => {
                inner.process_into_buffer(&input, &mut output, Some(&self.parts)).is_ok()
            }
            _ => false,
        };
        if !done {
            out.fill(SILENCE);
        }
        for sample in out {
            let [same, other] = *sample;
            *sample = [same + other, same - other];
        }
    }
}

impl std::fmt::Debug for Stretch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ratio = self.inner.as_ref().map(|inner| inner.resample_ratio());
        f.debug_struct("Stretch").field("ratio", &ratio).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tone's level, and all the rest against it in dB, after a second at a speed.
    fn played(tone_hz: f64, deviation: f64) -> (f64, f64) {
        let mut stretch = Stretch::new();
        let (mut position, mut sound) = (0, Vec::new());
        for _ in 0..100 {
            let needed = stretch.set_speed(deviation);
            let wave =
                |n: u64| (std::f64::consts::TAU * (tone_hz * n as f64 / 48_000.0).fract()).sin() as f32;
            let mut input: Vec<Sample> =
                (position..position + needed as u64).map(|n| [wave(n), -wave(n)]).collect();
            position += needed as u64;
            let mut out = [SILENCE; TICK];
            stretch.process(&mut input, &mut out);
            sound.extend(out);
        }
        let sound = &sound[4_800..];
        let heard_hz = tone_hz * (1.0 + deviation);
        let angle = |n: usize| std::f64::consts::TAU * (heard_hz * n as f64 / 48_000.0).fract();
        let (mut sine, mut cosine) = (0.0, 0.0);
        for (n, [left, _]) in sound.iter().enumerate() {
            sine += f64::from(*left) * angle(n).sin();
            cosine += f64::from(*left) * angle(n).cos();
        }
        let half = sound.len() as f64 / 2.0;
        (sine, cosine) = (sine / half, cosine / half);
        let rest: f64 = sound
            .iter()
            .enumerate()
            .map(|(n, [left, _])| {
                (f64::from(*left) - sine * angle(n).sin() - cosine * angle(n).cos()).powi(2)
            })
            .sum();
        let level = sine.hypot(cosine);
        (level, 10.0 * (rest / half / level.powi(2)).log10())
    }

    #[test]
    fn tones_stay_pure_at_any_speed() {
        for deviation in [0.0, 2.0e-4, -2.0e-4, 1.0e-2] {
            for tone_hz in [700.0, 4_000.0, 10_000.0, 18_000.0] {
                let (level, rest_db) = played(tone_hz, deviation);
                let about = format!("{tone_hz} Hz at {deviation:+}: level {level:.3}, rest {rest_db:.0} dB");
                assert!((level - 1.0).abs() < 0.01 && rest_db < -70.0, "{about}");
            }
        }
    }
}
