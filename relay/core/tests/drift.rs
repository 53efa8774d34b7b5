//! An hour with a talker whose clock is not the relay's.

mod common;
mod talker;

use opus::{Application, Channels};
use talker::{Microphone, Relay, Tone, seconds, tone};

/// How far off the talker's clock is.
const PPM: f64 = 200.0;

/// The tone: 14 whole periods in a packet.
const TONE_HZ: f64 = 700.0;

#[test]
fn an_hour_with_a_clock_that_is_too_fast() {
    an_hour(PPM);
}

#[test]
fn an_hour_with_a_clock_that_is_too_slow() {
    an_hour(-PPM);
}

fn an_hour(ppm: f64) {
    let mut microphone = Microphone::with(Channels::Mono, Application::Audio, 960, 32_000, tone(TONE_HZ));
    microphone.ppm = ppm;
    let mut relay = Relay::new();
    let mut tone = Tone::new(TONE_HZ);
    relay.hear(microphone.speak(seconds(2)));
    // The packets of a tone are all alike by now.
    let second: Vec<Vec<u8>> =
        microphone.speak(seconds(1)).into_iter().map(|(_, frame)| frame.data).collect();
    microphone.rewind(seconds(1));
    for data in second.iter().cycle().take(50 * 3600) {
        relay.hear(vec![microphone.send(data.clone())]);
        tone.hear(&relay.heard);
        relay.heard.clear();
    }
    let delays: Vec<f64> = tone
        .passed
        .iter()
        .map(|(heard, spoken)| (Relay::heard_at(*heard) - microphone.seconds(*spoken)) * 1000.0)
        .collect();
    eprintln!("{:?}", relay.voice.counters());
    eprintln!("step {} delays {:?}", tone.step, delays.iter().step_by(1000).collect::<Vec<_>>());
}
