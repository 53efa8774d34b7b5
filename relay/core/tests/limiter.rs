//! Several voices at once, and no clipping.

mod common;

use common::{Dice, ear};
use soundport_core::Sample;
use soundport_core::talkback::{Limiter, TICK};

/// 1 ms.
const DELAY: usize = 48;

#[test]
fn what_is_not_too_loud_is_not_touched() {
    let mut dice = Dice::new(1);
    let sound: Vec<Sample> = (0..48_000).map(|_| [dice.level(0.98), dice.level(0.98)]).collect();
    let limited = limit(&sound);
    assert_eq!(limited[..DELAY], [[0.0; 2]; DELAY]);
    assert_eq!(limited[DELAY..], sound[..sound.len() - DELAY]);
}

#[test]
fn nothing_is_louder_than_full_scale() {
    let mut dice = Dice::new(2);
    let mut loudness = 1.0;
    let sound: Vec<Sample> = (0..10 * 48_000)
        .map(|n| {
            if n % 4_800 == 0 {
                loudness = dice.level(1.0).abs() * 40.0;
            }
            [dice.level(loudness), dice.level(loudness)]
        })
        .collect();
    let limited = limit(&sound);
    let loudest = limited.as_flattened().iter().fold(0.0_f32, |most, level| most.max(level.abs()));
    assert!(loudest <= 0.989 && loudest > 0.98, "{loudest}");
}

#[test]
fn three_equal_tones_stay_equal_and_pure() {
    let tones_hz = [400.0, 700.0, 1100.0];
    let sound: Vec<Sample> = (0..5 * 48_000)
        .map(|n| {
            let sum: f64 =
                tones_hz.iter().map(|hz| (std::f64::consts::TAU * hz * f64::from(n) / 48_000.0).sin()).sum();
            [sum as f32 * 0.6; 2]
        })
        .collect();
    let limited = limit(&sound);
    let (levels, rest) = ear::fit(&limited[48_000..], 0, &tones_hz);
    for level in &levels {
        assert!((level / levels[0] - 1.0).abs() < 0.001 && *level > 0.3, "{levels:?}");
    }
    assert!(rest / levels[0] < 0.02, "{rest} beside {levels:?}");
}

#[test]
fn gain_falls_in_time_and_comes_back_slowly() {
    let tone = |n: usize| (std::f64::consts::TAU * 1000.0 * n as f64 / 48_000.0).sin() as f32;
    let loudness = |n: usize| if (48_000..96_000).contains(&n) { 2.0 } else { 0.5 };
    let sound: Vec<Sample> = (0..5 * 48_000).map(|n| [tone(n) * loudness(n); 2]).collect();
    let limited = limit(&sound);
    let peak = |from: usize| limited[from..from + 480].iter().fold(0.0_f32, |most, s| most.max(s[0].abs()));
    assert!((peak(47_000) - 0.5).abs() < 0.001, "turned down before it is loud");
    assert!((peak(60_000) - 0.988).abs() < 0.002);
    assert!((0.2..0.4).contains(&peak(97_000)), "let up at once: {}", peak(97_000));
    assert_eq!(peak(4 * 48_000), 0.5, "never let up");
    let cut = limited.windows(2).filter(|pair| pair[0] == pair[1] && pair[0][0].abs() > 0.98).count();
    assert_eq!(cut, 0, "peaks cut off");
    // A step in the gain would be a step in the wave.
    let steepest = 2.0 * 2.0 * (std::f64::consts::PI * 1000.0 / 48_000.0).sin();
    assert!(ear::largest_step(&limited, 0) < steepest);
}

fn limit(sound: &[Sample]) -> Vec<Sample> {
    let mut limiter = Limiter::new();
    let mut limited = sound.to_vec();
    limited.chunks_mut(TICK).for_each(|block| limiter.process(block));
    limited
}

trait Level {
    /// Evenly from `-most` to `most`.
    fn level(&mut self, most: f32) -> f32;
}

impl Level for Dice {
    fn level(&mut self, most: f32) -> f32 {
        (self.roll() as f32 * 2.0 - 1.0) * most
    }
}
