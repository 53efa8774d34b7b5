//! A source that sends nothing but silence is idle: nothing is encoded, and the first sound after it is whole.
mod common;

use common::{Datagrams, LEVEL, Rig, Sender, addr, ear, ms};
use soundport_core::ingest::SourceState;

const FROM: &str = "10.88.0.50:40000";
const ID: &str = "10-88-0-50";

/// Silence in a sender's sequence, in packets of 317.
fn silence(sender: &mut Sender, from: u64, length: u64) -> Datagrams {
    let level = sender.tones_hz;
    sender.tones_hz = [0.0; 2];
    let packets = sender.send(ms(from), ms(length), &[317], 1);
    sender.tones_hz = level;
    packets
}

#[test]
fn silence_is_idle_after_two_seconds_and_costs_nothing() {
    let mut rig = Rig::new();
    let mut sender = Sender::new(1);
    rig.play(addr(FROM), &sender.send(ms(0), ms(1000), &[317], 1));
    rig.play(addr(FROM), &silence(&mut sender, 1000, 1900));
    assert_eq!(rig.state(ID), Some(SourceState::Live), "a pause between two sentences");
    rig.play(addr(FROM), &silence(&mut sender, 2900, 200));
    assert_eq!(rig.state(ID), Some(SourceState::Idle));
    let frames = rig.frames.len();
    rig.play(addr(FROM), &silence(&mut sender, 3100, 60_000));
    assert_eq!(rig.frames.len(), frames, "nothing is encoded");
    assert_eq!(rig.state(ID), Some(SourceState::Idle));
}

#[test]
fn the_first_sound_after_silence_is_whole() {
    let mut rig = Rig::new();
    let mut sender = Sender::new(1);
    rig.play(addr(FROM), &sender.send(ms(0), ms(1000), &[317], 1));
    rig.play(addr(FROM), &silence(&mut sender, 1000, 10_000));
    assert_eq!(rig.state(ID), Some(SourceState::Idle));
    let before = rig.frames.len();
    rig.play(addr(FROM), &sender.send(ms(11_000), ms(1000), &[317], 1));
    assert_eq!(rig.state(ID), Some(SourceState::Live));
    let resumed = rig.frames[before].time as f64 / 48.0;
    assert!((10_985.0..11_010.0).contains(&resumed), "time goes on by the clock: {resumed:.1} ms");
    let sound = ear::decode(&rig.frames);
    // Opus is 120 samples behind; then it takes a millisecond.
    let onset = before * 480 + 120 + 48;
    let envelope = ear::envelope(&sound[onset..], 480);
    let root_mean_square = LEVEL * std::f64::consts::FRAC_1_SQRT_2;
    assert!(envelope[0] > 0.95 * root_mean_square, "{:.3} in the first 10 ms", envelope[0]);
    let missing = 1000.0 - (rig.frames.len() - before) as f64 * 10.0;
    assert!(missing < 11.0, "{missing} ms are missing");
}

#[test]
fn one_that_begins_with_silence_is_never_called_live() {
    let mut rig = Rig::new();
    let mut sender = Sender::new(1);
    for packet in silence(&mut sender, 0, 5000) {
        rig.play(addr(FROM), &[packet]);
        assert!(rig.state(ID).is_none_or(|state| state == SourceState::Idle));
    }
    assert_eq!(rig.frames.len(), 0);
    rig.play(addr(FROM), &sender.send(ms(5000), ms(100), &[317], 1));
    assert_eq!(rig.state(ID), Some(SourceState::Live));
}

#[test]
fn the_rate_is_found_while_nobody_hears() {
    let mut rig = Rig::new();
    rig.listen = false;
    let mut sender = Sender { rate_hz: 44_100, ..Sender::new(1) };
    rig.play(addr(FROM), &sender.send(ms(0), ms(4000), &[317], 1));
    assert_eq!(rig.format(ID), "L16/44100/2 Measured");
}
