//! Every format is heard at its pitch and in the right ears.
#![allow(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use common::{Rig, addr, assert_steps, ear, ms};
use opus::{Application, Channels, Encoder};
use soundport_core::ingest::{RtpPort, SourceConfig};
use soundport_core::{AudioFormat, Encoding, SourceId};

const FROM: &str = "10.88.0.50:40000";
const TONE_HZ: f64 = 1000.0;

/// A sample as an encoding writes it.
fn write(encoding: Encoding, level: f64, bytes: &mut Vec<u8>) {
    match encoding {
        Encoding::L16 => bytes.extend(((level * 32_767.0).round() as i16).to_be_bytes()),
        Encoding::L24 => {
            bytes.extend(&((level * 8_388_607.0).round() as i32).to_be_bytes()[1..]);
        }
        Encoding::Pcmu => bytes.push(mu_law(level)),
        Encoding::Pcma => bytes.push(a_law(level)),
        Encoding::Opus => unreachable!("Opus is not written sample by sample"),
    }
}

fn mu_law(level: f64) -> u8 {
    let magnitude = (level.abs() * 8159.0) as i32 + 33;
    let exponent = (26 - magnitude.leading_zeros() as i32).clamp(0, 7);
    let mantissa = (magnitude >> (exponent + 1)) & 15;
    let sign = if level < 0.0 { 0x80 } else { 0 };
    !(sign | (exponent << 4) as u8 | mantissa as u8)
}

fn a_law(level: f64) -> u8 {
    let magnitude = (level.abs() * 4095.0) as i32;
    let exponent = (27 - magnitude.leading_zeros() as i32).clamp(0, 7);
    let mantissa = (magnitude >> if exponent == 0 { 1 } else { exponent }) & 15;
    let sign = if level < 0.0 { 0 } else { 0x80 };
    (sign | (exponent << 4) as u8 | mantissa as u8) ^ 0x55
}

fn packet(payload_type: u8, number: u32, ticks: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x80, payload_type];
    bytes.extend((number as u16).to_be_bytes());
    bytes.extend((number * ticks).to_be_bytes());
    bytes.extend(7_u32.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// Ten milliseconds a packet, the tone in those channels that `loud` says.
fn play_pcm(rig: &mut Rig, payload_type: u8, format: AudioFormat, seconds: u32, loud: impl Fn(u8) -> bool) {
    let ticks = format.rate_hz / 100;
    for number in 0..seconds * 100 {
        let mut payload = Vec::new();
        for n in 0..ticks {
            let position = f64::from(number * ticks + n) / f64::from(format.rate_hz);
            let level = (std::f64::consts::TAU * (position * TONE_HZ).fract()).sin() * 0.5;
            for channel in 0..format.channels {
                write(format.encoding, if loud(channel) { level } else { 0.0 }, &mut payload);
            }
        }
        let bytes = packet(payload_type, number, ticks, &payload);
        rig.datagram(ms(u64::from(number) * 10 + 10), addr(FROM), &bytes);
    }
}

/// A rig that expects a format of `FROM`.
fn configured(format: &str) -> Rig {
    let mut rig = Rig::new();
    let config = SourceConfig {
        id: SourceId::new("it"),
        title: "It".into(),
        from: Some(vec![addr(FROM).ip()]),
        from_port: None,
        port: None,
        format: Some(format.parse().unwrap()),
        frame: None,
        bitrate_bps: None,
        trouble: None,
    };
    rig.ingest.configure(vec![config], rig.begin);
    rig
}

/// How loud the tone is in each ear, when its pitch is right.
fn ears(rig: &Rig) -> [f64; 2] {
    let sound = ear::decode(&rig.frames);
    let sound = &sound[sound.len() - 48_000..];
    [0, 1].map(|side| {
        let level = ear::level(sound, side, TONE_HZ);
        if level > 0.05 {
            let heard = ear::frequency_hz(sound, side, TONE_HZ);
            assert!((heard - TONE_HZ).abs() < 0.05, "{heard} Hz");
        }
        level
    })
}

fn assert_ears(rig: &Rig, expected: [f64; 2], what: &str) {
    let heard = ears(rig);
    for (heard, expected) in heard.iter().zip(expected) {
        assert!((heard - expected).abs() < 0.02 + 0.05 * expected, "{what}: {heard:.3}, not {expected:.3}");
    }
}

#[test]
fn every_configured_format_is_heard() {
    for (format, payload_type) in [
        ("L16/8000/1", 96),
        ("L16/16000/1", 96),
        ("L16/44100/2", 97),
        ("L16/48000/1", 127),
        ("L16/192000/2", 127),
        ("L24/48000/2", 127),
        ("L24/96000/2", 100),
        ("PCMU/8000/1", 96),
        ("PCMA/16000/2", 96),
    ] {
        let mut rig = configured(format);
        let audio: AudioFormat = format.parse().unwrap();
        play_pcm(&mut rig, payload_type, audio, 3, |channel| channel == 0);
        assert_eq!(rig.format("it"), format!("{audio} Configured"));
        assert_steps(&rig.frames, 480);
        let right = if audio.channels == 1 { 0.5 } else { 0.0 };
        assert_ears(&rig, [0.5, right], format);
    }
}

#[test]
fn payload_types_of_the_rfc_need_no_word() {
    for (payload_type, format) in [(0, "PCMU/8000/1"), (8, "PCMA/8000/1")] {
        let mut rig = Rig::new();
        play_pcm(&mut rig, payload_type, format.parse().unwrap(), 3, |_| true);
        assert_eq!(rig.format("10-88-0-50"), format!("{format} PayloadType"));
        assert_ears(&rig, [0.5, 0.5], format);
    }
}

#[test]
fn bytes_and_timestamps_tell_the_rest() {
    for format in ["L16/48000/1", "L24/48000/1", "L24/48000/2", "L16/48000/6", "L16/96000/2"] {
        let mut rig = Rig::new();
        play_pcm(&mut rig, 96, format.parse().unwrap(), 5, |channel| channel == 0);
        assert_eq!(rig.format("10-88-0-50"), format!("{format} Measured"));
        let right = if format.ends_with("/1") { 0.5 } else { 0.0 };
        assert_ears(&rig, [0.5, right], format);
    }
}

#[test]
fn surround_is_mixed_down_by_the_standard_coefficients() {
    let mut heard = Vec::new();
    for channel in 0..6 {
        let mut rig = configured("L16/48000/6");
        play_pcm(&mut rig, 127, "L16/48000/6".parse().unwrap(), 2, |c| c == channel);
        heard.push(if rig.frames.is_empty() { [0.0; 2] } else { ears(&rig) });
    }
    let around = 0.5 * std::f64::consts::FRAC_1_SQRT_2;
    let expected = [[0.5, 0.0], [0.0, 0.5], [around; 2], [0.0; 2], [around, 0.0], [0.0, around]];
    for (channel, (heard, expected)) in heard.iter().zip(expected).enumerate() {
        for ear in 0..2 {
            let off = (heard[ear] - expected[ear]).abs();
            assert!(off < 0.03, "channel {channel}, ear {ear}: {:.3}, not {:.3}", heard[ear], expected[ear]);
        }
    }
}

/// Opus packets of 20 ms: the tone in the left ear.
fn opus_packets(count: u32) -> Vec<Vec<u8>> {
    let mut encoder = Encoder::new(48_000, Channels::Stereo, Application::Audio).unwrap();
    let encode = |number: u32| {
        let frame = (0..960).flat_map(|n| {
            let position = f64::from(number * 960 + n) / 48_000.0;
            [(std::f64::consts::TAU * (position * TONE_HZ).fract()).sin() as f32 * 0.5, 0.0]
        });
        let mut bytes = [0; 1276];
        let length = encoder.encode_float(&frame.collect::<Vec<f32>>(), &mut bytes).unwrap();
        bytes[..length].to_vec()
    };
    (0..count).map(encode).collect()
}

#[test]
fn opus_is_passed_on_as_it_is() {
    let payloads = opus_packets(150);
    let mut rig = Rig::new();
    rig.hear(addr(FROM), "it");
    for (number, payload) in (0..).zip(&payloads) {
        let bytes = packet(97, number, 960, payload);
        rig.datagram(ms(u64::from(number) * 20 + 20), addr(FROM), &bytes);
    }
    assert_eq!(rig.format("it"), "opus/48000/2 Measured");
    assert_eq!(rig.ingest.counters().encoded, 0);
    assert!(rig.frames.iter().zip(&payloads).all(|(frame, payload)| *frame.data == **payload));
    assert_eq!(rig.frames.len(), payloads.len());
    assert_steps(&rig.frames, 960);
    assert_ears(&rig, [0.5, 0.0], "Opus");
}

#[test]
fn lost_opus_leaves_its_time_to_the_listener() {
    let mut rig = Rig::new();
    rig.hear(addr(FROM), "it");
    for (number, payload) in (0..).zip(opus_packets(100)).filter(|(number, _)| number % 10 != 5) {
        rig.datagram(ms(u64::from(number) * 20 + 20), addr(FROM), &packet(97, number, 960, &payload));
    }
    rig.run_until(ms(2100));
    assert_eq!(rig.frames.len(), 90);
    assert_eq!(rig.frames.last().unwrap().time, 99 * 960);
}

#[test]
fn the_level_of_what_is_watched_is_known() {
    let mut rig = Rig::new();
    rig.listen = false;
    let opus = RtpPort(5004);
    rig.port = opus;
    rig.ingest.set_watched([SourceId::new("10-88-0-50")].into());
    for (number, payload) in (0..).zip(opus_packets(20)) {
        rig.datagram(ms(u64::from(number) * 20 + 20), addr(FROM), &packet(97, number, 960, &payload));
    }
    let levels: Vec<_> = rig.ingest.take_levels().map(|(id, peaks)| (id.to_string(), peaks)).collect();
    let [(id, [left, right])] = &levels[..] else { panic!("{levels:?}") };
    assert_eq!(id, "10-88-0-50");
    assert!((0.45..0.6).contains(left) && *right < 0.05, "{left} {right}");
    assert!(rig.ingest.take_levels().all(|(_, peaks)| peaks == [0.0; 2]), "they are taken once");
}
