//! How a level is shown: pure figures, moved by the meter once per picture.

/// The meter's scale begins here, in dBFS; it ends at 0.
const FLOOR_DB: f32 = -60.0;

/// How fast a bar falls, in decibels a second: a peak programme meter's 20 dB in 1.7 s, rounded up to look awake.
const FALL_DB_PER_SEC: f32 = 18.0;

/// How long a peak's mark stays before it falls with the bar.
const HOLD_SECS: f32 = 1.2;

/// One channel's bar and its peak mark.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ballistics {
    bar_db: f32,
    peak_db: f32,
    held_secs: f32,
}

/// What is drawn, as shares of the scale, 0..1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shown {
    /// The bar's length.
    pub bar: f32,
    /// Where the peak's mark stands.
    pub peak: f32,
}

impl Default for Ballistics {
    fn default() -> Self {
        Self { bar_db: FLOOR_DB, peak_db: FLOOR_DB, held_secs: 0.0 }
    }
}

impl Ballistics {
    /// Takes the largest sample magnitude of the last `secs`, and says what to draw: rises at once, falls slowly.
    pub fn step(&mut self, magnitude: f32, secs: f32) -> Shown {
        let level_db = decibels(magnitude);
        self.bar_db = level_db.max(self.bar_db - FALL_DB_PER_SEC * secs).max(FLOOR_DB);
        self.held_secs += secs;
        if level_db >= self.peak_db {
            (self.peak_db, self.held_secs) = (level_db, 0.0);
        } else if self.held_secs > HOLD_SECS {
            self.peak_db = self.bar_db.max(self.peak_db - FALL_DB_PER_SEC * secs);
        }
        Shown { bar: share_of_scale(self.bar_db), peak: share_of_scale(self.peak_db) }
    }
}

/// Where a level in dBFS stands on the scale, 0..1.
fn share_of_scale(level_db: f32) -> f32 {
    (1.0 - level_db / FLOOR_DB).clamp(0.0, 1.0)
}

fn decibels(magnitude: f32) -> f32 {
    if magnitude > 0.0 { (20.0 * magnitude.log10()).max(FLOOR_DB) } else { FLOOR_DB }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_rises_at_once_and_falls_slowly() {
        let mut channel = Ballistics::default();
        assert_eq!(channel.step(1.0, 0.016).bar, 1.0);
        let after_a_second = (0..100).map(|_| channel.step(0.0, 0.01).bar).last().unwrap();
        assert!((after_a_second - share_of_scale(-18.0)).abs() < 0.01, "{after_a_second}");
    }

    #[test]
    fn a_peak_stays_a_while_and_then_meets_the_bar() {
        let mut channel = Ballistics::default();
        channel.step(0.5, 0.016);
        let held = channel.step(0.0, 1.0);
        assert!((held.peak - share_of_scale(-6.02)).abs() < 0.001 && held.bar < held.peak);
        for _ in 0..500 {
            channel.step(0.0, 0.016);
        }
        assert_eq!(channel.step(0.0, 0.016), Shown { bar: 0.0, peak: 0.0 });
    }

    #[test]
    fn odd_samples_are_drawn_as_silence_or_full() {
        let mut channel = Ballistics::default();
        assert_eq!(channel.step(f32::NAN, 0.016).bar, 0.0);
        assert_eq!(channel.step(f32::INFINITY, 0.016).bar, 1.0);
    }
}
