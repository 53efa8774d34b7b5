use super::steer::Loudness;
use crate::sample::{SILENT_BELOW, Sample};
use crate::talkback::TICK;

/// Who is louder than this speaks: the mean over a tick, -50 dBFS.
const SPEECH: f32 = 3.16e-3;

/// What is softer than this is a pause between words: the mean over a tick, -56 dBFS.
const PAUSE: f32 = 1.58e-3;

/// Speech goes on for so many ticks after it was last heard: half a second.
const HOLD_TICKS: u32 = 50;

/// Hears whether somebody speaks, and how loud.
#[derive(Debug)]
pub(crate) struct Speech {
    quiet_ticks: u32,
    sounds: bool,
    loudness: Loudness,
    peaks: Sample,
}

impl Speech {
    pub(crate) fn new() -> Self {
        Self { quiet_ticks: HOLD_TICKS, sounds: false, loudness: Loudness::Quiet, peaks: [0.0; 2] }
    }

    /// Listens to a tick. Returns whether it is more than silence.
    pub(crate) fn hear(&mut self, sound: &[Sample; TICK]) -> bool {
        let (mut peaks, mut energy) = ([0.0_f32; 2], 0.0);
        for [left, right] in sound {
            peaks = [peaks[0].max(left.abs()), peaks[1].max(right.abs())];
            energy += left * left + right * right;
        }
        self.peaks = [self.peaks[0].max(peaks[0]), self.peaks[1].max(peaks[1])];
        let is_over = |level: f32| energy > level * level * (2 * TICK) as f32;
        let speaks = is_over(SPEECH);
        self.loudness = if is_over(PAUSE) { Loudness::Loud } else { Loudness::Quiet };
        self.quiet_ticks = if speaks { 0 } else { self.quiet_ticks.saturating_add(1) };
        self.sounds = peaks.iter().any(|peak| *peak >= SILENT_BELOW);
        self.sounds
    }

    /// A tick of silence.
    pub(crate) fn hear_nothing(&mut self) {
        self.quiet_ticks = self.quiet_ticks.saturating_add(1);
        self.sounds = false;
        self.loudness = Loudness::Quiet;
    }

    /// How loud the last tick was.
    pub(crate) fn loudness(&self) -> Loudness {
        self.loudness
    }

    /// Whether the last tick was more than silence.
    pub(crate) fn sounds(&self) -> bool {
        self.sounds
    }

    pub(crate) fn is_speaking(&self) -> bool {
        self.quiet_ticks < HOLD_TICKS
    }

    /// The largest magnitudes since they were asked for last.
    pub(crate) fn take_peaks(&mut self) -> Sample {
        std::mem::take(&mut self.peaks)
    }
}
