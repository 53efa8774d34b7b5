/// Errors up to this are left alone, in samples: 0.5 ms.
const TOLERATED: f64 = 24.0;

/// An error beyond that is steered away in about this many samples: 4 s.
const PATIENCE: f64 = 192_000.0;

/// The speed differs from 1 by at most this while the error is small: 500 ppm.
const GENTLE: f64 = 5.0e-4;

/// Errors from this on are large, in samples: 10 ms.
const LARGE: f64 = 480.0;

/// How the speed may differ from 1 while the error is large.
struct Haste {
    /// For each sample of the error.
    each: f64,
    most: f64,
    /// From one tick to the next.
    step: f64,
}

/// While somebody can hear it: at most a sixth of a semitone, reached in some seconds.
const HEARD: Haste = Haste { each: 5.0e-6, most: 1.0e-2, step: 2.0e-5 };

/// In the pauses between words.
const UNHEARD: Haste = Haste { each: 2.0e-5, most: 3.0e-2, step: 1.0e-2 };

/// How loud the sound is whose speed is steered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Loudness {
    /// Its pitch can be heard.
    Loud,
    /// Its pitch cannot be heard.
    Quiet,
}

/// Decides how fast a voice is played.
#[derive(Debug, Default)]
pub(crate) struct Steering {
    deviation: f64,
}

impl Steering {
    /// The difference of the next tick's speed from 1, where the delay is longer than it should be by so many samples.
    pub(crate) fn follow(&mut self, too_late: i64, loudness: Loudness) -> f64 {
        let haste = match loudness {
            Loudness::Loud => HEARD,
            Loudness::Quiet => UNHEARD,
        };
        let error = too_late as f64;
        let gentle = ((error.abs() - TOLERATED).max(0.0) / PATIENCE).min(GENTLE);
        let hasty = ((error.abs() - LARGE).max(0.0) * haste.each).min(haste.most);
        let wanted = gentle.max(hasty).copysign(error);
        self.deviation = self.deviation.clamp(-haste.most, haste.most);
        self.deviation += (wanted - self.deviation).clamp(-haste.step, haste.step);
        self.deviation
    }

    /// Begins anew, at the talker's own speed.
    pub(crate) fn reset(&mut self) {
        self.deviation = 0.0;
    }
}
