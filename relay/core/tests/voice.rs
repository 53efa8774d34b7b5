//! What a talker's voice sounds like after the network.

mod common;
mod talker;

use common::ear;
use talker::{LEVEL, Microphone, Relay, seconds, tone};

#[test]
fn a_tone_stays_a_tone() {
    let mut relay = Relay::new();
    relay.hear(Microphone::new(tone(700.0)).speak(seconds(10)));
    let sound = &relay.heard[48_000..9 * 48_000];
    let (levels, rest) = ear::fit(sound, 0, &[700.0]);
    eprintln!("{levels:?} {rest} {:?}", relay.voice.counters());
    let step = ear::largest_step(sound, 0) / ear::clean_step(LEVEL, 700.0);
    eprintln!("step {step}");
    assert!((levels[0] / LEVEL - 1.0).abs() < 0.05);
}
