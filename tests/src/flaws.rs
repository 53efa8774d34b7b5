use std::f64::consts::TAU;

use anyhow::{Result, ensure};

use crate::Recording;

/// What is nearer together than this is one flaw, in seconds.
const APART: f64 = 0.01;
/// Gaps are looked for in pieces of this length, in seconds: two periods of 400 Hz.
const GAP_LOOK: f64 = 0.005;
/// Every tone of a whole multiple of 50 Hz has whole periods in it: such tones are told apart exactly.
const WINDOWS_PER_SECOND: usize = 50;

/// Where a steady tone is not what it was to be.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Flaws {
    /// Where the wave does not go on as a sinusoid does, in seconds.
    pub clicks: Vec<f64>,
    /// Where nearly nothing is heard: from, to, in seconds.
    pub gaps: Vec<(f64, f64)>,
}

/// How far a step in a wave may go, as a share of the tone's amplitude, before it is a click.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tolerance(pub f64);

impl Tolerance {
    /// Half of what one sample that is missing in a tone of 700 Hz makes: above what Opus adds.
    pub const STRICT: Self = Self(0.045);
    /// A sample too much or too few: `PipeWire` follows clocks by that, some ten times a minute.
    pub const SAMPLE: Self = Self(0.14);
}

impl Flaws {
    /// Checks that there are none.
    ///
    /// # Errors
    /// When there are: the text tells where.
    pub fn none(&self) -> Result<()> {
        let Self { clicks, gaps } = self;
        ensure!(clicks.is_empty() && gaps.is_empty(), "clicks at {clicks:.2?} s, gaps at {gaps:.3?} s");
        Ok(())
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.clicks.len() + self.gaps.len()
    }
}

impl Recording {
    /// Where a channel that holds nothing but a tone is disturbed. What is lost is seen only if it is no whole number of
    /// periods: ten milliseconds are seven of 700 Hz.
    pub fn flaws(&self, channel: usize, hz: f64, tolerance: Tolerance) -> Flaws {
        let rate = f64::from(self.rate);
        let amplitude = self.amplitude(channel, hz);
        // Of a sinusoid x, x[n + 1] - 2 cos(w) x[n] + x[n - 1] is zero everywhere.
        let factor = 2.0 * (TAU * hz / rate).cos();
        let sample = |frame: &[f32; 2]| f64::from(frame[channel]);
        let mut clicks: Vec<f64> = Vec::new();
        for (index, three) in self.frames.windows(3).enumerate() {
            let rest = sample(&three[2]) - factor * sample(&three[1]) + sample(&three[0]);
            let at = (index + 1) as f64 / rate;
            if rest.abs() > tolerance.0 * amplitude && clicks.last().is_none_or(|last| at - last > APART) {
                clicks.push(at);
            }
        }
        Flaws { clicks, gaps: self.gaps(channel, amplitude) }
    }

    /// The amplitude of a tone in each fiftieth of a second, and by how much of a turn its phase is off its even course
    /// there since the one before. Other tones do no harm that are whole multiples of 50 Hz away.
    pub fn course(&self, channel: usize, hz: f64) -> Vec<(f64, f64)> {
        let length = (self.rate as usize / WINDOWS_PER_SECOND).max(1);
        let turn = TAU * hz / f64::from(self.rate.max(1));
        let mut last = None;
        let mut course = Vec::new();
        for (window, frames) in self.frames.chunks_exact(length).enumerate() {
            let (mut along, mut across) = (0.0, 0.0);
            for (offset, frame) in frames.iter().enumerate() {
                let (sine, cosine) = (turn * (window * length + offset) as f64).sin_cos();
                along += f64::from(frame[channel]) * cosine;
                across -= f64::from(frame[channel]) * sine;
            }
            let phase = across.atan2(along) / TAU;
            let step = phase - last.unwrap_or(phase);
            last = Some(phase);
            course.push((along.hypot(across) * 2.0 / length as f64, step - step.round()));
        }
        course
    }

    /// Checks that a tone among others goes on unchanged from beginning to end.
    ///
    /// # Errors
    /// When its level or its phase jumps: the text tells where.
    pub fn check_course(&self, channel: usize, hz: f64) -> Result<()> {
        let middle = self.amplitude(channel, hz);
        for (index, (amplitude, step)) in self.course(channel, hz).into_iter().enumerate() {
            let at = index as f64 / WINDOWS_PER_SECOND as f64;
            let level = amplitude / middle;
            ensure!((0.85..1.15).contains(&level), "{hz} Hz is {level:.2} of its level at {at:.2} s");
            // A receiver that follows a clock turns it by 0.5 % at most.
            ensure!(step.abs() < 0.1, "{hz} Hz is off by {step:.2} turns at {at:.2} s");
        }
        Ok(())
    }

    fn gaps(&self, channel: usize, amplitude: f64) -> Vec<(f64, f64)> {
        let length = ((f64::from(self.rate) * GAP_LOOK) as usize).max(1);
        let mut gaps: Vec<(f64, f64)> = Vec::new();
        for (index, frames) in self.frames.chunks_exact(length).enumerate() {
            let squares: f64 = frames.iter().map(|frame| f64::from(frame[channel]).powi(2)).sum();
            if (squares / length as f64).sqrt() > amplitude * 0.35 {
                continue;
            }
            let (from, to) = (index as f64 * GAP_LOOK, (index + 1) as f64 * GAP_LOOK);
            match gaps.last_mut() {
                Some(last) if from - last.1 < APART => last.1 = to,
                _ => gaps.push((from, to)),
            }
        }
        gaps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HZ: f64 = 707.0;

    fn tones(all: &[f64]) -> Recording {
        let wave = |index: u32| {
            all.iter().map(|hz| (0.25 * (TAU * hz * f64::from(index) / 48_000.0).sin()) as f32).sum::<f32>()
        };
        Recording { rate: 48_000, frames: (0..96_000).map(|index| [wave(index); 2]).collect() }
    }

    #[test]
    fn a_clean_tone_has_no_flaw() {
        assert_eq!(tones(&[HZ]).flaws(0, HZ, Tolerance::STRICT), Flaws::default());
        // As PulseAudio plays it whose clock is 2 per mille slow.
        tones(&[HZ * 1.002]).flaws(0, HZ, Tolerance::STRICT).none().unwrap();
    }

    #[test]
    fn what_is_lost_made_up_or_silenced_is_found() {
        let doctored = |doctor: fn(&mut Vec<[f32; 2]>)| {
            let mut tone = tones(&[HZ]);
            doctor(&mut tone.frames);
            tone.flaws(0, HZ, Tolerance::STRICT)
        };
        let lost = doctored(|frames| drop(frames.drain(48_000..48_480)));
        assert!(lost.clicks.len() == 1 && (lost.clicks[0] - 1.0).abs() < 0.001, "{lost:?}");
        let sample = doctored(|frames| drop(frames.drain(48_000..48_001)));
        assert_eq!(sample.clicks.len(), 1, "{sample:?}");
        let twice = doctored(|frames| frames.copy_within(47_760..48_000, 48_000));
        assert_eq!(twice.clicks.len(), 1, "{twice:?}");
        let silenced = doctored(|frames| frames[48_000..48_480].fill([0.0; 2]));
        assert_eq!(silenced.gaps.len(), 1, "{silenced:?}");
        let clipped = doctored(|frames| frames.iter_mut().for_each(|frame| frame[0] = frame[0].min(0.2)));
        assert!(clipped.clicks.len() > 100, "{clipped:?}");
    }

    #[test]
    fn a_tone_is_followed_among_others() {
        let mut three = tones(&[400.0, 700.0, 1100.0]);
        for hz in [400.0, 700.0, 1100.0] {
            three.check_course(1, hz).unwrap();
        }
        let two = tones(&[400.0, 700.0]);
        three.frames[50_000..].copy_from_slice(&two.frames[50_000..]);
        three.check_course(0, 400.0).unwrap();
        three.check_course(0, 700.0).unwrap();
        assert!(three.check_course(0, 1100.0).is_err());
        let mut lost = tones(&[400.0, 700.0]);
        lost.frames.drain(48_000..48_240);
        assert!(lost.check_course(0, 700.0).is_err());
    }
}
