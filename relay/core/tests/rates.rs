//! Other rates than 48 kHz are recognised and heard at their pitch; clocks that drift are followed.
mod common;

use std::time::Duration;

use common::{Dice, LEVEL, Rig, Sender, addr, assert_steps, ear, ms};

const FROM: &str = "10.88.0.50:40000";

fn cd(payload_type: u8, channels: u8) -> Sender {
    Sender { payload_type, channels, rate_hz: 44_100, tones_hz: [1000.0, 1000.0], ..Sender::new(1) }
}

#[test]
fn cd_sound_is_resampled_without_a_trace() {
    for (payload_type, channels) in [(10, 2), (11, 1)] {
        let mut rig = Rig::new();
        rig.play(addr(FROM), &cd(payload_type, channels).send(ms(0), ms(4000), &[320], 1));
        assert_eq!(rig.format("10-88-0-50"), format!("L16/44100/{channels} PayloadType"));
        assert_steps(&rig.frames, 480);
        assert!((rig.frames.len() as i64 - 400).abs() <= 1, "{} frames", rig.frames.len());
        let sound = &ear::decode(&rig.frames)[9600..];
        for side in 0..2 {
            let tone = ear::frequency_hz(sound, side, 1000.0);
            assert!((tone - 1000.0).abs() < 0.01, "{tone} Hz");
            let (levels, rest) = ear::fit(sound, side, &[1000.0]);
            let noise_db = 20.0 * (rest / levels[0] * 2f64.sqrt()).log10();
            println!(
                "type {payload_type}: {tone:.4} Hz, level {:.4}, THD+N after Opus {noise_db:.1} dB",
                levels[0]
            );
            assert!((levels[0] / LEVEL - 1.0).abs() < 0.05);
        }
    }
}

#[test]
fn the_rate_is_found_from_the_packets() {
    for (rate_hz, sizes, burst) in [
        (44_100, &[317][..], 1),
        (44_100, &[365, 365, 294], 3),
        (48_000, &[365, 365, 294], 3),
        (32_000, &[320], 1),
        (96_000, &[320], 1),
    ] {
        let mut rig = Rig::new();
        let mut sender = Sender { rate_hz, ..Sender::new(1) };
        rig.play(addr(FROM), &sender.send(ms(0), ms(10_000), sizes, burst));
        assert_eq!(rig.format("10-88-0-50"), format!("L16/{rate_hz}/2 Measured"));
        assert!(rig.frames.windows(2).all(|w| w[1].time - w[0].time == 480));
        let sound = ear::decode(&rig.frames);
        let sound = &sound[sound.len() - 4 * 48_000..];
        for (side, tone) in [(0, 440.0), (1, 880.0)] {
            let heard = ear::frequency_hz(sound, side, tone);
            assert!((heard - tone).abs() < 0.02, "{rate_hz}: {heard} Hz in ear {side}");
        }
    }
}

#[test]
fn the_rate_never_flaps() {
    for seed in 1..6 {
        let mut dice = Dice::new(seed);
        let mut rig = Rig::new();
        rig.listen = false;
        let mut sender = Sender { rate_hz: 48_000, ..Sender::new(1) };
        let mut begin = 0;
        for _ in 0..20 {
            let length = (dice.roll() * 4000.0) as u64 + 100;
            let mut packets = sender.send(ms(begin), ms(length), &[365, 365, 294], 3);
            let mut latest = Duration::ZERO;
            for (at, _) in &mut packets {
                // Now and then the machine is busy for up to 90 ms.
                let busy = if dice.roll() < 0.02 { 90.0 } else { 5.0 };
                latest = latest.max(*at + Duration::from_secs_f64(busy * dice.roll() / 1000.0));
                *at = latest;
            }
            for (at, packet) in packets {
                rig.datagram(at, addr(FROM), &packet);
                if let Some(source) = rig.source("10-88-0-50") {
                    assert_eq!(source.format.unwrap().audio.rate_hz, 48_000, "seed {seed} after {at:?}");
                }
            }
            begin += length + 100 + (dice.roll() * 3000.0) as u64;
        }
    }
}

#[test]
fn a_clock_that_drifts_is_followed() {
    for ppm in [-200.0, 200.0] {
        let mut rig = Rig::new();
        rig.hear(addr(FROM), "desktop");
        let mut sender = Sender::new(1);
        let mut packets: u64 = 0;
        let mut at = Duration::ZERO;
        let end = Duration::from_secs(600);
        while at < end {
            // The tone's phase stays right without computing every packet's sound.
            let packet =
                if at > end - Duration::from_secs(20) { sender.packet(480) } else { hum(&mut sender) };
            packets += 1;
            at = Duration::from_secs_f64(packets as f64 * 0.01 / (1.0 + ppm * 1e-6));
            rig.datagram(at, addr(FROM), &packet);
        }
        let counters = rig.ingest.counters();
        assert_eq!((counters.pauses, counters.skipped_samples, counters.lost), (0, 0, 0), "{counters:?}");
        assert_steps(&rig.frames, 480);
        assert_eq!(rig.frames.last().unwrap().time + 480, packets * 480, "the samples are the clock");
        let sound = ear::decode(&rig.frames[rig.frames.len() - 1100..]);
        let heard = ear::frequency_hz(&sound[4800..480_000], 0, 440.0);
        assert!((heard - 440.0).abs() < 0.001, "{heard} Hz");
    }
}

/// A packet in the sender's sequence that can just be heard.
fn hum(sender: &mut Sender) -> Vec<u8> {
    let mut packet = sender.packet(0);
    packet.extend([0, 16].repeat(2 * 480));
    sender.timestamp = sender.timestamp.wrapping_add(480);
    sender.position += 480;
    packet
}
