//! What networks, and a late relay, do to a talker's voice.

mod common;
mod talker;

use std::time::Duration;

use common::{Dice, ear, ms};
use opus::{Application, Channels};
use soundport_core::MicFrame;
use talker::{ENCODER_MS, LEVEL, Microphone, Relay, Tone, beat_delays, beats, buzz, seconds, step, tone};

type Packets = Vec<(Duration, MicFrame)>;

#[test]
fn a_quiet_network_costs_little_delay() {
    let delays = delays(Microphone::new(tone(700.0)).speak(seconds(10)), &Microphone::new(tone(700.0)));
    let median = median(&delays);
    println!("network in to sound out: {median:.1} ms");
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
