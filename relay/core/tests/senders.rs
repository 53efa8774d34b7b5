//! Each sender's way of cutting and pacing its packets is heard as the tones it sends, in exact frames.
mod common;

use common::{LEVEL, Rig, Sender, addr, assert_steps, ear, ms};
use soundport_core::FrameLength;
use soundport_core::ingest::{EncodeConfig, SourceState};

/// PulseAudio, its native back end, mtu=972, PipeWire, ffmpeg, GStreamer: packet sizes in samples, packets a burst.
const SENDERS: [(&str, &[usize], usize); 6] = [
    ("PulseAudio", &[317], 1),
    ("PulseAudio native", &[320], 1),
    ("PulseAudio mtu=972", &[240], 1),
    ("PipeWire", &[310], 4),
    ("ffmpeg", &[365, 365, 294], 3),
    ("GStreamer", &[347, 347, 330], 1),
];

#[test]
fn every_sender_is_heard_clean_in_both_ears() {
    for (name, sizes, burst) in SENDERS {
        let mut rig = Rig::new();
        let packets = Sender::new(1).send(ms(0), ms(5000), sizes, burst);
        rig.play(addr("10.88.0.50:40000"), &packets);
        assert_eq!(rig.ids(), ["10-88-0-50"], "{name}");
        assert_steps(&rig.frames, 480);
        let sound = ear::decode(&rig.frames);
        assert_clean(name, &sound[4800..]);
    }
}

#[test]
fn nothing_waits_while_nothing_is_missing() {
    let mut rig = Rig::new();
    let packets = Sender::new(1).send(ms(0), ms(2000), &[240], 1);
    rig.play(addr("10.88.0.50:40000"), &packets);
    // A frame is complete with every second packet, and leaves at once.
    for (frame, at) in rig.frames.iter().zip(&rig.out_at) {
        let complete = frame.time + 480;
        assert_eq!(at.as_micros(), u128::from(complete) * 1000 / 48, "frame at {}", frame.time);
    }
}

#[test]
fn frames_are_as_long_as_configured() {
    for (frame, samples) in [(FrameLength::Ms5, 240), (FrameLength::Ms10, 480), (FrameLength::Ms20, 960)] {
        let mut rig = Rig::with(EncodeConfig { frame, ..EncodeConfig::default() });
        rig.play(addr("10.88.0.50:40000"), &Sender::new(1).send(ms(0), ms(3000), &[317], 1));
        assert_steps(&rig.frames, samples);
        assert_clean("frames", &ear::decode(&rig.frames)[4800..]);
    }
}

#[test]
fn mono_is_heard_in_both_ears() {
    let mut rig = Rig::new();
    let mut sender = Sender { channels: 1, ..Sender::new(1) };
    rig.play(addr("10.88.0.50:40000"), &sender.send(ms(0), ms(2000), &[240], 1));
    assert_eq!(rig.format("10-88-0-50"), "L16/48000/1 Assumed");
    let sound = ear::decode(&rig.frames);
    for side in 0..2 {
        let level = ear::level(&sound[4800..], side, 440.0);
        assert!((level / LEVEL - 1.0).abs() < 0.05, "ear {side} at {level}");
    }
}

#[test]
fn numbers_wrap_unheard() {
    let mut rig = Rig::new();
    let mut sender = Sender { sequence: u16::MAX - 50, timestamp: u32::MAX - 20_000, ..Sender::new(1) };
    rig.play(addr("10.88.0.50:40000"), &sender.send(ms(0), ms(3000), &[317], 1));
    assert_steps(&rig.frames, 480);
    assert_clean("wrap", &ear::decode(&rig.frames)[4800..]);
    assert_eq!(rig.ingest.counters().resynced, 0);
}

#[test]
fn the_very_first_packet_is_heard() {
    let mut rig = Rig::new();
    let packets = Sender::new(1).send(ms(0), ms(1000), &[240], 1);
    rig.play(addr("10.88.0.50:40000"), &packets);
    // The sound ends when the last full frame is out: no packet is missing at the start.
    let last = rig.frames.last().unwrap();
    assert_eq!(last.time + 480, 48_000);
    assert_eq!(rig.state("10-88-0-50"), Some(SourceState::Live));
}

fn assert_clean(name: &str, sound: &[[f32; 2]]) {
    for (side, own, other) in [(0, 440.0, 880.0), (1, 880.0, 440.0)] {
        let level = ear::level(sound, side, own);
        assert!((level / LEVEL - 1.0).abs() < 0.05, "{name}: ear {side} at {level}");
        let crosstalk = ear::crosstalk_db(sound, side, own, other);
        assert!(crosstalk < -50.0, "{name}: cross-talk of {crosstalk:.1} dB in ear {side}");
        let ratio = ear::largest_step(sound, side) / ear::clean_step(LEVEL, own);
        assert!(ratio < 1.2, "{name}: a step of {ratio:.2} times the clean tone's in ear {side}");
    }
}
