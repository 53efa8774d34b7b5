//! What a talker's voice sounds like after the network.

mod common;
mod talker;

use std::time::Duration;

use common::{Dice, ear, ms};
use opus::{Application, Channels};
use soundport_core::MicFrame;
use talker::{LEVEL, Microphone, Relay, Tone, seconds, tone};

type Packets = Vec<(Duration, MicFrame)>;

/// How long a talker's encoder looks ahead, and its first packet takes, in milliseconds.
const ENCODER_MS: f64 = 6.5 + 20.0;

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
fn a_quiet_network_costs_little_delay() {
    let delays = delays(Microphone::new(tone(700.0)).speak(seconds(10)), &Microphone::new(tone(700.0)));
    let median = median(&delays);
    eprintln!("network in to sound out: {median:.1} ms");
    assert!((0.0..15.0).contains(&median), "{median} ms");
}

#[test]
fn bursts_are_evened_out() {
    // A radio hands over five packets at once, each 100 ms.
    let mut microphone = Microphone::new(tone(700.0));
    let mut packets = microphone.speak(seconds(60));
    for burst in packets.chunks_mut(5) {
        let at = burst.last().unwrap().0;
        burst.iter_mut().for_each(|packet| packet.0 = at);
    }
    let mut relay = Relay::new();
    relay.hear(packets);
    let settled = relay.voice.counters();
    assert!(step(&relay.heard[5 * 48_000..]) < 1.05, "a click");
    assert!(settled.concealed < 48_000 / 2, "{settled:?}");
    let delay = delay_of(&relay, &microphone);
    assert!((80.0..110.0).contains(&delay), "{delay} ms");
}

#[test]
fn a_stall_makes_delay_grow_at_once_and_shrink_slowly_without_a_click() {
    let mut microphone = Microphone::new(beats());
    let mut packets = microphone.speak(seconds(60));
    let (mut undisturbed, mut relay) = (Relay::new(), Relay::new());
    undisturbed.hear(packets.clone());
    for (at, _) in &mut packets[500..503] {
        *at = (*at).max(ms(10_080));
    }
    relay.hear(packets);
    let delays = beat_delays(&relay.heard);
    let at = |second: usize| delays[second];
    assert!(at(9) < 16.0 && at(11) > 50.0 && at(12) < at(11) && at(58) < 20.0, "{delays:.1?}");
    let undisturbed = step(&undisturbed.heard[48_000..]);
    let disturbed = step(&relay.heard[48_000..]);
    assert!(disturbed < 1.1 * undisturbed, "a click: {disturbed} {undisturbed}");
}

#[test]
fn jitter_is_bridged() {
    let mut dice = Dice::new(6);
    let mut packets = Microphone::new(beats()).speak(seconds(60));
    packets.iter_mut().for_each(|(at, _)| *at += ms((dice.roll() * 12.0) as u64));
    let mut relay = Relay::new();
    relay.hear(packets);
    let delays = beat_delays(&relay.heard);
    let (settled, counters) = (median(&delays), relay.voice.counters());
    assert!(settled < 26.0, "{settled} ms");
    assert!(counters.concealed < 2 * 960 && counters.lost == 0 && counters.late == 0, "{counters:?}");
}

#[test]
fn delay_is_bounded_whatever_the_network_does() {
    let mut packets = Microphone::new(beats()).speak(seconds(60));
    let stalls = [10, 20, 21, 22, 30, 35, 40, 41, 42, 43, 44];
    for second in stalls {
        // Nothing comes for a while, and then all of it.
        let end = seconds(second) + ms(450 + 40 * (second % 7));
        for (at, _) in packets.iter_mut().filter(|(at, _)| (seconds(second)..end).contains(at)) {
            *at = end;
        }
    }
    let mut relay = Relay::new();
    relay.hear(packets);
    let delays = beat_delays(&relay.heard);
    // A beat that begins in a stall is not heard to begin.
    let undisturbed = (0..).zip(&delays).filter(|(second, _)| !stalls.contains(second));
    assert!(undisturbed.map(|(_, delay)| *delay).fold(0.0, f64::max) < 220.0, "{delays:.0?}");
    assert!(delays.last().is_some_and(|delay| *delay < 160.0), "{delays:.0?}");
}

#[test]
fn pauses_are_used_to_catch_up() {
    // Half a second of sound, and half a second of the noise of a room.
    let (mut wave, mut noise) = (tone(700.0), Dice::new(9));
    let sound = move |n: u64| if n % 48_000 < 24_000 { wave(n) } else { (noise.roll() - 0.5) * 0.002 };
    let mut packets = Microphone::new(sound).speak(seconds(30));
    packets
        .iter_mut()
        .filter(|(at, _)| (ms(9_600)..ms(9_700)).contains(at))
        .for_each(|(at, _)| *at = ms(9_700));
    let mut relay = Relay::new();
    relay.hear(packets);
    let delays = beat_delays(&relay.heard);
    assert!(delays[10] > 60.0 && delays[18] < 30.0, "{delays:.0?}");
}

#[test]
fn lost_packets_are_concealed() {
    let mut microphone = Microphone::new(tone(700.0));
    let mut dice = Dice::new(5);
    let mut packets = microphone.speak(seconds(60));
    packets.retain(|_| dice.roll() > 0.05);
    let mut relay = Relay::new();
    relay.hear(packets);
    relay.play_until(seconds(61));
    let counters = relay.voice.counters();
    assert!((100..200).contains(&counters.lost), "{counters:?}");
    assert_eq!(counters.late, 0);
    assert!(step(&relay.heard[48_000..60 * 48_000]) < 1.3, "a click");
    assert!(relay.sounded[10..6000].iter().all(|sounds| *sounds), "a hole");
    // Sound fades out within 100 ms of the last packet's end.
    let end = relay.sounded.iter().filter(|sounds| **sounds).count() as u64 * 10;
    assert!((60_050..60_150).contains(&end), "sound of 60 s took {end} ms");
}

#[test]
fn lost_packets_are_found_in_the_next_ones() {
    let spoken = || {
        let mut microphone = Microphone::with(Channels::Mono, Application::Voip, 960, 32_000, buzz());
        microphone.encoder().set_inband_fec(true).unwrap();
        microphone.encoder().set_packet_loss_perc(10).unwrap();
        microphone.encoder().set_max_bandwidth(opus::Bandwidth::Wideband).unwrap();
        microphone.encoder().set_signal(opus::Signal::Voice).unwrap();
        microphone.speak(seconds(60))
    };
    let mut dice = Dice::new(5);
    let mut packets = spoken();
    packets.retain(|_| dice.roll() > 0.05);
    let mut relay = Relay::new();
    relay.hear(packets);
    let counters = relay.voice.counters();
    assert!(counters.recovered * 10 > counters.lost * 7, "{counters:?}");
    assert!(counters.concealed < 960 * counters.lost / 4, "{counters:?}");
}

#[test]
fn order_is_restored() {
    let mut microphone = Microphone::new(tone(700.0));
    let mut dice = Dice::new(3);
    let mut packets = microphone.speak(seconds(30));
    for (at, _) in &mut packets {
        if dice.roll() < 0.1 {
            *at += ms(25);
        }
    }
    let mut relay = Relay::new();
    relay.hear(packets);
    let counters = relay.voice.counters();
    assert!(counters.lost <= 2, "{counters:?}");
    assert!(step(&relay.heard[5 * 48_000..]) < 1.02, "a click");
}

#[test]
fn duplicates_are_not_heard() {
    let once = Microphone::new(tone(700.0)).speak(seconds(3));
    let mut twice = once.clone();
    for late in [ms(1), ms(90)] {
        twice.extend(once.iter().map(|(at, frame)| (*at + late, frame.clone())));
    }
    let (mut one, mut two) = (Relay::new(), Relay::new());
    one.hear(once);
    two.hear(twice);
    assert_eq!((two.voice.counters().duplicates, two.voice.counters().late), (300, 0));
    assert_eq!(one.heard[..], two.heard[..one.heard.len()]);
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
fn ticks_that_come_late_or_several_at_once_change_nothing() {
    let packets = Microphone::new(tone(700.0)).speak(seconds(20));
    let mut dice = Dice::new(4);
    let mut relay = Relay::new();
    relay.late = Box::new(move |tick| match tick {
        ..200 => ms(0),
        tick if tick % 50 < 5 => ms(60),
        _ => ms((dice.roll() * 5.0) as u64),
    });
    relay.hear(packets);
    let sound = &relay.heard[2 * 48_000..19 * 48_000];
    assert!(step(sound) < 1.02, "a click");
    assert!(ear::fit(sound, 0, &[700.0]).1 < 0.02 * LEVEL, "the pitch wavers");
    assert_eq!(relay.voice.counters().concealed, 0);
}

#[test]
fn ticks_that_never_come_leave_no_delay() {
    let packets = Microphone::new(beats()).speak(seconds(20));
    let mut relay = Relay::new();
    relay.hear(packets[..525].to_vec());
    relay.miss(ms(400));
    relay.hear(packets[525..].to_vec());
    // What was heard before lies so much earlier in the recording.
    let delays = beat_delays(&relay.heard[10 * 48_000 + 24_000..]);
    let delays: Vec<f64> = delays.iter().map(|delay| (delay + 10_500.0 + 400.0).rem_euclid(1000.0)).collect();
    assert!(delays[1..].iter().all(|delay| *delay < 40.0), "{delays:.0?}");
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

/// A tone that is louder in the first nine tenths of each second.
fn beats() -> impl FnMut(u64) -> f64 {
    let mut tone = tone(700.0);
    move |n| tone(n) * if n % 48_000 < 43_200 { 1.0 } else { 0.3 }
}

/// How many milliseconds after its packet came each loud part of the beats was heard to begin.
fn beat_delays(sound: &[[f32; 2]]) -> Vec<f64> {
    let (mut delays, mut quiet) = (vec![], 4_000);
    for (n, [level, _]) in sound.iter().enumerate() {
        if f64::from(level.abs()) < 0.5 * LEVEL {
            quiet += 1;
        } else {
            if quiet > 3_000 {
                let second = delays.len() as f64;
                delays.push((Relay::heard_at(n as f64) - second) * 1000.0 - ENCODER_MS);
            }
            quiet = 0;
        }
    }
    delays
}

/// Three syllables a second: a voiced sound of many harmonics that comes and goes.
fn buzz() -> impl FnMut(u64) -> f64 {
    let mut tones: Vec<_> = (1..12).map(|k| (tone(140.0 * f64::from(k)), 1.0 / f64::from(k))).collect();
    move |n| {
        let open = (std::f64::consts::PI * (n as f64 / 16_000.0).fract()).sin().powi(2);
        tones.iter_mut().map(|(tone, level)| tone(n) * *level).sum::<f64>() * 0.4 * open
    }
}

/// The largest step against that of a clean 700 Hz.
fn step(sound: &[[f32; 2]]) -> f64 {
    ear::largest_step(sound, 0) / ear::clean_step(LEVEL, 700.0)
}

/// When each stretch of a 700 Hz tone was heard, in seconds, and how many milliseconds after its packet had come.
fn delays_of(relay: &Relay, microphone: &Microphone) -> Vec<(f64, f64)> {
    let mut tone = Tone::new(700.0);
    tone.hear(&relay.heard);
    let delay = |(heard, spoken): &(f64, f64)| {
        let heard = Relay::heard_at(*heard);
        (heard, (heard - microphone.seconds(*spoken)) * 1000.0 - ENCODER_MS)
    };
    tone.passed.iter().map(delay).collect()
}

fn delay_of(relay: &Relay, microphone: &Microphone) -> f64 {
    delays_of(relay, microphone).last().map_or(f64::NAN, |(_, delay)| *delay)
}

fn delays(packets: Packets, microphone: &Microphone) -> Vec<f64> {
    let mut relay = Relay::new();
    relay.hear(packets);
    delays_of(&relay, microphone).into_iter().map(|(_, delay)| delay).collect()
}

fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
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
