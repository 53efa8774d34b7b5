//! An hour with a talker whose clock is not the relay's.

mod common;
mod talker;

use std::sync::Arc;

use opus::{Application, Channels};
use talker::{ENCODER_MS, Microphone, Relay, Tone, seconds, tone};

/// How far off the talker's clock is.
const PPM: f64 = 200.0;

/// The tone: 14 whole periods in a packet.
const TONE_HZ: f64 = 700.0;

#[test]
fn an_hour_with_a_clock_that_is_too_fast() {
    println!("{}", an_hour(PPM));
}

#[test]
fn an_hour_with_a_clock_that_is_too_slow() {
    println!("{}", an_hour(-PPM));
}

/// Returns what was measured.
fn an_hour(ppm: f64) -> String {
    let mut microphone = Microphone::with(Channels::Mono, Application::Audio, 960, 32_000, tone(TONE_HZ));
    microphone.ppm = ppm;
    let mut relay = Relay::new();
    let mut tone = Tone::new(TONE_HZ);
    let mut listen = |relay: &mut Relay| {
        tone.hear(&relay.heard);
        relay.heard.clear();
    };
    relay.hear(microphone.speak(seconds(2)));
    listen(&mut relay);
    // The packets of a tone are all alike by now.
    let second: Vec<Arc<[u8]>> =
        microphone.speak(seconds(1)).into_iter().map(|(_, frame)| frame.data).collect();
    microphone.rewind(seconds(1));
    for data in second.iter().cycle().take(50 * 3600) {
        relay.hear(vec![microphone.send(data.clone())]);
        listen(&mut relay);
    }
    let counters = relay.voice.counters();
    assert_eq!((counters.lost, counters.concealed, counters.late, counters.garbage), (0, 0, 0, 0));
    assert!(relay.sounded[10..].iter().all(|sounds| *sounds), "a hole");

    let delay_ms = |(heard, spoken): &(f64, f64)| {
        (Relay::heard_at(*heard) - microphone.seconds(*spoken)) * 1000.0 - ENCODER_MS
    };
    let delays: Vec<f64> = tone.passed.iter().map(delay_ms).collect();
    assert!(delays.len() as f64 > 0.999 * 3600.0 * TONE_HZ / 100.0);
    let (least, most) = delays[140..].iter().fold((f64::MAX, 0.0_f64), |(l, m), d| (d.min(l), d.max(m)));
    assert!(least > 9.0 && most < 20.0 && most - least < 4.0, "delays of {least} to {most} ms");
    assert!(tone.step < 1.03, "a click: {}", tone.step);
    format!("{ppm:+} ppm: {least:.2} to {most:.2} ms, largest step {:.4}", tone.step)
}
