/// Errors up to this are left alone, in samples: 0.5 ms.
const TOLERATED: f64 = 24.0;

/// An error beyond that is steered away in about this many samples: 4 s.
const PATIENCE: f64 = 192_000.0;

/// The speed differs from 1 by at most this while the error is small: 500 ppm.
const GENTLE: f64 = 5.0e-4;

/// Errors from this on are large, in samples: 10 ms.
const LARGE: f64 = 480.0;

/// What the speed may differ by for each sample of a large error, and at most: a twelfth of a semitone.
const HASTE: f64 = 5.0e-6;
const HASTY: f64 = 5.0e-3;

/// The most that the speed changes from tick to tick.
const STEP: f64 = 2.0e-5;

/// Decides how fast a voice is played.
#[derive(Debug, Default)]
pub(crate) struct Steering {
    deviation: f64,
}

impl Steering {
    /// The difference of the next tick's speed from 1, where the delay is longer than it should be by so many samples.
    pub(crate) fn follow(&mut self, too_late: i64) -> f64 {
        let error = too_late as f64;
        let beyond = (error.abs() - TOLERATED).max(0.0);
        let gentle = (beyond / PATIENCE).min(GENTLE);
        let hasty = ((error.abs() - LARGE).max(0.0) * HASTE).min(HASTY);
        let wanted = gentle.max(hasty).copysign(error);
        self.deviation += (wanted - self.deviation).clamp(-STEP, STEP);
        self.deviation
    }

    /// Begins anew, at the talker's own speed.
    pub(crate) fn reset(&mut self) {
        self.deviation = 0.0;
    }
}
