use std::collections::VecDeque;

use crate::frame::RATE_HZ;
use crate::sample::{SILENCE, Sample};

/// The loudest that goes out: -0.1 dBFS.
const CEILING: f32 = 0.988_553;

/// Samples by which the limiter looks ahead, and delays: 1 ms.
const AHEAD: usize = RATE_HZ as usize / 1000;

/// Seconds in which the gain makes up for two thirds of what was taken.
const RELEASE_S: f64 = 0.25;

/// Gains are whole numbers, so that their running sum is exact: this is 1.
const UNITY: u32 = 1 << 24;

/// Keeps a sum of voices from clipping: what would be louder than -0.1 dBFS is turned down beforehand, both ears alike,
/// and let up again slowly.
///
/// What is under the ceiling goes through bit by bit. Delays by 1 ms.
#[derive(Debug, Clone)]
pub struct Limiter {
    /// The sound that is looked ahead at, oldest first.
    delayed: VecDeque<Sample>,
    /// Lower bounds of the gain, one for each delayed sample, and their sum.
    gains: VecDeque<u32>,
    sum: u64,
    /// Gains that the latest samples need, as a queue of falling minima: the sample's number, the gain.
    minima: VecDeque<(u64, u32)>,
    position: u64,
    /// The gain let up so far.
    released: u32,
}

impl Default for Limiter {
    fn default() -> Self {
        Self::new()
    }
}

impl Limiter {
    /// One that has heard silence.
    pub fn new() -> Self {
        Self {
            delayed: VecDeque::from(vec![SILENCE; AHEAD]),
            gains: VecDeque::from(vec![UNITY; AHEAD]),
            sum: AHEAD as u64 * u64::from(UNITY),
            minima: VecDeque::with_capacity(AHEAD + 1),
            position: 0,
            released: UNITY,
        }
    }

    /// Limits a stretch of sound in place; what comes out is what went in 1 ms earlier.
    pub fn process(&mut self, sound: &mut [Sample]) {
        if self.is_resting() && sound.iter().all(|sample| needed_gain(*sample) == UNITY) {
            self.minima.clear();
            sound.iter_mut().for_each(|sample| *sample = self.delay(*sample));
            return;
        }
        for sample in sound {
            let input = sample.map(|level| if level.is_finite() { level } else { 0.0 });
            let gain = self.gain_before(needed_gain(input));
            // At unity the product is the sample itself.
            *sample = self.delay(input).map(|level| (level * gain).clamp(-CEILING, CEILING));
        }
    }

    fn delay(&mut self, sample: Sample) -> Sample {
        self.delayed.push_back(sample);
        self.delayed.pop_front().unwrap_or(SILENCE)
    }

    /// Whether nothing is turned down, nor about to be.
    fn is_resting(&self) -> bool {
        self.sum == AHEAD as u64 * u64::from(UNITY) && self.minima.iter().all(|(_, gain)| *gain == UNITY)
    }

    /// Takes the gain that a new sample needs. Returns that of the sample which comes out now.
    ///
    /// The mean over the look-ahead of its minima goes down smoothly and is there in time.
    fn gain_before(&mut self, needed: u32) -> f32 {
        while self.minima.back().is_some_and(|(_, gain)| *gain >= needed) {
            self.minima.pop_back();
        }
        self.minima.push_back((self.position, needed));
        while self.minima.front().is_some_and(|(at, _)| at + (AHEAD as u64) < self.position) {
            self.minima.pop_front();
        }
        self.position += 1;
        let lowest = self.minima.front().map_or(UNITY, |(_, gain)| *gain);
        let up = f64::from(UNITY - self.released) / (RELEASE_S * f64::from(RATE_HZ));
        // Upwards by at least one step, so that unity is reached.
        self.released = (self.released + up as u32 + 1).min(UNITY).min(lowest);
        self.sum += u64::from(self.released);
        self.gains.push_back(self.released);
        self.sum -= u64::from(self.gains.pop_front().unwrap_or(UNITY));
        (self.sum / AHEAD as u64) as f32 / UNITY as f32
    }
}

/// The gain that brings a sample under the ceiling.
fn needed_gain(sample: Sample) -> u32 {
    let [left, right] = sample.map(f32::abs);
    if left <= CEILING && right <= CEILING {
        UNITY
    } else {
        (CEILING / left.max(right) * UNITY as f32) as u32
    }
}
