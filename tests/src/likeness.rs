use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::Recording;

/// Speech is compared below 4 kHz.
const DECIMATE: usize = 6;
const PER_SECOND: usize = 8_000;
/// How loud it is is looked at so often, in samples: 5 ms.
const ENVELOPE: usize = PER_SECOND / 200;
/// A syllable's part.
const PIECE: usize = PER_SECOND / 10;
/// By so much may receivers that follow clocks move it meanwhile.
const SLIP: usize = PER_SECOND / 25;
/// Pieces below this effective value are pauses.
const QUIET: f64 = 0.01;
/// At least, after the codec and receivers that resample; other speech is at 0.5.
const ALIKE: f64 = 0.8;

impl Recording {
    /// Checks that everything that was said is heard in it, and returns after what time it begins.
    ///
    /// # Errors
    /// When a piece is missing: the text tells which.
    pub fn holds(&self, said: &Self) -> Result<Duration> {
        let (heard, said) = (self.coarse(), said.coarse());
        ensure!(heard.len() > said.len() + ENVELOPE, "the recording is shorter than what was said");
        let (loud, wanted) = (envelope(&heard), envelope(&said));
        let (lag, likeness) =
            place(&loud, &wanted, 0..loud.len() - wanted.len()).context("nothing was said")?;
        ensure!(likeness > 0.5, "nothing like it is heard: {likeness:.2} at best");
        let lag = lag * ENVELOPE;
        let mut missing = Vec::new();
        let mut pieces = 0;
        for (index, piece) in said.chunks_exact(PIECE).enumerate() {
            if power(piece).sqrt() < QUIET {
                continue;
            }
            pieces += 1;
            let at = lag + index * PIECE;
            let around = at.saturating_sub(SLIP)..(at + SLIP).min(heard.len().saturating_sub(PIECE));
            let likeness = place(&heard, piece, around).map_or(0.0, |(_, likeness)| likeness);
            if likeness < ALIKE {
                missing.push(format!("{:.2} s ({likeness:.2})", (index * PIECE) as f64 / PER_SECOND as f64));
            }
        }
        ensure!(missing.is_empty(), "of {pieces} pieces these are not heard: {}", missing.join(", "));
        Ok(Duration::from_secs_f64(lag as f64 / PER_SECOND as f64))
    }

    /// One channel of 8 kHz.
    fn coarse(&self) -> Vec<f64> {
        let middle = |frame: &[f32; 2]| f64::from(frame[0] + frame[1]) / 2.0;
        self.frames
            .chunks_exact(DECIMATE)
            .map(|few| few.iter().map(middle).sum::<f64>() / DECIMATE as f64)
            .collect()
    }
}

fn envelope(sound: &[f64]) -> Vec<f64> {
    sound.chunks_exact(ENVELOPE).map(|few| power(few).sqrt()).collect()
}

/// Where in `heard` something is best found, and how alike it is there, at most 1.
fn place(heard: &[f64], said: &[f64], among: std::ops::Range<usize>) -> Option<(usize, f64)> {
    let own = power(said);
    let alike = |at: usize| {
        let part = heard.get(at..at + said.len()).unwrap_or_default();
        let product: f64 = part.iter().zip(said).map(|(heard, said)| heard * said).sum();
        product / said.len() as f64 / (power(part) * own).sqrt().max(1e-9)
    };
    among.map(|at| (at, alike(at))).max_by(|one, other| one.1.total_cmp(&other.1))
}

fn power(part: &[f64]) -> f64 {
    part.iter().map(|sample| sample * sample).sum::<f64>() / part.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Random;

    /// Noise of two seconds with pauses, as slow as speech.
    fn speech() -> Recording {
        let mut random = Random::new(3);
        let mut level = 0.0_f32;
        let mut frames = Vec::new();
        for index in 0..96_000 {
            level = level * 0.9 + (random.below(2001) as f32 / 1000.0 - 1.0) * 0.1;
            frames.push(if index / 9_600 % 3 == 2 { [0.0; 2] } else { [level; 2] });
        }
        Recording { rate: 48_000, frames }
    }

    fn later(said: &Recording) -> Recording {
        let mut frames = vec![[0.0; 2]; 24_000];
        frames.extend(&said.frames);
        frames.extend([[0.0; 2]; 24_000]);
        Recording { rate: 48_000, frames }
    }

    #[test]
    fn what_is_whole_is_found() {
        let at = later(&speech()).holds(&speech()).unwrap();
        assert!(at.abs_diff(Duration::from_millis(500)) < Duration::from_millis(6), "{at:?}");
    }

    #[test]
    fn a_first_word_that_is_cut_is_noticed() {
        let mut cut = later(&speech());
        cut.frames[24_000..26_400].fill([0.0; 2]);
        let error = cut.holds(&speech()).unwrap_err().to_string();
        assert!(error.contains("not heard: 0.00 s"), "{error}");
        let mut mute = later(&speech());
        mute.frames.fill([0.0; 2]);
        assert!(mute.holds(&speech()).is_err());
    }
}
