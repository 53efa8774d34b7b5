//! What a listener would notice: levels, cross-talk, clicks.
use opus::{Channels, Decoder};
use soundport_core::OpusFrame;

const RATE: f64 = 48_000.0;

/// Decodes frames as a browser would without loss.
pub fn decode(frames: &[OpusFrame]) -> Vec<[f32; 2]> {
    let mut decoder = Decoder::new(48_000, Channels::Stereo).unwrap();
    let mut sound = vec![];
    let mut buffer = vec![0.0; 2 * 960];
    for frame in frames {
        let length = decoder.decode_float(&frame.data, &mut buffer, false).unwrap();
        sound.extend(buffer[..2 * length].chunks_exact(2).map(|s| [s[0], s[1]]));
    }
    sound
}

/// The level of a tone in one ear, by least squares; full scale is 1.
pub fn level(sound: &[[f32; 2]], ear: usize, tone_hz: f64) -> f64 {
    let (amplitudes, _) = fit(sound, ear, &[tone_hz]);
    amplitudes[0]
}

/// Levels of several tones in one ear fitted at once, and the level (RMS) of all the rest.
pub fn fit(sound: &[[f32; 2]], ear: usize, tones_hz: &[f64]) -> (Vec<f64>, f64) {
    let width = 2 * tones_hz.len();
    let mut matrix = vec![vec![0.0; width + 1]; width];
    let waves = |n: usize| -> Vec<f64> {
        let angle = |tone: &f64| std::f64::consts::TAU * (tone * n as f64 / RATE).fract();
        tones_hz.iter().flat_map(|tone| [angle(tone).sin(), angle(tone).cos()]).collect()
    };
    for (n, sample) in sound.iter().enumerate() {
        let waves = waves(n);
        for (row, a) in matrix.iter_mut().zip(&waves) {
            for (cell, b) in row.iter_mut().zip(waves.iter().chain([&f64::from(sample[ear])])) {
                *cell += a * b;
            }
        }
    }
    let weights = solve(matrix);
    let rest: f64 = sound
        .iter()
        .enumerate()
        .map(|(n, sample)| {
            let tones: f64 = waves(n).iter().zip(&weights).map(|(wave, weight)| wave * weight).sum();
            (f64::from(sample[ear]) - tones).powi(2)
        })
        .sum();
    let levels = weights.chunks_exact(2).map(|w| w[0].hypot(w[1])).collect();
    (levels, (rest / sound.len() as f64).sqrt())
}

/// How far below the ear's own tone the other one's is, in dB (negative is good).
pub fn crosstalk_db(sound: &[[f32; 2]], ear: usize, own_hz: f64, other_hz: f64) -> f64 {
    let (levels, _) = fit(sound, ear, &[own_hz, other_hz]);
    20.0 * (levels[1] / levels[0]).log10()
}

/// The largest step from sample to sample in one ear.
pub fn largest_step(sound: &[[f32; 2]], ear: usize) -> f64 {
    sound.windows(2).map(|w| f64::from((w[1][ear] - w[0][ear]).abs())).fold(0.0, f64::max)
}

/// The largest step of a clean tone.
pub fn clean_step(level: f64, tone_hz: f64) -> f64 {
    2.0 * level * (std::f64::consts::PI * tone_hz / RATE).sin()
}

/// The frequency of a tone in one ear near `about_hz`: the phase's advance from one half to the other.
pub fn frequency_hz(sound: &[[f32; 2]], ear: usize, about_hz: f64) -> f64 {
    let phase = |from: usize, to: usize| {
        let (mut sine, mut cosine) = (0.0, 0.0);
        for (n, sample) in sound.iter().enumerate().take(to).skip(from) {
            let angle = std::f64::consts::TAU * (about_hz * n as f64 / RATE).fract();
            sine += f64::from(sample[ear]) * angle.sin();
            cosine += f64::from(sample[ear]) * angle.cos();
        }
        cosine.atan2(sine)
    };
    let half = sound.len() / 2;
    let advance = (phase(half, 2 * half) - phase(0, half)).rem_euclid(std::f64::consts::TAU);
    let advance = if advance > std::f64::consts::PI { advance - std::f64::consts::TAU } else { advance };
    about_hz + advance / std::f64::consts::TAU * RATE / half as f64
}

/// Loudness over time: RMS of both ears in stretches of `length` samples.
pub fn envelope(sound: &[[f32; 2]], length: usize) -> Vec<f64> {
    sound
        .chunks_exact(length)
        .map(|chunk| {
            let sum: f64 = chunk.as_flattened().iter().map(|s| f64::from(*s).powi(2)).sum();
            (sum / (2 * length) as f64).sqrt()
        })
        .collect()
}

/// Solves linear equations, the right side being the last column (Gauss).
fn solve(mut rows: Vec<Vec<f64>>) -> Vec<f64> {
    let width = rows.len();
    for i in 0..width {
        let best = (i..width).max_by(|a, b| rows[*a][i].abs().total_cmp(&rows[*b][i].abs())).unwrap();
        rows.swap(i, best);
        let pivot = rows[i].clone();
        for (j, row) in rows.iter_mut().enumerate() {
            if j != i {
                let factor = row[i] / pivot[i];
                row.iter_mut().zip(&pivot).for_each(|(cell, p)| *cell -= factor * p);
            }
        }
    }
    (0..width).map(|i| rows[i][width] / rows[i][i]).collect()
}
