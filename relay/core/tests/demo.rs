//! The demo is pleasant: neither silent nor loud, different in both ears, and its seam is not heard.
use soundport_core::demo::{DemoLoop, DemoSender};

/// Two rounds of the piece and a little more.
const LONG: usize = 48_000 * 25;

fn render() -> Vec<[i16; 2]> {
    let mut frames = vec![[0; 2]; LONG];
    DemoLoop::new().fill(&mut frames);
    frames
}

#[test]
fn the_demo_is_quiet_but_heard() {
    let sound = render();
    let peak = sound.as_flattened().iter().map(|s| s.unsigned_abs()).max().unwrap();
    let peak_db = 20.0 * (f64::from(peak) / 32_768.0).log10();
    assert!((-11.0..=-7.0).contains(&peak_db), "peak at {peak_db:.1} dB of full scale");
    for ear in 0..2 {
        let square: f64 = sound.iter().map(|s| (f64::from(s[ear]) / 32_768.0).powi(2)).sum();
        let rms_db = 10.0 * (square / sound.len() as f64).log10();
        assert!((-32.0..=-18.0).contains(&rms_db), "ear {ear} at {rms_db:.1} dB of full scale");
    }
}

#[test]
fn the_ears_differ() {
    let sound = render();
    let difference: f64 = sound.iter().map(|s| (f64::from(s[0]) - f64::from(s[1])).powi(2)).sum();
    let whole: f64 = sound.iter().map(|s| (f64::from(s[0]) + f64::from(s[1])).powi(2)).sum();
    assert!(difference / whole > 0.05, "the ears differ by {:.3} only", difference / whole);
}

#[test]
fn no_step_in_the_sound_is_larger_than_its_waves_make() {
    let sound = render();
    let step = |w: &[[i16; 2]]| (0..2).map(|ear| w[1][ear].abs_diff(w[0][ear])).max().unwrap();
    let largest = sound.windows(2).map(step).max().unwrap();
    assert!(largest < 2_500, "a step of {largest}");
}

#[test]
fn packets_are_rtp_with_five_milliseconds_of_l16() {
    let mut sender = DemoSender::new(0xdecaf);
    let first = sender.next_packet().to_vec();
    let second = sender.next_packet().to_vec();
    assert_eq!(first.len(), 12 + 240 * 4);
    assert_eq!(first[..2], [0x80, 127]);
    assert_eq!(second[2..4], [0, 1], "sequence number");
    assert_eq!(second[4..8], 240_u32.to_be_bytes(), "timestamp");
    assert_eq!(second[8..12], 0xdecaf_u32.to_be_bytes(), "SSRC");
}
