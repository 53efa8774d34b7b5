//! Loss, reordering and doubles are heard as a dip, never as a click or a stop.
mod common;

use std::time::Duration;

use common::{Datagrams, Dice, LEVEL, Rig, Sender, addr, assert_steps, ear, ms};
use soundport_core::demo::DemoSender;

const FROM: &str = "10.88.0.50:40000";

/// Loses a share of the packets after the first 100 ms, and delays others by up to `jitter`, so that some overtake others.
fn spoil(packets: &mut Datagrams, loss: f64, jitter: Duration, seed: u64) {
    let mut dice = Dice::new(seed);
    let beginning = packets[0].0 + ms(100);
    packets.retain(|(at, _)| *at < beginning || dice.roll() >= loss);
    for (at, _) in packets.iter_mut() {
        if dice.roll() < 0.1 {
            *at += jitter.mul_f64(dice.roll());
        }
    }
    packets.sort_by_key(|(at, _)| *at);
}

#[test]
fn a_tenth_lost_and_reordered_makes_no_click_and_no_stop() {
    for (sizes, burst, seed) in
        [(&[240][..], 1, 7), (&[317], 1, 8), (&[365, 365, 294], 3, 9), (&[347, 347, 330], 1, 10)]
    {
        let mut rig = Rig::new();
        let mut packets = Sender::new(1).send(ms(0), ms(20_000), sizes, burst);
        spoil(&mut packets, 0.1, ms(12), seed);
        rig.play(addr(FROM), &packets);
        let counters = rig.ingest.counters();
        assert!(counters.lost > 100, "{counters:?}");
        assert_eq!(counters.pauses, 0, "{counters:?}");
        assert_steps(&rig.frames, 480);
        let length = rig.frames.len() as f64 / 100.0;
        assert!((length - 20.0).abs() < 0.05, "{length} s of sound");
        let sound = ear::decode(&rig.frames);
        for (side, tone) in [(0, 440.0), (1, 880.0)] {
            let ratio = ear::largest_step(&sound[4800..], side) / ear::clean_step(LEVEL, tone);
            println!("{sizes:?}: step {ratio:.3} in ear {side}, {counters:?}");
            assert!(ratio < 1.3, "{sizes:?}: a step of {ratio:.2} times the clean tone's in ear {side}");
        }
        let quietest = ear::envelope(&sound[4800..], 480).into_iter().fold(1.0, f64::min);
        println!("quietest 10 ms {:.1} dB", 20.0 * (quietest / (LEVEL / 2f64.sqrt())).log10());
        assert!(quietest > 0.1 * LEVEL, "10 ms at {quietest:.3}");
    }
}

#[test]
fn reordering_alone_changes_nothing() {
    let clean = Sender::new(1).send(ms(0), ms(5000), &[240], 1);
    let mut rig = Rig::new();
    rig.play(addr(FROM), &clean);
    let mut mixed = clean.clone();
    spoil(&mut mixed, 0.0, ms(12), 3);
    assert_ne!(mixed, clean);
    let mut other = Rig::new();
    other.play(addr(FROM), &mixed);
    let counters = other.ingest.counters();
    assert_eq!((counters.lost, counters.late), (0, 0), "{counters:?}");
    let sounds = [&rig, &other].map(|rig| ear::decode(&rig.frames));
    assert!(sounds[0].iter().zip(&sounds[1]).all(|(a, b)| a == b), "the sound differs");
}

#[test]
fn doubles_are_heard_once() {
    let clean = Sender::new(1).send(ms(0), ms(3000), &[240], 1);
    let doubled: Vec<_> = clean.iter().flat_map(|packet| [packet.clone(), packet.clone()]).collect();
    let mut rig = Rig::new();
    rig.hear(addr(FROM), "desktop");
    rig.play(addr(FROM), &doubled);
    assert_eq!(rig.end(), 300 * 480);
    assert_eq!(rig.ingest.counters().late, 0);
    // The first packet's double met it before it belonged to a source.
    assert_eq!(rig.ingest.counters().duplicate + rig.ingest.counters().stray, 600);
}

#[test]
fn a_hole_is_waited_for_briefly_and_then_filled() {
    let mut packets = Sender::new(1).send(ms(0), ms(1000), &[240], 1);
    packets.remove(100);
    let mut rig = Rig::new();
    rig.play(addr(FROM), &packets);
    rig.run_until(ms(1050));
    assert_eq!(rig.ingest.counters().lost, 1);
    assert_eq!(rig.end(), 100 * 480);
    let longest = rig.out_at.windows(2).map(|w| w[1] - w[0]).max().unwrap();
    assert!(longest <= ms(30), "frames were kept back for {longest:?}");
    assert_steps(&rig.frames, 480);
}

#[test]
fn long_holes_fade_and_come_back() {
    // 60 ms are missing, while others overtake them: no pause, but nothing to hear.
    let mut packets = Sender::new(1).send(ms(0), ms(2000), &[240], 1);
    packets.drain(200..212);
    let mut rig = Rig::new();
    rig.play(addr(FROM), &packets);
    assert_eq!(rig.end(), 200 * 480);
    let sound = ear::decode(&rig.frames);
    let envelope = ear::envelope(&sound, 480);
    assert!(envelope[104] < 0.7 * envelope[90], "{:.3} after 45 ms", envelope[104]);
    for (side, tone) in [(0, 440.0), (1, 880.0)] {
        let ratio = ear::largest_step(&sound[4800..], side) / ear::clean_step(LEVEL, tone);
        assert!(ratio < 1.3, "a step of {ratio:.2} times the clean tone's in ear {side}");
    }
}

#[test]
fn music_with_a_tenth_lost_stays_music() {
    let mut demo = DemoSender::new(1);
    let whole: Datagrams = (0..2400).map(|n| (ms(5 * n), demo.next_packet().to_vec())).collect();
    let mut packets = whole.clone();
    spoil(&mut packets, 0.1, ms(12), 21);
    let [clean, heard] = [whole, packets].map(|packets| {
        let mut rig = Rig::new();
        rig.play(addr(FROM), &packets);
        ear::decode(&rig.frames)
    });
    assert!((clean.len() as i64 - heard.len() as i64).abs() <= 960);
    for side in 0..2 {
        let ratio = ear::largest_step(&heard, side) / ear::largest_step(&clean, side);
        assert!(ratio < 1.3, "a step of {ratio:.2} times the clean music's in ear {side}");
    }
    let loudness = [&clean, &heard].map(|sound| ear::envelope(sound, 960));
    let ratios: Vec<f64> = loudness[0].iter().zip(&loudness[1]).map(|(clean, heard)| heard / clean).collect();
    let (least, most) = ratios.iter().fold((1.0, 1.0), |(a, b): (f64, f64), &r| (a.min(r), b.max(r)));
    println!("with a tenth lost, 20 ms of music are {least:.2} to {most:.2} as loud");
    assert!(least > 0.4 && most < 1.6, "20 ms of music are {least:.2} to {most:.2} as loud");
}
