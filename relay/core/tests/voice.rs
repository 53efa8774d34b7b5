//! What a talker's voice sounds like after the network.

mod common;
mod talker;

use common::{Dice, ear, ms};
use opus::{Application, Channels};
use talker::{LEVEL, Microphone, Relay, buzz, seconds, step, tone};

#[test]
fn a_tone_stays_pure() {
    let mut relay = Relay::new();
    relay.hear(Microphone::new(tone(700.0)).speak(seconds(10)));
    let sound = &relay.heard[48_000..9 * 48_000];
    let (levels, rest) = ear::fit(sound, 0, &[700.0]);
    assert!((levels[0] / LEVEL - 1.0).abs() < 0.02, "level {}", levels[0]);
    assert!(rest < 0.005 * LEVEL, "rest {rest}");
    assert!(relay.sounded[10..].iter().all(|sounds| *sounds));
    assert_eq!(relay.voice.counters().concealed, 0);
}

#[test]
fn who_vanishes_fades_out() {
    let mut relay = Relay::new();
    relay.hear(Microphone::new(tone(700.0)).speak(ms(2_000)));
    relay.play_until(seconds(3));
    assert!(step(&relay.heard[48_000..]) < 1.02, "a click");
    let silent = relay.sounded.iter().rev().take_while(|sounds| !**sounds).count();
    assert!((80..95).contains(&silent), "{silent} silent ticks of the last 100");
    assert_eq!(relay.voice.counters().concealed, 0, "a pause is no loss");
}

#[test]
fn the_first_word_is_whole() {
    let mut relay = Relay::new();
    relay.hear(
        Microphone::with(Channels::Mono, Application::LowDelay, 960, 48_000, words()).speak(seconds(1)),
    );
    assert_whole(&relay.heard);
}

#[test]
fn the_first_word_after_a_pause_is_whole() {
    for pause in [ms(120), ms(400), ms(10_000)] {
        for late in [ms(0), ms(15), ms(40)] {
            let mut microphone =
                Microphone::with(Channels::Mono, Application::LowDelay, 960, 48_000, words());
            let mut relay = Relay::new();
            relay.hear(microphone.speak(seconds(1)));
            // Discontinuous transmission: time goes on, packet numbers do not.
            microphone.pause(pause);
            microphone.hears(words());
            let mut packets = microphone.speak(seconds(1));
            packets.iter_mut().for_each(|(at, _)| *at += late);
            let begin = packets[0].0;
            relay.play_until(begin);
            let heard = relay.heard.len();
            assert!(!relay.sounded.last().unwrap(), "no silence in a pause of {pause:?}");
            relay.hear(packets);
            assert_whole(&relay.heard[heard..]);
            let counters = relay.voice.counters();
            assert_eq!((counters.lost, counters.concealed, counters.late), (0, 0, 0), "{pause:?} {late:?}");
        }
    }
}

#[test]
fn an_encoder_that_pauses_is_not_concealed() {
    // Half a second of sound, two seconds of silence.
    let mut wave = buzz();
    let mut microphone = Microphone::with(Channels::Mono, Application::Voip, 960, 24_000, move |n| {
        if n % 120_000 < 24_000 { wave(n) } else { 0.0 }
    });
    microphone.encoder().set_dtx(true).unwrap();
    microphone.encoder().set_max_bandwidth(opus::Bandwidth::Wideband).unwrap();
    let mut packets = microphone.speak(seconds(60));
    // What an encoder says in so few bytes is not sent by a browser; RTP's numbers do not count it.
    packets.retain(|(_, frame)| frame.data.len() > 2);
    for (n, (_, frame)) in packets.iter_mut().enumerate() {
        frame.sequence = n as u64;
    }
    assert!(packets.len() < 2000, "the encoder did not pause: {}", packets.len());
    let mut relay = Relay::new();
    relay.hear(packets);
    relay.play_until(seconds(60));
    let counters = relay.voice.counters();
    assert_eq!((counters.lost, counters.concealed, counters.late), (0, 0, 0));
    let sounding = relay.sounded.iter().filter(|sounds| **sounds).count();
    assert!((1_200..2_400).contains(&sounding), "{sounding} of 6000 ticks sounded");
}

#[test]
fn a_talker_who_begins_anew_is_heard_at_once() {
    for gap in [ms(0), ms(300)] {
        for (sequence, time) in
            [(3, 0), (70_000, 17), (9_000_000, u64::MAX - 48_000), (65_640, 5_000_000_000)]
        {
            let mut relay = Relay::new();
            relay.hear(Microphone::new(tone(700.0)).speak(seconds(2)));
            let anew = Microphone::new(tone(700.0)).speak(seconds(2));
            let packets = anew.into_iter().enumerate().map(|(n, (at, mut frame))| {
                frame.sequence = sequence + n as u64;
                frame.time = time.wrapping_add(960 * n as u64);
                (at + seconds(2) + gap, frame)
            });
            relay.hear(packets.collect());
            let about = format!("{gap:?}, then {sequence} {time}");
            let sound = &relay.heard[2 * 48_000 + 24_000..4 * 48_000];
            assert!(step(sound) < 1.05, "{about}: a click");
            let levels = ear::envelope(sound, 480);
            let quietest = levels.into_iter().fold(f64::MAX, f64::min) * 2.0_f64.sqrt() / LEVEL;
            assert!(quietest > 0.95, "{about}: {quietest}");
        }
    }
}

#[test]
fn wild_timestamps_do_not_interrupt() {
    let mut microphone = Microphone::new(tone(700.0));
    let mut dice = Dice::new(8);
    let mut packets = microphone.speak(seconds(10));
    for (_, frame) in &mut packets {
        if dice.roll() < 0.02 {
            frame.time = (dice.roll() * 1e19) as u64;
        }
    }
    let mut relay = Relay::new();
    relay.hear(packets);
    assert!(relay.sounded[10..].iter().all(|sounds| *sounds), "a hole");
}

#[test]
fn every_kind_of_packet_is_heard() {
    for channels in [Channels::Mono, Channels::Stereo] {
        for application in [Application::Voip, Application::LowDelay] {
            for samples in [120, 240, 480, 960, 1920, 2880, 3840, 4800, 5760] {
                let mut microphone = Microphone::with(channels, application, samples, 96_000, tone(500.0));
                let mut relay = Relay::new();
                relay.hear(microphone.speak(seconds(5)));
                let about = format!("{channels:?} {application:?} {samples}");
                let sound = &relay.heard[48_000..4 * 48_000];
                for ear in [0, 1] {
                    let level = ear::level(sound, ear, 500.0) / LEVEL;
                    assert!((level - 1.0).abs() < 0.1, "{about}: {level}");
                }
                assert!(step(sound) / 500.0 * 700.0 < 1.2, "{about}: a click");
                assert_eq!(relay.voice.counters().concealed, 0, "{about}");
            }
        }
    }
}

#[test]
fn ears_are_kept_apart() {
    let mut microphone = Microphone::with(Channels::Stereo, Application::LowDelay, 960, 128_000, tone(700.0));
    let mut relay = Relay::new();
    relay.hear(microphone.speak(seconds(1)));
    microphone.balance = [0.5, -0.02];
    relay.hear(microphone.speak(seconds(3)));
    let sound = &relay.heard[48_000 * 3 / 2..3 * 48_000];
    assert!((ear::level(sound, 0, 700.0) / LEVEL - 0.5).abs() < 0.02);
    assert!((ear::level(sound, 1, 700.0) / LEVEL - 0.02).abs() < 0.01);
}

#[test]
fn a_narrow_band_is_heard() {
    let mut microphone = Microphone::with(Channels::Mono, Application::Voip, 960, 8_000, tone(700.0));
    microphone.encoder().set_max_bandwidth(opus::Bandwidth::Narrowband).unwrap();
    let mut relay = Relay::new();
    relay.hear(microphone.speak(seconds(4)));
    let level = ear::level(&relay.heard[48_000..3 * 48_000], 0, 700.0) / LEVEL;
    assert!((level - 1.0).abs() < 0.2, "{level}");
}

#[test]
fn who_speaks_is_known() {
    let loud = |n: u64| if (n / 48_000).is_multiple_of(2) { 0.1 } else { 0.0005 };
    let mut wave = tone(300.0);
    let mut microphone = Microphone::new(move |n| wave(n) * loud(n));
    let mut relay = Relay::new();
    for (second, speaks) in [(0, true), (1, false), (2, true), (3, false)] {
        relay.hear(microphone.speak(ms(980)));
        assert_eq!(relay.voice.is_speaking(), speaks, "in second {second}");
        let peaks = relay.voice.take_peaks();
        assert!((peaks[0] - 0.05).abs() < 0.02, "{peaks:?}");
        relay.voice.take_peaks();
        relay.hear(microphone.speak(ms(20)));
        relay.voice.take_peaks();
    }
}

/// 20 ms of 1400 Hz, and then 700 Hz.
fn words() -> impl FnMut(u64) -> f64 {
    let (mut first, mut rest) = (tone(1400.0), tone(700.0));
    let mut position = 0;
    move |_| {
        position += 1;
        if position < 960 { first(position) } else { rest(position) }
    }
}

/// Asserts that all 28 periods of the first of the [`words`] are in the first 100 ms.
fn assert_whole(sound: &[[f32; 2]]) {
    let rises = |n: &usize| sound[*n][0] <= 0.0 && sound[n + 1][0] > 0.0 && sound[n + 8][0] > 0.3;
    let rises: Vec<usize> = (0..4800).filter(rises).collect();
    let periods = rises.windows(2).filter(|pair| (30..40).contains(&(pair[1] - pair[0]))).count();
    assert!((26..29).contains(&periods), "{periods} periods of the first word");
}
