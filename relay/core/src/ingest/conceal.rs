use crate::sample::{SILENCE, Sample, blend, ramp};

/// Turns a stream with holes into one without: a hole is filled with the waveform that went before it, which fades
/// out when the hole is long, and is cross-faded into the sound that returns.
///
/// Works at the source's own rate, on both channels alike, so that the stereo image stays.
#[derive(Debug)]
pub(crate) struct Concealer {
    lengths: Lengths,
    /// The latest sound that went out.
    history: Vec<Sample>,
    bridge: Option<Bridge>,
}

/// Lengths in samples at the source's rate.
#[derive(Debug, Clone, Copy)]
struct Lengths {
    history: usize,
    template: usize,
    lag_min: usize,
    lag_max: usize,
    overlap: usize,
    hold: usize,
    fade: usize,
    crossfade: usize,
    onset: usize,
    mend: usize,
    ending: usize,
}

impl Lengths {
    fn new(rate_hz: u32) -> Self {
        let ms = |tenths: usize| (rate_hz as usize * tenths).div_ceil(10_000);
        Self {
            history: ms(600),
            template: ms(80),
            lag_min: ms(50),
            lag_max: ms(400),
            overlap: ms(30),
            hold: ms(100),
            fade: ms(500),
            crossfade: ms(50),
            onset: ms(10),
            mend: ms(10),
            ending: ms(50),
        }
    }
}

/// A continuation of the past that is still sounding, and how far it has been cross-faded into what is real.
#[derive(Debug)]
struct Bridge {
    continuation: Continuation,
    crossfade: usize,
    passed: usize,
}

impl Concealer {
    pub(crate) fn new(rate_hz: u32) -> Self {
        let lengths = Lengths::new(rate_hz);
        let mut concealer = Self { lengths, history: Vec::with_capacity(2 * lengths.history), bridge: None };
        concealer.begin();
        concealer
    }

    /// Forgets the past: the next sound begins after silence, with a fade of a millisecond.
    pub(crate) fn begin(&mut self) {
        self.history.clear();
        self.bridge =
            Some(Bridge { continuation: Continuation::silence(), crossfade: self.lengths.onset, passed: 0 });
    }

    /// Fills a hole of `gap` samples (none will do) and makes the next sound join without a click.
    pub(crate) fn fill(&mut self, gap: usize, sound: &mut Vec<Sample>) {
        if self.history.is_empty() {
            sound.extend(std::iter::repeat_n(SILENCE, gap));
            return;
        }
        let mut continuation = Continuation::new(&self.history, self.lengths);
        let start = sound.len();
        sound.extend((0..gap).map(|_| continuation.next()));
        self.remember(&sound[start..]);
        self.bridge = Some(Bridge { continuation, crossfade: self.lengths.crossfade, passed: 0 });
    }

    /// Lets real sound through, cross-fading its beginning where a hole was filled before it.
    pub(crate) fn pass(&mut self, sound: &mut [Sample]) {
        if let Some(bridge) = &mut self.bridge {
            for sample in sound.iter_mut() {
                let share = ramp(bridge.passed, bridge.crossfade);
                *sample = blend(bridge.continuation.next(), *sample, share);
                bridge.passed += 1;
                if bridge.passed >= bridge.crossfade {
                    break;
                }
            }
            if bridge.passed >= bridge.crossfade {
                self.bridge = None;
            }
        }
        self.remember(sound);
    }

    /// Ends the sound: it fades out within 5 ms, and as much silence follows to flush what comes after.
    pub(crate) fn end(&mut self, sound: &mut Vec<Sample>) {
        let mut continuation = Continuation::new(&self.history, self.lengths);
        let length = self.lengths.ending;
        sound.extend((0..length).map(|i| blend(continuation.next(), SILENCE, ramp(i, length))));
        sound.extend(std::iter::repeat_n(SILENCE, length));
        self.begin();
    }

    fn remember(&mut self, sound: &[Sample]) {
        let keep = self.lengths.history;
        let sound = &sound[sound.len().saturating_sub(keep)..];
        if self.history.len() + sound.len() > 2 * keep {
            let excess = (self.history.len() + sound.len() - keep).min(self.history.len());
            self.history.drain(..excess);
        }
        self.history.extend_from_slice(sound);
    }
}

/// The past, prolonged.
#[derive(Debug)]
struct Continuation {
    /// What is repeated: the last whole number of periods, its end blended into what stood before its beginning.
    cycle: Vec<Sample>,
    position: usize,
    /// The step between the last sample and the continuation's first, which dies away within a millisecond.
    step: Sample,
    lengths: Option<Lengths>,
}

impl Continuation {
    fn silence() -> Self {
        Self { cycle: Vec::new(), position: 0, step: SILENCE, lengths: None }
    }

    fn new(history: &[Sample], lengths: Lengths) -> Self {
        let last = history.last().copied().unwrap_or(SILENCE);
        let end = history.len();
        let Some(lag) = best_lag(history, lengths) else {
            return Self { cycle: Vec::new(), position: 0, step: last, lengths: Some(lengths) };
        };
        let mut cycle = history[end - lag..].to_vec();
        let before = end - lag;
        let overlap = lengths.overlap.min(before).min(lag / 2);
        for i in 0..overlap {
            let at = lag - overlap + i;
            cycle[at] = blend(cycle[at], history[before - overlap + i], ramp(i, overlap));
        }
        let expected = history[before - 1];
        let step = [last[0] - expected[0], last[1] - expected[1]];
        Self { cycle, position: 0, step, lengths: Some(lengths) }
    }

    fn next(&mut self) -> Sample {
        let Some(lengths) = self.lengths else {
            return SILENCE;
        };
        let i = self.position;
        self.position += 1;
        let gain = 1.0 - ramp(i.saturating_sub(lengths.hold), lengths.fade);
        let mend = 1.0 - ramp(i, lengths.mend);
        let sample = if self.cycle.is_empty() { SILENCE } else { self.cycle[i % self.cycle.len()] };
        [sample[0] * gain + self.step[0] * mend, sample[1] * gain + self.step[1] * mend]
    }
}

/// How far back the sound was most like it is at its end; none where there is too little of it.
fn best_lag(history: &[Sample], lengths: Lengths) -> Option<usize> {
    /// The first search looks at every fourth sample's neighbourhood.
    const COARSE: usize = 4;
    if history.len() < lengths.template + lengths.lag_min + 1 {
        return None;
    }
    let lag_max = lengths.lag_max.min(history.len() - lengths.template - 1);
    let recent = &history[history.len() - lengths.template - lag_max..];
    let skip = recent.len() % COARSE;
    let coarse: Vec<Sample> = recent[skip..]
        .as_chunks::<COARSE>()
        .0
        .iter()
        .map(|chunk| chunk.iter().fold(SILENCE, |sum, s| [sum[0] + s[0], sum[1] + s[1]]))
        .collect();
    let rough = COARSE
        * likest(&coarse, lengths.template / COARSE, lengths.lag_min / COARSE..=lag_max / COARSE)
            .unwrap_or(lag_max / COARSE);
    let fine = rough.saturating_sub(COARSE).max(lengths.lag_min)..=(rough + COARSE).min(lag_max);
    likest(recent, lengths.template, fine)
}

/// The lag at which the last `template` samples are best correlated with earlier ones.
fn likest(sound: &[Sample], template: usize, lags: std::ops::RangeInclusive<usize>) -> Option<usize> {
    let end = sound.len();
    let target = &sound[end.checked_sub(template)?..];
    let mut best: Option<(f32, usize)> = None;
    for lag in lags {
        let Some(from) = end.checked_sub(lag + template) else {
            break;
        };
        let (product, energy) = correlate(target, &sound[from..from + template]);
        let score = product / (energy + 1e-9).sqrt();
        if best.is_none_or(|(top, _)| score > top) {
            best = Some((score, lag));
        }
    }
    best.map(|(_, lag)| lag)
}

/// The product of two stretches of sound, and the energy of the second.
fn correlate(target: &[Sample], past: &[Sample]) -> (f32, f32) {
    target.iter().zip(past).fold((0.0, 0.0), |(product, energy), (t, p)| {
        (product + t[0] * p[0] + t[1] * p[1], energy + p[0] * p[0] + p[1] * p[1])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sound that has no period: random numbers, smoothed.
    fn rough(length: usize) -> Vec<Sample> {
        let (mut seed, mut level) = (0x2545_f491_u32, [0.0; 2]);
        let mut next = || {
            seed ^= seed << 13;
            seed ^= seed >> 17;
            seed ^= seed << 5;
            f64::from(seed) as f32 / u32::MAX as f32 - 0.5
        };
        let mut smooth = || {
            level = level.map(|level: f32| 0.95 * level + 0.2 * next());
            level
        };
        (0..length).map(|_| smooth()).collect()
    }

    fn largest_step(sound: &[Sample]) -> f32 {
        sound
            .windows(2)
            .flat_map(|w| [w[1][0] - w[0][0], w[1][1] - w[0][1]])
            .fold(0.0, |most, s| most.max(s.abs()))
    }

    #[test]
    fn sound_without_a_period_gets_no_click() {
        let whole = rough(48_000);
        for gap in [0, 100, 317, 960, 4800] {
            let mut concealer = Concealer::new(48_000);
            let mut heard = Vec::new();
            let mut rest = &whole[..];
            while rest.len() > 2000 + gap {
                let mut sound = rest[..2000].to_vec();
                concealer.pass(&mut sound);
                heard.extend(sound);
                concealer.fill(gap, &mut heard);
                rest = &rest[2000 + gap..];
            }
            concealer.end(&mut heard);
            let ratio = largest_step(&heard) / largest_step(&whole);
            assert!(ratio < 1.15, "a step {ratio:.2} times the sound's own, gap of {gap}");
        }
    }

    #[test]
    fn a_period_is_prolonged() {
        let tone = |n: usize| [(n as f32 * 0.0576).sin() * 0.5, (n as f32 * 0.1152).sin() * 0.5];
        let mut concealer = Concealer::new(48_000);
        concealer.pass(&mut (0..4800).map(tone).collect::<Vec<_>>());
        let mut filled = Vec::new();
        concealer.fill(480, &mut filled);
        for (n, sample) in filled.iter().enumerate() {
            let expected = tone(4800 + n);
            let wrong = (sample[0] - expected[0]).abs().max((sample[1] - expected[1]).abs());
            assert!(wrong < 0.05, "off by {wrong:.3} after {n} samples");
        }
    }
}
